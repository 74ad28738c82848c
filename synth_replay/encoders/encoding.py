"""Whole datasets of pixels as latents, chunk by chunk, kept on disk."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from synth_replay.checkpoint import write_whole
from synth_replay.encoders.frozen import LatentEncoder
from synth_replay.errors import CheckpointError, ConfigError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions

KEY = "encoding.json"


class Augmenter(Protocol):
    """What :class:`~synth_replay.augment.pixels.PixelAugmenter` offers here."""

    def reseed(self, seed: int) -> None:
        """Begins the draws anew."""
        ...

    def __call__(self, observations: Array, next_observations: Array, /) -> tuple[Any, Any]:
        """One draw for each row."""
        ...


def encode_transitions(
    chunks: Iterable[Transitions],
    encoder: LatentEncoder,
    *,
    augment: Augmenter | None = None,
    draws: int = 1,
    seed: int = 0,
    cache: str | Path | None = None,
    note: str = "",
    progress: bool = False,
) -> Transitions:
    """Pixel transitions as latent ones (arXiv 2508.12356, Eqs. 2 to 5).

    Args:
        chunks: Pixel transitions in parts of any length, as the pixel datasets stream them.
        encoder: The frozen encoder.
        augment: Makes augmented views of observations and next observations, one draw for each row.
        draws: Augmentations of a row; its latent is their mean. With one, it is the latent of one augmented view.
        seed: Of the augmentations. Each chunk has its own, so that a resumed run gives the rows of an undisturbed one.
        cache: Folder that keeps each chunk's latents; a second call, or one after a stop, reads what is there. It is
            of use for one dataset, cut in the same chunks.
        note: What the cache is of besides the encoder, draws and seed: dataset, augmentation.
        progress: Show a bar.

    Returns:
        All rows in memory, with ``[n, d]`` float32 latents as observations.

    Raises:
        ConfigError: If ``draws`` is below one, or above it without an augmentation.
        CheckpointError: If the cache is of another encoder, note, number of draws or seed.
    """
    if draws < 1 or (draws > 1 and augment is None):
        raise ConfigError(f"draws is a number of augmentations; got {draws} and augment={augment}.")
    folder = (
        None
        if cache is None
        else _opened(Path(cache), encoder.hash, note, (draws, seed) if augment is not None else None)
    )
    rows = _encoded(chunks, encoder, _Views(augment, draws, seed), folder)
    with tqdm(desc="Encoding", unit="row", unit_scale=True, disable=not progress) as bar:
        parts = []
        for part in rows:
            parts.append(part)
            bar.update(len(part))
    if not parts:
        raise ConfigError("There are no transitions to encode.")
    return Transitions.concatenate(parts)


def _opened(folder: Path, encoder: str, note: str, augmented: tuple[int, int] | None) -> Path:
    key = {"encoder": encoder, "note": note, "draws and seed": augmented and list(augmented)}
    path = folder / KEY
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_whole(path, json.dumps(key).encode())
    elif (held := json.loads(path.read_text())) != key:
        raise CheckpointError(f"{folder} holds latents of {held}, not of {key}. Give another folder, or delete it.")
    return folder


def _encoded(
    chunks: Iterable[Transitions], encoder: LatentEncoder, views: _Views, folder: Path | None
) -> Iterator[Transitions]:
    for number, chunk in enumerate(chunks):
        path = None if folder is None else folder / f"{number:06d}.npz"
        if path is not None and path.exists():
            before, after = _read(path, len(chunk))
        else:
            before, after = views.latents(chunk, encoder, number)
            if path is not None:
                blob = io.BytesIO()
                np.savez(blob, before=before, after=after)
                write_whole(path, blob.getvalue())
        yield replace(chunk, observations=before, next_observations=after)


def _read(path: Path, rows: int) -> tuple[Array, Array]:
    with np.load(path) as held:
        before, after = held["before"], held["after"]
    if len(before) != rows:
        raise CheckpointError(f"{path} holds {len(before)} rows, the chunk {rows}: it is of another dataset.")
    return before, after


@dataclass(frozen=True)
class _Views:
    """The views of a chunk whose mean latent is taken."""

    augment: Augmenter | None
    draws: int
    seed: int

    def latents(self, chunk: Transitions, encoder: LatentEncoder, number: int) -> tuple[Array, Array]:
        before, after = np.asarray(chunk.observations), np.asarray(chunk.next_observations)
        if self.augment is None:
            return encoder.encode(before), encoder.encode(after)
        self.augment.reseed(int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0]))
        total = [np.zeros((len(chunk), encoder.layout.size), np.float64) for _ in range(2)]
        for _ in range(self.draws):
            for held, view in zip(total, self.augment(before, after), strict=True):
                held += encoder.encode(view)
        return (total[0] / self.draws).astype(np.float32), (total[1] / self.draws).astype(np.float32)
