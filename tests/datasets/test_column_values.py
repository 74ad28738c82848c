"""Readers detect float64 values that float32 would merge, codes in float columns, and the row of a NaN."""

import h5py
import numpy as np
import pytest
from gymnasium import spaces

from synth_replay import TransitionSpec
from synth_replay.datasets import open_dataset
from synth_replay.datasets.column_summary import merges_in_float32
from synth_replay.errors import InvalidTransitionsError
from tests.datasets.helpers import read, write
from tests.datasets.test_bad_input import columns, d3rlpy_file, minari_folder, save

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=3000)
N = np.arange(3000.0)


@pytest.mark.parametrize(
    "column",
    {
        "unix times": 1.7e9 + N,
        "an offset": 1e8 + NOISE,
        "degrees": 48.137 + 1e-7 * N,
        "offset and zeros": np.where(N % 50 == 0, 0, 1e8 + NOISE),
        "constant in episodes": 1e9 + N // 500,
        "one of two": np.column_stack([NOISE, 1e8 + NOISE]),
    }.values(),
    ids=str,
)
def test_values_that_float32_would_merge_are_found(column):
    assert merges_in_float32([column])
    assert not merges_in_float32([column.astype(np.float32)])


@pytest.mark.parametrize(
    "column",
    {
        "noise": NOISE,
        "constant": np.full(50, 1e9 + 0.1),
        "rounding": np.cumsum(np.full(3000, 0.1)) % 1,
        "noise of float64": 1 + 1e-16 * np.sign(NOISE),
        "small offset": 1e3 + NOISE,
        "close to one": np.cos(NOISE),
        "few": np.array([0.1, 0.2, 0.1]),
        "wide": 10 ** (30 * RNG.random(3000)),
        "beyond float32": np.full(5, 1e300),
        "no rows": np.zeros((0, 3)),
        "no columns": np.zeros((3, 0)),
    }.values(),
    ids=str,
)
def test_values_that_float32_holds_well_are_left_alone(column):
    assert not merges_in_float32([column])


def test_at_most_a_million_rows_are_inspected():
    plain, merged = np.zeros((1 << 20, 1)), (1e8 + NOISE)[:, None]
    assert not merges_in_float32([plain, merged]) and merges_in_float32([plain[1:], merged])


def offset_columns(n=500):
    seen = 1e8 + RNG.normal(size=(n, 2))
    return columns(n, observations=seen, next_observations=seen + 0.5, actions=RNG.uniform(-1, 1, (n, 1)))


@pytest.mark.parametrize("name", ["f.npz", "f.hdf5"])
def test_observations_stay_float64_where_they_must_and_a_note_says_so(name, tmp_path):
    held = offset_columns()
    dataset = open_dataset(save(tmp_path / name, held))
    assert dataset.spec.observation_space.dtype == np.float64
    rows = dataset.read()
    np.testing.assert_array_equal(rows.observations, held["observations"])
    np.testing.assert_array_equal(rows.next_observations, held["next_observations"])
    assert "observations are kept in float64" in " ".join(dataset.meta["notes"])


def test_episodes_and_parts_stay_float64_too(tmp_path):
    seen = 1e8 + RNG.normal(size=(5, 2))
    path = minari_folder(tmp_path, observations=seen)
    np.testing.assert_array_equal(read(path).observations[4:8], seen[:-1])
    path = d3rlpy_file(tmp_path / "d.h5", 2, observations_1=seen[:3])
    np.testing.assert_array_equal(read(path).observations[3:], seen[:3])
    held = offset_columns()
    for name in ("observations", "next_observations"):
        whole = held.pop(name)
        held |= {f"{name}/time": whole, f"{name}/rest": whole - 1e8}
    space = open_dataset(save(tmp_path / "f.hdf5", held)).spec.observation_space
    assert space["time"].dtype == np.float64 and space["rest"].dtype == np.float32


def test_actions_stay_float64_too(tmp_path):
    held = columns(500, actions=1e8 + RNG.normal(size=(500, 1)))
    dataset = open_dataset(save(tmp_path / "f.npz", held))
    assert dataset.spec.action_space.dtype == np.float64
    np.testing.assert_array_equal(dataset.read().actions, held["actions"])


def test_a_column_that_loses_values_as_float32_is_named(tmp_path):
    held = columns(500, rewards=1e9 + N[:500])
    notes = open_dataset(save(tmp_path / "f.npz", held)).meta["notes"]
    assert any("rewards are float64 and are read as float32, which merges values" in note for note in notes)
    path, given = save(tmp_path / "g.npz", offset_columns()), spaces.Box(-np.inf, np.inf, (2,), np.float32)
    notes = open_dataset(path, observation_space=given).meta["notes"]
    assert any("observations are float64 and are read as float32" in note for note in notes)


@pytest.mark.parametrize("format", ["npz", "d4rl", "parquet", "minari", "d3rlpy"])
def test_a_float64_space_is_written_and_read_to_the_last_bit(format, tmp_path):
    spec = TransitionSpec(spaces.Box(-np.inf, np.inf, (2,), np.float64), spaces.Box(-1, 1, (1,)))
    rows = read(save(tmp_path / "f.npz", offset_columns(30)))
    found = read(write(tmp_path / "d-v0", spec, rows, format=format))
    np.testing.assert_array_equal(found.observations, rows.observations)
    kept = ~rows.terminations if format == "d3rlpy" else slice(None)
    np.testing.assert_array_equal(found.next_observations[kept], rows.next_observations[kept])


# -- codes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(300,), (300, 1)])
def test_whole_numbers_from_zero_in_a_float_column_are_codes_as_in_d3rlpy(shape, tmp_path):
    from d3rlpy.constants import ActionSpace
    from d3rlpy.dataset.utils import detect_action_space

    codes = RNG.integers(0, 4, shape)
    dataset = open_dataset(save(tmp_path / "f.npz", columns(300, actions=codes.astype(np.float32))))
    assert detect_action_space(codes.astype(np.float32)) == ActionSpace.DISCRETE
    assert dataset.spec.action_space == spaces.Discrete(4)
    assert "they are read as codes, Discrete(4)" in " ".join(dataset.meta["notes"])
    np.testing.assert_array_equal(dataset.read().actions, codes.reshape(-1))
    given = open_dataset(tmp_path / "f.npz", action_space=spaces.Box(0, 3, (1,)))
    assert given.read().actions.dtype == np.float32


@pytest.mark.parametrize("actions", [RNG.integers(0, 3, (300, 2)), RNG.integers(-1, 2, (300, 1)), 5000 * (N[:300] % 2)])
def test_other_whole_numbers_are_amounts_and_a_note_says_that_they_may_be_codes(actions, tmp_path):
    dataset = open_dataset(save(tmp_path / "f.npz", columns(300, actions=np.float32(actions))))
    assert isinstance(dataset.spec.action_space, spaces.Box)
    assert "if they are codes of discrete actions, give action_space" in " ".join(dataset.meta["notes"])


@pytest.mark.parametrize("actions", [np.zeros((300, 1)), RNG.uniform(-1, 1, (300, 1))])
def test_constant_and_fractional_actions_add_no_such_note(actions, tmp_path):
    dataset = open_dataset(save(tmp_path / "f.npz", columns(300, actions=actions)))
    assert isinstance(dataset.spec.action_space, spaces.Box) and "codes" not in " ".join(dataset.meta["notes"])


# -- NaN -------------------------------------------------------------------------------------


def test_nan_in_actions_names_file_and_row(tmp_path):
    actions = np.zeros((200_000, 1), np.float32)
    actions[150_000] = np.nan
    path = save(tmp_path / "f.npz", columns(200_000, actions=actions))
    with pytest.raises(InvalidTransitionsError, match=r"f.npz: actions hold NaN or infinity, first in row 150000"):
        open_dataset(path)


def test_nan_in_the_actions_of_an_episode_is_located_too(tmp_path):
    actions = np.zeros((4, 1))
    actions[2] = np.inf
    with pytest.raises(InvalidTransitionsError, match="m-v0: actions hold NaN or infinity, first in row 6 of"):
        open_dataset(minari_folder(tmp_path, actions=actions))


# -- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ended", ["done", "dones", "terminal", "terminated"])
def test_singular_names_are_read_and_are_no_frames(ended, tmp_path):
    held = columns(20, rewards=N[:20], terminals=N[:20] % 5 == 4)
    names = {"observations": "observation", "actions": "action", "rewards": "reward", "terminals": ended}
    names |= {"next_observations": "next_observation"}
    with h5py.File(tmp_path / "f.hdf5", "w") as file:
        for name, array in held.items():
            file[names[name]] = array
    dataset = open_dataset(tmp_path / "f.hdf5")
    assert dataset.read().terminations.sum() == 4 and dataset.read().rewards[7] == 7
    assert ("if it marks time limits too" in " ".join(dataset.meta["notes"])) == ended.startswith("done")


@pytest.mark.parametrize("after", [True, False])
def test_dones_at_a_time_limit_are_no_terminations(after, tmp_path):
    held = columns(20, observations=NOISE[:40].reshape(20, 2), done=N[:20] % 5 == 4, timeouts=N[:20] % 10 == 9)
    held |= {"terminals": None} | ({} if after else {"next_observations": None})
    dataset = open_dataset(save(tmp_path / "f.npz", held))
    rows = dataset.read()
    assert "except where 'timeouts' is set as well" in " ".join(dataset.meta["notes"])
    assert len(rows) == (20 if after else 18) and rows.terminations.sum() == 2
    assert not (rows.terminations & rows.truncations).any()


@pytest.mark.parametrize("name", ["f.npz", "f.hdf5"])
def test_a_file_of_a_thousand_unknown_arrays_raises_a_short_error(name, tmp_path):
    path = save(tmp_path / name, {f"episode_{i:04d}_{'x' * 70}": np.zeros(1) for i in range(1000)})
    with pytest.raises(ValueError, match=r"and 988 more") as caught:
        open_dataset(path)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    "rewards", [2**30 + np.arange(60) % 10, 1e9 + np.arange(60), 2**63 + np.arange(60, dtype="u8")]
)
def test_rewards_that_float32_merges_are_reported_once(rewards, tmp_path, caplog):
    held = {"observations": np.zeros((60, 2)), "next_observations": np.ones((60, 2)), "terminals": np.zeros(60)}
    np.savez(tmp_path / "d.npz", actions=np.linspace(-1, 1, 60)[:, None], rewards=rewards, **held)
    dataset = open_dataset(tmp_path / "d.npz")
    assert sum(len(chunk) for chunk in dataset.chunks(20)) == 60
    assert len(caplog.messages) == 1 and "d.npz: rewards: generated values are float32" in caplog.messages[0]


def test_numbers_that_float32_distinguishes_are_read_without_a_warning(tmp_path, caplog):
    held = {"observations": np.linspace(0, 1e3, 60)[:, None], "next_observations": np.ones((60, 1))}
    held |= {"actions": np.linspace(-1, 1, 60)[:, None], "rewards": np.arange(60), "terminals": np.zeros(60)}
    np.savez(tmp_path / "d.npz", **held)
    assert len(open_dataset(tmp_path / "d.npz").read()) == 60 and not caplog.messages
