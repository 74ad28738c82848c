"""Rows of the highest relevance: a generator that is fitted with relevances and asked for the top of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from synth_replay.errors import ConfigError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.generator import TransitionGenerator
from synth_replay.generator.relevance import FunctionScore, Relevance, Score
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec

SCORED_ROWS = 5_000


def with_labels_dropped(config: GeneratorConfig, relevance: Relevance) -> GeneratorConfig:
    """Returns a configuration with the label dropout and the guidance weight of a relevance."""
    guidance = replace(config.guidance, weight=relevance.guidance_weight, label_dropout=relevance.label_dropout)
    return replace(config, guidance=guidance)


class PromptedGenerator:
    """A generator of rows of high relevance (Prioritized Generative Replay, Wang et al. 2025), with a buffer's methods.

    Each fit learns the relevance anew and gives it to the generator as a label. The relevances that rows are asked for
    with are drawn from the highest ones of the fitted rows.

    Args:
        inner: The generator. A fitted one must have been fitted with a number as label.
        relevance: The relevance and how it is asked for.

    Attributes:
        figures: Mean relevance of the real rows, of what was asked for and of what came out; the names are those of a
            buffer's ``stats``. Empty before the first fit.

    Raises:
        ConfigError: If the generator was fitted without a number as label.
    """

    def __init__(self, inner: TransitionGenerator, relevance: Relevance) -> None:
        self.inner, self.relevance = inner, relevance
        self.figures: dict[str, float] = {}
        self._score: Score | None = FunctionScore(relevance.score) if callable(relevance.score) else None
        self._rng = np.random.default_rng([inner.seed, 1])  # another stream than the generator's own
        if inner.fitted:
            self._quantiles()

    @property
    def spec(self) -> TransitionSpec:
        """Columns of a transition."""
        return self.inner.spec

    @property
    def fitted(self) -> bool:
        """Whether :meth:`sample` can be called."""
        return self.inner.fitted

    @property
    def store_rows(self) -> int:
        """Generated rows that a buffer keeps by default."""
        return self.inner.store_rows

    @property
    def holdout_loss(self) -> float:
        """Best held-out denoising loss of the last fit."""
        return self.inner.holdout_loss

    def widen_actions(self, action_space: Any) -> None:
        """Takes wider bounds of the actions from now on."""
        self.inner.widen_actions(action_space)

    def fit(self, transitions: Transitions, *, labels: Any = None, **options: Any) -> PromptedGenerator:  # noqa: ARG002
        """Learns the relevance of real rows, and then the rows with it as their label.

        Args:
            transitions: Real rows.
            labels: Ignored.
            **options: Keyword arguments of :meth:`~synth_replay.TransitionGenerator.fit`.

        Raises:
            InvalidTransitionsError: If a relevance function does not return one finite number for each row.
        """
        seed = int(self._rng.integers(2**63))
        scores, score = self.relevance.learn(transitions, self.inner.spec, seed, self.inner.device)
        self.inner.fit(transitions, labels=scores, **options)
        self._score, self.figures = score, {"relevance": float(scores.mean())}
        return self

    def learn_score(self, rows: Transitions) -> None:
        """Learns the score on real rows, if it is not known: after loading a generator from files."""
        if self._score is None:
            seed = int(self._rng.integers(2**63))
            self._score = self.relevance.learn(rows, self.inner.spec, seed, self.inner.device)[1]

    def _quantiles(self) -> Array:
        """Returns quantiles of the fitted relevances at equal steps of rank."""
        label = self.inner._fitted().codec.conditions.label
        if label is None or not label.quantiles:
            raise ConfigError(
                "The saved generator was not fitted with a relevance: leave relevance out, or give a configuration."
            )
        return np.asarray(label.quantiles)

    def _top(self) -> Array:
        quantiles = self._quantiles()
        return quantiles[-max(round(self.relevance.top * len(quantiles)), 1) :]

    def sample(self, num_samples: int, *, label: Any = None, progress: bool | None = False) -> Transitions:  # noqa: ARG002
        """Samples rows whose relevances are asked for from the top of the fitted ones.

        Args:
            num_samples: Number of rows.
            label: Ignored.
            progress: Show progress; None shows a bar on a terminal and lines elsewhere.
        """
        asked = self._rng.choice(self._top(), num_samples)
        weight = self.relevance.guidance_weight
        rows = self.inner.sample(num_samples, label=asked, guidance_weight=weight, progress=progress)
        if self._score is not None and num_samples:
            made = float(self._score(rows[:SCORED_ROWS]).mean())
            self.figures |= {"relevance_asked": float(asked.mean()), "relevance_made": made}
        return rows

    def resembled(self, rows: Transitions) -> Transitions:
        """Returns the real rows that generated ones are to be like: the share of the highest relevance.

        There are none after loading a generator from files, as the score is not saved, until the next fit; a score that
        the user gave as a function is known.
        """
        if self._score is None or not len(rows):
            return rows[:0]
        count = max(round(self.relevance.top * len(rows)), 1)
        return rows[np.argsort(self._score(rows), kind="stable")[-count:]]
