"""Names in a file lead to plain files in its own folder or raise one clear error, and no other file is touched."""

import io
import json
import os
import shutil
import zipfile

import h5py
import numpy as np
import pytest
from gymnasium import spaces

from synth_replay import TransitionSpec
from synth_replay.datasets import open_dataset, open_pixels, write_vd4rl_npz
from synth_replay.errors import DatasetError, DatasetFormatError
from tests.datasets.helpers import random_rows, read, spec_of, write
from tests.datasets.pixels.helpers import episode_of
from tests.datasets.test_bad_input import columns, d3rlpy_file, minari_folder, refused, save

FLAT = spec_of("Pendulum-v1")


def archive(path, arrays):
    with zipfile.ZipFile(path, "w") as out:
        for name, array in arrays.items():
            np.save(stream := io.BytesIO(), array)
            out.writestr(f"{name}.npy", stream.getvalue())
    return path


@pytest.mark.parametrize("key", ["../../x", "..", ".", "", "a//b", "a\\..\\b", "/etc/x"])
def test_an_archive_with_names_that_are_paths_is_refused(key, tmp_path):
    held = columns()
    held |= {f"{name}/{key}": held.pop(name) for name in ("observations", "next_observations")}
    refused(archive(tmp_path / "f.npz", held), DatasetFormatError, "a name that files cannot hold")


def test_a_column_inside_another_one_is_refused(tmp_path):
    path = archive(tmp_path / "f.npz", columns() | {"observations/a": np.zeros((6, 2))})
    refused(path, DatasetFormatError, "lies inside of another column")


@pytest.mark.parametrize("key", ["..", "../../x", "", ".", "a\0b", "\ud800", "a\\b", "x" * 70_000])
@pytest.mark.parametrize("format", ["npz", "d4rl", "parquet"])
def test_no_writer_takes_a_key_that_is_a_path(key, format, tmp_path):
    spec = TransitionSpec(spaces.Dict({key: spaces.Box(-1, 1, (2,))}), spaces.Box(-1, 1, (1,)))
    with pytest.raises(DatasetError, match=r"a name that files cannot hold|write format='parquet'"):
        write(tmp_path / "d", spec, random_rows(spec, 5), format=format)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", ["λ 中", "con", "x" * 300, "-rf", "a:b", "*", "terminals", "%2e%2e"])
@pytest.mark.parametrize("format", ["npz", "d4rl", "parquet"])
def test_every_other_key_is_written_and_read(key, format, tmp_path):
    spec = TransitionSpec(spaces.Dict({key: spaces.Box(-1, 1, (2,))}), spaces.Box(-1, 1, (1,)))
    rows = random_rows(spec, 20)
    path = write(tmp_path / "d", spec, rows, format=format)
    np.testing.assert_array_equal(read(path).observations[key], rows.observations[key])
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


# -- Parquet ---------------------------------------------------------------------------------


def with_shard(folder, **changes):
    path = write(folder / "d", FLAT, random_rows(FLAT, 20), format="parquet")
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["shards"][0] |= changes
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path, path / "part-00000.parquet"


@pytest.mark.parametrize("name", ["../d2/part-00000.parquet", "/dev/zero", "", None, 5, ["x"], "a\0b", "sub/x"])
def test_a_manifest_with_names_outside_its_folder_is_refused(name, tmp_path):
    path, _ = with_shard(tmp_path, file=name)
    shutil.copytree(path, tmp_path / "d2")
    refused(path, DatasetFormatError, "which is no name of a file in that folder")


def test_a_manifest_that_names_a_pipe_or_a_link_out_of_the_folder_is_refused(tmp_path):
    path, shard = with_shard(tmp_path, file="other", bytes=0)
    os.mkfifo(path / "other")
    refused(path, DatasetFormatError, "other is a pipe, not a file")
    (path / "other").unlink()
    shard.rename(tmp_path / "outside")
    (path / "other").symlink_to(tmp_path / "outside")
    refused(path, DatasetFormatError, "a link that leads out of its folder")


def test_a_manifest_that_is_a_link_out_of_the_folder_is_refused(tmp_path):
    path, _ = with_shard(tmp_path)
    (path / "manifest.json").rename(tmp_path / "elsewhere.json")
    (path / "manifest.json").symlink_to(tmp_path / "elsewhere.json")
    refused(path, DatasetFormatError, "a link that leads out of its folder")


def test_a_dataset_may_be_reached_by_a_link(tmp_path):
    path, _ = with_shard(tmp_path)
    (tmp_path / "link").symlink_to(path)
    assert len(open_dataset(tmp_path / "link")) == 20


def test_columns_that_are_not_in_the_spec_are_refused(tmp_path):
    path, _ = with_shard(tmp_path)
    text = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(text.replace('"rewards"', '"observations/../x"'))
    refused(path, DatasetFormatError, "a name that files cannot hold")
    (path / "manifest.json").write_text(text.replace('"rewards"', '"money"'))
    refused(path, DatasetFormatError, "its columns are not those of its spec")


# -- HDF5 ------------------------------------------------------------------------------------


def secret(tmp_path):
    path = tmp_path / "secret.hdf5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros((3, 2))
    (tmp_path / "raw").write_bytes(np.zeros(1000).tobytes())
    return path


def referring(kind, file, name, path, shape, dtype="f8"):
    """Replaces an array by a reference to one in another file."""
    if name in file:
        del file[name]
    if kind == "external link":
        file[name] = h5py.ExternalLink(path, "/x")
    elif kind == "soft link":
        file["elsewhere"] = h5py.ExternalLink(path, "/")
        file[name] = h5py.SoftLink("/elsewhere/x")
    elif kind == "external storage":
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        file.create_dataset(name, shape, dtype, external=[(str(path.with_name("raw")), 0, size)])
    else:
        layout = h5py.VirtualLayout(shape, dtype)
        layout[:] = h5py.VirtualSource(path, "x", (3, 2))[: shape[0], : shape[1]]
        file.create_virtual_dataset(name, layout)


KINDS = ["external link", "soft link", "external storage", "virtual dataset"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_d4rl_file_reads_no_other_file(kind, tmp_path):
    path = save(tmp_path / "f.hdf5", columns(3))
    with h5py.File(path, "a") as file:
        referring(kind, file, "observations", secret(tmp_path), (3, 2))
    refused(path, DatasetFormatError, "lacks observations" if "link" in kind else "refers to values in other")


@pytest.mark.parametrize("kind", KINDS)
def test_d3rlpy_and_minari_read_no_other_file(kind, tmp_path):
    outside = secret(tmp_path)
    path = d3rlpy_file(tmp_path / "d.h5", 2)
    folder = minari_folder(tmp_path)
    for file, name in ((path, "observations_0"), (folder / "data" / "main_data.hdf5", "episode_0/observations")):
        with h5py.File(file, "a") as opened:
            referring(kind, opened, name, outside, (3, 2))
    for dataset in (path, folder):
        refused(
            dataset,
            DatasetFormatError,
            "is a link to elsewhere" if "link" in kind else "refers to values in other",
        )


def test_links_inside_of_a_file_are_followed(tmp_path):
    path = d3rlpy_file(tmp_path / "d.h5", 2)
    with h5py.File(path, "a") as file:
        file.move("actions_1", "group/held")
        file["actions_1"] = h5py.SoftLink("/group/held")
    assert len(read(path)) == 6
    with h5py.File(path, "a") as file:
        del file["actions_1"]
        file["actions_1"] = h5py.SoftLink("/actions_1")
    refused(path, DatasetFormatError, "is a link to elsewhere")


# -- folders ---------------------------------------------------------------------------------


def test_minari_folders_hold_their_own_files(tmp_path):
    folder = minari_folder(tmp_path)
    (folder / "data" / "main_data.hdf5").rename(tmp_path / "outside.hdf5")
    (folder / "data" / "main_data.hdf5").symlink_to(tmp_path / "outside.hdf5")
    refused(folder, DatasetFormatError, "main_data.hdf5 is a link that leads out")
    (folder / "data").rename(tmp_path / "data")
    (folder / "data").symlink_to(tmp_path / "data")
    refused(folder, DatasetFormatError, "data is a link that leads out")


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_folders_of_frames_hold_their_own_files(kind, tmp_path):
    write_vd4rl_npz(tmp_path / "d", [episode_of(i, 3) for i in range(2)])
    file = sorted((tmp_path / "d").iterdir())[0]
    file.rename(tmp_path / "moved.npz")
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to(tmp_path / "moved.npz")
    with pytest.raises(DatasetFormatError, match="leads out" if kind == "link" else f"is a {kind}, not a file"):
        open_pixels(tmp_path / "d")


@pytest.mark.parametrize("open_it", [open_dataset, open_pixels])
def test_a_pipe_is_refused_without_waiting_for_it(open_it, tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(DatasetError, match=r"is a device, a pipe|is no dataset of frames"):
        open_it(tmp_path / "pipe.npz")


def test_links_that_lead_through_links_end_in_one_line(tmp_path):
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        for number in range(8):  # each name leads through the next one sixteen times
            file[f"l{number}"] = h5py.SoftLink("/".join([f"l{number + 1}"] * 16))
        file["l8"] = h5py.SoftLink("/")
        file["observations"] = h5py.SoftLink("l0")
    refused(path, DatasetFormatError, "link to elsewhere|lacks|format")
