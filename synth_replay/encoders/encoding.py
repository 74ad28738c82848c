"""Encoding of whole pixel datasets, chunk by chunk, with a cache on disk."""

from __future__ import annotations

import io
import json
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from synth_replay.checkpoint import write_atomically
from synth_replay.encoders.frozen import LatentEncoder
from synth_replay.errors import CheckpointError, ConfigError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions

KEY = "encoding.json"
DAMAGE = (
    *(OSError, ValueError, LookupError, EOFError, RuntimeError, SyntaxError, MemoryError, TypeError, OverflowError),
    *(NotImplementedError, tokenize.TokenError, struct.error, zlib.error, zipfile.BadZipFile),
)
"""Errors that NumPy raises on a damaged archive."""


class Augmenter(Protocol):
    """The interface of an augmentation, as :func:`encode_transitions` uses it.

    :class:`~synth_replay.augment.PixelAugmenter` implements it.
    """

    def reseed(self, seed: int) -> None:
        """Restarts the random stream from ``seed``."""
        ...

    def __call__(self, observations: Array, next_observations: Array, /) -> tuple[Any, Any]:
        """Augments both arrays, with one random draw for each row."""
        ...


def encode_transitions(
    chunks: Iterable[Transitions],
    encoder: LatentEncoder,
    *,
    augmenter: Augmenter | None = None,
    draws: int = 1,
    seed: int = 0,
    cache: str | Path | None = None,
    note: str = "",
    progress: bool = False,
) -> Transitions:
    """Encodes pixel transitions as latent transitions (arXiv 2508.12356, Eqs. 2 to 5).

    Args:
        chunks: Pixel transitions in chunks of any length, as the pixel datasets stream them.
        encoder: Encoder of the observations.
        augmenter: Augmentation of observations and next observations, one draw for each row; None leaves them
            unchanged.
        draws: Augmented views of each row; its latent is the mean of their latents.
        seed: Seed of the augmentations. Every chunk has its own stream, so that a resumed run gives the same rows as an
            uninterrupted one.
        cache: Folder of the encoded chunks; a second or resumed call reads them. It serves one dataset in the same
            chunks.
        note: Text that identifies the cached data besides the encoder, draws and seed: dataset, augmentation.
        progress: Whether to show a progress bar.

    Returns:
        All rows in memory, with ``[n, d]`` float32 latents as observations.

    Raises:
        ConfigError: If there are no rows, or ``draws`` is below 1, or above 1 without an augmentation.
        CheckpointError: If the cache was written with another encoder, note, number of draws or seed.
    """
    if draws < 1 or (draws > 1 and augmenter is None):
        raise ConfigError(
            "draws is the number of augmented views of a row: at least 1, and 1 without an augmenter; got "
            f"draws={draws}, augmenter={augmenter}."
        )
    augmented = (draws, seed) if augmenter is not None else None
    folder = None if cache is None else _opened(Path(cache), encoder.hash, note, augmented)
    encoded = []
    with tqdm(desc="Encoding", unit="row", unit_scale=True, disable=not progress) as bar:
        for chunk in _encoded(chunks, encoder, _Views(augmenter, draws, seed), folder):
            encoded.append(chunk)
            bar.update(len(chunk))
    if not encoded:
        raise ConfigError("There are no transitions to encode.")
    return Transitions.concatenate(encoded)


def _opened(folder: Path, encoder: str, note: str, augmented: tuple[int, int] | None) -> Path:
    key = {"encoder": encoder, "note": note, "draws and seed": augmented and list(augmented)}
    path = folder / KEY
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_atomically(path, json.dumps(key).encode())
    elif (held := _read_key(path)) != key:
        raise CheckpointError(f"{folder} holds latents of {held}, not of {key}. Choose another folder, or delete it.")
    return folder


def _read_key(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged ({error!r:.200}): delete the folder, or choose another.") from error


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
                write_atomically(path, blob.getvalue())
        yield replace(chunk, observations=before, next_observations=after)


def _read(path: Path, rows: int) -> tuple[Array, Array]:
    try:
        with np.load(path, allow_pickle=False) as held:
            before, after = held["before"], held["after"]
    except DAMAGE as error:
        raise CheckpointError(f"{path} is damaged ({error!r:.200}): delete it, and it is encoded again.") from error
    if {a.dtype for a in (before, after)} != {np.dtype(np.float32)} or before.shape != after.shape or before.ndim != 2:
        raise CheckpointError(f"{path} does not hold latents: delete it, and it is encoded again.")
    if len(before) != rows:
        raise CheckpointError(
            f"{path} holds {len(before)} rows, the chunk {rows}: it belongs to another dataset. Choose another cache."
        )
    return before, after


@dataclass(frozen=True)
class _Views:
    """Augmented views of a chunk; the latent of a row is the mean over its views."""

    augmenter: Augmenter | None
    draws: int
    seed: int

    def latents(self, chunk: Transitions, encoder: LatentEncoder, number: int) -> tuple[Array, Array]:
        before, after = np.asarray(chunk.observations), np.asarray(chunk.next_observations)
        if self.augmenter is None:
            return encoder.encode(before), encoder.encode(after)
        self.augmenter.reseed(int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0]))
        total = [np.zeros((len(chunk), encoder.layout.size), np.float64) for _ in range(2)]
        for _ in range(self.draws):
            for held, view in zip(total, self.augmenter(before, after), strict=True):
                held += encoder.encode(view)
        return (total[0] / self.draws).astype(np.float32), (total[1] / self.draws).astype(np.float32)
