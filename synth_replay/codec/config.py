"""Choices of how transitions become rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from synth_replay.errors import ConfigError


@dataclass(frozen=True)
class CodecConfig:
    """How transitions become rows.

    Attributes:
        normalizer: ``auto`` scores observations and actions by a mean of rank-Gaussian score and z-score (good
            marginals, also where a dimension piles up at a limit), heavy-tailed dimensions by rank alone, and
            standardises the rest (accurate steps); ``zscore`` standardises everything (SynthER); ``quantile`` uses
            ranks everywhere.
        next_observations: ``delta`` models s' - s, ``absolute`` models s' (SynthER). ``auto`` is ``delta``; where rows
            are decorrelated, columns with bounds or with many equal values (an encoder's latents) are ``absolute``.
        discrete: ``condition`` draws categories and flags from the data and conditions the denoiser on them;
            ``diffuse`` adds one-hot and flag columns to the row, read back by argmax and threshold (SynthER).
        rank_weight: In ``auto``, the weight of the rank-Gaussian score against the z-score, in (0, 1]. More gives
            better marginals, less more accurate steps from few rows.
        decorrelate: ``auto`` describes observations and next observations by their principal axes where they have 64
            to 4096 numbers together, each axis divided by the square root of its spread, and gives the rest of the row
            at least a fifth of the loss; ``never`` leaves columns as they are (SynthER).
        rare_share: Terminal rows are drawn at least this often in training batches (``condition`` only; the
            generated rate does not depend on it).
    """

    normalizer: Literal["auto", "zscore", "quantile"] = "auto"
    next_observations: Literal["auto", "delta", "absolute"] = "auto"
    discrete: Literal["condition", "diffuse"] = "condition"
    decorrelate: Literal["auto", "never"] = "auto"
    rare_share: float = 0.02
    rank_weight: float = 0.5

    def __post_init__(self) -> None:
        allowed = {
            "normalizer": ("auto", "zscore", "quantile"),
            "next_observations": ("auto", "delta", "absolute"),
            "discrete": ("condition", "diffuse"),
            "decorrelate": ("auto", "never"),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ConfigError(f"CodecConfig.{name} must be one of {values}, not {getattr(self, name)!r}.")
        if not 0 <= self.rare_share < 1:
            raise ConfigError(f"CodecConfig.rare_share must be in [0, 1), not {self.rare_share!r}.")
        if not 0 < self.rank_weight <= 1:
            raise ConfigError(f"CodecConfig.rank_weight must be in (0, 1], not {self.rank_weight!r}.")
