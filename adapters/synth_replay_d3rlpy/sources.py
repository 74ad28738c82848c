"""Where the real rows of a mixed batch come from: a d3rlpy buffer, or rows without episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from d3rlpy.dataset import Transition
from gymnasium import spaces

from synth_replay.errors import MissingColumnError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions
from synth_replay_d3rlpy.batch import PACKED, RowLayout
from synth_replay_d3rlpy.conversion import host_columns


class RowSource(Protocol):
    """Real rows, each with a number."""

    layout: RowLayout | None

    def __len__(self) -> int:
        """Returns the number of rows."""
        ...

    def sync(self) -> None:
        """Reads what has been added since the last time."""
        ...

    def pick(self, index: Array) -> Array:
        """Returns rows ``[n, width]`` in the layout."""
        ...

    def transition(self, k: int) -> Transition:
        """Returns row ``k`` as d3rlpy's transition."""
        ...


class PackedRows:
    """Rows in environment units, kept in d3rlpy's form.

    Args:
        rows: Rows with the columns of an environment.
        observation_space: Observation space of the rows.
        layout: Layout of a batch's rows.
    """

    def __init__(self, rows: Transitions, observation_space: spaces.Space[Any], layout: RowLayout) -> None:
        self.layout: RowLayout | None = layout
        self._layout, self._rows = layout, host_columns(rows, observation_space, layout)[PACKED]

    def __len__(self) -> int:
        return len(self._rows)

    def sync(self) -> None:
        """Does nothing: these rows stay as they are."""

    def pick(self, index: Array) -> Array:
        """Returns rows ``[n, width]`` in the layout."""
        return self._rows.take(index, axis=0)

    def transition(self, k: int) -> Transition:
        """Returns row ``k`` as d3rlpy's transition."""
        return with_return(self._layout.transition(self._rows[k]))


def with_return(transition: Transition) -> Transition:
    """Returns the transition, if it has a return-to-go.

    Raises:
        MissingColumnError: If it has none.
    """
    if np.isnan(transition.rewards_to_go).any():
        raise MissingColumnError(
            "This algorithm needs returns-to-go, which these rows lack: give the data as a d3rlpy dataset with whole "
            "episodes, and keep 'returns_to_go' in extra_columns=('returns_to_go',)."
        )
    return transition


class MixedRows(Sequence[Transition]):
    """The rows of a batch as transitions, which are made when Cal-QL or a user reads them.

    Args:
        sources: The real sources, in order of their numbers; a row of any other source number is synthetic.
        layout: Layout of ``rows``.
        rows: Rows of the whole batch, ``[B, width]``.
        source: Source number of each row, ``[B]``.
        number: Number of each row in its source, ``[B]``.
    """

    def __init__(
        self, sources: Sequence[RowSource], layout: RowLayout, rows: Array, source: Array, number: Array
    ) -> None:
        self._sources, self._layout, self._rows = sources, layout, rows
        self.source, self._number = source, number

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        if self.source[row] < len(self._sources):
            return self._sources[self.source[row]].transition(int(self._number[row]))
        return with_return(self._layout.transition(self._rows[row]))
