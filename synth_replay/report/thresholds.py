"""All thresholds of the verdict, with their reasons.

The numbers of fits and of noise are those of ``benchmarks/verdict.py`` and ``benchmarks/fidelity.py`` (docs: Evidence),
and of SynthER's paper where it is named.

Scores that depend on the number of rows are judged by their distance from the score of real rows in place of the
generated rows (the reference), because even perfect rows do not score 1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """Two limits of a score for which less is better.

    Attributes:
        good: Largest value that passes.
        bad: Largest value that gives a warning; larger values fail.
        reason: Reason for both numbers, in one or two sentences.
    """

    good: float
    bad: float
    reason: str


MARGINAL = Limit(
    0.02,
    0.03,
    "In SynthER's Table 1, a GAN scored 0.030 and a VAE 0.047 below the diffusion model's mean marginal (0.989), and "
    "agents lost 40% or more of the return. Good fits score 0.007 (Hopper) to 0.014 (CartPole) below real rows.",
)
WORST_MARGINAL = Limit(
    0.05,
    0.15,
    "The worst column of a good fit scores 0.02 below the worst column of real rows (Hopper, CartPole), that of a fit "
    "of 800 steps 0.05. Shifting a column by half a standard deviation costs 0.2.",
)
CORRELATION = Limit(
    0.01,
    0.015,
    "In SynthER's Table 1, the GAN scored 0.017 and the VAE 0.019 below the diffusion model (0.998). "
    "Good fits score 0.001 to 0.004 below real rows.",
)
WORST_PAIR = Limit(
    0.15,
    0.4,
    "The worst pair of a good fit differs by 0.01 more than that of two sets of real rows, the worst pair of a fit of "
    "800 steps by 0.09 more. A column that is independent of the others differs by their whole correlation.",
)
TERMINATION_RATE = Limit(
    0.2,
    0.5,
    "Terminations give a critic its sharpest targets. Two real samples with a few dozen terminations differ by up to "
    "20%. The part that chance explains (two standard errors) is subtracted first.",
)
DYNAMICS = Limit(
    0.001,
    0.005,
    "Real rows with additive noise of 0.1 have 1e-3 to 2e-3 on Hopper and 2e-3 on Pendulum. In a first probe on Hopper "
    "they lowered the return of TD3+BC from 9.8 to 4.8 and 3.2 (3,000 rows, two seeds). Good fits have 2e-4 (Hopper), "
    "8e-5 (Pendulum) and 1e-5 (CartPole). Fits of 200 steps have 7e-3 (Pendulum) and 6e-2 (Hopper), a Hopper fit of "
    "1,000 steps has 1.5e-2.",
)
REWARD = Limit(
    0.002,
    0.01,
    "In variances of the reward. Good fits have 8e-5 (Hopper) and 1.7e-4 (Pendulum), fits without relabelling 4e-4. "
    "Rows with additive noise of 0.1 have 4e-3, fits of 200 steps 1.6e-2 (Pendulum) and 2.6e-2 (Hopper). Rewards that "
    "are shuffled or shifted by a standard deviation have about 1.",
)
PRECISION = Limit(
    0.5,
    0.75,
    "The limits are shares of false terminations. A good fit of Hopper has 0.44 without relabelling and 0.1 with it. "
    "Above one half, most generated terminations are false and teach the critic to avoid good states. The part that "
    "chance explains is subtracted.",
)
RECALL = Limit(
    0.5,
    0.75,
    "The limits are shares of missed terminations. A good fit of Hopper has 0.44 without relabelling and 0.1 with it. "
    "Above one half, most fatal steps look safe. The part that chance explains is subtracted.",
)
COPIES = Limit(
    0.05,
    0.25,
    "By definition 0.01 of the real rows count as copies; a small sample may have 0.03. Good fits have 0.001 to 0.013. "
    "Copies do no harm, but add nothing to the real rows.",
)
RANGE = Limit(
    0.001,
    0.05,
    "A critic extrapolates from values that the task cannot produce. By chance, 2 in n + 1 further real rows lie "
    "outside the range of n rows, and up to 0.01 of the rows of other episodes do (Hopper). The larger of this chance "
    "and the held-out rows' own share is subtracted, with two standard errors. Fits without clipping have up to 0.004, "
    "rows with additive noise of 0.1 have 0.007 (Hopper) to 0.1 (Pendulum).",
)
FAR = Limit(
    0.05,
    0.15,
    "By definition 0.01 of the real rows are that far. On Pendulum, other real rows have 0.017, a fit of 5,000 steps "
    "0.02, one of 1,000 steps 0.10 (pairs of cos and sin up to 0.65 off the circle), one of 200 steps 0.48. Rows with "
    "additive noise of 0.1 have 0.18, at equally good marginals. The check is weak for rows with many columns or a "
    "simple shape: on CartPole and Hopper all of these have less than 0.01. Chance is subtracted.",
)
MIN_HOLDOUT = 1_000
"""Fewest held-out rows for a verdict without a warning."""
HOLDOUT_REASON = (
    "The Kolmogorov-Smirnov statistic of n held-out rows has a standard deviation of about 0.26 / sqrt(n) by chance: "
    "0.016 with 250 rows, nearly the limit of the mean marginal (0.02), and 0.008 with 1,000."
)
MIN_TERMINATIONS = 10
"""Fewest generated terminations for which precision is judged, and fewest of the simulator's for recall."""
