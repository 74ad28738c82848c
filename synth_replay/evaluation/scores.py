"""All fidelity scores of generated transitions in one call."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from synth_replay.errors import InvalidTransitionsError, SpecMismatchError
from synth_replay.evaluation.dynamics import dynamics_error
from synth_replay.evaluation.fidelity import check_columns, correlation_similarity, ks_complement, numeric_columns
from synth_replay.evaluation.nearest import nearest_distances
from synth_replay.evaluation.simulator import StateSetter
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions

COPY_PERCENTILE = 1.0


@dataclass(frozen=True)
class FidelityScores:
    """Closeness of generated rows to held-out real rows; scores that were not asked for are NaN.

    Attributes:
        marginal: Mean over columns of 1 - KS statistic, in [0, 1], higher is better.
        marginals: Score 1 - KS statistic of each column, by name.
        correlation: Mean correlation similarity, in [0, 1], higher is better.
        termination_rate_real: Share of terminal rows in the hold-out.
        termination_rate: Share of terminal rows among the generated rows.
        dynamics_error: Median over rows of the one-step error (see :class:`~synth_replay.evaluation.DynamicsErrors`).
        dynamics_error_mean: Mean over rows of the one-step error; a few rows across a contact dominate it.
        reward_error: Median over rows of the normalised squared error of the reward.
        reward_error_mean: Mean over rows of the normalised squared error of the reward.
        termination_precision: Share of generated terminations that the simulator confirms.
        termination_recall: Share of the simulator's terminations that were generated as such.
        nearest_distance: Median distance of generated rows to the nearest real row, in standard deviations per
            dimension.
        nearest_distance_real: Median distance of real rows to their nearest other real row, in the same unit.
        copy_share: Share of generated rows closer to a real row than 99 % of real rows are to each other; about 0.01 or
            less means no copying.
    """

    marginal: float
    marginals: dict[str, float]
    correlation: float
    termination_rate_real: float
    termination_rate: float
    dynamics_error: float
    dynamics_error_mean: float
    reward_error: float
    reward_error_mean: float
    termination_precision: float
    termination_recall: float
    nearest_distance: float
    nearest_distance_real: float
    copy_share: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the scores by name; NaN stays NaN."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        scalars = {k: v for k, v in self.to_dict().items() if isinstance(v, float)}
        return "\n".join(f"{name.replace('_', ' '):<24}{value:.4g}" for name, value in scalars.items())


def evaluate(
    real_holdout: Transitions,
    synthetic: Transitions,
    env: gym.Env[Any, Any] | None = None,
    *,
    train: Transitions | None = None,
    set_state: StateSetter | None = None,
    max_rows: int = 10_000,
    dynamics_rows: int = 5_000,
) -> FidelityScores:
    """Scores generated transitions against real transitions that the generator has not seen.

    Args:
        real_holdout: Real rows kept out of the fit.
        synthetic: Generated rows.
        env: Environment for the dynamics errors; None skips them.
        train: Fitted rows, among which copies are looked for; None takes the hold-out.
        set_state: Function ``set_state(env.unwrapped, observation)``; None covers MuJoCo v5 and classic control.
        max_rows: Most rows for the distances, chosen at random with a fixed seed.
        dynamics_rows: Most rows stepped in the simulator.

    Raises:
        SpecMismatchError: If the two have different columns.
        InvalidTransitionsError: If either is empty, not finite, or holds numbers too large to be compared.
        SimulatorError: If the environment's state cannot be set.
    """
    (real, names), (fake, fake_names) = numeric_columns(real_holdout), numeric_columns(synthetic)
    if names != fake_names:
        raise SpecMismatchError(f"Real rows have the columns {names}, generated rows {fake_names}.")
    for label, values in (("real_holdout", real), ("synthetic", fake)):
        if not len(values) or not np.isfinite(values).all():
            raise InvalidTransitionsError(f"{label} is empty, or holds NaN or infinity.")
        check_columns(label, values, names)
    marginals = ks_complement(real, fake)
    figures = _distances(fake, real if train is None else numeric_columns(train)[0], max_rows)
    figures |= _dynamics(synthetic[:dynamics_rows], env, set_state)
    return FidelityScores(
        marginal=float(marginals.mean()),
        marginals=dict(zip(names, marginals.tolist(), strict=True)),
        correlation=correlation_similarity(real, fake),
        termination_rate_real=float(real_holdout.terminations.mean()),
        termination_rate=float(synthetic.terminations.mean()),
        **figures,
    )


def _dynamics(synthetic: Transitions, env: gym.Env[Any, Any] | None, set_state: StateSetter | None) -> dict[str, float]:
    errors = ("dynamics_error", "dynamics_error_mean", "reward_error", "reward_error_mean")
    names = (*errors, "termination_precision", "termination_recall")
    if env is None:
        return dict.fromkeys(names, float("nan"))
    found = dynamics_error(synthetic, env, set_state)
    error, reward = found.next_observation, found.reward
    figures = (np.median(error), error.mean(), np.median(reward), reward.mean(), found.precision, found.recall)
    return dict(zip(names, map(float, figures), strict=True))


def _distances(fake: Array, references: Array, max_rows: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    shift, scale = references.mean(axis=0), references.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0) * np.sqrt(references.shape[1])

    def some(values: Array) -> Array:
        chosen = rng.choice(len(values), min(max_rows, len(values)), replace=False)
        scaled: Array = (values[chosen] - shift) / scale
        return scaled

    fake, references = some(fake), some(references)
    between = nearest_distances(fake, references)
    among = nearest_distances(references, references, skip_self=True) if len(references) > 1 else np.ones(1)
    return {
        "nearest_distance": float(np.median(between)),
        "nearest_distance_real": float(np.median(among)),
        "copy_share": float(np.mean(between < np.percentile(among, COPY_PERCENTILE))),
    }
