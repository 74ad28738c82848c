"""Settings of the map from transitions to rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from synth_replay.errors import ConfigError


@dataclass(frozen=True)
class CodecConfig:
    """Settings of the map from transitions to rows.

    Attributes:
        normalizer: Scaling of continuous columns. ``auto`` uses the weighted mean of rank-Gaussian score and z-score
            for observations and actions (good marginals, also where many values equal a limit), the rank-Gaussian
            score for heavy-tailed columns, and the z-score for the rest (accurate steps). ``zscore`` uses the z-score
            for all columns (SynthER), ``quantile`` the rank-Gaussian score.
        next_observations: Representation of s'. ``delta`` models s' - s, ``absolute`` models s' (SynthER). ``auto`` is
            ``delta`` except where rows are whitened: there, columns with bounds or with many equal values (the latents
            of an encoder) are ``absolute``.
        discrete: Representation of categories and flags. ``condition`` samples them from the data and conditions the
            denoiser on them. ``diffuse`` adds one-hot and flag columns to the row and reads them back by argmax and
            threshold (SynthER).
        quantile_weight: Weight of the rank-Gaussian score against the z-score in ``auto``, in (0, 1]. More weight gives
            better marginals; less weight gives more accurate steps from few rows.
        decorrelate: Whitening of wide rows. ``auto`` replaces observations and next observations of 64 to 4096 columns
            together by their principal axes, each divided by the square root of its standard deviation, and gives the
            other columns at least a fifth of the loss. ``never`` keeps the columns (SynthER).
        support: Range of generated continuous values. ``clip`` limits each column, and each modelled difference s' - s,
            to the range of the fitted rows; ``off`` leaves only the bounds of the spaces (SynthER).
        support_margin: Width by which ``clip`` extends the observed range on each side, as a share of the range. Keep
            0 for quantities with a hard limit, such as a reward that is never positive.
        terminal_oversampling: Minimum share of terminal rows in training batches, in [0, 1); effective with
            ``discrete="condition"`` only. The rate of generated terminations does not depend on it.
    """

    normalizer: Literal["auto", "zscore", "quantile"] = "auto"
    next_observations: Literal["auto", "delta", "absolute"] = "auto"
    discrete: Literal["condition", "diffuse"] = "condition"
    decorrelate: Literal["auto", "never"] = "auto"
    support: Literal["clip", "off"] = "clip"
    support_margin: float = 0.0
    terminal_oversampling: float = 0.02
    quantile_weight: float = 0.5

    def __post_init__(self) -> None:
        allowed = {
            "normalizer": ("auto", "zscore", "quantile"),
            "next_observations": ("auto", "delta", "absolute"),
            "discrete": ("condition", "diffuse"),
            "decorrelate": ("auto", "never"),
            "support": ("clip", "off"),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ConfigError(f"CodecConfig.{name} must be one of {values}, not {getattr(self, name)!r}.")
        if not 0 <= self.terminal_oversampling < 1:
            raise ConfigError(
                f"CodecConfig.terminal_oversampling must be in [0, 1), not {self.terminal_oversampling!r}."
            )
        if not 0 <= self.support_margin < float("inf"):
            raise ConfigError(f"CodecConfig.support_margin must be 0 or more, not {self.support_margin!r}.")
        if not 0 < self.quantile_weight <= 1:
            raise ConfigError(f"CodecConfig.quantile_weight must be in (0, 1], not {self.quantile_weight!r}.")
