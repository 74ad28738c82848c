"""A frozen encoder inside a host's network: frames or latents in, a head's part of the latents out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from synth_replay.encoders.frozen import FrozenEncoder
from synth_replay.errors import CheckpointError


class FrozenModule(nn.Module):
    """Holds an encoder outside of the module registry; of it, only the hash is part of the state.

    Args:
        encoder: The encoder; copies of this module share it.
        part: What is read of a latent.
    """

    encoder_hash: Tensor

    def __init__(self, encoder: FrozenEncoder, part: slice) -> None:
        super().__init__()
        self._held, self.part = (encoder,), part
        self.register_buffer("encoder_hash", torch.tensor(list(bytes.fromhex(encoder.hash)), dtype=torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        """Frames ``[n, C, H, W]`` of 0 to 255 or latents ``[n, d]`` to ``[n, size of the part]``."""
        latents = self._held[0](x) if x.ndim == 4 else x
        return latents[:, self.part]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        found = state_dict.get(f"{prefix}encoder_hash")
        if found is not None and not torch.equal(found.cpu(), self.encoder_hash.cpu()):
            raise CheckpointError(
                "The saved agent learnt on another encoder than the one in this file: an encoder was written over it. "
                "Put the old file back, or keep each encoder under its own name."
            )
        super()._load_from_state_dict(state_dict, prefix, *args)
