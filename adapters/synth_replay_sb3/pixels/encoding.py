"""Encoding of an environment's frames as they arrive, so that a buffer stores latents."""

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
    """Encodes the frames of consecutive steps, each frame once: a next observation is the following observation.

    Pickling keeps the encoder's path and hash; the encoder itself is loaded again on first use.

    Args:
        path: File of a :class:`~synth_replay.encoders.FrozenEncoder`.
        observation_space: Observation space of the environment: frames, channels first.

    Attributes:
        path: Absolute path of the encoder.
        hash: Hash of the encoder, by which a changed file is detected.

    Raises:
        CheckpointError: If the file is not an encoder.
        SpecMismatchError: If the encoder takes frames of another shape.
    """

    def __init__(self, path: str | Path, observation_space: spaces.Space[Any]) -> None:
        self.path = str(Path(path).resolve())
        self._encoder: FrozenEncoder | None = None
        self.hash = self.encoder.hash
        if observation_space.shape != self.encoder.pixel_shape:
            raise SpecMismatchError(
                f"The environment's observations have the shape {observation_space.shape}, the encoder {path} takes "
                f"{self.encoder.pixel_shape}. Use an encoder that was trained on these frames."
            )
        self._last: tuple[Array, Array] | None = None

    @property
    def encoder(self) -> FrozenEncoder:
        """The encoder.

        Raises:
            CheckpointError: If the file was overwritten since the buffer encoded its first frame.
        """
        if self._encoder is None:
            self._encoder = cached_encoder(self.path)
            if (found := self._encoder.hash) != getattr(self, "hash", found):
                raise CheckpointError(
                    f"{self.path} is another encoder than the one whose latents the buffer holds. Restore the old file."
                )
        return self._encoder

    def step(self, before: Array, after: Array) -> tuple[Array, Array]:
        """Encodes the observations and next observations of one step.

        Args:
            before: Observations ``[n_envs, C, H, W]``.
            after: Next observations ``[n_envs, C, H, W]``.

        Returns:
            Latents ``[n_envs, d]`` of both, float32.
        """
        latents = self.encoder.encode(after)
        if self._last is None or not np.array_equal(self._last[0], before):
            first = self.encoder.encode(before)
        else:
            first = self._last[1]
        self._last = (np.array(after), latents)
        return first, latents

    def rows(self, transitions: Transitions) -> Transitions:
        """Encodes pixel transitions; latent ones are returned unchanged."""
        found = latent_rows(transitions, self.encoder)
        assert isinstance(found, Transitions)
        return found

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_encoder": None, "_last": None}
