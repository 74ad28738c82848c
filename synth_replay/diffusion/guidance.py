"""Classifier-free guidance (Ho & Salimans 2022): labels that are sometimes dropped, and two scores of one network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from synth_replay.errors import ConfigError


@dataclass(frozen=True)
class GuidanceConfig:
    """Labels in training and in sampling; without labels nothing here matters.

    Attributes:
        weight: w of CFDG's Eq. 7, ``(1 + w) conditional - w unconditional``. 0 is the conditional model, -1 the
            unconditional one (of data with all classes equally often), more than 0 moves away from what all labels
            share. (CFDG's Eq. 6 writes the same with
            ``1 + w`` as its w.)
        label_dropout: Share of training rows whose label becomes the null token, p_uncond. CFDG does not say what it
            used; 0.1 is Ho & Salimans' best. 0 saves the null token's share of training, but then only w = 0 is
            possible.
        sigma_low: Guidance acts at noise levels from here ...
        sigma_high: ... to here (Kynkäänniemi et al. 2024); outside, the conditional model alone. None has no limit.
    """

    weight: float = 0.0
    label_dropout: float = 0.1
    sigma_low: float = 0.0
    sigma_high: float | None = None

    def __post_init__(self) -> None:
        if not self.weight >= -1:
            raise ConfigError(
                f"GuidanceConfig.weight must be at least -1 (the unconditional model); got {self.weight!r}."
            )
        if not 0 <= self.label_dropout < 1:
            raise ConfigError(f"GuidanceConfig.label_dropout must be in [0, 1); got {self.label_dropout!r}.")
        if self.weight and not self.label_dropout:
            raise ConfigError(
                "GuidanceConfig: weight other than 0 needs a label_dropout above 0 to train the null token."
            )
        if self.sigma_low < 0 or (self.sigma_high is not None and self.sigma_high <= self.sigma_low):
            raise ConfigError("GuidanceConfig needs 0 <= sigma_low < sigma_high.")

    @property
    def evaluations(self) -> int:
        """Rows that the network sees for each row that is drawn: the conditional and the null one, or one of them."""
        return 1 if self.weight in (0.0, -1.0) else 2

    def acts_at(self, sigma: float) -> bool:
        """Whether the null token's score is needed at a noise level."""
        return self.weight != 0 and self.sigma_low <= sigma and (self.sigma_high is None or sigma <= self.sigma_high)


@dataclass(frozen=True)
class LabelColumns:
    """Where the label is in a condition: from ``start`` to the end, the null token's flag last."""

    start: int

    def null(self, condition: Tensor) -> Tensor:
        """Conditions ``[B, C]`` with the null token for a label."""
        nulled = condition.clone()
        nulled[:, self.start :] = 0
        nulled[:, -1] = 1
        return nulled

    def drop(self, condition: Tensor, share: float, rng: torch.Generator) -> Tensor:
        """Conditions in which each row has lost its label with probability ``share``."""
        if not share:
            return condition
        kept = torch.rand(len(condition), 1, generator=rng, device=condition.device) >= share
        dropped = condition.clone()
        dropped[:, self.start :] *= kept
        dropped[:, -1:] += ~kept
        return dropped
