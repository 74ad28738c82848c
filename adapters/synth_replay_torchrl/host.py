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
from torchrl.envs import EnvBase

from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.errors import CheckpointError, ConfigError, UnsupportedBufferError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions
from synth_replay_torchrl.conversion import INDEX, Layout
from synth_replay_torchrl.refusals import refuse_arguments, refuse_components, refuse_transform

ENGINE_FILE = "synthesis.pkl"


class HostBuffer(TensorDictReplayBuffer):  # type: ignore[misc]
    """A TorchRL buffer that counts what is written for an engine.

    Subclasses set ``engine`` before anything is written.

    Args:
        env: Environment whose specs are used; or give the next two.
        observation_spec: Spec of single observations, by key.
        action_spec: Spec of single actions.
        observation_keys: Keys of the observations to model; None takes all.
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
        refuse_arguments(host)
        host.setdefault("storage", LazyTensorStorage(1_000_000))
        self._stored: TensorDictBase | None = None
        self.layout = Layout.of(observation_spec, action_spec, observation_keys)
        super().__init__(**host)
        refuse_components(self)

    # -- writing ----------------------------------------------------------------------------

    def add(self, data: TensorDictBase) -> int:
        """Stores one transition, as TorchRL does, and counts it."""
        self.layout.check(data, 0)
        index: int = super().add(self._as_stored(data))
        self.engine.notify()
        return index

    def extend(self, tensordicts: TensorDictBase, *, update_priority: bool | None = None) -> Tensor:
        """Stores a flat batch of transitions, as TorchRL does, and counts them."""
        self.layout.check(tensordicts, 1)
        index: Tensor = super().extend(self._as_stored(tensordicts), update_priority=update_priority)
        self.engine.notify(len(tensordicts))
        return index

    def _as_stored(self, rows: TensorDictBase) -> TensorDictBase:
        """Returns rows without the keys that the first ones did not have: a storage takes no others afterwards."""
        if (stored := self.stored) is None:
            return rows
        held = set(stored.keys(True, True))
        keys = list(rows.keys(True, True))
        known = [key for key in keys if key in held or key == INDEX]
        return rows if len(known) == len(keys) else rows.select(*known)

    def append_transform(self, transform: Any, **kwargs: Any) -> Any:
        """Appends a transform, as TorchRL does; one that changes the stored rows is refused."""
        refuse_transform(transform)
        return super().append_transform(transform, **kwargs)

    def insert_transform(self, index: int, transform: Any, **kwargs: Any) -> Any:
        """Inserts a transform, as TorchRL does; one that changes the stored rows is refused."""
        refuse_transform(transform)
        return super().insert_transform(index, transform, **kwargs)

    # -- reading ----------------------------------------------------------------------------

    def transitions(self) -> Transitions:
        """Returns all real rows that the agent has collected."""
        return self.layout.transitions(self.storage[: len(self)])

    def stats(self) -> dict[str, int | float | bool]:
        """Returns TorchRL's figures, and ours as ``synth/<name>``: :class:`~synth_replay.buffers.SynthesisStats`."""
        ours = {f"synth/{name}": value for name, value in self.engine.stats.to_dict().items()}
        found: dict[str, int | float | bool] = super().stats()
        return found | ours

    @property
    def stored(self) -> TensorDictBase | None:
        """First stored row, for its keys, shapes and dtypes; None while there is none."""
        if self._stored is None and len(self):
            self._stored = self.storage[:1].clone()
        return self._stored

    def drawn(self, count: int) -> tuple[Any, dict[str, Any]]:
        """Returns ``count`` rows, drawn and transformed by TorchRL with its information: fewer at an epoch's end."""
        found: tuple[Any, dict[str, Any]] = super()._sample(count)
        return found

    def real_rows(self, count: int) -> list[tuple[Any, dict[str, Any]]]:
        """Returns exactly ``count`` rows in one part or more; no part for 0."""
        parts: list[tuple[Any, dict[str, Any]]] = []
        while count > 0:
            parts.append(self.drawn(count))
            count -= len(parts[-1][0])
        return parts

    def other_rows(self, columns: Mapping[str, Array]) -> TensorDictBase:
        """Returns rows of ours as if they came from the storage, transformed as TorchRL transforms its own."""
        device = getattr(self.storage, "device", None)
        rows = self.layout.tensordict(columns, self.stored, None if device == "auto" else device)
        if not len(self._transform):
            return rows
        try:
            return self._transform(rows)
        except (AttributeError, KeyError, RuntimeError) as error:
            raise UnsupportedBufferError(
                f"A transform of this buffer fails on generated rows ({error}): it may need a key that is no part of a "
                "transition. Apply it before extend(), or leave it out."
            ) from error

    # -- saving -----------------------------------------------------------------------------

    def dumps(self, path: str | Path) -> None:
        """Writes storage and state as TorchRL does, and the generator with its rows beside them.

        Raises:
            OSError: If writing fails.
        """
        super().dumps(path)
        (Path(path) / ENGINE_FILE).write_bytes(pickle.dumps(self._own_state()))

    def loads(self, path: str | Path) -> None:
        """Reads what :meth:`dumps` wrote. It unpickles: only load files that you trust.

        Raises:
            CheckpointError: If a stock buffer wrote it; nothing is changed then.
        """
        file = Path(path) / ENGINE_FILE
        if not file.exists():
            raise CheckpointError(
                f"{path} holds no {ENGINE_FILE}: a stock buffer wrote it. Load it there, and preload()."
            )
        held = file.read_bytes()
        super().loads(path)
        self._stored = None
        self._take_state(pickle.loads(held))

    def state_dict(self) -> dict[str, Any]:
        """Returns TorchRL's state, with ours as bytes under ``_synthesis``."""
        held = bytearray(pickle.dumps(self._own_state()))
        found: dict[str, Any] = super().state_dict()
        return found | {"_synthesis": torch.frombuffer(held, dtype=torch.uint8)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores a state of :meth:`state_dict`. It unpickles: only load what you trust.

        Raises:
            CheckpointError: If the state is of a stock buffer; nothing is changed then.
        """
        if "_synthesis" not in state_dict:
            raise CheckpointError("This state is of a stock buffer. Load it there, and preload() its rows here.")
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_synthesis"})
        self._stored = None
        self._take_state(pickle.loads(state_dict["_synthesis"].cpu().numpy().tobytes()))

    def _own_state(self) -> dict[str, Any]:
        return {"engine": self.engine}

    def _take_state(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
