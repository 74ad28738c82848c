"""All thresholds of the verdict, with their reasons.

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
    0.01,
    0.1,
    "0.01 is a typical error of a tenth of a standard deviation per dimension. Good fits have 2e-4 (Hopper) and 4e-6 "
    "(CartPole), poor fits of small datasets 0.1 to 0.2. Real rows with additive noise of 0.1 have 2e-3 on Hopper, "
    "where they harm the agent: a value well below the limit is better than one just below it.",
)
REWARD = Limit(
    0.01,
    0.1,
    "The scale is that of the dynamics error, in variances of the reward. Good fits have 4e-4. Rewards that are "
    "shuffled or shifted by a standard deviation have about 1.",
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
MIN_TERMINATIONS = 10
"""Fewest generated terminations for which precision is judged, and fewest of the simulator's for recall."""
