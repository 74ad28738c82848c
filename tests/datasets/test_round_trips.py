"""Every format gives back what was written, for every space that can be modelled."""

import json

import gymnasium as gym
import h5py
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synth_replay import TransitionSpec
from synth_replay.datasets import FORMATS, create_dataset, detect_format, guess_format, open_dataset
from synth_replay.errors import DatasetError, ImageObservationError, SpecMismatchError
from tests.conftest import rollout
from tests.datasets.helpers import (
    FLAT,
    ROW_COLUMNS,
    TARGETS,
    assert_rows,
    random_rows,
    read,
    spec_and_rows,
    spec_of,
    write,
)

NESTED = spaces.Dict(
    {
        "a": spaces.Dict({"x": spaces.Discrete(3), "y": spaces.Box(-1, 1, (2, 2), np.float64)}),
        "b": spaces.MultiBinary(4),
    }
)


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1"])
@pytest.mark.parametrize("format", TARGETS)
def test_rows_spaces_and_meta_come_back(format, env_id, tmp_path):
    spec, rows = spec_and_rows(env_id, 100)
    path = write(tmp_path / TARGETS[format], spec, rows, format=format, meta={"sampler": {"steps": 4}, "seed": 7})
    dataset = open_dataset(path)
    found = dataset.read()
    assert dataset.format == format == detect_format(path)
    assert len(dataset) == 100 and dataset.spec == spec
    assert dataset.meta["seed"] == 7 and dataset.meta["sampler"] == {"steps": 4}
    assert all(array.flags.writeable for array in found.leaves().values())
    if format == "d3rlpy":  # it has no place for what follows a terminal row
        ends = rows.terminations
        assert_rows(found[~ends], rows[~ends])
        assert_rows(found[ends], rows[ends], ("observations", "actions", "rewards", "terminations"))
        np.testing.assert_array_equal(found.next_observations[ends], found.observations[ends])
    else:
        assert_rows(found, rows)


@pytest.mark.parametrize("format", TARGETS)
def test_chunks_of_any_size_hold_every_row_once_in_order(format, tmp_path):
    spec, wanted = spec_and_rows(steps=60)
    dataset = open_dataset(write(tmp_path / TARGETS[format], spec, wanted, format=format))
    for rows in (1, 7, 60, 10_000):
        chunks = list(dataset.chunks(rows))
        assert all(len(chunk) <= rows for chunk in chunks)
        assert_rows(type(wanted).concatenate(chunks), wanted, ("observations", "actions", "rewards", "terminations"))


@given(
    observation=st.sampled_from(
        [
            spaces.Box(-np.inf, np.inf, (3,), np.float32),
            spaces.Box(-2, 2, (2, 3), np.float64),
            spaces.Box(0, 9, (2,), np.int32),
            spaces.Discrete(5),
            spaces.Discrete(3, start=-1),
            spaces.MultiDiscrete([2, 5]),
            NESTED,
        ]
    ),
    action=st.sampled_from(
        [
            spaces.Box(-1, 1, (2,), np.float32),
            spaces.Box(np.float32([-3, 0]), np.float32([3, 1])),
            spaces.Discrete(4),
            spaces.Discrete(3, start=2),
            spaces.MultiDiscrete([3, 2, 4]),
            spaces.MultiBinary(3),
        ]
    ),
    extras=st.sets(st.sampled_from(["discounts", "intervals", "next_actions", "returns_to_go"])),
    format=st.sampled_from(["npz", "d4rl", "parquet", "minari"]),
    n=st.integers(1, 40),
    parts=st.integers(1, 4),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_space_and_any_extra_column_round_trips(tmp_path_factory, observation, action, extras, format, n, parts):
    spec = TransitionSpec(observation, action, () if format == "minari" else tuple(extras))
    rows = random_rows(spec, n, seed=n)
    path = write(tmp_path_factory.mktemp("d") / TARGETS[format], spec, rows, parts, format=format)
    dataset = open_dataset(path)
    assert dataset.spec == spec
    found = dataset.read()
    assert_rows(found, rows, tuple(rows.columns()))
    for leaf in spec.leaves:
        assert found.leaves()[leaf.name].dtype == leaf.dtype


@pytest.mark.parametrize("format", FLAT)
def test_truncations_of_real_rows_are_kept(format, tmp_path):
    rows = rollout("Pendulum-v1", 450)
    assert rows.truncations.sum() == 2
    path = write(tmp_path / TARGETS[format], spec_of("Pendulum-v1"), rows, format=format)
    np.testing.assert_array_equal(read(path).truncations, rows.truncations)


def test_given_spaces_win_over_the_files_and_are_checked(tmp_path):
    spec, rows = spec_and_rows()
    path = write(tmp_path / "d.npz", spec, rows)
    wide = spaces.Box(-100, 100, (4,), np.float64)
    dataset = open_dataset(path, observation_space=wide, action_space=spaces.Discrete(5))
    assert dataset.spec == TransitionSpec(wide, spaces.Discrete(5))
    assert dataset.read().observations.dtype == np.float64
    with pytest.raises(SpecMismatchError, match=r"observations has rows of shape \(4,\), the space says \(3,\)"):
        open_dataset(path, observation_space=gym.make("Pendulum-v1").observation_space)


def test_formats_are_guessed_by_suffix_for_writing(tmp_path):
    names = {"a.npz": "npz", "a.hdf5": "d4rl", "a.h5": "d4rl", "folder": "parquet", "a.parquet": "parquet"}
    assert {name: guess_format(name) for name in names} == names
    for name in ("a.csv", "a.pkl"):
        with pytest.raises(DatasetError, match=r"give format=, one of npz, d4rl, minari, d3rlpy, parquet\."):
            create_dataset(tmp_path / name, spec_of("CartPole-v1"), 3)


def test_sb3_buffers_and_unknown_formats_cannot_be_written(tmp_path):
    with pytest.raises(DatasetError, match="only read, not written: choose one of npz"):
        create_dataset(tmp_path / "a", spec_of("CartPole-v1"), 3, format="sb3")
    with pytest.raises(DatasetError, match="Unknown format 'csv'; known are npz"):
        create_dataset(tmp_path / "a", spec_of("CartPole-v1"), 3, format="csv")
    assert set(FORMATS) == {"npz", "d4rl", "minari", "sb3", "d3rlpy", "parquet", "robomimic", "table"}


def test_extras_that_a_format_cannot_hold_are_refused_before_any_work(tmp_path):
    spec = spec_of("CartPole-v1").with_extras(["returns_to_go"])
    for format in ("minari", "d3rlpy"):
        with pytest.raises(DatasetError, match=r"no place for \['returns_to_go'\]"):
            create_dataset(tmp_path / TARGETS[format], spec, 3, format=format)


def test_meta_must_be_json_and_fit_a_header(tmp_path):
    spec = spec_of("CartPole-v1")
    with pytest.raises(DatasetError, match="JSON"):
        create_dataset(tmp_path / "d.npz", spec, 1, meta={"x": np.zeros(3)})
    for name in ("d.npz", "d.hdf5"):
        with pytest.raises(DatasetError, match="format='parquet'"):
            create_dataset(tmp_path / name, spec, 1, meta={"x": "y" * 70_000})
    assert not list(tmp_path.iterdir())


# -- spaces that the file does not say -------------------------------------------------------


def foreign(path, **columns):
    """An npz or HDF5 file that somebody else made."""
    if path.suffix == ".npz":
        np.savez(path, **columns)
    else:
        with h5py.File(path, "w") as file:
            for name, array in columns.items():
                file[name] = array
    return path


def bare(env_id="CartPole-v1", **changes):
    rows = rollout(env_id, 200)
    return {name: np.asarray(getattr(rows, name)) for name in ROW_COLUMNS} | changes


@pytest.mark.parametrize("name", ["f.npz", "f.hdf5"])
def test_actions_within_one_become_the_unit_box_and_wider_ones_their_range(name, tmp_path):
    unit = open_dataset(foreign(tmp_path / name, **bare("Pendulum-v1", actions=np.linspace(-1, 0.5, 200)[:, None])))
    assert unit.spec.action_space == spaces.Box(-1, 1, (1,), np.float32)
    wide = open_dataset(foreign(tmp_path / f"w{name}", **bare("Pendulum-v1", actions=np.linspace(-2, 0.5, 200))))
    assert wide.spec.action_space == spaces.Box(-2, 0.5, (1,), np.float32)
    assert any("give action_space" in note for note in wide.meta["notes"])
    assert wide.spec.observation_space == spaces.Box(-np.inf, np.inf, (3,), np.float32)
    assert wide.read().actions.shape == (200, 1)


@pytest.mark.parametrize("shape", [(200,), (200, 1)])
@pytest.mark.parametrize("name", ["f.npz", "f.hdf5"])
def test_whole_number_actions_become_discrete_and_flat(name, shape, tmp_path):
    actions = (np.arange(200) % 4).reshape(shape)
    dataset = open_dataset(foreign(tmp_path / name, **bare(actions=actions)))
    assert dataset.spec.action_space == spaces.Discrete(4)
    np.testing.assert_array_equal(dataset.read().actions, np.arange(200) % 4)
    assert json.dumps(dataset.meta)


def test_rows_of_whole_numbers_become_multi_discrete(tmp_path):
    actions = np.stack([np.arange(200) % 4, np.arange(200) % 2], axis=1)
    dataset = open_dataset(foreign(tmp_path / "f.npz", **bare(actions=actions)))
    assert dataset.spec.action_space == spaces.MultiDiscrete([4, 2])
    np.testing.assert_array_equal(dataset.read().actions, actions)


def test_float64_files_are_read_as_float32(tmp_path):
    rows = bare("Pendulum-v1", observations=np.float64(bare("Pendulum-v1")["observations"]), rewards=np.ones((200, 1)))
    found = read(foreign(tmp_path / "f.npz", **rows))
    assert found.observations.dtype == found.rewards.dtype == np.float32 and found.rewards.shape == (200,)


@pytest.mark.parametrize("name", ["f.npz", "f.hdf5"])
def test_dict_observations_are_found_by_their_names(name, tmp_path):
    parts = {"observations/a": np.zeros((9, 2)), "observations/b/x": np.arange(9), "observations/b/y": np.ones((9, 3))}
    columns = parts | {"actions": np.zeros((9, 1)), "rewards": np.arange(9), "terminals": np.arange(9) % 3 == 2}
    dataset = open_dataset(foreign(tmp_path / name, **columns))
    box = [spaces.Box(-np.inf, np.inf, shape, np.float32) for shape in ((2,), (), (3,))]
    assert dataset.spec.observation_space == spaces.Dict({"a": box[0], "b": spaces.Dict({"x": box[1], "y": box[2]})})
    assert "whole-number observations are read as plain numbers" in " ".join(dataset.meta["notes"])
    assert dataset.read().next_observations["b"]["x"].tolist() == [1, 2, 2, 4, 5, 5, 7, 8, 8]


@pytest.mark.parametrize("shape", [(9, 84, 84, 3), (9, 3, 64, 64)])
def test_pixels_without_a_space_are_refused_as_pixels(shape, tmp_path):
    images = {name: np.zeros(shape, np.uint8) for name in ("observations", "next_observations")}
    rest = {"actions": np.zeros((9, 1)), "rewards": np.zeros(9), "terminals": np.zeros(9)}
    with pytest.raises(ImageObservationError, match="encoder"):
        open_dataset(foreign(tmp_path / "f.npz", **images, **rest))


def test_a_dataset_says_what_it_is(tmp_path):
    spec, rows = spec_and_rows(steps=20)
    assert "d.npz', 20 rows, TransitionSpec(Box" in repr(open_dataset(write(tmp_path / "d.npz", spec, rows)))
