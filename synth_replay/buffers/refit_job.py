"""What one refresh does with a generator, in this process or in another one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from synth_replay.buffers.generated_rows import generated
from synth_replay.buffers.generator_kinds import fit_steps
from synth_replay.buffers.generators import RowGenerator
from synth_replay.buffers.real_rows import Groups, labels, together
from synth_replay.buffers.refresh import RefreshConfig
from synth_replay.buffers.sources import Mixture, Store
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions


@dataclass(frozen=True, eq=False)
class RefitJob:
    """Rows to fit, and stores to fill.

    Attributes:
        rows: Real rows.
        labels: Name of each row's source, for a generator with labels; None for one without.
        steps: Gradient steps of the fit; None takes the configuration's.
        warm: Whether the fit starts from the last weights.
        stores: Stores to fill, with their numbers of rows.
    """

    rows: Transitions
    labels: Array | None
    steps: int | None
    warm: bool
    stores: tuple[tuple[Store, int], ...]

    @classmethod
    def of(cls, groups: Groups, mixture: Mixture, config: RefreshConfig, stores: list[tuple[Store, int]]) -> RefitJob:
        """Returns the job of a refresh on the rows of some sources."""
        named = labels(groups) if mixture.labelled else None
        return cls(together(groups), named, config.steps, config.refit == "warm", tuple(stores))

    def effort(self, generator: RowGenerator) -> int | None:
        """Returns the largest number of gradient steps; None where the generator has none."""
        return fit_steps(generator, self.steps)

    def fit(self, generator: RowGenerator, progress: bool | None) -> None:
        """Fits the generator; if that fails it stays as it was.

        Raises:
            FitDivergedError: If the loss stops being finite.
        """
        generator.fit(self.rows, steps=self.steps, labels=self.labels, warm_start=self.warm, progress=progress)

    def made(self, generator: RowGenerator, progress: bool | None) -> Iterator[tuple[str, Transitions]]:
        """Generates the rows of the stores, one store after the other."""
        return generated(generator, self.stores, progress)
