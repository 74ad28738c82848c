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
from synth_replay_d3rlpy.conversion import host_rows
from synth_replay_d3rlpy.layout import RowLayout


class RowSource(Protocol):
    """Real rows by number."""

    layout: RowLayout | None

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def pick(self, index: Array) -> Array:
        """Rows ``[n, width]`` in the layout."""
        ...

    def transition(self, k: int) -> Transition:
        """One row as d3rlpy's transition."""
        ...


class PackedRows:
    """Rows in environment units, kept in d3rlpy's form.

    Args:
        rows: With the columns of an environment.
        observation_space: Of the rows.
        layout: Of the batches.
    """

    def __init__(self, rows: Transitions, observation_space: spaces.Space[Any], layout: RowLayout) -> None:
        self.layout: RowLayout | None = layout
        self._layout, self._rows = layout, host_rows(rows, observation_space, layout)

    def __len__(self) -> int:
        return len(self._rows)

    def pick(self, index: Array) -> Array:
        """Rows ``[n, width]`` in the layout."""
        return self._rows.take(index, axis=0)

    def transition(self, k: int) -> Transition:
        """Row ``k`` as d3rlpy's transition."""
        return with_return(self._layout.transition(self._rows[k]))


def with_return(transition: Transition) -> Transition:
    """The transition, if it has a return-to-go.

    Raises:
        MissingColumnError: Otherwise.
    """
    if np.isnan(transition.rewards_to_go).any():
        raise MissingColumnError(
            "This algorithm needs returns-to-go, which these rows lack: give the offline data as a d3rlpy dataset "
            "with whole episodes, and keep 'returns_to_go' in extra_columns."
        )
    return transition


class MixedRows(Sequence[Transition]):
    """The rows of a batch as transitions, made when Cal-QL or a user asks for them.

    Args:
        sources: The real sources; a row of any other number is synthetic.
        layout: Of ``rows``.
        rows: The whole batch ``[B, width]``.
        source: ``[B]``, the source's number.
        number: ``[B]``, the row's number in it.
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
