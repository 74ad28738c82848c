"""``SyntheticReplayBuffer``: SynthER for TorchRL's losses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tensordict import TensorDictBase
from torchrl.data import Composite, TensorSpec
from torchrl.envs import EnvBase

from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.buffers.refresh import RefreshConfig
from synth_replay.generator.config import GeneratorConfig
from synth_replay.runtime import seed_from_torch
from synth_replay.transitions import Transitions
from synth_replay_torchrl.conversion import INDEX
from synth_replay_torchrl.host import HostBuffer, joined, joined_info


class SyntheticReplayBuffer(HostBuffer):
    """A TorchRL ``TensorDictReplayBuffer`` that mixes generated transitions into every batch (SynthER, Algorithm 1).

    Real rows stay in TorchRL's storage and are drawn and transformed by it; generated rows go through the same
    transforms. They have the ``index`` -1. With ``real_ratio=1`` it is TorchRL's own buffer.

    Args:
        env: The environment whose rows are stored, with its transforms; or give the next two.
        observation_spec: Of single observations, by key.
        action_spec: Of single actions.
        observation_keys: The observations to model; None takes all of the root.
        real_ratio: Share of real rows in a batch, in [0, 1].
        refresh_every: Environment steps between two refits.
        generator: Preset (``paper``, ``fast``, ``cpu``), configuration or its file, or the folder of a saved
            generator; None takes ``fast`` on a GPU and ``cpu`` on a CPU.
        store_rows: Generated rows kept and replaced at each refresh; None takes the preset's.
        refit: ``scratch`` (the paper's code) or ``warm``.
        refit_steps: Gradient steps of a refit; None takes the preset's.
        validate: Keep generated rows out of the batches, with a warning, while their marginal on held-out real rows is
            below this share of what real rows reach (0.95, say); None never does.
        seed: Seed of the generated part; None follows ``torch.manual_seed``. Real rows are drawn by TorchRL.
        device: Where the generator runs.
        progress: Progress bars during a refresh; None shows them on a terminal.
        **host: TorchRL's own arguments: ``storage``, ``batch_size``, ``transform``, ...

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
        real_ratio: float = 0.5,
        refresh_every: int = 10_000,
        generator: str | Path | GeneratorConfig | None = None,
        store_rows: int | None = None,
        refit: str = "scratch",
        refit_steps: int | None = None,
        validate: float | None = None,
        seed: int | None = None,
        device: str | torch.device = "auto",
        progress: bool | None = None,
        **host: Any,
    ) -> None:
        specs = {"env": env, "observation_spec": observation_spec, "action_spec": action_spec}
        super().__init__(**specs, observation_keys=observation_keys, **host)
        self.engine = SynthesisEngine(
            self.layout.observation_space,
            self.layout.action_space,
            real_ratio=real_ratio,
            refresh=RefreshConfig(refresh_every, refit, refit_steps, validate),  # type: ignore[arg-type]
            generator=generator,
            store_rows=store_rows,
            seed=seed_from_torch() if seed is None else seed,
            device=device,
            progress=progress,
        )

    def preload(self, transitions: Transitions | TensorDictBase) -> None:
        """Stores an offline dataset and asks for a refresh at the next ``sample``.

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
        self.engine.clock.request()

    def _sample(self, batch_size: int) -> tuple[Any, dict[str, Any]]:
        self.engine.update(self.transitions, self.layout.columns)
        real, generated = self.engine.plan(batch_size)
        if not generated:
            return self.drawn(batch_size)
        held, order = self.real_rows(real), self.engine.permutation(batch_size)
        made = self.other_rows(self.engine.draw(generated))
        return joined([*(rows for rows, _ in held), made], order), joined_info(held, generated, order)
