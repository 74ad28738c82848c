"""Arguments of a wrong type and impossible paths raise one short error that names the argument."""

import errno

import h5py
import numpy as np
import pandas as pd
import pytest

from synth_replay.datasets import (
    create_dataset,
    detect_format,
    find_pixels,
    guess_format,
    open_dataset,
    open_pixels,
    open_table,
)
from synth_replay.datasets.atomic_files import writing
from synth_replay.errors import DatasetError, DatasetFormatError, DatasetWriteError, UnknownFormatError
from tests.datasets.helpers import random_rows, spec_of, write
from tests.datasets.test_bad_input import columns

SPEC = spec_of("Pendulum-v1")
NO_PATHS = [None, 5, b"x", ["a"], "", "a\0b", "x" * 5000, "x/" * 5000, "\ud800"]


def short(call, error, match):
    with pytest.raises(error, match=match) as caught:
        call()
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)


@pytest.mark.parametrize("path", NO_PATHS, ids=lambda path: repr(path)[:8])
@pytest.mark.parametrize("call", [open_dataset, detect_format, guess_format, open_pixels, find_pixels])
def test_invalid_paths_are_refused(call, path):
    short(lambda: call(path), DatasetError, "path")


@pytest.mark.parametrize("path", NO_PATHS, ids=lambda path: repr(path)[:8])
def test_nothing_is_written_to_an_invalid_path(path):
    short(lambda: create_dataset(path, SPEC, 5, format="npz"), DatasetWriteError, "path|too long a name")


@pytest.mark.parametrize("format", ["nope" * 2000, 5, ["npz"], b"npz"])
def test_unknown_formats_are_refused(format, tmp_path):
    short(lambda: open_dataset(tmp_path, format=format), UnknownFormatError, "Unknown format .*known are npz")
    short(lambda: create_dataset(tmp_path / "x", SPEC, 5, format=format), UnknownFormatError, "Unknown format")
    short(lambda: open_pixels(tmp_path, format=format), UnknownFormatError, "Unknown format")
    short(lambda: guess_format("x." + "y" * 200), UnknownFormatError, "No format has the suffix")


@pytest.mark.parametrize("rows", ["10", None, 0, -1, 2.5, float("nan"), float("inf"), 1j, [3]])
def test_invalid_numbers_of_rows_are_refused(rows, tmp_path):
    short(lambda: create_dataset(tmp_path / "x.npz", SPEC, rows), DatasetError, "at least 1 row")
    path = write(tmp_path / "d.npz", SPEC, random_rows(SPEC, 4))
    short(lambda: next(open_dataset(path).chunks(rows)), DatasetError, "at least 1 row")


def test_invalid_specs_and_metadata_are_refused(tmp_path):
    short(lambda: create_dataset(tmp_path / "x.npz", SPEC.observation_space, 5), DatasetError, "TransitionSpec")
    short(lambda: create_dataset(tmp_path / "x.npz", SPEC, 5, meta="text"), DatasetError, "metadata")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_the_error_of_a_full_disk_asks_for_space(code, tmp_path):
    with pytest.raises(DatasetWriteError, match="Free some space or choose another place"), writing(tmp_path):
        raise OSError(code, "full")


def test_a_file_where_a_folder_must_be_is_refused(tmp_path):
    (tmp_path / "file5").write_text("mine")
    for inner in ("x.npz", "a/x.hdf5"):
        with (
            pytest.raises(DatasetWriteError, match=r"file5[^ ]*\)\. Choose another place"),
            create_dataset(tmp_path / "file5" / inner, SPEC, 5),
        ):
            pass


@pytest.mark.parametrize("block", [512, 1024, 8192])
def test_hdf5_behind_a_user_block_is_read(block, tmp_path):
    with h5py.File(tmp_path / "d.hdf5", "w", userblock_size=block) as file:
        for name, array in columns().items():
            file[name] = array
    assert open_dataset(tmp_path / "d.hdf5").format == "d4rl"
    with (tmp_path / "d.hdf5").open("r+b") as file:
        file.write(b"a text of the user's own")
    assert len(open_dataset(tmp_path / "d.hdf5").read()) == 6


def test_frames_in_hdf5_behind_a_user_block_are_found(tmp_path):
    with h5py.File(tmp_path / "d.hdf5", "w", userblock_size=512) as file:
        file["observation"] = np.zeros((4, 3, 8, 8), np.uint8)
    with pytest.raises(DatasetFormatError, match=r"open it with open_pixels"):
        open_dataset(tmp_path / "d.hdf5")
    with pytest.raises(DatasetFormatError, match="lacks"):
        find_pixels(tmp_path / "d.hdf5")


def test_a_virtual_array_of_the_same_file_is_refused_as_a_reference(tmp_path):
    with h5py.File(tmp_path / "d.hdf5", "w") as file:
        for name, array in columns().items():
            file["own" if name == "rewards" else name] = array
        layout = h5py.VirtualLayout((6,), np.float64)
        layout[:] = h5py.VirtualSource(".", "own", (6,))
        file.create_virtual_dataset("rewards", layout)
    short(lambda: open_dataset(tmp_path / "d.hdf5"), DatasetFormatError, "rewards refers to values in other places")


def table(n=8):
    rng = np.random.default_rng(0)
    return pd.DataFrame(np.hstack([rng.normal(size=(n, 6)), np.arange(n)[:, None] == n - 1]))


GIVEN = {"observations": [0, 1, 2], "actions": [3, 4], "rewards": 5, "terminations": 6}


@pytest.mark.parametrize("given", [GIVEN, GIVEN | {"observations": range(3), "actions": np.array([3, 4])}])
def test_columns_without_names_are_selected_by_their_numbers(given):
    rows = open_table(table(), **given).read()
    np.testing.assert_allclose(rows.observations, table().to_numpy()[:, :3], rtol=1e-6)
    np.testing.assert_allclose(rows.actions, table().to_numpy()[:, 3:5], rtol=1e-6)


def test_the_column_0_can_be_the_reward():
    held = table()[[5, 0, 1, 2, 3, 4, 6]].set_axis(range(7), axis=1)
    given = {"observations": [1, 2, 3], "actions": 4, "rewards": 0, "terminations": 6}
    np.testing.assert_allclose(open_table(held, **given).read().rewards, table()[5], rtol=1e-6)


def test_columns_of_a_multi_index_are_selected_by_their_tuples():
    names = [("obs", "x"), ("obs", "y"), ("obs", "z"), ("act", 0), ("act", 1), ("reward", ""), ("end", "")]
    held = table().set_axis(pd.MultiIndex.from_tuples(names), axis=1)
    given = {"observations": names[:3], "actions": names[3:5], "rewards": names[5], "terminations": names[6]}
    np.testing.assert_allclose(open_table(held, **given).read().rewards, table()[5], rtol=1e-6)
    short(lambda: open_table(held), DatasetFormatError, r"lacks observations.* holds \('obs', 'x'\), .*open_table\(")


@pytest.mark.parametrize("columns", [7, 3000])
def test_the_error_of_a_table_with_other_names_lists_them(columns, tmp_path):
    held = pd.DataFrame(np.zeros((3, columns)), columns=[f"c{i}" for i in range(columns)])
    held.to_csv(tmp_path / "t.csv", index=False)
    for source in (held, tmp_path / "t.csv"):
        short(lambda source=source: open_table(source), DatasetFormatError, r"holds c0, c1, .*observations=\[\.\.\.\]")
    short(lambda: open_dataset(tmp_path / "t.csv"), DatasetFormatError, r"lacks observations, .*holds c0, c1, c2")


def test_a_table_with_only_a_header_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("obs_0,obs_1,action_0,reward,terminal\n")
    short(lambda: open_dataset(tmp_path / "t.csv"), DatasetFormatError, "holds no transitions")


@pytest.mark.parametrize("source", [None, 3, b"x", [1, 2], {}])
def test_values_that_are_no_table_are_refused(source):
    short(lambda: open_table(source), DatasetError, "takes a file or a data frame, not " + type(source).__name__)
