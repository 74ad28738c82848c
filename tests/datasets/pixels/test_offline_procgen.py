"""Offline Procgen's episode files, read as their authors write them, without a false next observation."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_replay.datasets.pixels.collect import collect_episodes
from synth_replay.datasets.pixels.formats import open_pixels
from synth_replay.datasets.pixels.offline_procgen import TIME_LIMITS, OfflineProcgenDataset, write_offline_procgen
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
    CounterEnv,
    action_of,
    assert_episodes,
    assert_transitions,
    episode_of,
    frame_of,
    reward_of,
    save_procgen,
)


def opened(folder, game="coinrun"):
    return OfflineProcgenDataset(folder, game, size=SIZE)


def test_step_t_is_the_frame_the_action_taken_on_it_and_its_reward(tmp_path):
    save_procgen(tmp_path, 0, 6)
    rows = next(opened(tmp_path).transitions(frame_stack=1))
    for t in range(6):
        np.testing.assert_array_equal(rows.observations[t], frame_of(0, t))
        assert rows.actions[t] == action_of(0, t, DISCRETE) and rows.rewards[t] == reward_of(0, t)
    for t in range(5):
        np.testing.assert_array_equal(rows.next_observations[t], frame_of(0, t + 1))


def test_the_next_levels_frame_is_never_seen(tmp_path):
    for number, steps in enumerate((4, 500, 2)):
        save_procgen(tmp_path, number, steps)
    dataset = opened(tmp_path, "maze")
    for chunk in dataset.transitions(100):
        assert chunk.observations[:, ::3, 3:].max() < 100  # the next level's frames are of episodes from 100 on
        assert chunk.next_observations[:, ::3, 3:].max() < 100
    episodes = list(dataset.episodes())
    assert all(episode.frames[:, 0, 3, 3].max() == number for number, episode in enumerate(episodes))


def test_a_termination_has_the_observation_itself_as_next_one(tmp_path):
    save_procgen(tmp_path, 0, 5)
    (chunk,) = opened(tmp_path).transitions()
    assert chunk.terminations.tolist() == [False] * 4 + [True] and not chunk.truncations.any()
    np.testing.assert_array_equal(chunk.next_observations[-1], chunk.observations[-1])


def test_an_episode_that_ended_by_the_time_limit_is_no_termination_and_loses_its_last_step(tmp_path):
    save_procgen(tmp_path, 0, 500)
    dataset = opened(tmp_path, "maze")
    (episode,) = dataset.episodes()
    assert len(dataset) == len(episode) == 499 and not episode.terminated
    np.testing.assert_array_equal(episode.frames, np.stack([frame_of(0, t) for t in range(500)]))
    assert "1 episodes of 500 steps ended at the time limit of maze" in dataset.notes[0]
    (episode,) = opened(tmp_path, "coinrun").episodes()  # whose limit is another
    assert len(episode) == 500 and episode.terminated


def test_the_game_is_found_in_the_path_and_must_be_known(tmp_path):
    for name in ("jumper", "maze"):
        save_procgen(tmp_path / "miner" / name / "data", 0, 500)
    assert open_pixels(tmp_path / "miner" / "maze" / "data", size=SIZE).game == "maze"
    assert len(open_pixels(tmp_path / "miner" / "jumper" / "data", size=SIZE)) == 500
    assert len(open_pixels(tmp_path / "miner" / "jumper" / "data", size=SIZE, game="maze")) == 499
    save_procgen(tmp_path / "d", 0, 5)
    with pytest.raises(DatasetError, match="its time limit tells truncated episodes from terminated"):
        OfflineProcgenDataset(tmp_path / "d")
    with pytest.raises(DatasetError, match="no Procgen game 'pong'"):
        opened(tmp_path / "d", "pong")


def test_every_game_has_the_time_limit_of_its_source():
    longer = {"bigfish": 6000, "bossfight": 4000, "plunder": 4000, "maze": 500, "leaper": 500}
    assert len(TIME_LIMITS) == 16 and {g: t for g, t in TIME_LIMITS.items() if t != 1000} == longer


def test_names_give_the_order_the_level_and_either_suffix(tmp_path):
    for number, (suffix, level) in enumerate([(".npz", 0), (".npy", 199), (".npz", -1)] * 4):
        save_procgen(tmp_path, number, number + 1, level, suffix)
    dataset = open_pixels(tmp_path, size=SIZE, game="coinrun")
    assert dataset.lengths.tolist() == list(range(1, 13))  # 10 comes after 9, not after 1
    assert [episode.level_seed for episode in dataset.episodes()] == [0, 199, None] * 4
    returns = [episode.rewards.sum() for episode in dataset.episodes()]
    assert returns == [sum(reward_of(i, t) for t in range(i + 1)) for i in range(12)]


kinds = st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=6)


@settings(max_examples=20, deadline=None)
@given(kinds, st.integers(1, 9))
def test_episodes_come_back_as_they_were_written(drawn, rows):
    episodes = [episode_of(i, steps, DISCRETE, end, missing=end) for i, (steps, end) in enumerate(drawn)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "heist"
        assert write_offline_procgen(path, iter(episodes)) == sum(steps for steps, _ in drawn)
        dataset = open_pixels(path, size=SIZE)
        assert dataset.format == "offline-procgen" and dataset.action_space == DISCRETE
        assert_episodes(dataset.episodes(), episodes)
        assert_transitions(dataset.transitions(rows, 3), episodes, 3)


def test_a_truncated_episode_of_ours_keeps_its_last_frame_at_any_length(tmp_path):
    episodes = [episode_of(0, 500, DISCRETE), episode_of(1, 499, DISCRETE)]
    write_offline_procgen(tmp_path / "maze", episodes)
    dataset = open_pixels(tmp_path / "maze", size=SIZE)
    assert_episodes(dataset.episodes(), episodes)
    assert len(dataset) == 999 and not dataset.notes


def test_the_frame_after_a_termination_has_no_place(tmp_path):
    write_offline_procgen(tmp_path / "maze", [episode_of(0, 5, DISCRETE, terminated=True)])
    found = open_pixels(tmp_path / "maze", size=SIZE).episodes()
    assert_episodes(found, [episode_of(0, 5, DISCRETE, terminated=True, missing=True)])


def test_a_file_is_laid_out_as_the_authors_read_it(tmp_path):
    episode = episode_of(0, 5, DISCRETE, terminated=True)
    write_offline_procgen(tmp_path / "d", [episode])
    (path,) = (tmp_path / "d").iterdir()
    _, number, steps, level, total = path.stem.split("_")
    assert (number, steps, level, total) == ("0", "5", "0", f"{episode.rewards.sum():.2f}")
    with np.load(path) as archive:
        assert {name: archive[name].shape for name in archive.files} == {
            "observations": (6, 3, SIZE, SIZE),
            "actions": (5, 1),
            "rewards": (5, 1),
            "dones": (5,),
        }
        assert archive["actions"].dtype == np.int64 and archive["dones"].tolist() == [0, 0, 0, 0, 1]
        np.testing.assert_array_equal(archive["observations"], episode.frames)


def test_collected_episodes_go_straight_into_a_folder(tmp_path):
    env = CounterEnv(6, DISCRETE)
    found = collect_episodes(env, lambda _: action_of(env.episode, env.time, DISCRETE), episodes=3, seed=0)
    assert write_offline_procgen(tmp_path / "ninja", found) == 18
    episodes = list(open_pixels(tmp_path / "ninja", size=SIZE).episodes())
    assert [episode.level_seed for episode in episodes] == [50, 51, 52]
    wanted = [episode_of(i, 6, DISCRETE, terminated=True, missing=True) for i in range(3)]
    assert_episodes(episodes, wanted, level_seeds=False)


def test_dones_may_have_any_type_and_shape(tmp_path):
    ends = np.arange(5) == 4
    for number, dones in enumerate([ends, ends[:, None], ends.astype(np.int64), ends.astype(np.float64)[:, None]]):
        save_procgen(tmp_path, number, 5, dones=dones)
    assert [(len(e), e.terminated) for e in opened(tmp_path).episodes()] == [(5, True)] * 4


# Bad input


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"rewards": np.zeros((4, 1))}, InvalidTransitionsError, "'rewards': 4"),
        ({"observations": np.zeros((5, 3, SIZE, SIZE))}, InvalidTransitionsError, "'observations': 5"),
        ({"dones": np.ones(5)}, InvalidTransitionsError, "only the last of 5 steps may be done; step 0 is"),
        ({"observations": np.zeros((6, SIZE, SIZE, 3))}, DatasetFormatError, "wrong end, so transpose"),
        ({"observations": np.zeros((6, 3, 9, 9))}, DatasetFormatError, "open it with size=9"),
        ({"observations": np.full((6, 3, SIZE, SIZE), 1 / 255)}, InvalidTransitionsError, "Multiply scaled frames"),
        ({"observations": np.full((6, 3, SIZE, SIZE), -7.0)}, InvalidTransitionsError, "range from -7.0"),
        ({"actions": np.full((5, 1), 15)}, InvalidTransitionsError, "actions range from 15 to 15"),
        ({"actions": np.full((5, 1), 0.5)}, SpecMismatchError, "actions are float32"),
        ({"actions": np.zeros((5, 2), int)}, SpecMismatchError, "one dataset per environment"),
        ({"rewards": np.full((5, 1), np.inf)}, InvalidTransitionsError, "Rewards hold 5 values"),
        ({"dones": None}, DatasetFormatError, "lacks dones"),
    ],
)
def test_an_episode_that_does_not_fit_is_refused_by_name(changed, error, said, tmp_path):
    save_procgen(tmp_path, 0, 5)
    path = save_procgen(tmp_path, 1, 5, **changed)
    with pytest.raises(error, match=said) as caught:
        list(opened(tmp_path).episodes())
    assert path.name in str(caught.value) or "episode 1" in str(caught.value)


def test_an_episode_cut_short_is_known_by_its_name(tmp_path):
    path = save_procgen(tmp_path, 0, 5, name="20230101T000000_0_9_3_1.00.npz")
    with pytest.raises(InvalidTransitionsError, match="the episode was cut short") as caught:
        list(opened(tmp_path).episodes())
    assert str(path) in str(caught.value)


def test_broken_and_strange_files_are_named_before_anything_is_read(tmp_path):
    folder = tmp_path / "d"
    path = save_procgen(folder, 0, 5)
    save_procgen(folder, 1, 5)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DatasetFormatError, match="is damaged or cut short") as caught:
        opened(folder)
    assert str(path) in str(caught.value)
    np.save(path.with_suffix(".npy"), np.zeros(3))
    path.unlink()
    with pytest.raises(DatasetFormatError, match=r"\.npy is damaged or cut short"):
        opened(folder)
    save_procgen(tmp_path / "e", 0, 5, name="episode.npz")
    with pytest.raises(DatasetFormatError, match="not named like"):
        opened(tmp_path / "e")


def test_no_episodes_are_no_dataset_and_empty_ones_are_noted(tmp_path):
    with pytest.raises(DatasetFormatError, match="holds no episodes: expected files such as"):
        opened(tmp_path)
    empty = {name: np.zeros((0, 1)) for name in ("actions", "rewards", "dones")}
    save_procgen(tmp_path, 0, 1, name="20230101T000000_0_0_3_0.00.npz", **empty)
    with pytest.raises(DatasetFormatError, match="holds no episodes, only 1 files without a step"):
        opened(tmp_path)
    save_procgen(tmp_path, 1, 5)
    dataset = opened(tmp_path)
    assert len(dataset) == 5 and dataset.notes == ["1 files of episodes without a step are skipped"]


def test_writing_is_whole_or_not_at_all(tmp_path):
    def broken():
        yield episode_of(0, 5, DISCRETE)
        yield episode_of(1, 5)

    for episodes, error in ((broken(), SpecMismatchError), ([], DatasetError), ([episode_of(0, 5)], SpecMismatchError)):
        with pytest.raises(error):
            write_offline_procgen(tmp_path / "d", episodes)
        assert not list(tmp_path.iterdir())
    write_offline_procgen(tmp_path / "d", [episode_of(0, 5, DISCRETE)])
    with pytest.raises(DatasetExistsError):
        write_offline_procgen(tmp_path / "d", [episode_of(1, 5, DISCRETE)])
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
