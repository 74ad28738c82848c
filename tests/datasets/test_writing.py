"""A writer leaves a whole dataset or nothing, whatever happens."""

import subprocess
import sys

import numpy as np
import pytest

from synth_replay.checkpoint import temporary_path
from synth_replay.datasets import create_dataset, open_dataset
from synth_replay.datasets.atomic_files import old_path
from synth_replay.errors import (
    DatasetError,
    DatasetExistsError,
    DatasetWriteError,
    InvalidTransitionsError,
    SpecMismatchError,
)
from tests.datasets.helpers import TARGETS, assert_rows, random_rows, read, spec_of, write

SPEC = spec_of("Pendulum-v1")
ROWS = random_rows(SPEC, 60)

every_format = pytest.mark.parametrize("format", TARGETS)


class StopError(Exception):
    """Something of the caller's."""


@every_format
def test_an_exception_half_way_leaves_nothing(format, tmp_path):
    path = tmp_path / "deep" / TARGETS[format]
    with pytest.raises(StopError), create_dataset(path, SPEC, 60, format=format) as writer:
        writer.write(ROWS[:30])
        raise StopError
    assert not list(path.parent.iterdir())


@every_format
def test_an_exception_while_replacing_leaves_the_old_version(format, tmp_path):
    path = write(tmp_path / TARGETS[format], SPEC, ROWS, format=format)
    with pytest.raises(StopError), create_dataset(path, SPEC, 60, format=format, overwrite=True) as writer:
        writer.write(ROWS[:30])
        raise StopError
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert_rows(read(path), ROWS, ("observations", "rewards"))


@every_format
def test_nothing_is_replaced_unasked(format, tmp_path):
    path = write(tmp_path / TARGETS[format], SPEC, ROWS, format=format)
    with pytest.raises(DatasetExistsError, match="already exists: take another name"):
        create_dataset(path, SPEC, 60, format=format)
    write(path, SPEC, ROWS[:10], format=format, overwrite=True)
    assert len(open_dataset(path)) == 10
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_an_empty_folder_may_be_filled_and_another_may_not(tmp_path):
    (tmp_path / "empty").mkdir()
    assert len(open_dataset(write(tmp_path / "empty", SPEC, ROWS))) == 60
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(DatasetExistsError):
        create_dataset(tmp_path / "full", SPEC, 60)


def test_a_folder_of_other_things_is_not_even_overwritten(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for format in ("npz", "parquet"):
        with pytest.raises(DatasetExistsError, match="never overwritten"):
            create_dataset(tmp_path, SPEC, 60, format=format, overwrite=True)


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "d.npz"
    with pytest.raises(DatasetExistsError), create_dataset(path, SPEC, 60) as writer:
        writer.write(ROWS)
        path.write_text("somebody was faster")
    assert path.read_text() == "somebody was faster" and len(list(tmp_path.iterdir())) == 1


@every_format
def test_the_number_of_rows_must_be_the_announced_one(format, tmp_path):
    path = tmp_path / TARGETS[format]
    with (
        pytest.raises(DatasetError, match="59 of 60 rows were written"),
        create_dataset(path, SPEC, 60, format=format) as writer,
    ):
        writer.write(ROWS[:59])
    with (
        pytest.raises(DatasetError, match="announced with 60 rows, and more were written"),
        create_dataset(path, SPEC, 60, format=format) as writer,
    ):
        writer.write(ROWS)
        writer.write(ROWS[:1])
    with pytest.raises(DatasetError, match="at least 1 row"):
        create_dataset(path, SPEC, 0, format=format)
    assert not list(tmp_path.iterdir())


def test_a_writer_wants_a_with_block(tmp_path):
    with pytest.raises(DatasetError, match="inside a with block"):
        create_dataset(tmp_path / "d.npz", SPEC, 60).write(ROWS)
    assert not list(tmp_path.iterdir())


def test_rows_are_checked_against_the_spec(tmp_path):
    bad = random_rows(SPEC, 60)
    bad.observations[7, 0] = np.nan
    with pytest.raises(InvalidTransitionsError, match="row 7"):
        write(tmp_path / "d.npz", SPEC, bad, 1)
    with pytest.raises(SpecMismatchError, match="another environment"):
        write(tmp_path / "d.npz", spec_of("Acrobot-v1"), ROWS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("overwrite", [False, True])
def test_leftovers_of_a_killed_run_are_removed_and_files_of_the_user_are_kept(overwrite, tmp_path):
    kept = set()
    for format, name in TARGETS.items():
        path = tmp_path / name
        for stray in (temporary_path(path), temporary_path(temporary_path(path))):
            stray.mkdir() if format in ("npz", "minari", "parquet") else stray.write_bytes(b"half")
        for ending in (".partial", ".partial.partial", ".old", ".unfinished", ".unfinished.trash", ".tmp"):
            folder = tmp_path / f"{name}{ending}"
            folder.mkdir()
            (folder / "thesis.txt").write_text("precious")
            kept.add(folder)
        for _ in range(1 + overwrite):
            write(path, SPEC, ROWS, format=format, overwrite=overwrite)
        assert len(open_dataset(path)) == 60
    assert {p.name for p in tmp_path.iterdir()} == {*TARGETS.values(), *(path.name for path in kept)}
    assert all((folder / "thesis.txt").read_text() == "precious" for folder in kept)


@pytest.mark.parametrize("format", ["minari", "parquet"])
def test_a_kill_while_a_folder_is_replaced_keeps_the_old_one(format, tmp_path):
    path = write(tmp_path / TARGETS[format], SPEC, ROWS, format=format)
    path.rename(old_path(path))  # as if the process had been killed between the two renames
    with pytest.raises(StopError), create_dataset(path, SPEC, 10, format=format, overwrite=True) as writer:
        writer.write(ROWS[:5])
        raise StopError
    assert list(tmp_path.iterdir()) == [path] and len(open_dataset(path)) == 60


@pytest.mark.parametrize("format", TARGETS)
def test_an_output_that_is_a_link_is_written_to_its_target(format, tmp_path):
    for there in (False, True):
        disk = tmp_path / f"disk-{there}" / TARGETS[format]
        disk.parent.mkdir()
        if there and disk.suffix == "":
            disk.mkdir()  # an empty folder
        link = tmp_path / f"link-{there}-v{there:d}{disk.suffix}"
        link.symlink_to(disk)
        write(link, SPEC, ROWS, format=format)
        assert link.is_symlink() and not disk.is_symlink() and len(open_dataset(disk, format=format)) == 60


@pytest.mark.parametrize("format", TARGETS)
def test_a_name_that_is_too_long_for_the_system_is_refused_before_any_work(format, tmp_path):
    suffix = (tmp_path / TARGETS[format]).suffix or "-v0"
    for length in (230, 255, 400):
        name = "n" * (length - len(suffix)) + suffix
        with pytest.raises(DatasetWriteError, match=r"too long a name.*at most \d+ bytes"):
            create_dataset(tmp_path / name, SPEC, 60, format=format)
    longest = "\u00e9" * 95 + suffix  # two bytes each
    assert len(open_dataset(write(tmp_path / longest, SPEC, ROWS, format=format))) == 60


FULL_DISK = """
import os, pathlib, resource, signal, sys
import numpy as np
from gymnasium import spaces
from synth_replay import Transitions, TransitionSpec
from synth_replay.datasets import ShardWriter, create_dataset
from synth_replay.errors import DatasetWriteError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
root, n = pathlib.Path(sys.argv[1]), 4000
spec = TransitionSpec(spaces.Box(-1, 1, (8,)), spaces.Box(-1, 1, (2,)))
noise = np.random.default_rng(0).uniform(-1, 1, (n, 19))
rows = Transitions(noise[:, :8], noise[:, 8:10], noise[:, 10], noise[:, 11:], noise[:, 0] > 0.5)
for format, name in eval(sys.argv[2]).items():
    try:
        with create_dataset(root / name, spec, n, format=format, overwrite=True) as writer:
            for start in range(0, n, 500):
                writer.write(rows[start : start + 500])
    except DatasetWriteError as error:
        print(error)
shards = ShardWriter(root / "shards", spec, n, shard_rows=n // 2)
try:
    shards.write(0, rows[: n // 2])
except DatasetWriteError as error:
    print(error)
"""


def test_a_full_disk_is_one_clear_error_and_leaves_what_was_there(tmp_path):
    """A real write error: the process may not write files above a size that the datasets exceed."""
    for format, name in TARGETS.items():
        write(tmp_path / name, SPEC, ROWS, format=format)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path), repr(TARGETS)]
    out = subprocess.run(command, capture_output=True, text=True)
    assert out.returncode == 0 and not out.stderr, out.stderr
    lines = out.stdout.splitlines()
    assert len(lines) == 6 and all("could not be written:" in line and "File too large" in line for line in lines)
    after = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert after.pop(tmp_path / "shards" / "manifest.partial.json")
    assert after == before


def test_a_folder_that_may_not_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DatasetError, match="could not be written"):
        write(tmp_path / "file" / "d.npz", SPEC, ROWS)
