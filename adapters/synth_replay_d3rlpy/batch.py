"""Where the columns of a d3rlpy batch lie in one float32 row: a batch is one matrix, drawn and shuffled at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from d3rlpy.dataset import EpisodeBase, Transition, TransitionMiniBatch

from synth_replay.errors import SpecMismatchError, UnsupportedBufferError
from synth_replay.spaces import Array

PACKED = "packed"  # the one column of the stores: whole rows in the layout


def as_parts(observations: Any) -> list[Array]:
    """Returns observations as a list of arrays, one for each of d3rlpy's observation kinds."""
    return list(observations) if isinstance(observations, (list, tuple)) else [np.asarray(observations)]


class RowLayout:
    """Slices and shapes of a row's columns.

    A row is ``observations/0 .. actions | rewards | next_observations/0 .. next_actions | terminals | intervals |
    returns_to_go``; its first part up to the rewards is what a step of an episode holds.

    Args:
        episode: Any episode of the buffer, for its shapes.

    Raises:
        SpecMismatchError: If a reward is not a single number.
    """

    def __init__(self, episode: EpisodeBase) -> None:
        if np.shape(episode.rewards)[1:] != (1,):
            raise SpecMismatchError(
                f"Rewards have the shape {np.shape(episode.rewards)[1:]}, but only one number can be modelled. Choose "
                "one or sum them, or generate nothing (real_ratio=1)."
            )
        state = {f"observations/{i}": a.shape[1:] for i, a in enumerate(as_parts(episode.observations))}
        state["actions"] = episode.actions.shape[1:]
        shapes = state | {"rewards": (1,)} | {f"next_{name}": shape for name, shape in state.items()}
        shapes |= {"terminals": (1,), "intervals": (1,), "returns_to_go": (1,)}
        self.shapes: dict[str, tuple[int, ...]] = {name: tuple(shape) for name, shape in shapes.items()}
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes.values()]).tolist()
        self.slices = {n: slice(a, b) for n, a, b in zip(self.shapes, [0, *ends], ends, strict=False)}
        self.kinds = len(state) - 1
        self.width: int = ends[-1]
        self.state_width: int = self.slices["actions"].stop

    def require(self, episode: EpisodeBase) -> None:
        """Checks that an episode has the shapes of the first one.

        Raises:
            SpecMismatchError: If its shapes differ.
        """
        held = [*as_parts(episode.observations), episode.actions, episode.rewards]
        found, wanted = [tuple(np.shape(a)[1:]) for a in held], list(self.shapes.values())[: self.kinds + 2]
        if found != wanted:
            raise SpecMismatchError(
                f"An episode's observations, actions and rewards have the shapes {found}, but the first episode's have "
                f"{wanted}. It comes from another environment: leave it out."
            )

    def steps(self, episode: EpisodeBase, new: slice) -> Array:
        """Returns the steps ``new`` of an episode, ``[n, state_width + 1]`` float32."""
        parts = [*as_parts(episode.observations), episode.actions, episode.rewards]
        return np.concatenate([np.asarray(a[new], np.float32).reshape(len(a[new]), -1) for a in parts], axis=1)

    def column(self, rows: Array, name: str) -> Array:
        """Returns one column of ``rows``, a view in its own shape."""
        flat = rows[:, self.slices[name]]
        shape = self.shapes[name]
        return flat if len(shape) == 1 else flat.reshape(len(rows), *shape)

    def pack(self, columns: dict[str, Array]) -> Array:
        """Returns rows ``[n, width]`` float32 from columns by name; missing columns are NaN."""
        rows = np.full((len(columns["rewards"]), self.width), np.nan, np.float32)
        for name, array in columns.items():
            rows[:, self.slices[name]] = array.reshape(len(rows), -1)
        return rows

    def pack_transition(self, transition: Transition) -> Array:
        """Returns the row ``[width]`` of one of d3rlpy's transitions.

        Raises:
            UnsupportedBufferError: If the picker returns other shapes than the episodes hold.
        """
        parts = {f"observations/{i}": a for i, a in enumerate(as_parts(transition.observation))}
        parts |= {f"next_observations/{i}": a for i, a in enumerate(as_parts(transition.next_observation))}
        parts |= {"actions": transition.action, "next_actions": transition.next_action, "rewards": transition.reward}
        scalars = {"terminals": transition.terminal, "intervals": transition.interval}
        for name, value in parts.items():
            if np.size(value) != np.prod(self.shapes.get(name, (0,))):
                raise UnsupportedBufferError(
                    f"The transition picker returns {name} of shape {np.shape(value)}, but the episodes hold "
                    f"{self.shapes.get(name)}, and generated rows have the shapes of the episodes. Store stacked "
                    "observations, or generate nothing (real_ratio=1)."
                )
        row: Array = self.pack({name: np.asarray(a)[None] for name, a in (parts | scalars).items()})[0]
        return row

    def _observations(self, rows: Array, head: str) -> Any:
        parts = [self.column(rows, f"{head}/{i}") for i in range(self.kinds)]
        return parts[0] if self.kinds == 1 else parts

    def batch(self, rows: Array, transitions: Sequence[Transition]) -> TransitionMiniBatch:
        """Returns d3rlpy's batch, whose columns are views of ``rows``."""
        return TransitionMiniBatch(
            observations=self._observations(rows, "observations"),
            actions=self.column(rows, "actions"),
            rewards=self.column(rows, "rewards"),
            next_observations=self._observations(rows, "next_observations"),
            next_actions=self.column(rows, "next_actions"),
            terminals=self.column(rows, "terminals"),
            intervals=self.column(rows, "intervals"),
            transitions=transitions,
        )

    def transition(self, row: Array) -> Transition:
        """Returns a generated row as d3rlpy's transition; its return-to-go is one number."""
        rows = row[None]

        def first(value: Any) -> Any:
            return [a[0] for a in value] if isinstance(value, list) else value[0]

        return Transition(
            observation=first(self._observations(rows, "observations")),
            action=self.column(rows, "actions")[0],
            reward=self.column(rows, "rewards")[0],
            next_observation=first(self._observations(rows, "next_observations")),
            next_action=self.column(rows, "next_actions")[0],
            terminal=float(row[self.slices["terminals"]][0]),
            interval=int(row[self.slices["intervals"]][0]),
            rewards_to_go=self.column(rows, "returns_to_go"),
        )
