"""Everything that the page shows, computed once and before anything is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np

from synth_replay.evaluation import (
    Copying,
    FidelityScores,
    NearestFitted,
    PairGap,
    correlation_matrix,
    evaluate,
    find_copies,
    largest_gaps,
)
from synth_replay.evaluation.fidelity import numeric_columns
from synth_replay.report.judge import judge
from synth_replay.report.rows import Rows
from synth_replay.report.simulated import Simulated, count_ends, simulate, with_dynamics
from synth_replay.report.verdict import Ends, Evidence, Verdict
from synth_replay.spaces import Array

GAPS = 8
DISTANCES = 4e9  # products for all distances: some seconds, however wide the rows


@dataclass(frozen=True, eq=False)
class Measured:
    """Rows and every figure about them.

    Attributes:
        rows: What is compared.
        scores: Of the generated rows.
        reference: Of real rows in their place; None if there are too few.
        correlations: ``[D, D]`` of the real and of the generated rows.
        gaps: Column pairs whose correlation is furthest off, worst first.
        copies: Distances to the fitted rows.
        simulated: The simulator's opinion, or why there is none.
        ends: Counts of terminations in the simulator.
        noise_distances: Distances of fitted rows with noise to the fitted rows, if they were stepped.
        verdict: Good enough or not.
    """

    rows: Rows
    scores: FidelityScores
    reference: FidelityScores | None
    correlations: tuple[Array, Array]
    gaps: list[PairGap]
    copies: Copying
    simulated: Simulated | str
    ends: Ends | None
    noise_distances: Array | None
    verdict: Verdict


def measure(
    rows: Rows, env: gym.Env[Any, Any] | None, set_state: Any, seed: int, step: Callable[[str], None]
) -> Measured:
    """Computes all figures.

    Args:
        rows: What is compared.
        env: The simulator.
        set_state: How to set its state.
        seed: Seed of every choice of rows.
        step: Called with the name of each piece of work.
    """
    step("scores")
    scores = evaluate(rows.real, rows.synthetic, train=rows.fitted, max_rows=scored_rows(len(rows.names)))
    step("distances")
    nearest = NearestFitted(rows.fitted_values)
    budget = int(np.clip(DISTANCES / rows.fitted_values.size, 500, 2_000))
    copies = find_copies(
        nearest, rows.synthetic_values, rows.real_values, held_out=rows.held_out, max_rows=budget, seed=seed
    )
    step("reference")
    reference, reference_pair = _reference(rows, copies, seed)
    correlations = correlation_matrix(rows.real_values), correlation_matrix(rows.synthetic_values)
    gaps = largest_gaps(*correlations, rows.names, GAPS)
    step("simulator")
    simulated = simulate(rows, copies.baseline_rows, env, set_state, seed)
    ends, noise_distances = None, None
    if isinstance(simulated, Simulated):
        scores = with_dynamics(scores, simulated.synthetic)
        reference = reference and with_dynamics(reference, simulated.real)
        ends = count_ends(rows.synthetic, simulated.synthetic)
        noise_distances = nearest(numeric_columns(simulated.noisy)[0])
    evidence = _evidence(rows, simulated, ends, copies, reference, (gaps[0] if gaps else None, reference_pair))
    verdict = judge(scores, evidence)
    return Measured(rows, scores, reference, correlations, gaps, copies, simulated, ends, noise_distances, verdict)


def scored_rows(columns: int) -> int:
    """``max_rows`` for :func:`synth_replay.evaluate`: its default, and fewer for wide rows."""
    return min(10_000, int(np.sqrt(DISTANCES / columns)))


def _evidence(
    rows: Rows,
    simulated: Simulated | str,
    ends: Ends | None,
    copies: Copying,
    reference: FidelityScores | None,
    pairs: tuple[PairGap | None, PairGap | None],
) -> Evidence:
    return Evidence(
        reference=reference,
        pair=pairs[0],
        reference_pair=pairs[1],
        ends=ends,
        copies=copies.share,
        rows=(len(rows.real), min(len(rows.synthetic), len(rows.fitted))),  # a rate is known no better than fitted
        why_not=simulated if isinstance(simulated, str) else "",
    )


def _reference(rows: Rows, copies: Copying, seed: int) -> tuple[FidelityScores | None, PairGap | None]:
    """Fitted rows, at most as many as were generated, against the held-out ones; or one half against the other."""
    order = np.random.default_rng(seed).permutation(len(rows.fitted))
    half = 0 if rows.held_out else len(order) // 2
    if not rows.held_out and not half:
        return None, None
    real = rows.real if rows.held_out else rows.fitted[order[:half]]
    stand_in = rows.fitted[order[half:][: len(rows.synthetic)]]
    scores = evaluate(real, stand_in, max_rows=1)  # its distances are not used: those to all fitted rows are there
    scores = replace(
        scores,
        nearest_distance=float(np.median(copies.baseline)),
        nearest_distance_real=float(np.median(copies.baseline)),
        copy_share=float(np.mean(copies.baseline < copies.limit)),
    )
    (a, names), b = numeric_columns(real), numeric_columns(stand_in)[0]
    gaps = largest_gaps(correlation_matrix(a), correlation_matrix(b), names)
    return scores, gaps[0] if gaps else None
