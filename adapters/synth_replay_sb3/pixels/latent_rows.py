"""Frames that a buffer keeps as latents: they are encoded as they arrive, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from synth_replay.buffers.offline import latent_rows
from synth_replay.encoders import FrozenEncoder, cached_encoder
from synth_replay.errors import CheckpointError, SpecMismatchError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions


class FrameEncoding:
    """Encodes the frames of consecutive steps; what was a step's next observation is not encoded again.

    Args:
        path: File of a :class:`~synth_replay.encoders.FrozenEncoder`.
        observation_space: Of the environment, frames with channels first.

    Raises:
        CheckpointError: If the file is no encoder.
        SpecMismatchError: If the encoder is of other frames.
    """

    def __init__(self, path: str | Path, observation_space: spaces.Space[Any]) -> None:
        self.path = str(Path(path).resolve())
        self._encoder: FrozenEncoder | None = None
        self.hash = self.encoder.hash
        if observation_space.shape != self.encoder.pixel_shape:
            raise SpecMismatchError(
                f"The environment's observations have the shape {observation_space.shape}, the encoder {path} takes "
                f"{self.encoder.pixel_shape}."
            )
        self._last: tuple[Array, Array] | None = None

    @property
    def encoder(self) -> FrozenEncoder:
        """The encoder, read again after unpickling."""
        if self._encoder is None:
            self._encoder = cached_encoder(self.path)
            if (found := self._encoder.hash) != getattr(self, "hash", found):
                raise CheckpointError(f"{self.path} is another encoder than the one whose latents the buffer holds.")
        return self._encoder

    def step(self, before: Array, after: Array) -> tuple[Array, Array]:
        """Latents of the observations and next observations ``[n_envs, C, H, W]`` of one step."""
        latents = self.encoder.encode(after)
        if self._last is None or not np.array_equal(self._last[0], before):
            first = self.encoder.encode(before)
        else:
            first = self._last[1]
        self._last = (np.array(after), latents)
        return first, latents

    def rows(self, transitions: Transitions) -> Transitions:
        """Pixel transitions as latent ones; latent ones as they are."""
        found = latent_rows(transitions, self.encoder)
        assert isinstance(found, Transitions)
        return found

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_encoder": None, "_last": None}
