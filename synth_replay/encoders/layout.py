"""The layout of a latent: how the features of several trunks of an encoder form one vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from synth_replay.errors import ConfigError

SUM, CONCAT = "sum", "concat"


@dataclass(frozen=True)
class LatentLayout:
    """Named features and the latent that they form.

    Attributes:
        sizes: Size of each feature, by name: ``{"actor": 50, "critic": 50}``.
        latent: ``sum`` of all features (arXiv 2508.12356, Eq. 5), ``concat`` of all, of which each head reads its own
            part (SynthER, Appendix F), or the name of one feature that all heads read (SynthER, Table 13).
        low: Lower bound of every feature; -1 for the tanh trunks of DrQ-v2.
        high: Upper bound of every feature.

    Raises:
        ConfigError: If ``latent`` is none of these, features of different sizes are to be summed, or the bounds are
            empty.
    """

    sizes: Mapping[str, int]
    latent: str = CONCAT
    low: float = -np.inf
    high: float = np.inf
    _parts: dict[str, slice] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ways = (SUM, CONCAT, *self.sizes)
        if self.latent not in ways:
            raise ConfigError(f"latent is one of {', '.join(ways)}; got {self.latent!r}.")
        if self.latent == SUM and len(set(self.sizes.values())) > 1:
            raise ConfigError(f"Features of sizes {dict(self.sizes)} cannot be added; use latent='concat'.")
        if self.low >= self.high:
            raise ConfigError(f"The bounds [{self.low}, {self.high}] of the features are empty.")
        object.__setattr__(self, "_parts", self._find_parts())

    def _find_parts(self) -> dict[str, slice]:
        if self.latent != CONCAT:
            return {name: slice(0, self.sizes[self.used[0]]) for name in self.sizes}
        ends = np.cumsum(list(self.sizes.values())).tolist()
        return {name: slice(end - size, end) for end, (name, size) in zip(ends, self.sizes.items(), strict=True)}

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the features that form the latent."""
        return tuple(self.sizes) if self.latent in (SUM, CONCAT) else (self.latent,)

    @property
    def size(self) -> int:
        """Number of dimensions of a latent."""
        return max(int(part.stop) for part in self._parts.values())

    @property
    def space(self) -> spaces.Box:
        """Observation space of the latents."""
        terms = len(self.sizes) if self.latent == SUM else 1
        return spaces.Box(terms * self.low, terms * self.high, (self.size,), np.float32)

    def part(self, name: str) -> slice:
        """Returns the slice of a latent that the head called ``name`` reads.

        Raises:
            ConfigError: If no feature has this name.
        """
        if name not in self._parts:
            raise ConfigError(f"The encoder has the features {', '.join(self._parts)}, not {name!r}.")
        return self._parts[name]

    def join(self, features: Mapping[str, Tensor]) -> Tensor:
        """Joins features ``[n, size]`` to latents ``[n, d]``."""
        parts = [features[name] for name in self.used]
        if self.latent == SUM:
            return torch.stack(parts).sum(0)
        return torch.cat(parts, dim=1)
