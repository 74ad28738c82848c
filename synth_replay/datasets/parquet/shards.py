"""Writer of Parquet shards one by one, which can be resumed after a kill.

``manifest.partial.json`` marks an unfinished folder and says what it will hold, with the hash of each shard that is
written. ``manifest.json`` replaces it when every shard is there and has its hash. A shard gets its name only when it is
complete.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from synth_replay.checkpoint import TEMPORARY, temporary_path
from synth_replay.datasets.atomic_files import publish, write_text, writing
from synth_replay.datasets.columns import stored_columns, stored_dtype, stored_leaves
from synth_replay.datasets.json_values import JsonValue, read_json
from synth_replay.datasets.optional_imports import load_extra
from synth_replay.datasets.spec_header import plain_json
from synth_replay.errors import DatasetError, DatasetExistsError, DatasetFormatError, UnfinishedDatasetError
from synth_replay.safe_paths import shown
from synth_replay.spaces import Array, Leaf
from synth_replay.transitions import Transitions, TransitionSpec

MANIFEST = "manifest.json"
UNFINISHED = "manifest.partial.json"
FORMAT = "synth_replay-parquet"
VERSION = 1
SHARD_ROWS = 100_000


def shard_name(number: int) -> str:
    """Returns the file name of a shard."""
    return f"part-{number:05d}.parquet"


class ShardWriter:
    """Writes a dataset of a known number of rows as shards, in any order, over any number of runs.

    Args:
        folder: Folder to make; may be empty or hold a run with equal arguments, finished or not.
        spec: Spaces and extra columns of the rows.
        rows: Number of rows in all.
        shard_rows: Rows of every shard but the last.
        meta: JSON values that tell this run from another; stored in the manifest.

    Raises:
        DatasetExistsError: If the folder holds something else, or a run with other arguments.
        DatasetError: If ``rows`` or ``shard_rows`` is below 1.
        DatasetWriteError: If the disk is full or not writable.
    """

    def __init__(
        self,
        folder: str | Path,
        spec: TransitionSpec,
        rows: int,
        *,
        shard_rows: int = SHARD_ROWS,
        meta: dict[str, Any] | None = None,
    ) -> None:
        if rows < 1 or shard_rows < 1:
            raise DatasetError(f"rows and shard_rows must be at least 1; got {rows} and {shard_rows}.")
        load_extra("pyarrow.parquet")
        self.folder, self.spec = Path(folder), spec
        self._hashes: dict[str, str] = {}
        self.rows, self.shard_rows = int(rows), int(shard_rows)
        self._header = _header(spec, self.rows, self.shard_rows, meta or {})
        with writing(self.folder):
            self._open()

    def __len__(self) -> int:
        """Number of shards."""
        return -(-self.rows // self.shard_rows)

    @property
    def finished(self) -> bool:
        """Whether the dataset is complete."""
        return (self.folder / MANIFEST).exists()

    def bounds(self, number: int) -> tuple[int, int]:
        """Returns the first row of a shard and the row after its last one."""
        if not 0 <= number < len(self):
            raise DatasetError(f"There is no shard {number}; there are {len(self)}.")
        return number * self.shard_rows, min((number + 1) * self.shard_rows, self.rows)

    def missing(self) -> list[int]:
        """Returns the numbers of the shards that are missing or damaged, and removes half-written files."""
        for stray in self.folder.glob(f".part-*{TEMPORARY}"):
            stray.unlink()
        return [number for number in range(len(self)) if not self._whole(number)]

    def write(self, number: int, transitions: Transitions) -> None:
        """Writes a shard, complete or not at all.

        Args:
            number: Number of the shard, from 0.
            transitions: Rows of the shard, as many as :meth:`bounds` says.

        Raises:
            DatasetError: If the number of rows is not the shard's.
            SpecMismatchError: If a column is missing or has another shape.
            InvalidTransitionsError: If a value does not fit its space.
            DatasetWriteError: If the disk is full or not writable; shards that were written stay.
        """
        start, stop = self.bounds(number)
        if len(transitions) != stop - start:
            raise DatasetError(f"Shard {number} takes {stop - start} rows; got {len(transitions)}.")
        self.spec.check(transitions)
        none = np.zeros(len(transitions), bool)
        self.write_leaves(number, stored_leaves(self.spec, transitions, none))

    def write_leaves(self, number: int, leaves: dict[str, Array]) -> None:
        """Writes a shard from columns that are already checked and have the dtypes of a file."""
        path = self.folder / shard_name(number)
        partial = temporary_path(path)
        with writing(path):
            try:
                _write_table(partial, stored_columns(self.spec), leaves)
                self._hashes[path.name] = _sha256(partial)
                self._note_progress()
                publish(partial, path)
            finally:
                partial.unlink(missing_ok=True)

    def finish(self) -> None:
        """Checks that every shard is complete, and marks the dataset as complete.

        Raises:
            UnfinishedDatasetError: If shards are missing.
        """
        if missing := self.missing():
            some = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
            raise UnfinishedDatasetError(f"{self.folder} lacks {len(missing)} of {len(self)} shards: write {some}.")
        shards = []
        for number in range(len(self)):
            start, stop = self.bounds(number)
            path = self.folder / shard_name(number)
            size, sha256 = path.stat().st_size, self._hashes[path.name]
            shards.append({"file": path.name, "rows": stop - start, "bytes": size, "sha256": sha256})
        with writing(self.folder):
            write_text(self.folder / MANIFEST, json.dumps(self._header | {"shards": shards}, indent=1))
            (self.folder / UNFINISHED).unlink(missing_ok=True)

    def _open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        held = _held_manifest(self.folder)
        if held is None:
            if any(not path.name.endswith(TEMPORARY) for path in self.folder.iterdir()):
                raise DatasetExistsError(f"{self.folder} holds other files: choose another or an empty folder.")
            self._note_progress()
            return
        there = held.plain()
        if differ := sorted(key for key in self._header if there.get(key) != self._header[key]):
            raise DatasetExistsError(
                f"{self.folder} holds a run with other arguments ({', '.join(differ)} differ): repeat the command that "
                "started it, or choose another folder."
            )
        if self.finished:
            (self.folder / UNFINISHED).unlink(missing_ok=True)  # of a run that was killed in its last step
        self._hashes = _held_hashes(held)

    def _whole(self, number: int) -> bool:
        path = self.folder / shard_name(number)
        return path.is_file() and self._hashes.get(path.name) == _sha256(path)

    def _note_progress(self) -> None:
        write_text(self.folder / UNFINISHED, json.dumps(self._header | {"sha256": self._hashes}, indent=1))


def _header(spec: TransitionSpec, rows: int, shard_rows: int, meta: dict[str, Any]) -> dict[str, Any]:
    columns = {
        name: {"shape": list(leaf.shape), "dtype": stored_dtype(leaf.dtype).name}
        for name, leaf in stored_columns(spec).items()
    }
    header = {"format": FORMAT, "version": VERSION, "rows": rows, "shard_rows": shard_rows}
    return plain_json(header | {"spec": spec.to_dict(), "columns": columns, "meta": meta})


def _held_manifest(folder: Path) -> JsonValue | None:
    name = next((name for name in (MANIFEST, UNFINISHED) if (folder / name).exists()), None)
    return None if name is None else read_manifest(folder / name)


def _held_hashes(manifest: JsonValue) -> dict[str, str]:
    """Returns the hashes of the shards by name, from a finished manifest or an unfinished one."""
    if (shards := manifest.get("shards")) is not None:
        return {shard["file"].text(): shard["sha256"].text() for shard in shards.entries()}
    return {name: value.text() for name, value in manifest["sha256"].table().items()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(path: Path) -> JsonValue:
    """Reads a manifest.

    Raises:
        DatasetFormatError: If it is damaged, or another version of this package wrote it.
    """
    manifest = read_json(path.parent, path.name)
    if (held := manifest["format"].text()) != FORMAT:
        raise DatasetFormatError(f"{path} cannot be read: its format is {shown(held)}, not {FORMAT}.")
    if (version := manifest["version"].value) != VERSION:
        raise DatasetFormatError(f"{path} has version {shown(version)}, not {VERSION}: upgrade synth-replay.")
    return manifest


def _write_table(path: Path, columns: dict[str, Leaf], leaves: dict[str, Array]) -> None:
    pa, pq = load_extra("pyarrow"), load_extra("pyarrow.parquet")
    arrays, fields = [], []
    for name, leaf in columns.items():
        array = pa.array(np.ascontiguousarray(leaves[name]).reshape(-1))
        if leaf.shape:
            kind = pa.list_(pa.field("item", array.type, nullable=False), leaf.size)
            array = pa.FixedSizeListArray.from_arrays(array, type=kind)
        arrays.append(array)
        fields.append(pa.field(name, array.type, nullable=False))
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    pq.write_table(table, path, compression="zstd", use_dictionary=False, write_page_checksum=True)
