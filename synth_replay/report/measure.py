"""All measurements of a report, computed once before anything is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np

from synth_replay.evaluation.copying import Copies, NearestFitted, find_copies
from synth_replay.evaluation.correlations import CorrelationGap, correlation_matrix, largest_correlation_gaps
from synth_replay.evaluation.fidelity import numeric_columns
from synth_replay.evaluation.scores import FidelityScores, evaluate
from synth_replay.report.judge import judge
from synth_replay.report.rows import Rows
from synth_replay.report.simulated import Simulated, count_terminations, simulate, with_dynamics
from synth_replay.report.support import far_rows, range_gap
from synth_replay.report.verdict import Evidence, TerminationCounts, Verdict
from synth_replay.spaces import Array

GAPS = 8  # pairs of columns in the table
DISTANCES = 4e9  # budget of products for all distances, which bounds their time to seconds for rows of any width


@dataclass(frozen=True, eq=False)
class Measured:
    """Rows and all measurements of them.

    Attributes:
        rows: Rows that are compared.
        scores: Scores of the generated rows.
        reference: Scores of real rows in their place; None if there are too few rows.
        correlations: Correlations ``[D, D]`` of the real rows and of the generated rows.
        gaps: Pairs of columns whose correlations differ most, worst first.
        copies: Distances to the fitted rows.
        simulated: Dynamics errors, or the reason why there are none.
        terminations: Numbers of terminations in the simulator, if rows were stepped.
        noise_distances: Distances of fitted rows with noise to the fitted rows, if they were stepped.
        verdict: Verdict on the generated rows.
    """

    rows: Rows
    scores: FidelityScores
    reference: FidelityScores | None
    correlations: tuple[Array, Array]
    gaps: list[CorrelationGap]
    copies: Copies
    simulated: Simulated | str
    terminations: TerminationCounts | None
    noise_distances: Array | None
    verdict: Verdict


def measure(
    rows: Rows, env: gym.Env[Any, Any] | None, set_state: Any, seed: int, step: Callable[[str], None]
) -> Measured:
    """Computes all measurements of the rows.

    Args:
        rows: Rows that are compared.
        env: Environment whose state can be set, or None.
        set_state: Function that sets its state, for environments that are not supported here.
        seed: Seed of every choice of rows.
        step: Callback with the name of each stage.
    """
    step("scores")
    scores = evaluate(rows.real, rows.synthetic, train=rows.fitted, max_rows=scored_rows(len(rows.names)))
    step("distances")
    nearest = NearestFitted(rows.fitted_values)
    copies = _copies(nearest, rows, seed)
    step("reference")
    reference, reference_pair = _reference(rows, copies, seed)
    correlations = correlation_matrix(rows.real_values), correlation_matrix(rows.synthetic_values)
    gaps = largest_correlation_gaps(*correlations, rows.names, GAPS)
    step("simulator")
    simulated = simulate(rows, copies.baseline_rows, env, set_state, seed)
    terminations, noise_distances = None, None
    if isinstance(simulated, Simulated):
        scores = with_dynamics(scores, simulated.synthetic)
        reference = reference and with_dynamics(reference, simulated.real)
        terminations = count_terminations(rows.synthetic, simulated.synthetic)
        noise_distances = nearest(numeric_columns(simulated.noisy)[0])
    evidence = Evidence(
        reference=reference,
        pair=gaps[0] if gaps else None,
        reference_pair=reference_pair,
        terminations=terminations,
        copies=copies.share,
        rows=(len(rows.real), min(len(rows.synthetic), len(rows.fitted))),  # the fitted rows limit a rate's precision
        why_not=simulated if isinstance(simulated, str) else "",
        held_out=len(rows.real) if rows.held_out else 0,
        outside=range_gap(rows),
        far=far_rows(rows, copies),
    )
    verdict = judge(scores, evidence)
    return Measured(
        rows, scores, reference, correlations, gaps, copies, simulated, terminations, noise_distances, verdict
    )


def scored_rows(columns: int) -> int:
    """Computes ``max_rows`` for :func:`synth_replay.evaluate`: its default, or fewer for rows of many columns."""
    return min(10_000, int(np.sqrt(DISTANCES / columns)))


def _copies(nearest: NearestFitted, rows: Rows, seed: int) -> Copies:
    budget = int(np.clip(DISTANCES / rows.fitted_values.size, 500, 2_000))
    return find_copies(
        nearest, rows.synthetic_values, rows.real_values, held_out=rows.held_out, max_rows=budget, seed=seed
    )


def _reference(rows: Rows, copies: Copies, seed: int) -> tuple[FidelityScores | None, CorrelationGap | None]:
    """Scores real rows in place of the generated rows.

    At most as many fitted rows as were generated are compared with the held-out rows. Without held-out rows, one half
    of the fitted rows is compared with the other half.
    """
    order = np.random.default_rng(seed).permutation(len(rows.fitted))
    half = 0 if rows.held_out else len(order) // 2
    if not rows.held_out and not half:
        return None, None
    real = rows.real if rows.held_out else rows.fitted[order[:half]]
    stand_in = rows.fitted[order[half:][: len(rows.synthetic)]]
    scores = evaluate(real, stand_in, max_rows=1)  # its distances are replaced by those to all fitted rows
    scores = replace(
        scores,
        nearest_distance=float(np.median(copies.baseline)),
        nearest_distance_real=float(np.median(copies.baseline)),
        copy_share=float(np.mean(copies.baseline < copies.limit)),
    )
    (a, names), b = numeric_columns(real), numeric_columns(stand_in)[0]
    gaps = largest_correlation_gaps(correlation_matrix(a), correlation_matrix(b), names)
    return scores, gaps[0] if gaps else None
