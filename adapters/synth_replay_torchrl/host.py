"""What our TorchRL buffers leave to TorchRL: storage, writing, sampling of real rows, transforms."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tensordict import TensorDictBase
from torch import Tensor
from torchrl.data import Composite, LazyTensorStorage, TensorDictReplayBuffer, TensorSpec
from torchrl.data.replay_buffers import PrioritizedSampler, SliceSampler
from torchrl.envs import EnvBase

from synth_replay.errors import ConfigError, UnsupportedBufferError
from synth_replay.spaces import Array
from synth_replay.synthesis import SynthesisEngine
from synth_replay.transitions import Transitions
from synth_replay_torchrl.conversion import INDEX, Layout

ENGINE_FILE = "synthesis.pkl"


class HostBuffer(TensorDictReplayBuffer):  # type: ignore[misc]
    """A TorchRL buffer that counts what is written for an engine.

    Subclasses set ``engine`` before anything is written.

    Args:
        env: Environment whose specs are used; or give the next two.
        observation_spec: Of single observations, by key.
        action_spec: Of single actions.
        observation_keys: The observations to model; None takes all.
        **host: TorchRL's own arguments.
    """

    engine: SynthesisEngine

    def __init__(
        self,
        *,
        env: EnvBase | None = None,
        observation_spec: Composite | None = None,
        action_spec: TensorSpec | None = None,
        observation_keys: Sequence[str] | None = None,
        **host: Any,
    ) -> None:
        if env is not None:
            observation_spec, action_spec = env.observation_spec_unbatched, env.action_spec_unbatched
        if observation_spec is None or action_spec is None:
            raise ConfigError("Give env=, or observation_spec= and action_spec=: the generator needs their bounds.")
        _refuse(host)
        self.layout = Layout.of(observation_spec, action_spec, observation_keys)
        super().__init__(**host)
        _refuse_components(self)

    # -- writing ----------------------------------------------------------------------------

    def add(self, data: TensorDictBase) -> int:
        """Stores one transition, as TorchRL does, and counts it."""
        self.layout.check(data, 0)
        index: int = super().add(data)
        self.engine.notify()
        return index

    def extend(self, tensordicts: TensorDictBase, *, update_priority: bool | None = None) -> Tensor:
        """Stores a flat batch of transitions, as TorchRL does, and counts them."""
        self.layout.check(tensordicts, 1)
        index: Tensor = super().extend(tensordicts, update_priority=update_priority)
        self.engine.notify(len(tensordicts))
        return index

    # -- reading ----------------------------------------------------------------------------

    def transitions(self) -> Transitions:
        """All real rows that the agent has collected."""
        return self.layout.transitions(self.storage[: len(self)])

    def stats(self) -> dict[str, int | float | bool]:
        """TorchRL's figures, and ours as ``synth/<name>``: :class:`~synth_replay.synthesis.SynthesisStats`."""
        ours = {f"synth/{name}": value for name, value in self.engine.stats.to_dict().items()}
        found: dict[str, int | float | bool] = super().stats()
        return found | ours

    def real_rows(self, count: int) -> tuple[Any, dict[str, Any]]:
        """``count`` rows drawn and transformed by TorchRL, and its information on them."""
        found: tuple[Any, dict[str, Any]] = super()._sample(count)
        return found

    def other_rows(self, columns: Mapping[str, Array], device: torch.device | None) -> TensorDictBase:
        """Rows of ours as if they came from the storage, transformed as TorchRL transforms its own."""
        keys = list(self.storage[:1].keys(True, True)) if len(self) else [*self.layout.keys, INDEX]
        rows: TensorDictBase = self.layout.tensordict(columns, keys)
        if device is not None:
            rows = rows.to(device)
        return self._transform(rows) if len(self._transform) else rows

    # -- saving -----------------------------------------------------------------------------

    def dumps(self, path: str | Path) -> None:
        """Writes storage and state as TorchRL does, and the generator with its rows beside them."""
        super().dumps(path)
        (Path(path) / ENGINE_FILE).write_bytes(pickle.dumps(self._own_state()))

    def loads(self, path: str | Path) -> None:
        """Reads what :meth:`dumps` wrote. It unpickles: only load files that you trust."""
        held = (Path(path) / ENGINE_FILE).read_bytes()
        super().loads(path)
        self._take_state(pickle.loads(held))

    def state_dict(self) -> dict[str, Any]:
        """TorchRL's, with ours as bytes under ``_synthesis``."""
        held = bytearray(pickle.dumps(self._own_state()))
        found: dict[str, Any] = super().state_dict()
        return found | {"_synthesis": torch.frombuffer(held, dtype=torch.uint8)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse. It unpickles: only load what you trust."""
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_synthesis"})
        self._take_state(pickle.loads(state_dict["_synthesis"].numpy().tobytes()))

    def _own_state(self) -> dict[str, Any]:
        return {"engine": self.engine}

    def _take_state(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state


def joined(parts: Sequence[TensorDictBase], order: Array) -> TensorDictBase:
    """Rows with the keys that all parts have, in the given order."""
    common = set.intersection(*(set(part.keys(True, True)) for part in parts))
    alike = [part.select(*common) for part in parts]
    rows: TensorDictBase = torch.cat(alike, 0)
    return rows[torch.as_tensor(order, device=rows.device)]


def joined_info(info: dict[str, Any], count: int, order: Array) -> dict[str, Any]:
    """TorchRL's information on a batch, with the index -1 for rows that are not in its storage."""
    index = torch.as_tensor(info[INDEX])
    index = torch.cat([index.reshape(-1), index.new_full((count,), -1)])
    return {INDEX: index[torch.as_tensor(order, device=index.device)]}


def _refuse(host: dict[str, Any]) -> None:
    if host.get("prefetch"):
        raise UnsupportedBufferError("A refit happens inside sample(), where threads must not overlap: no prefetch.")
    if host.get("sample_unit") is not None:
        raise UnsupportedBufferError("Generated rows have no neighbours: leave out sample_unit.")
    host.setdefault("storage", LazyTensorStorage(1_000_000))


def _refuse_components(buffer: HostBuffer) -> None:
    if isinstance(buffer.sampler, PrioritizedSampler):
        raise UnsupportedBufferError("Generated rows have no priority of their own: use RandomSampler.")
    if isinstance(buffer.sampler, SliceSampler):
        raise UnsupportedBufferError("Generated rows have no neighbours, so there are no slices: use RandomSampler.")
    if buffer.storage.ndim != 1:
        raise UnsupportedBufferError("Use a storage with ndim=1, and extend() with data.reshape(-1).")
