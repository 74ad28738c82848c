"""An encoder with fixed weights, which maps pixels to latents and is identified by a hash."""

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

from synth_replay.encoders.files import read, write
from synth_replay.encoders.layout import CONCAT, LatentLayout
from synth_replay.errors import CheckpointError, ConfigError, InvalidTransitionsError, SpecMismatchError
from synth_replay.spaces import Array

BATCH_ROWS = 256


class LatentEncoder(Protocol):
    """The interface of an encoder for datasets, environments and buffers; :class:`FrozenEncoder` implements it."""

    @property
    def layout(self) -> LatentLayout:
        """Named features, and how they form a latent."""
        ...

    @property
    def pixel_shape(self) -> tuple[int, ...]:
        """Shape of one observation, channels first."""
        ...

    @property
    def hash(self) -> str:
        """Text that changes whenever the latents would."""
        ...

    def encode(self, observations: Array, progress: bool = False) -> Array:
        """Encodes pixels ``[n, *pixel_shape]`` as latents ``[n, d]`` float32."""
        ...


class FrozenEncoder:
    """A trained encoder as a function, which no gradient, train mode or optimiser can change.

    It is not an ``nn.Module``, so a policy that holds it registers none of its parameters: soft updates, optimisers,
    ``train()`` and ``state_dict`` of the host library never see them.

    Args:
        module: Network from float32 frames ``[n, *pixel_shape]`` in [0, 255] to features ``{name: [n, size]}``. It is
            copied.
        pixel_shape: Shape of one observation: stacked channels, height, width.
        latent: ``concat``, ``sum`` or the name of a feature; see :class:`LatentLayout`.
        bounds: Lower and upper bound of every feature; (-1, 1) for tanh trunks.

    Raises:
        ConfigError: If the module returns something else, or ``latent`` does not fit its features.
    """

    def __init__(
        self,
        module: nn.Module,
        pixel_shape: Sequence[int],
        latent: str = CONCAT,
        bounds: tuple[float, float] = (-np.inf, np.inf),
    ) -> None:
        exported = isinstance(module, GraphModule)  # read by load(): no other holder to copy for, and eval() fails
        held = module if exported else copy.deepcopy(module).cpu().eval()
        self._module = held.requires_grad_(False)
        self.pixel_shape = tuple(int(n) for n in pixel_shape)
        self.layout = LatentLayout(self._sizes(), latent, *map(float, bounds))

    def _sizes(self) -> dict[str, int]:
        features = self.features(torch.zeros(2, *self.pixel_shape))
        if not isinstance(features, dict) or any(f.ndim != 2 or len(f) != 2 for f in features.values()):
            raise ConfigError("The module of an encoder must return a dict of features, each of shape [n, size].")
        return {name: int(feature.shape[1]) for name, feature in features.items()}

    @property
    def space(self) -> spaces.Box:
        """Observation space of the latents."""
        return self.layout.space

    @property
    def hash(self) -> str:
        """SHA-256 of all parameters, the pixel shape and the layout."""
        found = hashlib.sha256(repr((self.pixel_shape, self.layout)).encode())
        for name, tensor in sorted(self._module.state_dict().items()):
            found.update(name.encode())
            found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next((p.device for p in self._module.parameters()), torch.device("cpu"))

    def to(self, device: str | torch.device) -> FrozenEncoder:
        """Moves the encoder to a device, in place, and returns it."""
        self._module.to(device)
        return self

    # -- encoding ---------------------------------------------------------------------------

    @torch.no_grad()
    def features(self, frames: Tensor) -> dict[str, Tensor]:
        """Computes all named features of frames ``[n, *pixel_shape]`` in [0, 255] on the encoder's device."""
        found: dict[str, Tensor] = self._module(frames.to(torch.float32))
        return found

    def __call__(self, frames: Tensor) -> Tensor:
        """Encodes frames ``[n, *pixel_shape]`` in [0, 255] as latents ``[n, d]``, on the device of the frames."""
        if self.device != frames.device:
            self._module.to(frames.device)
        return self.layout.join(self.features(frames))

    def encode(self, observations: Array, progress: bool = False) -> Array:
        """Encodes pixels as latents, one batch at a time.

        Args:
            observations: Frames ``[n, *pixel_shape]``, uint8, or floats in [0, 255].
            progress: Whether to show a progress bar.

        Returns:
            Latents ``[n, d]`` float32.

        Raises:
            SpecMismatchError: If the frames have another size or channel order.
            InvalidTransitionsError: If float frames lie outside [0, 255], or look divided by 255.
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
        """Writes the encoder to one file.

        Args:
            path: Target file. ``.safetensors`` holds weights and a description of the layers, and no code. The module
                must then be a :class:`FeatureTowers` of standard layers, as ``encoder_of`` makes it. ``.pt2`` holds
                the graph of any module (``torch.export``). That is code, so it loads with ``trusted=True`` only.

        Raises:
            ConfigError: If the path has another ending, or the module does not fit the kind of file.
        """
        meta = {"latent": self.layout.latent, "bounds": [self.layout.low, self.layout.high], "hash": self.hash}
        return write(self._module, self.pixel_shape, Path(path), meta)

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu", *, trusted: bool = False) -> FrozenEncoder:
        """Reads an encoder that :meth:`save` wrote.

        Args:
            path: The file.
            device: Device of the encoder.
            trusted: Whether a ``.pt2`` file may be loaded. Loading it runs the code in it. Afterwards, policies and
                buffers of the same process can load this file by its path.

        Raises:
            CheckpointError: If the file is missing, cut short or not an encoder.
            UntrustedFileError: If it is a ``.pt2`` file that was not loaded with ``trusted=True`` in this process.
        """
        module, meta = read(Path(path), trusted)
        try:
            made = cls(module, meta["pixel_shape"], meta["latent"], tuple(meta["bounds"]))
        except (ConfigError, RuntimeError, ValueError, IndexError, OverflowError) as error:
            text = f"{path} is no encoder: its layers and its metadata disagree ({error!s:.300})."
            raise CheckpointError(text) from error
        if made.hash != meta["hash"]:
            raise CheckpointError(f"{path} has changed since it was saved: its hash differs. Save the encoder again.")
        return made.to(device)

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenEncoder:
        return self  # the encoder never changes, so copies of a policy share it

    def __repr__(self) -> str:
        return f"FrozenEncoder({self.pixel_shape} -> {self.layout.size}, {self.layout}, {self.hash[:12]})"


def check_frames(observations: Any, pixel_shape: tuple[int, ...]) -> None:
    """Checks that an encoder can take these frames.

    Raises:
        SpecMismatchError: If the frames have another size or channel order.
        InvalidTransitionsError: If float frames lie outside [0, 255], or look divided by 255.
    """
    check_shape(tuple(observations.shape[1:]), pixel_shape)
    if observations.dtype != np.uint8 and len(observations):
        check_range(observations)


def check_shape(shape: tuple[int, ...], pixel_shape: tuple[int, ...]) -> None:
    """Checks that an encoder can take frames of this shape.

    Raises:
        SpecMismatchError: If the frames have another size or channel order.
    """
    if shape != pixel_shape:
        turned = len(shape) == 3 and (shape[2], *shape[:2]) == pixel_shape
        hint = "Move the channels first: np.moveaxis(frames, -1, 1)." if turned else "Use the encoder of these frames."
        raise SpecMismatchError(f"Frames have the shape {shape}, the encoder takes {pixel_shape}. {hint}")


def check_range(observations: Any) -> None:
    """Checks that float frames, an array or a tensor, lie in [0, 255].

    Raises:
        InvalidTransitionsError: If they lie outside, or look divided by 255.
    """
    low, high = float(observations.min()), float(observations.max())
    if not (low >= 0 and high <= 255):
        raise InvalidTransitionsError(f"Frames are of 0 to 255; these have values from {low:.4g} to {high:.4g}.")
    if 0 < high <= 1 and (observations != observations.round()).any():
        raise InvalidTransitionsError("Frames are of 0 to 255; these look as if they were divided by 255 already.")


def cached_encoder(path: str | Path) -> FrozenEncoder:
    """Loads an encoder; callers of the same file share one object.

    Raises:
        CheckpointError: If the file is missing, cut short or not an encoder.
        UntrustedFileError: If it is a ``.pt2`` file that was not loaded with ``trusted=True`` in this process.
    """
    path = Path(path).resolve()
    return _loaded(str(path), path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=8)
def _loaded(path: str, changed: int) -> FrozenEncoder:  # noqa: ARG001 - a rewritten file is loaded again
    return FrozenEncoder.load(path)
