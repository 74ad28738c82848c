"""Sizes that a file announces are compared with its content and the machine before memory is allocated."""

import io
import struct
import zipfile

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gymnasium import spaces

from synth_replay import TransitionSpec
from synth_replay.datasets import memory, open_dataset, open_pixels, write_vd4rl_hdf5, write_vd4rl_npz
from synth_replay.errors import DatasetError, DatasetFormatError
from tests.datasets.helpers import random_rows, read, spec_of, write
from tests.datasets.pixels.helpers import SIZE, episode_of
from tests.datasets.test_bad_input import columns, d3rlpy_file, minari_folder, refused, save

NEVER_FILLED = "announces .* and is stored in .*: it is damaged, or it was never filled"


def npy(shape, body, kind="<f4"):
    head = (repr({"descr": kind, "fortran_order": False, "shape": shape}) + "\n").encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + body


def archive(path, compression=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", compression) as out:
        for name, array in columns().items():
            np.save(stream := io.BytesIO(), array)
            out.writestr(f"{name}.npy", members.get(name, stream.getvalue()))
    return path


def sparse(file, name, shape, chunks):
    if name in file:
        del file[name]
    file.create_dataset(name, shape, "f4", chunks=chunks)


@pytest.mark.parametrize("shape", [(6, 10**8), (10**11,), (6, 10**5, 10**5)])
def test_an_npz_header_that_announces_more_than_its_member_holds_is_refused(shape, tmp_path):
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = archive(tmp_path / "f.npz", compression, rewards=npy(shape, bytes(100)))
        refused(path, ValueError, "its header announces|same number of rows|one number per row")
        path = archive(tmp_path / "g.npz", compression, observations=npy(shape, bytes(100)))
        refused(path, ValueError, "its header announces|same number of rows|one number per row")


def test_an_archive_whose_members_overlap_is_refused(tmp_path):
    path = archive(tmp_path / "f.npz")
    blob = bytearray(path.read_bytes())
    for start in [i for i in range(len(blob)) if blob[i : i + 4] == b"PK\x01\x02"]:
        blob[start + 20 : start + 28] = struct.pack("<II", 10**6, 10**6)
    path.write_bytes(blob)
    refused(path, DatasetFormatError, "its members overlap")


def test_a_compression_that_numpy_does_not_write_is_refused(tmp_path):
    refused(archive(tmp_path / "f.npz", zipfile.ZIP_LZMA), DatasetFormatError, "in a way that NumPy does not use")


@pytest.mark.parametrize("shape", [(10**10, 2), (6, 10**9), (10**6, 10**6)])
def test_sparse_arrays_of_a_d4rl_file_are_refused_when_it_is_opened(shape, tmp_path):
    path = save(tmp_path / "f.hdf5", columns())
    with h5py.File(path, "a") as file:
        for name in columns():
            tail = (shape[1],) if file[name].ndim > 1 else ()
            sparse(file, name, (shape[0], *tail), (min(shape[0], 64), *(min(size, 64) for size in tail)))
    with pytest.raises(DatasetFormatError, match=NEVER_FILLED):
        open_dataset(path)


def test_sparse_arrays_of_episodes_are_refused(tmp_path):
    path, folder = d3rlpy_file(tmp_path / "d.h5", 2), minari_folder(tmp_path)
    for file, group in ((path, "observations_1"), (folder / "data" / "main_data.hdf5", "episode_1/observations")):
        with h5py.File(file, "a") as opened:
            sparse(opened, group, (10**9, 2), (1024, 2))
    refused(path, DatasetFormatError, NEVER_FILLED)
    refused(folder, DatasetFormatError, NEVER_FILLED)


def test_frames_that_announce_more_than_their_file_holds_are_refused(tmp_path):
    write_vd4rl_npz(tmp_path / "d", [episode_of(i, 3) for i in range(2)])
    file = sorted((tmp_path / "d").iterdir())[1]
    with np.load(file) as held, zipfile.ZipFile(tmp_path / "new.npz", "w") as out:
        for name in held.files:
            np.save(stream := io.BytesIO(), held[name])
            wrong = npy((4, 10**5, 10**5, 3), bytes(100), "|u1") if name == "image" else stream.getvalue()
            out.writestr(f"{name}.npy", wrong)
    (tmp_path / "new.npz").rename(file)
    with pytest.raises(DatasetFormatError, match="its header announces"):
        list(open_pixels(tmp_path / "d", size=SIZE).episodes())
    write_vd4rl_hdf5(tmp_path / "d.hdf5", [episode_of(i, 3) for i in range(2)])
    with h5py.File(tmp_path / "d.hdf5", "a") as file:
        for name in list(file):
            shape = (10**11, *file[name].shape[1:])
            sparse(file, name, shape, (64, *shape[1:]))
    with pytest.raises(DatasetFormatError, match=NEVER_FILLED):
        open_pixels(tmp_path / "d.hdf5", size=SIZE)


def test_a_table_that_announces_more_than_memory_holds_is_refused(small_machine, tmp_path):
    names = ("obs_0", "action_0", "reward", "terminal")
    pq.write_table(pa.table({name: np.arange(5000.0) % 2 for name in names}), tmp_path / "t.parquet")
    small_machine(100_000)
    with pytest.raises(DatasetError, match=r"t.parquet: its values take .* Tables are read as a whole"):
        open_dataset(tmp_path / "t.parquet")


def test_a_column_that_compresses_well_is_read(tmp_path):
    rows = 3_000_000  # 24 MB of zeros in some kilobytes
    flags = {"terminals": np.zeros(rows, bool), "rewards": np.zeros(rows)}
    np.savez_compressed(tmp_path / "f.npz", **flags, **{n: np.zeros((rows, 1), "f4") for n in PLAIN})
    dataset = open_dataset(tmp_path / "f.npz")
    assert len(dataset) == rows and len(next(dataset.chunks(1000))) == 1000


PLAIN = ("observations", "actions", "next_observations")


def test_a_manifest_that_announces_more_than_its_shards_is_refused(tmp_path):
    spec = spec_of("Pendulum-v1")
    path = write(tmp_path / "d", spec, random_rows(spec, 20), format="parquet") / "manifest.json"
    text = path.read_text()
    path.write_text(text.replace('"rows": 20', '"rows": 99999999999', 1))
    refused(path.parent, DatasetFormatError, "announces 99999999999 rows, and its shards hold 20")
    path.write_text(text.replace('"rows": 20', '"rows": 30'))
    refused(path.parent, DatasetFormatError, "has 20 of 30 rows")


# -- the machine -----------------------------------------------------------------------------


@pytest.fixture
def small_machine(monkeypatch):
    def limit(size):
        monkeypatch.setattr(memory, "available_memory", lambda: size)

    monkeypatch.setattr(memory, "HARMLESS_BYTES", 0)
    return limit


def test_read_must_fit_into_memory_and_the_error_points_to_chunks(small_machine, tmp_path):
    spec = TransitionSpec(spaces.Box(-1, 1, (5,)), spaces.Box(-1, 1, (1,)))
    rows = random_rows(spec, 2000)
    dataset = open_dataset(write(tmp_path / "d.npz", spec, rows))
    small_machine(2000 * (4 * 12 + 1) - 1)
    with pytest.raises(DatasetError, match=r"d.npz: 2,000 rows take 98 kB of memory, and 98 kB are free. Read them in"):
        dataset.read()
    assert sum(map(len, dataset.chunks())) == 2000
    small_machine(10**6)
    assert len(dataset.read()) == 2000


def test_chunks_of_wide_rows_are_small(small_machine, tmp_path):
    spec = TransitionSpec(spaces.Box(-1, 1, (500,)), spaces.Box(-1, 1, (1,)))
    dataset = open_dataset(write(tmp_path / "d.npz", spec, random_rows(spec, 50)))
    small_machine(8 * 20 * 8 * 1003)
    assert {len(chunk) for chunk in dataset.chunks(40)} == {20, 10}
    small_machine(1000)
    with pytest.raises(DatasetError, match="a single row and its copies take"):
        next(dataset.chunks(40))


def test_an_episode_must_fit_into_memory(small_machine, tmp_path):
    path = d3rlpy_file(tmp_path / "d.h5", 2)
    with h5py.File(path, "a") as file:
        for name in ("observations_1", "actions_1", "rewards_1"):
            del file[name]
            file[name] = np.zeros((5000, 1 + name.startswith("obs")))
    assert len(read(path)) == 5003
    dataset = open_dataset(path)
    small_machine(60_000)
    with pytest.raises(DatasetError, match="/observations_1: its values take 80 kB of memory"):
        list(dataset.chunks(10))


def test_the_smallest_of_all_limits_counts(monkeypatch):
    monkeypatch.setattr(memory, "_machine", lambda: 500)
    monkeypatch.setattr(memory, "_control_group", lambda: 300)
    monkeypatch.setattr(memory, "_address_space", lambda: None)
    assert memory.available_memory() == 300
    monkeypatch.setattr(memory, "_address_space", lambda: -5)
    assert memory.available_memory() == 0


def test_limits_of_this_machine_are_numbers_or_unknown():
    assert memory._machine() > 10**6
    for limit in (memory._control_group(), memory._address_space()):
        assert limit is None or isinstance(limit, int)


@pytest.mark.parametrize(("line", "file"), [("0::/a/b", "memory.max"), ("4:memory:/a/b", "memory.limit_in_bytes")])
def test_a_control_groups_limit_is_found_in_it_or_above(line, file, tmp_path, monkeypatch):
    root = tmp_path / "cgroup"
    place = root / ("memory" if ":memory" in line else "") / "a"
    (place / "b").mkdir(parents=True)
    (place / file).write_text("1000000\n")
    (place / "b" / file).write_text("max\n")
    (tmp_path / "self").write_text(f"7:pids:/x\n{line}\n")
    real = memory.Path
    monkeypatch.setattr(memory, "Path", lambda name: tmp_path / "self" if name == "/proc/self/cgroup" else real(name))
    monkeypatch.setattr(memory, "_CGROUPS", root)
    monkeypatch.setattr(memory, "_own_pages", lambda _: 400_000)
    assert memory._control_group() == 600_000


def test_numbers_of_bytes_are_shown_with_units():
    assert [memory.in_bytes(n) for n in (0, 999, 1500, 72 * 10**9)] == ["0 bytes", "999 bytes", "1.5 kB", "72 GB"]
    assert "PB" in memory.in_bytes(10**40)
