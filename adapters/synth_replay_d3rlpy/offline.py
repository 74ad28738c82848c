"""The offline half of a mixed buffer: a d3rlpy dataset, or rows from anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from d3rlpy.dataset import ReplayBufferBase
from gymnasium import spaces

from synth_replay.buffers.offline import offline_rows, warn_if_rescaled
from synth_replay.datasets import open_dataset
from synth_replay.errors import ConfigError, InvalidTransitionsError
from synth_replay.transitions import Transitions, TransitionSpec
from synth_replay_d3rlpy.batch import RowLayout
from synth_replay_d3rlpy.columns import EpisodeColumns
from synth_replay_d3rlpy.conversion import default_extras, infer_spaces, to_transitions, wanted_extras
from synth_replay_d3rlpy.episodes import to_replay_buffer
from synth_replay_d3rlpy.sources import PackedRows, RowSource

Spaces = tuple[spaces.Space[Any], spaces.Space[Any]]


class Offline:
    """Offline data, checked against the environment.

    Args:
        given: Offline data as the user gave them.
        wanted: Spaces of the environment; None takes the data's.

    Attributes:
        spaces: Spaces of observations and actions.
        rows: Loose rows; None for a d3rlpy dataset.
        sample: A d3rlpy dataset with the same signatures, however small.
        layout: Layout of a batch's rows.

    Raises:
        ConfigError: If the spaces are not known.
        DatasetError: If a file cannot be read.
        SpecMismatchError: If the data were collected in another environment.
        InvalidTransitionsError: If values are invalid, or there are none.
    """

    def __init__(self, given: ReplayBufferBase | str | Path | Transitions, wanted: Spaces | None) -> None:
        self.rows: Transitions | None = None
        if isinstance(given, ReplayBufferBase):
            self._read_dataset(given, wanted)
        else:
            self._read_rows(given, wanted)
        episode = self.sample.episodes[0]
        self.layout = RowLayout(episode)

    def _read_dataset(self, dataset: ReplayBufferBase, wanted: Spaces | None) -> None:
        if not dataset.transition_count:
            raise InvalidTransitionsError("The offline dataset holds no transitions.")
        self.sample, self.spaces = dataset, wanted or infer_spaces(dataset)
        rows, spec = to_transitions(dataset, *self.spaces), TransitionSpec(*self.spaces)
        spec.check(rows)
        warn_if_rescaled(rows, spec)

    def _read_rows(self, given: str | Path | Transitions, wanted: Spaces | None) -> None:
        if wanted is None and isinstance(given, (str, Path)):
            spec = open_dataset(given).spec
            wanted = spec.observation_space, spec.action_space
        if wanted is None:
            raise ConfigError(
                f"CFGMixedBuffer needs env= to know the spaces of {type(given).__name__}; only d3rlpy's own datasets "
                "and files say what they are."
            )
        self.spaces = wanted
        self.rows = replace(offline_rows(given, TransitionSpec(*wanted)), intervals=None)
        self.sample = to_replay_buffer(self.rows[:1], TransitionSpec(*wanted))

    def extras(self, asked: Sequence[str] | None) -> tuple[str, ...]:
        """Returns the extra columns to model.

        Raises:
            ConfigError: If loose rows lack one that was asked for.
        """
        if self.rows is None:
            return wanted_extras(asked, self.sample, self.spaces[1])
        usual = default_extras(self.spaces[1]) if asked is None else tuple(asked)
        present = tuple(name for name in usual if getattr(self.rows, name, None) is not None)
        if asked is not None and present != usual:
            raise ConfigError(
                f"extra_columns asks for {list(usual)}; the offline rows only have {list(present)} of them."
            )
        return present

    def source(self) -> RowSource:
        """Returns the rows that batches are drawn from."""
        return EpisodeColumns(self.sample) if self.rows is None else PackedRows(self.rows, self.spaces[0], self.layout)

    @cached_property
    def dataset(self) -> ReplayBufferBase:
        """All offline data as a d3rlpy dataset."""
        if self.rows is None:
            return self.sample
        return to_replay_buffer(self.rows, TransitionSpec(*self.spaces))
