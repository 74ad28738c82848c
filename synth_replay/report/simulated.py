"""Rows stepped in the simulator: generated rows, real rows, and real rows with noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np

from synth_replay.augment.states import additive_noise
from synth_replay.errors import SimulatorError, SpecMismatchError
from synth_replay.evaluation.dynamics import DynamicsErrors, dynamics_error
from synth_replay.evaluation.scores import FidelityScores
from synth_replay.evaluation.simulator import StateSetter
from synth_replay.report.rows import Rows
from synth_replay.report.verdict import TerminationCounts
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions

STEPPED = 5_000  # generated rows
COMPARED = 1_000  # real rows, and rows with noise


@dataclass(frozen=True)
class Simulated:
    """Dynamics errors of three sets of rows.

    Attributes:
        synthetic: Errors of the first generated rows.
        real: Errors of some real rows.
        real_rows: Indices of these real rows.
        noise: Errors of fitted rows with additive noise, SynthER's best explicit augmentation.
        noisy: Fitted rows with the noise.
    """

    synthetic: DynamicsErrors
    real: DynamicsErrors
    real_rows: Array
    noise: DynamicsErrors
    noisy: Transitions


def simulate(
    rows: Rows, real_rows: Array, env: gym.Env[Any, Any] | None, set_state: StateSetter | None, seed: int
) -> Simulated | str:
    """Steps rows in the simulator, or returns the reason why that is not possible.

    Args:
        rows: Rows of the report.
        real_rows: Indices of the real rows to step; the first 1,000 are used.
        env: Environment whose state can be set, or None.
        set_state: Function that sets its state, for environments that are not supported here.
        seed: Seed of the noise and of the choice of fitted rows.
    """
    if env is None:
        return "no environment was given"
    if isinstance(rows.synthetic.observations, dict):
        return "the simulator cannot be set from Dict observations"
    rng = np.random.default_rng(seed)
    some = rng.choice(len(rows.fitted), min(COMPARED, len(rows.fitted)), replace=False)
    noisy, real_rows = additive_noise(rows.fitted[some], rng), real_rows[:COMPARED]
    try:
        return Simulated(
            synthetic=dynamics_error(rows.synthetic[:STEPPED], env, set_state),
            real=dynamics_error(rows.real[real_rows], env, set_state),
            real_rows=real_rows,
            noise=dynamics_error(noisy, env, set_state),
            noisy=noisy,
        )
    except SimulatorError as error:
        return str(error).split(". Pass")[0]


def check_environment(real: Transitions, env: gym.Env[Any, Any]) -> None:
    """Checks that rows and simulator belong to the same kind of environment.

    Raises:
        SpecMismatchError: If their observations have different shapes.
    """
    shape = env.unwrapped.observation_space.shape
    if not isinstance(real.observations, dict) and real.observations.shape[1:] != shape:
        raise SpecMismatchError(
            f"The rows' observations have shape {real.observations.shape[1:]}, those of {env} {shape}: "
            "pass the environment that they were collected in."
        )


def with_dynamics(scores: FidelityScores, found: DynamicsErrors) -> FidelityScores:
    """Adds the dynamics scores, as :func:`synth_replay.evaluate` computes them, to ``scores``."""
    return replace(
        scores,
        dynamics_error=float(np.median(found.next_observation)),
        dynamics_error_mean=float(found.next_observation.mean()),
        reward_error=float(np.median(found.reward)),
        reward_error_mean=float(found.reward.mean()),
        termination_precision=float(found.precision),
        termination_recall=float(found.recall),
    )


def count_terminations(rows: Transitions, found: DynamicsErrors) -> TerminationCounts:
    """Counts the terminations of generated rows against the simulator's."""
    generated = rows.terminations[: len(found.terminations)]
    confirmed = int((generated & found.terminations).sum())
    return TerminationCounts(int(generated.sum()), int(found.terminations.sum()), confirmed, len(generated))
