"""A frozen encoder as a module of a host's network, from frames or latents to one head's part of the latents."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from synth_replay.encoders.frozen import FrozenEncoder, check_range, check_shape
from synth_replay.errors import CheckpointError, SpecMismatchError


class FrozenModule(nn.Module):
    """Holds an encoder outside of the module registry; only its hash is part of the state dict.

    Args:
        encoder: Encoder of the frames; copies of this module share it.
        part: Slice of the latent that the head reads.
        check: Whether to check in evaluation mode that float frames lie in [0, 255]; each check waits for the device.
    """

    encoder_hash: Tensor

    def __init__(self, encoder: FrozenEncoder, part: slice, check: bool = True) -> None:
        super().__init__()
        self._held, self.part, self._check = (encoder,), part, check
        self.register_buffer("encoder_hash", torch.tensor(list(bytes.fromhex(encoder.hash)), dtype=torch.uint8))

    @property
    def encoder(self) -> FrozenEncoder:
        """The frozen encoder."""
        return self._held[0]

    def forward(self, x: Tensor) -> Tensor:
        """Maps frames ``[n, C, H, W]`` in [0, 255], or latents ``[n, d]``, to the head's part of the latents.

        Returns:
            Latents ``[n, size of the part]``.

        Raises:
            SpecMismatchError: If frames or latents have another size, or the channels come last.
            InvalidTransitionsError: If ``check`` is on and frames in evaluation mode lie outside [0, 255].
        """
        frozen = self.encoder
        if x.ndim != 4:
            if tuple(x.shape[1:]) != frozen.space.shape:
                raise SpecMismatchError(
                    f"Latents have the shape {tuple(x.shape[1:])}, those of the encoder {frozen.space.shape}."
                )
            return x[:, self.part]
        check_shape(tuple(x.shape[1:]), frozen.pixel_shape)
        if self._check and not self.training and x.is_floating_point():
            check_range(x)
        return frozen(x)[:, self.part]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        found = state_dict.get(f"{prefix}encoder_hash")
        if found is not None and not torch.equal(found.cpu(), self.encoder_hash.cpu()):
            raise CheckpointError(
                "The saved agent was trained with another encoder than the one in this file: the file was overwritten. "
                "Restore the old file, or keep each encoder under its own name."
            )
        super()._load_from_state_dict(state_dict, prefix, *args)
