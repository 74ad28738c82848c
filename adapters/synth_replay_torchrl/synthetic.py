"""``SyntheticReplayBuffer``: SynthER for TorchRL's losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from tensordict import TensorDictBase
from torchrl.data import Composite, TensorSpec
from torchrl.envs import EnvBase

from synth_replay.buffers.counts import whole_number
from synth_replay.buffers.options import SyntheticOptions, flat_signature, split_options, synther_engine
from synth_replay.runtime import seed_from_torch
from synth_replay.transitions import Transitions
from synth_replay_torchrl.batch import joined, joined_info
from synth_replay_torchrl.conversion import INDEX
from synth_replay_torchrl.generators import separated_generators
from synth_replay_torchrl.host import HostBuffer


@flat_signature(SyntheticOptions)
class SyntheticReplayBuffer(HostBuffer):
    """A TorchRL ``TensorDictReplayBuffer`` that mixes generated transitions into every batch (SynthER, Algorithm 1).

    Real rows stay in TorchRL's storage and are drawn and transformed by it; generated rows go through the same
    transforms. They have the ``index`` -1. With ``real_ratio=1`` it is TorchRL's own buffer, with priorities, slices
    and prefetching.

    Args:
        env: Environment whose rows are stored, with its transforms; or give the next two.
        observation_spec: Spec of single observations, by key.
        action_spec: Spec of single actions.
        observation_keys: Keys of the observations to model; None takes all of the root.
        torch_generator: Random stream of TorchRL's own draws, which TorchRL itself calls ``generator``. A
            ``torch.Generator`` as ``generator`` works too; any other ``generator`` is the generator of rows.
        seed: Seed of the generated part; None follows ``torch.manual_seed``. Real rows are drawn by TorchRL.
        device: Device of the generator.
        **host: Keyword arguments of :class:`~synth_replay.buffers.SyntheticOptions` and
            :class:`~synth_replay.buffers.EngineOptions`, and TorchRL's own: ``storage``, ``batch_size``,
            ``transform``, ...

    Raises:
        ConfigError: If a value cannot be used, or the specs are missing.
        UnsupportedSpaceError: If a spec cannot be modelled (``ImageObservationError`` for pixels).
        UnsupportedBufferError: For prefetching, priorities and slices.
        SpecMismatchError: If a saved generator is of another environment.
    """

    def __init__(
        self,
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
        options, host = split_options(host, SyntheticOptions)
        options, stream = separated_generators(options, torch_generator)
        plain = options.get("real_ratio") == 1
        specs = {"env": env, "observation_spec": observation_spec, "action_spec": action_spec}
        super().__init__(**specs, observation_keys=observation_keys, plain=plain, generator=stream, **host)
        own_seed = seed_from_torch() if seed is None else seed
        spaces = self.layout.observation_space, self.layout.action_space
        self.engine = synther_engine(*spaces, seed=own_seed, device=device, **options)

    def preload(self, transitions: Transitions | TensorDictBase) -> None:
        """Stores an offline dataset and requests a refresh at the next ``sample``.

        Args:
            transitions: Rows in environment units, or a flat TensorDict ``[n]`` as a collector gives them.

        Raises:
            InvalidTransitionsError: If a value is invalid or a key is missing.
            SpecMismatchError: If the shapes are of another environment.
        """
        rows = transitions
        if isinstance(rows, Transitions):
            self.engine.generator.spec.check(rows)
            rows = self.layout.tensordict(rows.leaves(), self.stored).exclude(INDEX)
        self.extend(rows)
        self.engine.request_refresh()

    def _sample(self, batch_size: int) -> tuple[Any, dict[str, Any]]:
        if self._plain:
            return self.drawn(batch_size)
        batch_size = whole_number("batch_size", batch_size, "rows", least=0)
        self.engine.update({"real": self.transitions}, self.layout.columns)
        counts = self.engine.plan(batch_size, real=len(self))
        if not counts.generated:
            return self.drawn(batch_size)
        held, order = self.real_rows(counts.real), self.engine.permutation(batch_size)
        made = self.other_rows(self.engine.draw(counts))
        return joined([*(rows for rows, _ in held), made], order), joined_info(held, counts.generated, order)
