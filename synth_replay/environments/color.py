"""Colour distraction: other colours of the agent and the floor (Stone et al. 2021, Section 3)."""

from __future__ import annotations

from typing import Any

import numpy as np


class ColorDistraction:
    """Changes each channel of each material by at most ``scale``, within [0, 1].

    Moving colours take random steps of standard deviation ``0.03 * scale`` within the same bounds.

    Args:
        physics: Physics of dm_control; only the colours of its materials are written.
        scale: Strength of the distraction: 0.1, 0.2 or 0.3 in the papers.
    """

    def __init__(self, physics: Any, scale: float) -> None:
        self._colors = physics.model.mat_rgba
        own = np.array(self._colors[:, :3], np.float64)
        self._low, self._high = np.clip(own - scale, 0, 1), np.clip(own + scale, 0, 1)
        self._step = 0.03 * scale

    def draw(self, rng: np.random.Generator) -> None:
        """Draws a colour for each material."""
        self._now = rng.uniform(self._low, self._high)

    def move(self, rng: np.random.Generator) -> None:
        """Takes one step of the random walk."""
        self._now = np.clip(self._now + rng.normal(scale=self._step, size=self._now.shape), self._low, self._high)

    def apply(self) -> None:
        """Paints the materials."""
        self._colors[:, :3] = self._now
