"""Rows stepped in the simulator: generated, real, and real ones with noise for comparison."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np

from synth_replay.augment import additive_noise
from synth_replay.errors import SimulatorError, SpecMismatchError
from synth_replay.evaluation import DynamicsError, FidelityScores, dynamics_error
from synth_replay.evaluation.simulator import StateSetter
from synth_replay.report.rows import Rows
from synth_replay.report.verdict import Ends
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions

STEPPED = 5_000
COMPARED = 1_000


@dataclass(frozen=True)
class Simulated:
    """What the simulator says.

    Attributes:
        synthetic: Of the first generated rows.
        real: Of some real rows.
        real_rows: Which ones.
        noise: Of fitted rows with additive noise, SynthER's best explicit augmentation.
        noisy: These rows.
    """

    synthetic: DynamicsError
    real: DynamicsError
    real_rows: Array
    noise: DynamicsError
    noisy: Transitions


def simulate(
    rows: Rows, real_rows: Array, env: gym.Env[Any, Any] | None, set_state: StateSetter | None, seed: int
) -> Simulated | str:
    """Steps rows, or says why that is not possible.

    Args:
        rows: What is compared.
        real_rows: Which real rows to step (the first of them).
        env: The simulator.
        set_state: How to set its state.
        seed: Seed of the noise.
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
    """Refuses another environment's simulator.

    Raises:
        SpecMismatchError: If the observations have another shape.
    """
    shape = env.unwrapped.observation_space.shape
    if not isinstance(real.observations, dict) and real.observations.shape[1:] != shape:
        raise SpecMismatchError(
            f"The rows' observations have shape {real.observations.shape[1:]}, those of {env} {shape}: "
            "pass the environment that they were collected in."
        )


def with_dynamics(scores: FidelityScores, found: DynamicsError) -> FidelityScores:
    """The scores with the figures that :func:`synth_replay.evaluate` would take from these steps."""
    return replace(
        scores,
        dynamics_error=float(np.median(found.next_observation)),
        dynamics_error_mean=float(found.next_observation.mean()),
        reward_error=float(np.median(found.reward)),
        reward_error_mean=float(found.reward.mean()),
        termination_precision=float(found.precision),
        termination_recall=float(found.recall),
    )


def count_ends(rows: Transitions, found: DynamicsError) -> Ends:
    """Terminations claimed by the rows against the simulator's."""
    claimed = rows.terminations[: len(found.terminations)]
    both = int((claimed & found.terminations).sum())
    return Ends(int(claimed.sum()), int(found.terminations.sum()), both, len(claimed))
