"""V-D4RL's two layouts, read as their authors write them and written as their authors read them."""

import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_replay.datasets.pixels.collect import collect_episodes
from synth_replay.datasets.pixels.formats import open_pixels
from synth_replay.datasets.pixels.vd4rl_hdf5 import VD4rlHdf5Dataset, write_vd4rl_hdf5
from synth_replay.datasets.pixels.vd4rl_npz import VD4rlNpzDataset, write_vd4rl_npz
from tests.datasets.pixels.helpers import (
    BOX,
    SIZE,
    CounterEnv,
    action_of,
    assert_episodes,
    assert_transitions,
    episode_of,
    frame_of,
    recorded,
    reward_of,
    save_hdf5,
    save_npz,
)

WRITERS = {"vd4rl-npz": write_vd4rl_npz, "vd4rl-hdf5": write_vd4rl_hdf5}
READERS = {"vd4rl-npz": VD4rlNpzDataset, "vd4rl-hdf5": VD4rlHdf5Dataset}

every_layout = pytest.mark.parametrize("layout", WRITERS)


def target(folder, layout):
    return Path(folder) / ("d.hdf5" if layout == "vd4rl-hdf5" else "d")


def foreign(folder, layout, *episodes, size=SIZE):
    """A dataset in the authors' own layout, of episodes ``(number, steps, terminated)``."""
    rows = [recorded(number, steps, size, terminated) for number, steps, terminated in episodes]
    if layout == "vd4rl-hdf5":
        return save_hdf5(target(folder, layout), *rows)
    for number, episode in enumerate(rows):
        save_npz(target(folder, layout), f"{number:03d}", episode)
    return target(folder, layout)


@every_layout
def test_row_t_holds_the_action_that_led_to_frame_t(layout, tmp_path):
    path = foreign(tmp_path, layout, (0, 6, False), (1, 3, True))
    dataset = READERS[layout](path, size=SIZE)
    assert_episodes(dataset.episodes(), [episode_of(0, 6), episode_of(1, 3, terminated=True)], level_seeds=False)
    rows = next(dataset.transitions(frame_stack=1))
    for row, (episode, t) in enumerate([(0, t) for t in range(6)] + [(1, t) for t in range(3)]):
        np.testing.assert_array_equal(rows.observations[row], frame_of(episode, t))
        np.testing.assert_array_equal(rows.next_observations[row], frame_of(episode, t + 1))
        np.testing.assert_array_equal(rows.actions[row], action_of(episode, t))
        assert rows.rewards[row] == reward_of(episode, t)
    assert rows.terminations.nonzero()[0].tolist() == [8] and rows.truncations.nonzero()[0].tolist() == [5]
    assert len(dataset) == 9 and dataset.lengths.tolist() == [6, 3] and dataset.action_space == BOX


@every_layout
@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 7), st.booleans()), min_size=1, max_size=5), st.integers(1, 9))
def test_episodes_come_back_as_they_were_written(layout, drawn, rows):
    episodes = [episode_of(i, steps, terminated=end) for i, (steps, end) in enumerate(drawn)]
    with tempfile.TemporaryDirectory() as folder:
        path = target(folder, layout)
        assert WRITERS[layout](path, iter(episodes)) == sum(steps for steps, _ in drawn)
        dataset = open_pixels(path, size=SIZE)
        assert dataset.format == layout and dataset.frame_shape == (3, SIZE, SIZE)
        assert_episodes(dataset.episodes(), episodes, level_seeds=False)
        assert_transitions(dataset.transitions(rows, 3), episodes, 3)
        chosen = list(range(len(episodes)))[::-2]
        assert_episodes(dataset.episodes(chosen), [episodes[i] for i in chosen], level_seeds=False)


@every_layout
def test_pixels_of_every_value_survive(layout, tmp_path):
    episode = episode_of(0, 40, size=64)
    episode.frames[:] = np.random.default_rng(0).integers(0, 256, episode.frames.shape)
    WRITERS[layout](target(tmp_path, layout), [episode])
    assert_episodes(open_pixels(target(tmp_path, layout), size=64).episodes(), [episode], level_seeds=False)


def test_the_hdf5_is_laid_out_as_drqv2_reads_it(tmp_path):
    write_vd4rl_hdf5(tmp_path / "d.hdf5", [episode_of(0, 500, size=84), episode_of(1, 2, terminated=True, size=84)])
    wanted = [recorded(0, 500, 84), recorded(1, 2, 84, terminated=True)]
    with h5py.File(tmp_path / "d.hdf5") as file:
        assert set(file) == set(wanted[0])
        for name in file:
            np.testing.assert_array_equal(file[name][:], np.concatenate([rows[name] for rows in wanted]))
            assert len(file[name]) == 501 + 3
        assert file["observation"].shape == (504, 3, 84, 84) and file["observation"].dtype == np.uint8


def test_the_npz_is_laid_out_as_dreamer_reads_it(tmp_path):
    write_vd4rl_npz(tmp_path / "d", [episode_of(0, 500, size=64), episode_of(1, 2, terminated=True, size=64)])
    files = sorted((tmp_path / "d").iterdir())
    assert [int(file.name.split("-")[-1][:-4]) for file in files] == [501, 3]
    for file, rows in zip(files, [recorded(0, 500, 64), recorded(1, 2, 64, terminated=True)], strict=True):
        with np.load(file) as archive:
            assert archive["image"].shape == (len(rows["reward"]), 64, 64, 3) and archive["image"].dtype == np.uint8
            np.testing.assert_array_equal(archive["image"].transpose(0, 3, 1, 2), rows["observation"])
            for name in ("action", "reward", "discount"):
                np.testing.assert_array_equal(archive[name], rows[name])
            np.testing.assert_array_equal(archive["is_first"], rows["step_type"] == 0)
            np.testing.assert_array_equal(archive["is_last"], rows["step_type"] == 2)
            np.testing.assert_array_equal(archive["is_terminal"], rows["discount"] == 0)


@every_layout
def test_collected_episodes_go_straight_into_a_file(layout, tmp_path):
    env = CounterEnv(6)
    found = collect_episodes(env, lambda _: action_of(env.episode, env.time), steps=15, seed=0, progress=False)
    assert WRITERS[layout](target(tmp_path, layout), found) == 15
    whole = [episode_of(i, 6, terminated=True) for i in range(2)]
    read = open_pixels(target(tmp_path, layout), size=SIZE).episodes()
    assert_episodes(read, [*whole, episode_of(2, 3)], level_seeds=False)


@every_layout
def test_a_missing_last_frame_is_written_as_a_repeat_of_the_one_before(layout, tmp_path):
    episode = episode_of(0, 4, terminated=True, missing=True)
    WRITERS[layout](target(tmp_path, layout), [episode])
    (found,) = open_pixels(target(tmp_path, layout), size=SIZE).episodes()
    assert found.terminated
    np.testing.assert_array_equal(found.frames, np.concatenate([episode.frames, episode.frames[-1:]]))


def test_shards_are_one_dataset_in_the_order_of_their_names(tmp_path):
    for shard, numbers in {"b": (2, 3), "a": (0, 1), "c": (4,)}.items():
        save_hdf5(tmp_path / f"{shard}.hdf5", *[recorded(number, number + 1, SIZE) for number in numbers])
    dataset = open_pixels(tmp_path, size=SIZE)
    assert_episodes(dataset.episodes(), [episode_of(i, i + 1) for i in range(5)], level_seeds=False)
    assert_episodes(dataset.episodes([4, 0, 3]), [episode_of(i, i + 1) for i in (4, 0, 3)], level_seeds=False)


def test_older_npz_files_without_is_terminal_end_where_the_discount_is_zero(tmp_path):
    save_npz(tmp_path / "d", "0", recorded(0, 4, SIZE, terminated=True), is_terminal=None)
    save_npz(tmp_path / "d", "1", recorded(1, 4, SIZE), is_terminal=None)
    assert [e.terminated for e in open_pixels(tmp_path / "d", size=SIZE).episodes()] == [True, False]
