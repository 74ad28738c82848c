"""Checks whether a buffer can resume with the rows of a folder or a state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensordict import TensorDictBase
from torchrl.data import TensorSpec, TensorStorage
from torchrl.data.replay_buffers.checkpointers import TensorStorageCheckpointer

from synth_replay.errors import CheckpointError, SynthReplayError
from synth_replay.safe_paths import shown
from synth_replay_torchrl.conversion import ACTION, REWARD, Layout
from synth_replay_torchrl.rows_on_disk import described, require_counts, require_whole_files, rows_of, rows_of_state

CHUNK = 65_536  # rows whose values are checked at once


def check_folder(folder: Path, buffer: Any) -> None:
    """Checks the files that TorchRL will read from a folder. Nothing in it is changed.

    Args:
        folder: Folder of ``dumps``, without pickles and links.
        buffer: Buffer of ours that will hold the rows.

    Raises:
        CheckpointError: If it is damaged, or its rows are no transitions of this buffer.
    """
    require_whole_files(folder)
    storage = buffer.storage
    described_rows = isinstance(storage, TensorStorage) and type(storage.checkpointer) is TensorStorageCheckpointer
    if described_rows and not buffer._plain:
        _require_transitions(folder, *rows_of(folder), buffer)
    held = described(folder / "storage" / "storage_metadata.json").get("len")
    size = described(folder / "buffer_metadata.json").get("batch_size")
    writer = folder / "writer" / "metadata.json"
    _require_counts(folder, (described(writer) if writer.exists() else {}) | {"len": held, "batch_size": size}, buffer)


def check_state(state: Mapping[str, Any], buffer: Any) -> None:
    """Checks the values that TorchRL will read from a state dict.

    Args:
        state: State of the buffer.
        buffer: Buffer of ours that will hold the rows.

    Raises:
        CheckpointError: If it is damaged, or its rows are no transitions of this buffer.
    """
    if lacking := {"_storage", "_sampler", "_writer", "_transforms", "_batch_size"} - set(state):
        raise CheckpointError(f"The saved state lacks {sorted(lacking)}: it is damaged. Save it again.")
    storage, writer = state["_storage"], state["_writer"]
    if not buffer._plain:
        _require_transitions("The saved state", *rows_of_state(storage), buffer)
    counts = {name.removeprefix("_"): value for name, value in writer.items()} if isinstance(writer, Mapping) else {}
    counts |= {"len": storage.get("_len") if isinstance(storage, Mapping) else None}
    _require_counts("The saved state", counts | {"batch_size": state["_batch_size"]}, buffer)


def _require_counts(where: object, counts: Mapping[str, Any], buffer: Any) -> None:
    known = ("len", "cursor", "write_count", "batch_size")
    top = buffer.storage.max_size
    require_counts(where, {name: counts.get(name) for name in known}, {"len": top, "cursor": top})


def _require_transitions(where: object, rows: TensorDictBase, count: int, buffer: Any) -> None:
    require_counts(where, {"len": -1 if count is None else count}, {"len": len(rows)})
    if not len(rows):
        return
    if len(rows) != buffer.storage.max_size:
        raise CheckpointError(
            f"{where} was saved from a storage of {len(rows):,} rows, but this buffer's storage has "
            f"{buffer.storage.max_size:,}. Make a buffer with a storage of that size."
        )
    try:
        buffer.layout.check(rows, 1)
        _require_shapes(rows, buffer.layout, buffer.stored)
        for start in range(0, 0 if buffer.engine.mixture.rule.never else count, CHUNK):
            buffer.layout.refuse_nonfinite(rows[start : min(start + CHUNK, count)], start)
    except CheckpointError as error:
        raise CheckpointError(f"{where}: {error}") from error
    except SynthReplayError as error:
        text = str(error).partition(". ")[0]
        raise CheckpointError(f"{where} cannot be used ({text[:300]}). Save it again.") from error


def _require_shapes(rows: TensorDictBase, layout: Layout, stored: TensorDictBase | None) -> None:
    specs: dict[Any, TensorSpec | None] = {ACTION: layout.action, ("next", REWARD): None}
    for name, spec in layout.observations.items():
        specs |= {name: spec, ("next", name): spec}
    for key, spec in specs.items():
        held = rows.get(key)
        size = 1 if spec is None else spec.shape.numel()
        floats = spec is not None and spec.dtype.is_floating_point and not held.is_floating_point()
        like = None if stored is None else stored.get(key, None)
        other = like is not None and (like.shape[1:] != held.shape[1:] or like.dtype != held.dtype)
        if held[0].numel() != size or held.is_complex() or floats or other:
            kind = f"rows of {list(held.shape[1:])} {held.dtype}"
            raise CheckpointError(f"{shown(key)} has {kind}, which this buffer cannot hold. Save it again.")
