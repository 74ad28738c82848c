"""The explicit augmentations that SynthER compares with (Figures 1a and 4), with the settings of its Appendix D.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from synth_replay.errors import ConfigError, InvalidTransitionsError, NotFittedError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec

Augment = Callable[[Transitions, np.random.Generator], Transitions]


def additive_noise(rows: Transitions, rng: np.random.Generator, sigma: float = 0.1) -> Transitions:
    """Adds the same ``N(0, sigma^2)`` to s and s' (RAD, Laskin et al. 2020).

    Args:
        rows: Transitions to perturb; integer observations stay unchanged.
        rng: Random generator of the noise.
        sigma: Scale of the noise in standard deviations of each dimension in ``rows``, the unit in which agents that
            normalise states see it.
    """

    def change(before: Array, after: Array) -> tuple[Array, Array]:
        noise = rng.normal(0.0, sigma, before.shape) * before.std(axis=0)
        return before + noise, after + noise

    return _changed(rows, change)


def multiplicative_noise(
    rows: Transitions, rng: np.random.Generator, low: float = 0.8, high: float = 1.2
) -> Transitions:
    """Multiplies s and s' of a row by one number from ``U(low, high)`` (RAD, Laskin et al. 2020)."""

    def change(before: Array, after: Array) -> tuple[Array, Array]:
        factor = _per_row(rng.uniform(low, high, len(before)), before)
        return before * factor, after * factor

    return _changed(rows, change)


def dynamics_noise(rows: Transitions, rng: np.random.Generator, low: float = 0.5, high: float = 1.5) -> Transitions:
    """Multiplies s' - s of a row by one number from ``U(low, high)`` (Ball et al. 2021)."""

    def change(before: Array, after: Array) -> tuple[Array, Array]:
        return before, before + _per_row(rng.uniform(low, high, len(before)), before) * (after - before)

    return _changed(rows, change)


def _per_row(values: Array, like: Array) -> Array:
    return values.reshape(-1, *[1] * (like.ndim - 1))


def _changed(rows: Transitions, change: Callable[[Array, Array], tuple[Array, Array]]) -> Transitions:
    leaves = rows.leaves()
    for name in [n for n in leaves if n.partition("/")[0] == "observations"]:
        before, after = leaves[name], leaves[f"next_{name}"]
        if np.issubdtype(before.dtype, np.floating):
            changed = change(before, after)
            leaves[name], leaves[f"next_{name}"] = (a.astype(before.dtype) for a in changed)
    return Transitions.from_leaves(leaves)


STATE_AUGMENTATIONS: dict[str, Augment] = {
    "additive_noise": additive_noise,
    "multiplicative_noise": multiplicative_noise,
    "dynamics_noise": dynamics_noise,
}
STORE_ROWS = 100_000


class StateAugmentation:
    """Replaces the generator of a buffer: its rows are real rows with noise.

    ``SyntheticReplayBuffer(generator="additive_noise")`` creates one, in every adapter.

    Args:
        observation_space: Observation space of the environment.
        action_space: Action space of the environment.
        name: Name of the augmentation, one of :data:`STATE_AUGMENTATIONS`.
        seed: Seed of rows and noise; None takes one from the operating system.

    Raises:
        ConfigError: If the name is unknown.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        name: str,
        seed: int | None = None,
    ) -> None:
        if name not in STATE_AUGMENTATIONS:
            raise ConfigError(f"Unknown augmentation {name!r}; there are {', '.join(STATE_AUGMENTATIONS)}.")
        self.spec = TransitionSpec(observation_space, action_space)
        self.name, self.store_rows, self.holdout_loss = name, STORE_ROWS, float("nan")
        self._rows: Transitions | None = None
        self.reseed(np.random.SeedSequence().generate_state(1)[0] if seed is None else seed)

    @property
    def fitted(self) -> bool:
        """Whether :meth:`sample` can be called."""
        return self._rows is not None

    def reseed(self, seed: int) -> None:
        """Restarts the random stream from ``seed``."""
        self._rng = np.random.default_rng(seed)

    def widen_actions(self, action_space: spaces.Box) -> None:
        """Takes wider bounds of the actions from now on."""
        self.spec = TransitionSpec(self.spec.observation_space, action_space, self.spec.extras)

    def fit(self, transitions: Transitions, **_: Any) -> StateAugmentation:
        """Stores the rows to augment; further arguments of a generator's ``fit`` are ignored."""
        self.spec.check(transitions)
        columns = transitions.columns()
        columns.pop("truncations", None)
        self._rows = Transitions(**columns)
        return self

    def sample(self, num_samples: int, **_: Any) -> Transitions:
        """Draws ``num_samples`` rows with replacement and perturbs them.

        Raises:
            NotFittedError: Before :meth:`fit`.
            InvalidTransitionsError: If ``num_samples`` is negative.
        """
        if self._rows is None:
            raise NotFittedError("There are no rows to augment: call fit(transitions) first.")
        if num_samples < 0:
            raise InvalidTransitionsError(f"Cannot sample {num_samples} rows.")
        index = self._rng.integers(len(self._rows), size=num_samples)
        return STATE_AUGMENTATIONS[self.name](self._rows[index], self._rng)
