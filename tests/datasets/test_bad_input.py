"""What is no dataset, or no longer one, is one clear error on one line."""

import json
import sys

import h5py
import numpy as np
import pytest
from gymnasium import spaces

from synth_replay.datasets import open_dataset
from synth_replay.errors import DatasetError, DatasetFormatError, InvalidTransitionsError, MissingExtraError
from tests.datasets.helpers import TARGETS, random_rows, read, spec_and_rows, spec_of, write

PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de")


def columns(n=6, **changes):
    base = {"observations": np.zeros((n, 2)), "actions": np.zeros((n, 1)), "rewards": np.zeros(n)}
    return base | {"next_observations": np.zeros((n, 2)), "terminals": np.zeros(n)} | changes


def save(path, arrays):
    arrays = {name: array for name, array in arrays.items() if array is not None}
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
    return path


def refused(path, error, match, **kwargs):
    with pytest.raises(error, match=match) as caught:
        read(path, **kwargs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("format", [None, "npz", "d4rl", "minari", "sb3", "d3rlpy", "parquet", "robomimic", "table"])
def test_a_path_that_does_not_exist(format, tmp_path):
    refused(tmp_path / "nothing", DatasetError, "nothing does not exist", format=format)


@pytest.mark.parametrize(
    "content",
    [b"observations,actions\n1,2\n", np.random.default_rng(0).bytes(4096), PNG, b""],
    ids=["csv", "noise", "png", "empty"],
)
@pytest.mark.parametrize("suffix", [".npz", ".hdf5", ".dat"])
def test_a_file_that_is_no_dataset(content, suffix, tmp_path):
    path = tmp_path / f"f{suffix}"
    path.write_bytes(content)
    refused(path, DatasetFormatError, "is no dataset: expected a NumPy archive, HDF5")
    if suffix != ".dat":
        refused(path, DatasetFormatError, "cut short, damaged or of another format", format="npz")
        refused(path, DatasetFormatError, "cut short, damaged or of another format", format="d4rl")


def test_a_folder_that_is_no_dataset(tmp_path):
    (tmp_path / "photos").mkdir()
    refused(tmp_path / "photos", DatasetFormatError, "the folder holds nothing")
    (tmp_path / "photos" / "cat.png").write_bytes(PNG)
    refused(tmp_path / "photos", DatasetFormatError, "the folder holds cat.png")
    refused(tmp_path / "photos", DatasetFormatError, "no Minari dataset", format="minari")


@pytest.mark.parametrize("name", ["f.npz", "f.hdf5"])
def test_other_columns_are_listed_beside_the_needed_ones(name, tmp_path):
    path = save(tmp_path / name, {"x": np.zeros(3), "labels": np.zeros(3)})
    refused(
        path,
        DatasetFormatError,
        "lacks observations, actions, rewards, terminations; it holds labels, x. Needed are observations, actions",
    )
    path = save(tmp_path / f"g{name}", columns(terminals=None))
    refused(path, DatasetFormatError, r"lacks terminations; it holds .*rewards.*terminals \(or terminations\)")


@pytest.mark.parametrize("name", ["f.npz", "f.hdf5"])
@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"rewards": np.zeros(5)}, InvalidTransitionsError, "same number of rows; got .*'rewards': 5"),
        ({"next_observations": np.zeros((6, 3))}, ValueError, "next_observations has rows of shape"),
        ({"rewards": np.array([0, 1, np.nan, 0, 0, 0])}, InvalidTransitionsError, "rewards holds NaN.*first: row 2"),
        ({"rewards": np.zeros((6, 2))}, InvalidTransitionsError, r"rewards needs one number per row; .*shape \(2,\)"),
        ({"terminals": np.zeros((6, 3))}, InvalidTransitionsError, "terminations needs one number per row"),
        ({"actions": np.full((6, 1), np.nan)}, InvalidTransitionsError, "actions hold NaN or infinity"),
        ({"terminals": np.full(6, 0.5)}, InvalidTransitionsError, "terminations may only hold 0 and 1"),
        ({"observations": np.full((6, 2), 1e300)}, InvalidTransitionsError, "too large for float32"),
        ({"next_observations": None}, DatasetFormatError, "neither terminals nor timeouts ever mark the end"),
        ({"rewards": np.array(["1"] * 6, "S1")}, DatasetFormatError, "rewards holds .* values, not numbers"),
        (dict.fromkeys(columns(), np.zeros((0, 2))), DatasetFormatError, "holds no transitions"),
        ({"next_observations": None, "timeouts": np.ones(6)}, DatasetFormatError, "holds no transitions"),
    ],
)
def test_columns_that_cannot_be_transitions(name, changes, error, match, tmp_path):
    refused(save(tmp_path / name, columns(**changes)), error, match)


def test_a_bad_value_far_into_a_file_is_located(tmp_path):
    rewards = np.zeros(500)
    rewards[430] = np.inf
    dataset = open_dataset(save(tmp_path / "f.npz", columns(500, rewards=rewards)))
    with pytest.raises(InvalidTransitionsError, match=r"f.npz \(rows counted from 400\): .*first: row 30"):
        list(dataset.chunks(100))


def test_actions_outside_the_given_space_are_refused(tmp_path):
    path = save(tmp_path / "f.npz", columns(actions=np.full((6, 1), 3.0)))
    refused(path, InvalidTransitionsError, "environment units", action_space=spaces.Box(-1, 1, (1,)))
    refused(path, InvalidTransitionsError, "outside the space", action_space=spaces.Discrete(2))
    path = save(tmp_path / "g.npz", columns(actions=np.full((6, 1), 0.5)))
    refused(path, InvalidTransitionsError, "whole category numbers", action_space=spaces.Discrete(2))


def test_a_chunk_needs_a_row(tmp_path):
    dataset = open_dataset(save(tmp_path / "f.npz", columns()))
    with pytest.raises(DatasetError, match="at least 1 row; got 0"):
        list(dataset.chunks(0))


def test_arrays_with_named_fields_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="format 3.0"):
        path = save(tmp_path / "f.npz", columns(rewards=np.zeros(6, [("λ", "f4")])))
    refused(path, DatasetFormatError, "named fields: save one array per column")


@pytest.mark.parametrize("format", ["npz", "d4rl", "d3rlpy", "minari"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_file_that_is_cut_short(format, share, tmp_path):
    spec = spec_of("Pendulum-v1")
    path = write(tmp_path / TARGETS[format], spec, random_rows(spec, 200), format=format)
    file = path / "data" / "main_data.hdf5" if format == "minari" else path
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    refused(path, DatasetFormatError, "cut short, damaged or of another format")


@pytest.mark.parametrize("format", ["d4rl", "d3rlpy", "minari", "parquet"])
def test_a_missing_library_is_named_with_its_pip_command(format, tmp_path, monkeypatch):
    spec, rows = spec_and_rows(steps=20)
    path = write(tmp_path / TARGETS[format], spec, rows, format=format)
    module, name = ("pyarrow.parquet", "pyarrow") if format == "parquet" else ("h5py", "h5py")
    monkeypatch.setitem(sys.modules, module, None)
    refused(path, MissingExtraError, f'{name} is not installed: pip install "synth-replay.datasets."')
    with pytest.raises(MissingExtraError, match=name):
        write(tmp_path / f"other-{TARGETS[format]}", spec, rows, format=format)
    assert len(list(tmp_path.iterdir())) == 1


# -- episodes --------------------------------------------------------------------------------


def minari_folder(tmp_path, **changes):
    """A dataset of three episodes of four steps, the second one changed."""
    data = tmp_path / "m-v0" / "data"
    data.mkdir(parents=True)
    with h5py.File(data / "main_data.hdf5", "w") as file:
        for number in range(3):
            last = np.arange(4) == 3
            episode = {"observations": np.zeros((5, 2)), "actions": np.zeros((4, 1)), "rewards": np.zeros(4)}
            episode |= {"terminations": last, "truncations": ~last & last} | (changes if number == 1 else {})
            for name, array in episode.items():
                file[f"episode_{number}/{name}"] = array
    metadata = {"data_format": "hdf5", "total_episodes": 3, "total_steps": 12}
    (data / "metadata.json").write_text(json.dumps(metadata))
    return tmp_path / "m-v0"


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"observations": np.zeros((4, 2))}, InvalidTransitionsError, "episode 1: 4 steps need 5 observations"),
        ({"terminations": np.arange(4) >= 2}, InvalidTransitionsError, r"episode 1: .*ends at \[2, 3\]"),
        ({"rewards": np.zeros(3)}, InvalidTransitionsError, "episode 1: all columns need the same number of steps"),
        ({"actions": np.zeros((4, 1), int)}, DatasetFormatError, "mix types: float64 .* and int64"),
        ({"actions": np.zeros((4, 2))}, DatasetFormatError, r"mix types: .*\(1,\) and .*\(2,\)"),
        ({"observations": np.full((5, 2), np.nan)}, InvalidTransitionsError, "observations holds NaN"),
    ],
)
def test_minari_episodes_that_do_not_add_up(changes, error, match, tmp_path):
    refused(minari_folder(tmp_path, **changes), error, match)


def test_minari_episodes_without_steps_are_refused(tmp_path):
    nothing = {name: np.zeros(0) for name in ("actions", "rewards", "terminations", "truncations")}
    path = minari_folder(tmp_path, observations=np.zeros((1, 2)), **nothing)
    refused(path, InvalidTransitionsError, "episode 1: .*at least 1")
    metadata = {"data_format": "hdf5", "total_episodes": 1, "total_steps": 4}
    with h5py.File(path / "data" / "main_data.hdf5", "a") as file:
        file.move("episode_1", "empty")
        file.move("episode_0", "episode_1")
        file.move("empty", "episode_0")
    (path / "data" / "metadata.json").write_text(json.dumps(metadata))
    refused(path, DatasetFormatError, "holds no transitions")


@pytest.mark.parametrize("changes", [{"actions": np.zeros((4, 1), int)}, {"actions": np.zeros((4, 2))}])
def test_mixed_actions_are_found_with_given_spaces_too(changes, tmp_path):
    path = minari_folder(tmp_path, **changes)
    refused(path, DatasetFormatError, "mix types", action_space=spaces.Box(-1, 1, (1,)))


@pytest.mark.parametrize(
    ("metadata", "match"),
    [
        ({"total_steps": 13}, "announces 13 rows and holds 12"),
        ({"total_steps": 11}, "announces 11 rows and holds 12"),
        ({"total_steps": 0}, "holds no transitions"),
        ({"total_episodes": 4, "total_steps": 16}, "cut short, damaged"),
        ({"data_format": "zarr"}, "'zarr' storage; hdf5, arrow and parquet can be read"),
        ({"data_format": None}, "data_format must be text; it is None"),
    ],
)
def test_minari_metadata_that_do_not_fit(metadata, match, tmp_path):
    path = minari_folder(tmp_path)
    file = path / "data" / "metadata.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | metadata))
    refused(path, DatasetFormatError, match)


def test_a_minari_file_without_its_folder_is_refused(tmp_path):
    path = minari_folder(tmp_path) / "data" / "main_data.hdf5"
    path.rename(tmp_path / "lost.hdf5")
    refused(tmp_path / "lost.hdf5", DatasetFormatError, "Minari dataset, whose data/metadata.json is missing")


def d3rlpy_file(path, episodes, **changes):
    arrays = {"columns": [b"observations", b"actions", b"rewards", b"terminated"], "num_episodes": episodes}
    for i in range(episodes):
        arrays |= {
            f"observations_{i}": np.zeros((3, 2)),
            f"actions_{i}": np.zeros((3, 1)),
            f"rewards_{i}": np.zeros((3, 1)),
        }
        arrays[f"terminated_{i}"] = True
    return save(path, arrays | changes)


CUT_AT_ONCE = {f"{name}_0": np.zeros((1, 1)) for name in ("observations", "actions", "rewards")} | {
    "terminated_0": False
}


@pytest.mark.parametrize(
    ("episodes", "changes", "error", "match"),
    [
        (2, {"actions_1": np.zeros((3, 1), int)}, DatasetFormatError, "mix types"),
        (2, {"actions_1": np.zeros(())}, DatasetFormatError, "actions are float64 of shape"),
        (2, {"observations_1": np.zeros(())}, DatasetFormatError, "observations is float64 of shape"),
        (2, {"rewards_1": np.zeros((2, 1))}, InvalidTransitionsError, "episode 1: all columns need the same number"),
        (2, {"rewards_1": None}, DatasetFormatError, "announces 2 episodes and lacks rewards_1"),
        (1, CUT_AT_ONCE, DatasetFormatError, "holds no transitions"),
        (0, {}, DatasetFormatError, "holds no transitions"),
    ],
)
def test_d3rlpy_episodes_that_do_not_add_up(episodes, changes, error, match, tmp_path):
    refused(d3rlpy_file(tmp_path / "d.h5", episodes, **changes), error, match)
