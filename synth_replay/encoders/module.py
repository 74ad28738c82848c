"""A frozen encoder inside a host's network: frames or latents in, a head's part of the latents out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from synth_replay.encoders.frozen import FrozenEncoder, check_range, check_shape
from synth_replay.errors import CheckpointError, SpecMismatchError


class FrozenModule(nn.Module):
    """Holds an encoder outside of the module registry; of it, only the hash is part of the state.

    Args:
        encoder: The encoder; copies of this module share it.
        part: What is read of a latent.
        check: Whether frames of an agent that acts are checked to be of 0 to 255; each check waits for the device.
    """

    encoder_hash: Tensor

    def __init__(self, encoder: FrozenEncoder, part: slice, check: bool = True) -> None:
        super().__init__()
        self._held, self.part, self._check = (encoder,), part, check
        self.register_buffer("encoder_hash", torch.tensor(list(bytes.fromhex(encoder.hash)), dtype=torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        """Frames ``[n, C, H, W]`` of 0 to 255 or latents ``[n, d]`` to ``[n, size of the part]``.

        Raises:
            SpecMismatchError: If they are of another size, or the channels come last.
            InvalidTransitionsError: If an agent that acts is given frames that are not of 0 to 255.
        """
        frozen = self._held[0]
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
                "The saved agent learnt on another encoder than the one in this file: an encoder was written over it. "
                "Put the old file back, or keep each encoder under its own name."
            )
        super()._load_from_state_dict(state_dict, prefix, *args)
