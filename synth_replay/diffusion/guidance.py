"""Classifier-free guidance (Ho & Salimans 2022): label dropout in training, a mix of two scores in sampling."""

from __future__ import annotations

import math
import reprlib
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from synth_replay.errors import ConfigError

MAX_WEIGHT = 100.0
"""Largest guidance weight; papers use up to 20, and far larger ones make all rows of a label nearly equal."""


@dataclass(frozen=True)
class GuidanceConfig:
    """How labels are used in training and in sampling. It has no effect on rows without labels.

    Attributes:
        weight: Guidance weight w of CFDG's Eq. 7, ``(1 + w) conditional - w unconditional``, from -1 to 100. 0 is the
            conditional model and -1 the unconditional one (of data with equally frequent classes); a weight above 0
            moves away from what all labels share. CFDG's Eq. 6 writes ``1 + w`` as its w.
        label_dropout: Share of training rows whose label becomes the null token (p_uncond), in [0, 1). CFDG does not
            report its value; 0.1 is Ho & Salimans' best. With 0 no null token is trained and only w = 0 is possible.
        sigma_low: Lowest noise level at which guidance acts (Kynkäänniemi et al. 2024).
        sigma_high: Highest noise level at which guidance acts; None has no limit. Outside this interval the
            conditional model is used.
    """

    weight: float = 0.0
    label_dropout: float = 0.1
    sigma_low: float = 0.0
    sigma_high: float | None = None

    def __post_init__(self) -> None:
        _require_number("weight", self.weight)
        _require_number("label_dropout", self.label_dropout)
        if not -1 <= self.weight <= MAX_WEIGHT:
            raise ConfigError(
                f"GuidanceConfig.weight must be at least -1 (the unconditional model) and at most "
                f"{MAX_WEIGHT:g}; got {self.weight!r:.60}."
            )
        if not 0 <= self.label_dropout < 1:
            raise ConfigError(f"GuidanceConfig.label_dropout must be in [0, 1); got {self.label_dropout!r}.")
        if self.weight and not self.label_dropout:
            raise ConfigError(
                "GuidanceConfig: weight other than 0 needs a label_dropout above 0 to train the null token."
            )
        _require_number("sigma_low", self.sigma_low)
        if self.sigma_high is not None:
            _require_number("sigma_high", self.sigma_high)
        if not 0 <= self.sigma_low < (math.inf if self.sigma_high is None else self.sigma_high):
            raise ConfigError("GuidanceConfig needs 0 <= sigma_low < sigma_high.")

    @property
    def evaluations(self) -> int:
        """Rows that the network evaluates for each sampled row: 2 if conditional and null score are both needed."""
        return 1 if self.weight in (0.0, -1.0) else 2

    def acts_at(self, sigma: float) -> bool:
        """Tells whether the null token's score is needed at noise level ``sigma``."""
        return self.weight != 0 and self.sigma_low <= sigma and (self.sigma_high is None or sigma <= self.sigma_high)


def _require_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ConfigError(f"GuidanceConfig.{name} must be a number; got {reprlib.repr(value)}.")


@dataclass(frozen=True)
class LabelColumns:
    """The position of the label in a condition.

    Attributes:
        start: First column of the label, which extends to the last column, the flag of the null token.
    """

    start: int

    def null(self, condition: Tensor) -> Tensor:
        """Returns conditions ``[B, C]`` with the null token in place of the label."""
        nulled = condition.clone()
        nulled[:, self.start :] = 0
        nulled[:, -1] = 1
        return nulled

    def drop(self, condition: Tensor, share: float, rng: torch.Generator) -> Tensor:
        """Returns conditions ``[B, C]`` in which each row has the null token with probability ``share``."""
        if not share:
            return condition
        kept = torch.rand(len(condition), 1, generator=rng, device=condition.device) >= share
        dropped = condition.clone()
        dropped[:, self.start :] *= kept
        dropped[:, -1:] += ~kept
        return dropped
