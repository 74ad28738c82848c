"""The pixel augmenter, which applies one random draw to all frames of a transition."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Literal, overload

import torch
from torch import Tensor

from synth_replay.augment.backgrounds import Pictures
from synth_replay.augment.pixels.catalogue import make_augmentations
from synth_replay.augment.pixels.draws import Augmentation, check_setting
from synth_replay.augment.pixels.frames import Frames, checked_stacks
from synth_replay.errors import CheckpointError, ConfigError

# Few enough rows for a step to find the output of the step before it in the processor's cache.
BLOCK_ROWS = 8


class PixelAugmenter:
    """Augments batches of stacked frames, in a sampled batch or before a dataset is stored.

    All frames of a row, of its observation and its next observation, share one random draw. The result is newly
    allocated and has the input's container, dtype, layout and shape. Draws come from one stream: the same seed and the
    same calls give the same frames, but a dataset that is split into other chunks gets other draws.

    Args:
        augmentations: A preset ("generalization": rotation, colour jitter, colour cutout and background overlay, the
            four of arXiv 2508.12356), a name of :data:`PIXEL_AUGMENTATIONS`, or a sequence of names and callables of
            the type :data:`Augmentation`.
        mode: "one" draws one augmentation for each row; "all" applies all of them in order.
        keep_original: Expected share of rows that stay unchanged. The paper states none, hence 0.
        frame_channels: Channels of one frame: 3, or 1 for gray frames.
        channels_last: True for ``[B, H, W, S*C]``, False for ``[B, S*C, H, W]``; None infers it from the shape.
        backgrounds: Pictures of the overlay: a folder of images and videos, or uint8 ``[N, H, W, 3]``; None draws
            procedural ones.
        seed: Seed of all draws; None takes one from the operating system.
        device: Device of the computation; None means the device of the frames. Draws do not depend on it.

    Raises:
        ConfigError: If a name is unknown or a setting is out of range.
        DatasetError: If the folder has no backgrounds.
    """

    def __init__(
        self,
        augmentations: str | Sequence[str | Augmentation] = "generalization",
        *,
        mode: Literal["one", "all"] = "one",
        keep_original: float = 0.0,
        frame_channels: int = 3,
        channels_last: bool | None = None,
        backgrounds: str | os.PathLike[str] | Pictures | None = None,
        seed: int | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        if mode not in ("one", "all"):
            raise ConfigError(f"Unknown mode {mode!r}; there are 'one' and 'all'.")
        if frame_channels not in (1, 3):
            raise ConfigError(f"A frame has 1 or 3 channels, not {frame_channels}; stacks are found from the shape.")
        check_setting("keep_original", keep_original, 0, 1)
        self.augmentations = make_augmentations(augmentations, backgrounds)
        self.mode, self.keep_original, self.frame_channels = mode, keep_original, frame_channels
        self.channels_last, self.device = channels_last, device
        self._rng = torch.Generator()
        self._rng.seed() if seed is None else self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Restarts the random stream from ``seed``."""
        self._rng.manual_seed(seed)

    @overload
    def __call__(self, observations: Frames) -> Frames: ...

    @overload
    def __call__(self, observations: Frames, next_observations: Frames) -> tuple[Frames, Frames]: ...

    @torch.no_grad()
    def __call__(self, observations: Any, next_observations: Any = None) -> Any:
        """Augments a batch.

        Args:
            observations: Array or tensor ``[B, S*C, H, W]`` or ``[B, H, W, S*C]``, uint8, or floats in [0, 255].
            next_observations: Array or tensor with the shape and dtype of ``observations``, or None.

        Returns:
            Augmented observations, or a pair if next observations were given. Integers are rounded.

        Raises:
            InvalidTransitionsError: If shape, dtype or channel order are wrong, or values lie outside [0, 255].
            SpecMismatchError: If the two differ in shape or type, or backgrounds have another size than the frames.
        """
        given = [observations] if next_observations is None else [observations, next_observations]
        stacks, last = checked_stacks(given, self.frame_channels, self.channels_last)
        results = self._augmented(stacks, last) if len(stacks[0]) else [stack.clone() for stack in stacks]
        returned = [r if isinstance(g, Tensor) else r.numpy() for r, g in zip(results, given, strict=True)]
        return returned[0] if next_observations is None else tuple(returned)

    def _augmented(self, stacks: list[Tensor], last: bool) -> list[Tensor]:
        """Augments the rows block by block, grouped by augmentation, and restores their order."""
        order, pieces = [], []
        for rows, steps in self._plan(len(stacks[0])):
            for block in torch.split(rows.to(stacks[0].device), BLOCK_ROWS):
                taken = [stack.index_select(0, block) for stack in stacks]
                joined = torch.cat([t.movedim(3, 1) for t in taken] if last else taken, dim=1)
                order.append(block)
                pieces.append(self._block(joined, steps))
        whole = torch.cat(pieces).index_select(0, torch.cat(order).argsort())
        results = whole.chunk(len(stacks), dim=1)
        return [(result.movedim(1, 3) if last else result).contiguous() for result in results]

    def _plan(self, count: int) -> Iterator[tuple[Tensor, Sequence[Augmentation]]]:
        """Assigns augmentations to ``count`` rows at random; every row is in exactly one of the groups."""
        kept = torch.rand(count, generator=self._rng) < self.keep_original
        plans = [self.augmentations] if self.mode == "all" else [(a,) for a in self.augmentations]
        choice = torch.randint(len(plans), (count,), generator=self._rng).masked_fill_(kept, len(plans))
        for number, steps in enumerate([*plans, ()]):
            rows = (choice == number).nonzero()[:, 0]
            if len(rows):
                yield rows, steps

    def _block(self, stacks: Tensor, steps: Sequence[Augmentation]) -> Tensor:
        """Applies augmentations to stacks ``[b, F*C, H, W]``."""
        if not steps:
            return stacks
        frames = stacks.to(self.device or stacks.device, torch.float32).contiguous().div_(255)
        frames = frames.view(len(stacks), -1, self.frame_channels, *stacks.shape[2:])
        for step in steps:
            shape, frames = frames.shape, step(frames, self._rng).clamp(0, 1)
            if frames.shape != shape:
                raise ConfigError(f"{step} returned {list(frames.shape)} for {list(shape)}; it must keep the shape.")
        frames = frames.reshape(stacks.shape).mul_(255)
        if not stacks.is_floating_point():
            frames = frames.round_().to(torch.int32)  # uint8 by way of int32 is faster than directly
        return frames.to(stacks.device, stacks.dtype)

    def state_dict(self) -> dict[str, Tensor]:
        """Returns the state of the random stream; a run that loads it continues as if it had not been interrupted."""
        return {"rng": self._rng.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restores the state that :meth:`state_dict` returned.

        Raises:
            CheckpointError: If ``state`` is not such a state.
        """
        try:
            self._rng.set_state(state["rng"])
        except (KeyError, TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"This is not the state of a PixelAugmenter ({error!r}); pass what state_dict() returned."
            ) from error
