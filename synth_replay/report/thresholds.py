"""Every threshold of the verdict, with the reason for it.

Figures that depend on the number of rows are judged by their distance from what real rows score in
the generated ones' place (the reference), because even perfect rows do not score 1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """Two limits on how bad a figure may be.

    Attributes:
        good: Up to here the check passes.
        bad: Up to here rows can be trained on with care; beyond, not.
        reason: Why these numbers, in a sentence or two.
    """

    good: float
    bad: float
    reason: str


MARGINAL = Limit(
    0.02,
    0.03,
    "SynthER's Table 1: a GAN 0.030 and a VAE 0.047 below the diffusion model's mean marginal (0.989) lost 40% and "
    "more of the return. Good fits of this package lie 0.007 (Hopper) to 0.014 (CartPole) below real rows.",
)
WORST_MARGINAL = Limit(
    0.05,
    0.15,
    "Good fits: the worst column lies 0.02 below real rows' worst column (Hopper, CartPole); a fit that was stopped "
    "after 800 steps, 0.05. A column moved by half a standard deviation loses 0.2.",
)
CORRELATION = Limit(
    0.01,
    0.015,
    "SynthER's Table 1: the GAN lay 0.017 and the VAE 0.019 below the diffusion model (0.998). "
    "Good fits lie 0.001 to 0.004 below real rows.",
)
WORST_PAIR = Limit(
    0.15,
    0.4,
    "Good fits: the worst pair is 0.01 further off than between two sets of real rows; a fit stopped after 800 steps, "
    "0.09. A column that lost its link to the others is off by their whole correlation.",
)
TERMINATION_RATE = Limit(
    0.2,
    0.5,
    "Ends of episodes carry the sharpest targets that a critic sees; two real samples of a few dozen ends differ by "
    "as much as 20%. What chance alone explains (two standard errors) is taken off first.",
)
DYNAMICS = Limit(
    0.01,
    0.1,
    "0.01 is a typical miss of a tenth of a standard deviation per dimension. Good fits have 2e-4 (Hopper) and 4e-6 "
    "(CartPole), poor small-data fits 0.1 to 0.2. Real rows with additive noise 0.1 have 2e-3 on Hopper, where they "
    "hurt the agent: well below the limit is better than just below it.",
)
REWARD = Limit(
    0.01,
    0.1,
    "The same scale as the dynamics error, in variances of the reward. Good fits have 4e-4; rewards that were "
    "shuffled or moved by a standard deviation, about 1.",
)
PRECISION = Limit(
    0.5,
    0.75,
    "In shares of claimed ends that are none. A good fit of Hopper has 0.44 without relabelling and 0.1 with it; "
    "beyond one half most claimed ends are false and teach the critic to fear good states. Chance is taken off.",
)
RECALL = Limit(
    0.5,
    0.75,
    "In shares of true ends that are missed. A good fit of Hopper has 0.44 without relabelling and 0.1 with it; "
    "beyond one half most falls look survivable. Chance is taken off.",
)
COPIES = Limit(
    0.05,
    0.25,
    "By its definition 0.01 of real rows count as copies, and a small sample may show 0.03. Good fits have 0.001 to "
    "0.013. Copies do no harm by themselves, but add nothing to the real rows.",
)
MIN_ENDS = 10
"""Fewer claimed (or true) ends than this among the stepped rows say nothing about precision (or recall)."""
