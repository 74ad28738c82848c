"""Minari datasets in every layout that Minari writes are read as Minari reads them."""

import json
import warnings

import minari
import numpy as np
import pytest
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

from synth_replay.datasets import open_dataset
from synth_replay.errors import DatasetFormatError, SpecMismatchError, UnsupportedSpaceError
from tests.datasets.helpers import read

STEPS = 5
BOX = spaces.Box(-1, 1, (2,))


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


def record(observation_space, action_space=BOX, storage="hdf5", ends=("terminations", "truncations", "terminations")):
    """Three episodes of random values; ``ends`` holds the flag that is set at the end of each one, or None."""
    episodes = []
    for number, end in enumerate(ends):
        for seed, space in enumerate((observation_space, action_space)):
            space.seed(10 * number + seed)
        flags = {n: [False] * (STEPS - 1) + [n == end] for n in ("terminations", "truncations")}
        seen = stack([observation_space.sample() for _ in range(STEPS + 1)])
        taken = stack([action_space.sample() for _ in range(STEPS)])
        rewards = [0.5 * number] * STEPS
        episodes.append(EpisodeBuffer(number, observations=seen, actions=taken, rewards=rewards, **flags, infos={}))
    with warnings.catch_warnings():  # Minari's notes on missing metadata
        warnings.simplefilter("ignore")
        return minari.create_dataset_from_buffers(
            "some-v0", episodes, observation_space=observation_space, action_space=action_space, data_format=storage
        )


def stack(samples):
    if isinstance(samples[0], dict):
        return {key: stack([sample[key] for sample in samples]) for key in samples[0]}
    return np.stack(samples)


def wanted(recorded, key=None):
    seen = [np.asarray(episode.observations if key is None else episode.observations[key]) for episode in recorded]
    return np.concatenate([a[:-1] for a in seen]), np.concatenate([a[1:] for a in seen])


@pytest.mark.parametrize("storage", ["hdf5", "arrow", "parquet"])
@pytest.mark.parametrize("space", [spaces.Box(-1, 1, (3, 2)), spaces.Box(-1, 1, (1,)), spaces.Box(-1, 1, (2, 1, 2))])
def test_matrices_are_read_as_minari_reads_them(space, storage, root):
    now, after = wanted(record(space, storage=storage))
    rows = read("some-v0")
    np.testing.assert_array_equal(rows.observations, now)
    np.testing.assert_array_equal(rows.next_observations, after)


@pytest.mark.parametrize("storage", ["hdf5", "arrow", "parquet"])
def test_matrices_are_read_in_dict_observations_of_codes_and_as_actions(storage, root):
    parts = spaces.Dict(
        m=spaces.Box(-1, 1, (2, 3)), c=spaces.MultiDiscrete([[2, 3], [4, 5]]), b=spaces.MultiBinary([2, 2])
    )
    recorded = record(parts, spaces.Box(-1, 1, (2, 2)), storage)
    rows = read("some-v0")
    for key in parts.spaces:
        np.testing.assert_array_equal(rows.observations[key], wanted(recorded, key)[0])
    np.testing.assert_array_equal(rows.actions, np.concatenate([episode.actions for episode in recorded]))


def test_values_of_another_size_than_the_space_are_refused(root):
    record(spaces.Box(-1, 1, (3, 2)), storage="arrow")
    edit(root, observation_space=lambda text: text.replace("[3, 2]", "[2, 2]"))
    with pytest.raises(DatasetFormatError, match="observation_space: The description of a Box space is damaged"):
        open_dataset("some-v0")
    with pytest.raises((DatasetFormatError, SpecMismatchError)):
        open_dataset("some-v0", observation_space=spaces.Box(-1, 1, (5,)))


def edit(root, **changes):
    path = root / "some-v0" / "data" / "metadata.json"
    held = json.loads(path.read_text())
    path.write_text(json.dumps(held | {key: change(held[key]) for key, change in changes.items()}))


@pytest.mark.parametrize("storage", ["hdf5", "arrow", "parquet"])
def test_episodes_that_end_without_a_flag_are_read_with_a_note(storage, root):
    recorded = record(spaces.Box(-1, 1, (3,)), storage=storage, ends=("terminations", None, None))
    dataset = open_dataset("some-v0")
    rows = dataset.read()
    np.testing.assert_array_equal(rows.next_observations, wanted(recorded)[1])
    assert np.flatnonzero(rows.terminations).tolist() == [4]
    assert np.flatnonzero(rows.truncations).tolist() == [9, 14]
    assert "2 of 3 episodes end without a flag" in " ".join(dataset.meta["notes"])


def test_episodes_with_flags_add_no_note(root):
    record(spaces.Box(-1, 1, (3,)))
    assert open_dataset("some-v0").meta["notes"] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("total_steps", [1]),
        ("total_steps", -1),
        ("total_steps", True),
        ("total_steps", 1e308),
        ("total_episodes", {"a": 1}),
        ("total_episodes", 2**70),
        ("data_format", ["hdf5"]),
        ("observation_space", 5),
        ("observation_space", "[" * 100_000),
        ("action_space", '{"type": "Box"}'),
        ("action_space", '{"type": "Discrete", "n": "3", "start": 0, "dtype": "int64"}'),
        ("action_space", '{"type": "MultiBinary", "n": 1000000000000}'),
        ("action_space", '{"type": "MultiDiscrete", "nvec": [[1], [1, 2]], "start": 0, "dtype": "int64"}'),
        ("synth_replay", 3),
    ],
)
def test_metadata_of_a_wrong_type_raise_an_error_with_the_file_and_the_key(key, value, root):
    record(spaces.Box(-1, 1, (3,)))
    edit(root, **{key: lambda _: value} if key != "synth_replay" else {})
    if key == "synth_replay":
        edit(root, total_steps=lambda steps: steps)
        path = root / "some-v0" / "data" / "metadata.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(DatasetFormatError, match=f"metadata.json .*{key}"):
        open_dataset("some-v0")


def test_spaces_that_cannot_be_modelled_are_named(root):
    record(spaces.Box(-1, 1, (3,)))
    edit(root, action_space=lambda _: '{"type": "Tuple", "subspaces": []}')
    with pytest.raises(UnsupportedSpaceError, match="'Tuple' spaces cannot be modelled"):
        open_dataset("some-v0")
