"""Relevance of transitions, by which Prioritized Generative Replay (arXiv 2410.18082) asks for rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from synth_replay.errors import ConfigError, InvalidTransitionsError
from synth_replay.generator.feature_scales import numbers, scale_of
from synth_replay.generator.forward import ForwardModel
from synth_replay.generator.one_step_config import ForwardConfig
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec

RelevanceName = Literal["curiosity", "td_error", "return"]
RELEVANCES: tuple[RelevanceName, ...] = ("curiosity", "td_error", "return")
FORWARD = ForwardConfig(members=1, width=128, steps=1_000)
UNITS, RIDGE = 256, 1e-6  # the ridge also decides where one-hot columns and the constant are redundant
Score = Callable[[Transitions], Array]


@dataclass(frozen=True)
class Relevance:
    """Settings of Prioritized Generative Replay: a score of rows, and the top share that generated rows are asked from.

    The generator learns the relevance of each real row as a label. Generated rows are asked for with relevances drawn
    from the highest ones of the replay.

    Attributes:
        score: ``curiosity``, the error of a forward model s, a -> s' on rows that it has not seen; ``td_error`` and
            ``return``, of a value function of the replay that is learnt by least squares; or a function of
            :class:`~synth_replay.Transitions` that returns one float for each row.
        top: Share of the real rows whose relevances are asked for, in (0, 1]: the paper's code takes 0.1 to 0.25.
        guidance_weight: Guidance weight w, ``(1 + w) conditional - w unconditional``; the paper's scale of 2 is w = 1.
        label_dropout: Share of rows that are fitted without their relevance, in (0, 1); the paper's is 0.25.
        gamma: Discount of the value function, in [0, 1).

    Raises:
        ConfigError: If a value is out of its range.
    """

    score: RelevanceName | Callable[[Transitions], Any] = "curiosity"
    top: float = 0.25
    guidance_weight: float = 1.0
    label_dropout: float = 0.25
    gamma: float = 0.99

    def __post_init__(self) -> None:
        if not callable(self.score) and self.score not in RELEVANCES:
            known = ", ".join(RELEVANCES)
            raise ConfigError(f"relevance is one of {known}, or a function of Transitions; got {self.score!r:.100}.")
        if not 0 < self.top <= 1:
            raise ConfigError(f"Relevance.top is a share of the rows in (0, 1]; got {self.top!r}.")
        if not (0 < self.label_dropout < 1 and 0 <= self.gamma < 1):
            raise ConfigError(
                "Relevance: label_dropout is in (0, 1) and gamma in [0, 1); "
                f"got {self.label_dropout!r} and {self.gamma!r}."
            )

    def learn(self, rows: Transitions, spec: TransitionSpec, seed: int, device: torch.device) -> tuple[Array, Score]:
        """Computes the relevance of real rows.

        Args:
            rows: Real rows.
            spec: Their columns.
            seed: Seed of the models that the score needs.
            device: Device of the forward models.

        Returns:
            One number a real row, ``[n]`` float64, and a function that computes the relevance of other rows.

        Raises:
            InvalidTransitionsError: If a function does not return one finite number for each row.
        """
        rng = np.random.default_rng(seed)
        if self.score == "curiosity":
            return curiosity(rows, spec, rng, device)
        if callable(self.score):
            score: Score = FunctionScore(self.score)
        else:
            score = ValueScore(self.score, rows, spec, self.gamma, rng)
        return score(rows), score


@dataclass(frozen=True)
class FunctionScore:
    """The score of a function that the user gave, with its answer checked."""

    function: Callable[[Transitions], Any]

    def __call__(self, rows: Transitions) -> Array:
        """Returns the relevance of rows, ``[n]`` float64.

        Raises:
            InvalidTransitionsError: If the function does not return one finite number for each row.
        """
        return _checked(self.function(rows), len(rows))


def _checked(found: Any, count: int) -> Array:
    scores = np.asarray(found)
    if scores.shape != (count,) or scores.dtype.kind not in "fiu":
        raise InvalidTransitionsError(
            f"A relevance function must return one number for each of {count} rows; it returned {scores.dtype} of "
            f"shape {scores.shape}."
        )
    if not np.isfinite(scores).all():
        raise InvalidTransitionsError(
            "A relevance is NaN or infinite: the relevance function must return finite numbers."
        )
    return scores.astype(np.float64)


def curiosity(
    rows: Transitions, spec: TransitionSpec, rng: np.random.Generator, device: torch.device
) -> tuple[Array, Score]:
    """Computes the squared errors of forward models: of two halves of the rows, each is judged by the other's model.

    Args:
        rows: Real rows.
        spec: Their columns.
        rng: Source of the halves and of the models' training.
        device: Device of the models.

    Returns:
        Errors of the rows ``[n]``, and a function that computes the mean error of both models.
    """
    order = rng.permutation(len(rows))
    halves = order[: len(rows) // 2], order[len(rows) // 2 :]
    models = [ForwardModel(spec, FORWARD, device).fit(rows[half], rng) for half in halves]
    found = np.zeros(len(rows))
    for model, judged in zip(models, reversed(halves), strict=True):
        found[judged] = model.errors(rows[judged])
    return found, ForwardErrors(tuple(models))


@dataclass(frozen=True)
class ForwardErrors:
    """The mean error of some forward models."""

    models: tuple[ForwardModel, ...]

    def __call__(self, rows: Transitions) -> Array:
        """Returns the mean squared error of each row, ``[n]`` float64."""
        found: Array = np.mean([model.errors(rows) for model in self.models], axis=0)
        return found


class ValueScore:
    r"""The score ``td_error``, \|r + gamma V(s') - V(s)\|, or ``return``, r + gamma V(s').

    V is the value of the policies that made the rows, by least-squares TD (Bradtke & Barto 1996). Its features are the
    observations' columns and random ReLU units of them, so the fit has one solution and takes no steps.

    Args:
        name: ``td_error`` or ``return``.
        rows: Real rows.
        spec: Their columns.
        gamma: Discount.
        rng: Source of the random units.
    """

    def __init__(
        self, name: str, rows: Transitions, spec: TransitionSpec, gamma: float, rng: np.random.Generator
    ) -> None:
        self.name, self.gamma, self._features = name, gamma, Features(spec, rows, rng)
        phi, following = self._features(rows, ""), self._features(rows, "next_")
        left = phi.T @ (phi - _discounts(rows, gamma)[:, None] * following) / len(rows)
        right = phi.T @ _rewards(rows) / len(rows)
        self._weights: Array = np.linalg.solve(left + RIDGE * np.eye(len(left)), right)

    def __call__(self, rows: Transitions) -> Array:
        """Returns the relevance of rows, ``[n]`` float64."""
        following = self._features(rows, "next_") @ self._weights
        target: Array = _rewards(rows) + _discounts(rows, self.gamma) * following
        if self.name == "return":
            return target
        found: Array = np.abs(target - self._features(rows, "") @ self._weights)
        return found


def _rewards(rows: Transitions) -> Array:
    rewards: Array = rows.rewards.reshape(-1).astype(np.float64)
    return rewards


def _discounts(rows: Transitions, gamma: float) -> Array:
    """Returns the discount of V(s') of each row, ``[n]``: 0 at a termination; rewards may span several steps."""
    discounts = np.full(len(rows), gamma)
    if rows.discounts is not None:
        discounts = rows.discounts.reshape(-1).astype(np.float64)
    elif rows.intervals is not None:
        discounts = gamma ** rows.intervals.reshape(-1).astype(np.float64)
    found: Array = discounts * (1.0 - rows.terminations.reshape(-1))
    return found


class Features:
    """Columns of s or s', standardised, with random ReLU units of them and a constant.

    Args:
        spec: Columns of a transition.
        rows: Rows whose s gives the scales.
        rng: Source of the units.
    """

    def __init__(self, spec: TransitionSpec, rows: Transitions, rng: np.random.Generator) -> None:
        self._leaves = [leaf for leaf in spec.leaves if leaf.name.partition("/")[0] == "observations"]
        columns = self._columns(rows, "")
        self._scale, width = scale_of(columns), columns.shape[1]
        self._weight, self._bias = rng.standard_normal((width, UNITS)) / np.sqrt(width), rng.standard_normal(UNITS)

    def _columns(self, rows: Transitions, prefix: str) -> Array:
        held = rows.leaves()
        parts = [numbers(leaf, held[prefix + leaf.name]) for leaf in self._leaves]
        return np.concatenate(parts, axis=1, dtype=np.float64)

    def __call__(self, rows: Transitions, prefix: str) -> Array:
        """Returns the features of s (prefix ``""``) or of s' (``"next_"``), ``[n, F]`` float64."""
        x = self._scale(self._columns(rows, prefix)).astype(np.float64)
        return np.concatenate([np.ones((len(x), 1)), x, np.maximum(x @ self._weight + self._bias, 0)], axis=1)
