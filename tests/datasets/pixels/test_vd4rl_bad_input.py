"""What is no V-D4RL dataset is refused with a clear error, and a writer leaves a whole one or nothing."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from synth_replay.checkpoint import temporary_path
from synth_replay.datasets.pixels.formats import open_pixels
from synth_replay.datasets.pixels.vd4rl_hdf5 import VD4rlHdf5Dataset, write_vd4rl_hdf5
from synth_replay.datasets.pixels.vd4rl_npz import VD4rlNpzDataset, write_vd4rl_npz
from synth_replay.errors import (
    DatasetError,
    DatasetExistsError,
    DatasetFormatError,
    InvalidTransitionsError,
    SpecMismatchError,
)
from tests.datasets.pixels.helpers import (
    DISCRETE,
    SIZE,
    assert_episodes,
    episode_of,
    recorded,
    save_hdf5,
    save_npz,
)

WRITERS = {"vd4rl-npz": write_vd4rl_npz, "vd4rl-hdf5": write_vd4rl_hdf5}
READERS = {"vd4rl-npz": VD4rlNpzDataset, "vd4rl-hdf5": VD4rlHdf5Dataset}

every_layout = pytest.mark.parametrize("layout", WRITERS)


def target(folder, layout):
    return Path(folder) / ("d.hdf5" if layout == "vd4rl-hdf5" else "d")


def changed_rows(name, change):
    rows = recorded(0, 5, SIZE)
    return rows | {name: change(rows[name])}


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((SIZE, SIZE, 3), "channels are at the wrong end, so transpose"),
        ((3, 64, 64), "open it with size=64 if that is meant"),
        ((64, 64, 3), "wrong end"),
        ((1, SIZE, SIZE), "convert the frames to square RGB"),
        ((3, SIZE, 10), "convert the frames to square RGB"),
        ((SIZE, SIZE), "convert the frames to square RGB"),
    ],
)
def test_frames_of_another_layout_are_refused_on_opening(shape, said, tmp_path):
    rows = recorded(0, 5, SIZE)
    path = save_hdf5(tmp_path / "d.hdf5", rows, observation=np.zeros((6, *shape), np.uint8))
    with pytest.raises(DatasetFormatError, match=said):
        open_pixels(path, size=SIZE)
    if len(shape) == 3:
        save_npz(tmp_path / "d", "0", rows, image=np.zeros((6, *shape[::-1]), np.uint8))
        with pytest.raises(DatasetFormatError, match=said):
            open_pixels(tmp_path / "d", size=SIZE)


def test_each_layout_expects_its_own_size(tmp_path):
    with pytest.raises(DatasetFormatError, match=r"expected is \(3, 84, 84\): open it with size=64"):
        VD4rlHdf5Dataset(save_hdf5(tmp_path / "d.hdf5", recorded(0, 5, 64)))
    save_npz(tmp_path / "d", "0", recorded(0, 5, 84))
    with pytest.raises(DatasetFormatError, match=r"expected is \(64, 64, 3\): open it with size=84"):
        VD4rlNpzDataset(tmp_path / "d")


@every_layout
def test_float_frames_that_are_no_pixels_are_refused(layout, tmp_path):
    for name, value, said in (("a", 256.0, "range from"), ("b", 0.25, "Multiply scaled frames")):
        rows = changed_rows("observation", lambda frames, value=value: np.where(frames > 150, value, frames))
        path = target(tmp_path / name, layout)
        path.parent.mkdir()
        save_hdf5(path, rows) if layout == "vd4rl-hdf5" else save_npz(path, "0", rows)
        with pytest.raises(InvalidTransitionsError, match=said) as caught:
            list(open_pixels(path, size=SIZE).episodes())
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ([0, 1, 1, 1, 1, 1], "cut short: 1 begin and 0 end"),
        ([1, 1, 1, 1, 1, 2], "cut short: 0 begin and 1 end"),
        ([1, 2, 0, 1, 1, 2], "cut short: 1 begin and 2 end"),
        ([0, 1, 2, 1, 1, 2], "cut short"),
        ([0, 1, 2, 0, 1, 1], "cut short"),
        ([0, 1, 0, 2, 1, 2], "cut short"),
        ([1, 1, 1, 1, 1, 1], "cut short: 0 begin"),
        ([0, 1, 3, 1, 1, 2], "may only hold 0"),
    ],
)
def test_hdf5_episodes_run_from_first_to_last(kinds, said, tmp_path):
    path = save_hdf5(tmp_path / "d.hdf5", recorded(0, 5, SIZE), step_type=np.array(kinds))
    with pytest.raises(DatasetFormatError, match=said):
        open_pixels(path, size=SIZE)


def test_hdf5_columns_must_be_there_and_equally_long(tmp_path):
    path = save_hdf5(tmp_path / "d.hdf5", recorded(0, 5, SIZE), reward=np.zeros(5))
    with pytest.raises(InvalidTransitionsError, match=r"the same number of rows; got.*'reward': 5"):
        open_pixels(path, size=SIZE)
    with pytest.raises(DatasetFormatError, match="lacks discount, step_type; it holds action"):
        open_pixels(save_hdf5(path, recorded(0, 5, SIZE), discount=None, step_type=None), size=SIZE)
    with pytest.raises(DatasetFormatError, match=r"actions need the shape \[rows, A\]"):
        open_pixels(save_hdf5(path, recorded(0, 5, SIZE), action=np.zeros(6)), size=SIZE)


def test_a_broken_episode_file_is_named_before_anything_is_read(tmp_path):
    folder = tmp_path / "d"
    paths = [save_npz(folder, str(i), recorded(i, 5, SIZE)) for i in range(3)]
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetFormatError, match=f"{paths[1].name} is damaged or cut short"):
        open_pixels(folder, size=SIZE)
    damaged = bytearray(whole)
    damaged[100:140] = bytes(40)
    paths[1].write_bytes(damaged)
    dataset = open_pixels(folder, size=SIZE)
    with pytest.raises(DatasetFormatError, match=paths[1].name):
        list(dataset.episodes())
    assert_episodes(dataset.episodes([0, 2]), [episode_of(0, 5), episode_of(2, 5)], level_seeds=False)


def test_a_broken_hdf5_file_is_named(tmp_path):
    path = save_hdf5(tmp_path / "d.hdf5", recorded(0, 50, 32))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetFormatError, match=r"d\.hdf5 cannot be read: it is cut short, damaged"):
        open_pixels(path, size=32)
    with h5py.File(save_hdf5(path, recorded(0, 50, 32))) as file:
        place = file["observation"].id.get_chunk_info(0).byte_offset
    damaged = bytearray(path.read_bytes())
    damaged[place + 4 : place + 24] = bytes(20)
    path.write_bytes(damaged)
    with pytest.raises(DatasetFormatError, match=r"d\.hdf5 cannot be read"):
        list(open_pixels(path, size=32).episodes())


@pytest.mark.parametrize(
    ("name", "changed", "error", "said"),
    [
        ("20220101T000000-x-9.npz", {}, InvalidTransitionsError, "cut short or its arrays do not belong together"),
        (None, {"reward": np.zeros(5)}, InvalidTransitionsError, "'reward': 5"),
        (
            None,
            {"is_last": np.zeros(6, bool)},
            DatasetFormatError,
            "is_last must mark row 5 and no other; it marks none",
        ),
        (None, {"is_first": np.ones(6, bool)}, DatasetFormatError, "is_first must mark row 0 and no other"),
        (None, {"reward": np.full(6, np.nan)}, InvalidTransitionsError, "Rewards hold 5 values that are NaN"),
        (None, {"action": np.full((6, 2), 1.5)}, InvalidTransitionsError, "actions range from 1.5 to 1.5, outside"),
        (None, {"action": np.zeros((6, 3))}, SpecMismatchError, "Use one dataset per environment"),
        (None, {"discount": None}, DatasetFormatError, "lacks discount"),
    ],
)
def test_an_npz_episode_that_does_not_fit_is_refused_by_name(name, changed, error, said, tmp_path):
    folder = tmp_path / "d"
    save_npz(folder, "a", recorded(0, 5, SIZE))
    path = save_npz(folder, "b", recorded(1, 5, SIZE), **changed)
    path = path.rename(folder / name) if name else path
    dataset = open_pixels(folder, size=SIZE)
    with pytest.raises(error, match=said) as caught:
        list(dataset.episodes())
    assert path.name in str(caught.value) or "episode 1" in str(caught.value)


def test_nothing_is_no_dataset(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        open_pixels(tmp_path / "none")
    with pytest.raises(DatasetFormatError, match="no dataset of frames"):
        open_pixels(tmp_path)
    with pytest.raises(DatasetFormatError, match="holds no episodes: expected files such as"):
        VD4rlNpzDataset(tmp_path)
    with pytest.raises(DatasetFormatError, match="holds no episodes: expected files that end in"):
        VD4rlHdf5Dataset(tmp_path)
    with pytest.raises(DatasetFormatError, match="holds no episodes"):
        empty = {name: array[:0] for name, array in recorded(0, 5, SIZE).items()}
        open_pixels(save_hdf5(tmp_path / "e.hdf5", empty), size=SIZE)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DatasetFormatError, match="no dataset of frames"):
        open_pixels(tmp_path / "notes.txt")
    with pytest.raises(DatasetError, match="is no folder"):
        VD4rlNpzDataset(tmp_path / "notes.txt")
    with pytest.raises(DatasetError, match="Unknown format 'mp4'"):
        open_pixels(tmp_path, format="mp4")


def test_files_of_other_names_are_not_passed_over_in_silence(tmp_path):
    path = save_npz(tmp_path / "d", "a", recorded(0, 5, SIZE))
    path.rename(path.with_name("episode.npz"))
    with pytest.raises(DatasetFormatError, match=r"not named like 20220101T000000-abc123-501\.npz: \['episode\.npz'\]"):
        VD4rlNpzDataset(tmp_path / "d", size=SIZE)


class StopError(Exception):
    """Something of the caller's."""


def failing(error):
    yield episode_of(0, 5)
    raise error


@every_layout
def test_an_exception_half_way_leaves_nothing(layout, tmp_path):
    path = tmp_path / "deep" / target(tmp_path, layout).name
    with pytest.raises(StopError):
        WRITERS[layout](path, failing(StopError()))
    with pytest.raises(FileNotFoundError):  # the caller's own, not a complaint about the disk
        WRITERS[layout](path, failing(FileNotFoundError()))
    assert not list(path.parent.iterdir())


@every_layout
def test_nothing_is_replaced(layout, tmp_path):
    path = target(tmp_path, layout)
    WRITERS[layout](path, [episode_of(0, 5)])
    with pytest.raises(DatasetExistsError, match="already exists"):
        WRITERS[layout](path, [episode_of(1, 5)])
    assert_episodes(open_pixels(path, size=SIZE).episodes(), [episode_of(0, 5)], level_seeds=False)


@every_layout
def test_what_a_killed_run_left_does_not_disturb_the_next(layout, tmp_path):
    path = target(tmp_path, layout)
    stray, users = temporary_path(path), path.with_name(path.name + ".partial")
    for folder in (stray, users):
        folder.mkdir()
        (folder / "half.npz").write_bytes(b"half")
    WRITERS[layout](path, [episode_of(0, 5)])
    assert sorted(tmp_path.iterdir()) == [path, users] and list(users.iterdir())
    assert len(open_pixels(path, size=SIZE)) == 5


@pytest.mark.parametrize(
    ("episodes", "error", "said"),
    [
        ([], DatasetError, "no episodes to write: nothing was kept"),
        ([episode_of(0, 5), episode_of(1, 5, size=9)], SpecMismatchError, "Episode 1: it has"),
        ([episode_of(0, 5, DISCRETE)], SpecMismatchError, "actions of shape"),
        ([episode_of(0, 5), episode_of(0, 5, DISCRETE)], SpecMismatchError, "one dataset per environment"),
    ],
)
@every_layout
def test_episodes_that_do_not_belong_together_are_not_written(layout, episodes, error, said, tmp_path):
    with pytest.raises(error, match=said):
        WRITERS[layout](target(tmp_path, layout), episodes)
    assert not list(tmp_path.iterdir())


@every_layout
def test_actions_in_other_units_and_frames_that_are_not_square_are_not_written(layout, tmp_path):
    episode = episode_of(0, 5)
    episode.actions[2] = 2
    with pytest.raises(InvalidTransitionsError, match="Episode 0: actions range from"):
        WRITERS[layout](target(tmp_path, layout), [episode])
    wide = type(episode)(episode.frames[..., :5], np.zeros((5, 2)), np.zeros(5), False)
    with pytest.raises(SpecMismatchError, match="square and RGB"):
        WRITERS[layout](target(tmp_path, layout), [wide])
    assert not list(tmp_path.iterdir())


FULL_DISK = """
import pathlib, resource, signal, sys
import numpy as np
from synth_replay.datasets.pixels.episode import PixelEpisode
from synth_replay.datasets.pixels.vd4rl_npz import write_vd4rl_npz
from synth_replay.datasets.pixels.vd4rl_hdf5 import write_vd4rl_hdf5
from synth_replay.errors import DatasetWriteError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
noise = np.random.default_rng(0).integers(0, 256, (21, 3, 64, 64), np.uint8)
episode = PixelEpisode(noise, np.zeros((20, 2)), np.zeros(20), False)
for write, name in ((write_vd4rl_npz, "d"), (write_vd4rl_hdf5, "d.hdf5")):
    try:
        write(pathlib.Path(sys.argv[1]) / name, [episode] * 5)
    except DatasetWriteError as error:
        print(error)
"""


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path):
    """A real write error: the process may not write files above a size that the datasets exceed."""
    out = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True)
    assert out.returncode == 0 and not out.stderr, out.stderr
    lines = out.stdout.splitlines()
    assert len(lines) == 2 and all("could not be written: File too large" in line for line in lines)
    assert not list(tmp_path.iterdir())
