"""An encoder that nothing trains any more: pixels to latents, with the hash that proves it."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.fx import GraphModule
from tqdm import tqdm

from synth_replay.encoders.files import export, read
from synth_replay.encoders.layout import CONCAT, LatentLayout
from synth_replay.errors import CheckpointError, ConfigError, InvalidTransitionsError, SpecMismatchError
from synth_replay.spaces import Array

BATCH_ROWS = 256


class LatentEncoder(Protocol):
    """What datasets, environments and buffers ask of an encoder; :class:`FrozenEncoder` is one."""

    @property
    def layout(self) -> LatentLayout:
        """Features, and how a latent is made of them."""
        ...

    @property
    def pixel_shape(self) -> tuple[int, ...]:
        """Shape of one observation, channels first."""
        ...

    @property
    def hash(self) -> str:
        """Changes when a latent would."""
        ...

    def encode(self, observations: Array, progress: bool = False) -> Array:
        """Pixels ``[n, *pixel_shape]`` to latents ``[n, d]`` float32."""
        ...


class FrozenEncoder:
    """A trained encoder as a function: no gradient, no train mode, no optimiser reaches it.

    It is no ``nn.Module``, so that a policy which holds it registers none of its parameters: soft updates, optimisers,
    ``train()`` and ``state_dict`` of the host never see them.

    Args:
        module: Maps float32 frames ``[n, *pixel_shape]`` of 0 to 255 to features ``{name: [n, size]}``. It is copied.
        pixel_shape: Shape of one observation: stacked channels, height, width.
        latent: ``concat``, ``sum`` or the name of a feature; see :class:`LatentLayout`.
        bounds: Of every feature; (-1, 1) for tanh trunks.

    Raises:
        ConfigError: If the module gives something else, or ``latent`` does not fit its features.
    """

    def __init__(
        self,
        module: nn.Module,
        pixel_shape: Sequence[int],
        latent: str = CONCAT,
        bounds: tuple[float, float] = (-np.inf, np.inf),
    ) -> None:
        exported = isinstance(module, GraphModule)  # of a file of ours: nobody else's, and it refuses eval()
        held = module if exported else copy.deepcopy(module).cpu().eval()
        self._module = held.requires_grad_(False)
        self.pixel_shape = tuple(int(n) for n in pixel_shape)
        self.layout = LatentLayout(self._sizes(), latent, *map(float, bounds))

    def _sizes(self) -> dict[str, int]:
        features = self.features(torch.zeros(2, *self.pixel_shape))
        if not isinstance(features, dict) or any(f.ndim != 2 or len(f) != 2 for f in features.values()):
            raise ConfigError("An encoder's module gives a dict of features, each [n, size].")
        return {name: int(feature.shape[1]) for name, feature in features.items()}

    @property
    def space(self) -> spaces.Box:
        """The latents as an observation space."""
        return self.layout.space

    @property
    def hash(self) -> str:
        """SHA-256 of every parameter and of the layout."""
        found = hashlib.sha256(repr((self.pixel_shape, self.layout)).encode())
        for name, tensor in sorted(self._module.state_dict().items()):
            found.update(name.encode())
            found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next((p.device for p in self._module.parameters()), torch.device("cpu"))

    def to(self, device: str | torch.device) -> FrozenEncoder:
        """Moves it in place."""
        self._module.to(device)
        return self

    # -- encoding ---------------------------------------------------------------------------

    @torch.no_grad()
    def features(self, frames: Tensor) -> dict[str, Tensor]:
        """Frames ``[n, *pixel_shape]`` of 0 to 255, on the encoder's device, to all named features."""
        found: dict[str, Tensor] = self._module(frames.to(torch.float32))
        return found

    def __call__(self, frames: Tensor) -> Tensor:
        """Frames ``[n, *pixel_shape]`` of 0 to 255 to latents ``[n, d]``, on the device of the frames."""
        if self.device != frames.device:
            self._module.to(frames.device)
        return self.layout.join(self.features(frames))

    def encode(self, observations: Array, progress: bool = False) -> Array:
        """Pixels to latents, a batch at a time.

        Args:
            observations: ``[n, *pixel_shape]``, uint8, or floats of 0 to 255.
            progress: Show a bar.

        Returns:
            ``[n, d]`` float32.

        Raises:
            SpecMismatchError: If the frames are of another size or channel order.
            InvalidTransitionsError: If float frames are not of 0 to 255.
        """
        check_frames(observations, self.pixel_shape)
        out = np.empty((len(observations), self.layout.size), np.float32)
        starts = range(0, len(observations), BATCH_ROWS)
        for start in tqdm(starts, "Encoding", unit="batch", disable=not progress):
            rows = slice(start, start + BATCH_ROWS)
            out[rows] = self(torch.as_tensor(observations[rows], device=self.device)).cpu().numpy()
        return out

    # -- files ------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Writes one file that loads without the code of the module (``torch.export``).

        Args:
            path: Ends in ``.pt2``.

        Raises:
            ConfigError: If it has another ending, or the module cannot be exported.
        """
        meta = {"latent": self.layout.latent, "bounds": [self.layout.low, self.layout.high], "hash": self.hash}
        return export(self._module, self.pixel_shape, Path(path), meta)

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> FrozenEncoder:
        """Reads what :meth:`save` wrote.

        Raises:
            CheckpointError: If the file is missing, cut short or no encoder.
        """
        module, meta = read(Path(path))
        made = cls(module, meta["pixel_shape"], meta["latent"], tuple(meta["bounds"]))
        if made.hash != meta["hash"]:
            raise CheckpointError(f"{path} is not what was saved: its hash is another. Save the encoder again.")
        return made.to(device)

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenEncoder:
        return self  # it never changes, so that copies of a policy may share it

    def __repr__(self) -> str:
        return f"FrozenEncoder({self.pixel_shape} -> {self.layout.size}, {self.layout}, {self.hash[:12]})"


def check_frames(observations: Any, pixel_shape: tuple[int, ...]) -> None:
    """Whether an encoder can take these frames.

    Raises:
        SpecMismatchError: If they are of another size or channel order.
        InvalidTransitionsError: If float frames are not of 0 to 255.
    """
    check_shape(tuple(observations.shape[1:]), pixel_shape)
    if observations.dtype != np.uint8 and len(observations):
        check_range(observations)


def check_shape(shape: tuple[int, ...], pixel_shape: tuple[int, ...]) -> None:
    """Whether frames of this shape are an encoder's.

    Raises:
        SpecMismatchError: If they are of another size or channel order.
    """
    if shape != pixel_shape:
        turned = len(shape) == 3 and (shape[2], *shape[:2]) == pixel_shape
        hint = "Move the channels first: np.moveaxis(frames, -1, 1)." if turned else "Use the encoder of these frames."
        raise SpecMismatchError(f"Frames have the shape {shape}, the encoder takes {pixel_shape}. {hint}")


def check_range(observations: Any) -> None:
    """Whether float frames, an array or a tensor, are of 0 to 255.

    Raises:
        InvalidTransitionsError: If they are not.
    """
    low, high = float(observations.min()), float(observations.max())
    if not (low >= 0 and high <= 255):
        raise InvalidTransitionsError(f"Frames are of 0 to 255; these have values from {low:.4g} to {high:.4g}.")
    if 0 < high <= 1 and (observations != observations.round()).any():
        raise InvalidTransitionsError("Frames are of 0 to 255; these look as if they were divided by 255 already.")


def cached_encoder(path: str | Path) -> FrozenEncoder:
    """The encoder of a file, one object for all that use it.

    Raises:
        CheckpointError: If the file is missing, cut short or no encoder.
    """
    path = Path(path).resolve()
    return _loaded(str(path), path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=8)
def _loaded(path: str, changed: int) -> FrozenEncoder:  # noqa: ARG001 - another file under the same name is another
    return FrozenEncoder.load(path)
