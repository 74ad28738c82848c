"""The rows of a batch as d3rlpy's transitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from d3rlpy.dataset import Transition

from synth_replay.errors import MissingColumnError
from synth_replay.spaces import Array
from synth_replay_d3rlpy.columns import EpisodeColumns
from synth_replay_d3rlpy.layout import RowLayout


class BatchRows(Sequence[Transition]):
    """Makes transitions one by one, when Cal-QL or a user asks for them.

    Args:
        columns: Source of the real rows.
        layout: Of ``rows``.
        rows: The whole batch ``[B, width]``.
        source: ``[B]``: the number of a real transition, or -1 for a generated row.
    """

    def __init__(self, columns: EpisodeColumns, layout: RowLayout, rows: Array, source: Array) -> None:
        self._columns, self._layout, self._rows, self.source = columns, layout, rows, source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        if self.source[row] >= 0:
            return self._columns.transition(int(self.source[row]))
        transition = self._layout.transition(self._rows[row])
        if np.isnan(transition.rewards_to_go).any():
            raise MissingColumnError(
                "This algorithm needs returns-to-go of generated rows, which were not modelled: wrap the dataset with "
                "extra_columns=('returns_to_go',)."
            )
        return transition
