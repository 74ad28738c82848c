"""``CFGMixedBuffer``: offline-to-online learning with TorchRL from four sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tensordict import TensorDictBase
from torch import Tensor
from torchrl.data import Composite, ReplayBuffer, TensorSpec
from torchrl.envs import EnvBase

from synth_replay.buffers.counts import checked_seed, whole_number
from synth_replay.buffers.generator_state import State, rng_of, rng_state
from synth_replay.buffers.offline import offline_rows, offline_store
from synth_replay.buffers.options import MixedOptions, cfdg_engine, flat_signature, split_options
from synth_replay.buffers.real_rows import RealRows
from synth_replay.buffers.store import HostColumns
from synth_replay.errors import CheckpointError
from synth_replay.runtime import seed_from_torch
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions
from synth_replay_torchrl.batch import joined, joined_info
from synth_replay_torchrl.generators import separated_generators
from synth_replay_torchrl.host import HostBuffer


@flat_signature(MixedOptions)
class CFGMixedBuffer(HostBuffer):
    """A TorchRL buffer with an offline dataset and generated rows of both kinds (CFDG, Algorithm 1).

    Online rows stay in TorchRL's storage; before the first of them a batch is all offline. Rows that are not in the
    storage have the ``index`` -1.

    Args:
        offline: The offline dataset: a path, the id of a local Minari dataset, transitions in environment units, or
            a tensordict or buffer of TorchRL's with the same keys as the online rows.
        env: Environment whose rows are stored, with its transforms; or give the next two.
        observation_spec: Spec of single observations, by key.
        action_spec: Spec of single actions.
        observation_keys: Keys of the observations to model; None takes all of the root.
        torch_generator: Random stream of TorchRL's own draws, which TorchRL itself calls ``generator``. A
            ``torch.Generator`` as ``generator`` works too; any other ``generator`` is the generator of rows.
        seed: Seed of everything random here but TorchRL's own draws; None follows ``torch.manual_seed``.
        device: Device of the generator.
        **host: Keyword arguments of :class:`~synth_replay.buffers.MixedOptions` and
            :class:`~synth_replay.buffers.EngineOptions`, and TorchRL's own: ``storage``, ``batch_size``,
            ``transform``, ...

    Attributes:
        last_sources: ``[B]`` int8, the source of each row of the last batch, an index of
            :data:`~synth_replay.buffers.SOURCES`. Rows of odd numbers are offline-like (lambda 1 in APL).

    Raises:
        ConfigError: If a value cannot be used, or the specs are missing.
        DatasetError: If the offline dataset cannot be read.
        SpecMismatchError: If the dataset, or a saved generator, is of another environment.
        InvalidTransitionsError: If the dataset's values are invalid.
        UnsupportedBufferError: For prefetching, priorities and slices.
    """

    def __init__(
        self,
        offline: str | Path | Transitions | TensorDictBase | ReplayBuffer,
        *,
        env: EnvBase | None = None,
        observation_spec: Composite | None = None,
        action_spec: TensorSpec | None = None,
        observation_keys: Sequence[str] | None = None,
        torch_generator: torch.Generator | None = None,
        seed: int | None = None,
        device: str | torch.device = "auto",
        **host: Any,
    ) -> None:
        options, host = split_options(host, MixedOptions)
        options, stream = separated_generators(options, torch_generator)
        specs: dict[str, Any] = {"env": env, "observation_spec": observation_spec, "action_spec": action_spec}
        super().__init__(**specs, observation_keys=observation_keys, generator=stream, **host)
        engine_seed, own_seed = _two_seeds(seed)
        spaces = self.layout.observation_space, self.layout.action_space
        self.engine = cfdg_engine(*spaces, seed=int(engine_seed), device=device, **options)
        spec = self.engine.generator.spec.with_extras(())
        columns = offline_rows(self._given(offline), spec).leaves()
        self.offline = offline_store({leaf.name: columns[leaf.name] for leaf in spec.leaves})
        self.last_sources: Array = np.zeros(0, np.int8)
        self._own_rng = np.random.default_rng(own_seed)

    def _given(self, offline: Any) -> Any:
        if isinstance(offline, ReplayBuffer):
            offline = offline.storage[: len(offline)]  # as they are stored: our own transforms are applied later
        if not isinstance(offline, TensorDictBase):
            return offline
        self.layout.check(offline, 1)
        return self.layout.transitions(offline)

    def _sample(self, batch_size: int) -> tuple[Any, dict[str, Any]]:
        batch_size = whole_number("batch_size", batch_size, "rows", least=0)
        self.engine.update(self._real_rows(), self.layout.columns)
        counts = self.engine.plan(batch_size, online=len(self), offline=len(self.offline))
        order = self.engine.permutation(batch_size)
        self.last_sources = counts.numbers(order)
        held = self.real_rows(counts["online"])
        parts = [rows for rows, _ in held]
        columns = [self._offline_rows(counts["offline"])] if counts["offline"] else []
        if counts.generated:
            columns.append(self.engine.draw(counts))
        if columns:
            parts.append(self.other_rows({n: np.concatenate([part[n] for part in columns]) for n in columns[0]}))
        return joined(parts, order), joined_info(held, batch_size - counts["online"], order)

    def _offline_rows(self, count: int) -> HostColumns:
        return self.offline.gather(self._own_rng.integers(len(self.offline), size=count))

    def _real_rows(self) -> RealRows:
        offline = {"offline": lambda: Transitions.from_leaves(self.offline.rows())}
        return ({"online": self.transitions} if len(self) else {}) | offline

    def can_sample(self, batch_size: int | None = None) -> bool:  # noqa: ARG002
        """Returns True: before the first online row, batches are all offline."""
        return True

    def _own_state(self) -> State:
        tensors, meta = super()._own_state()
        own = {"last_sources": self.last_sources.tolist(), "own_rng": rng_state(self._own_rng)}
        return tensors, {**meta, **own}

    def _restored(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> dict[str, Any]:
        own = super()._restored(tensors, meta)
        try:
            sources = np.asarray(meta["last_sources"], np.int8)
            return {**own, "last_sources": sources, "_own_rng": rng_of(meta["own_rng"])}
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise CheckpointError(f"The saved state is damaged ({error}). Save it again.") from error


def _two_seeds(seed: int | None) -> list[int]:
    """Returns the seeds of the engine and of the offline rows."""
    own = seed_from_torch() if checked_seed(seed) is None else seed
    return [int(number) for number in np.random.SeedSequence(own).generate_state(2)]
