"""robomimic's demonstrations are read in the order of their numbers; the oracle is a loop over them."""

import h5py
import numpy as np
import pytest
from gymnasium import spaces

from synth_replay.datasets import create_dataset, detect_format, open_dataset
from synth_replay.errors import DatasetError, DatasetFormatError, ImageObservationError, InvalidTransitionsError
from tests.datasets.helpers import read

NUMBERS = (0, 1, 10, 2)
STEPS = 5


def demonstration(number, steps=STEPS, next_obs=True, done=True):
    rng = np.random.default_rng(number)
    seen = {"eef_pos": rng.normal(size=(steps + 1, 3)), "object": rng.normal(size=(steps + 1, 4)).astype(np.float32)}
    held = {"actions": rng.uniform(-1, 1, (steps, 7)), "rewards": number + np.arange(steps) / 8}
    held |= {"dones": (np.arange(steps) == steps - 1) & done, "states": rng.normal(size=(steps, 9))}
    held |= {f"obs/{key}": array[:-1] for key, array in seen.items()}
    return held | ({f"next_obs/{key}": array[1:] for key, array in seen.items()} if next_obs else {})


def demonstrations(path, changes=None, **kwargs):
    with h5py.File(path, "w") as file:
        for number in NUMBERS:
            held = demonstration(number, **kwargs) | ((changes or {}) if number == 1 else {})
            for name, array in held.items():
                if array is not None:
                    file[f"data/demo_{number}/{name}"] = array
        file["data"].attrs["env_args"] = '{"env_name": "Lift", "env_type": 1}'
        file["mask/train"] = np.array([b"demo_0"])
    return path


def test_every_row_matches_its_demonstration(tmp_path):
    path = demonstrations(tmp_path / "d.hdf5")
    assert detect_format(path) == "robomimic"
    dataset = open_dataset(path)
    assert dataset.spec.observation_space["eef_pos"].shape == (3,) and len(dataset) == 20
    assert dataset.meta["env_args"]["env_name"] == "Lift"
    rows = dataset.read()
    wanted = [demonstration(number) for number in (0, 1, 2, 10)]
    for name, stored in {"observations": "obs", "next_observations": "next_obs"}.items():
        for key in ("eef_pos", "object"):
            joined = np.concatenate([held[f"{stored}/{key}"] for held in wanted])
            np.testing.assert_array_equal(getattr(rows, name)[key], joined.astype(np.float32))
    np.testing.assert_array_equal(rows.rewards, np.concatenate([held["rewards"] for held in wanted]))
    assert rows.terminations.tolist() == [False, False, False, False, True] * 4
    np.testing.assert_array_equal(np.concatenate([c.rewards for c in dataset.chunks(3)]), rows.rewards)


def test_without_dones_a_demonstration_ends_in_a_truncation(tmp_path):
    dataset = open_dataset(demonstrations(tmp_path / "d.hdf5", done=False))
    rows = dataset.read()
    assert not rows.terminations.any() and rows.truncations.tolist() == [False, False, False, False, True] * 4
    assert not any("dones" in note for note in dataset.meta["notes"])


@pytest.mark.parametrize("done", [True, False])
def test_without_next_obs_the_next_row_of_the_same_demonstration_is_taken(done, tmp_path):
    dataset = open_dataset(demonstrations(tmp_path / "d.hdf5", next_obs=False, done=done))
    rows, kept = dataset.read(), STEPS if done else STEPS - 1
    assert len(rows) == len(dataset) == 4 * kept
    now, after = rows.observations["object"].reshape(4, kept, 4), rows.next_observations["object"].reshape(4, kept, 4)
    np.testing.assert_array_equal(after[:, :-1], now[:, 1:])
    if done:
        np.testing.assert_array_equal(after[:, -1], now[:, -1])
    assert any("last observation is used as the next" in n or "are dropped" in n for n in dataset.meta["notes"])


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"actions": np.zeros((4, 7))}, InvalidTransitionsError, "demo_1: all columns need the same number of steps"),
        ({"dones": None}, DatasetFormatError, "lacks 'dones'|lacks dones"),
        ({"rewards": np.full(5, np.nan)}, InvalidTransitionsError, "rewards holds NaN"),
        ({"actions": np.full((5, 7), np.nan)}, InvalidTransitionsError, "actions hold NaN or infinity, first in row 5"),
        ({"dones": np.full(5, b"x")}, DatasetFormatError, "not rows of numbers"),
        ({"actions": np.float64(1)}, DatasetFormatError, "not rows of numbers"),
        ({"obs/object": np.float64(1)}, DatasetFormatError, "not rows of numbers"),
        ({"obs/object": np.zeros((5, 3))}, DatasetFormatError, "mix types"),
    ],
)
def test_inconsistent_demonstrations_are_refused(changes, error, match, tmp_path):
    with pytest.raises(error, match=match):
        read(demonstrations(tmp_path / "d.hdf5", changes))


def test_next_observations_in_some_demonstrations_alone_are_refused(tmp_path):
    lacking = {"next_obs/eef_pos": None, "next_obs/object": None}
    with pytest.raises(DatasetFormatError, match="demo_0 holds next_obs, unlike demo_1"):
        open_dataset(demonstrations(tmp_path / "d.hdf5", lacking))


def test_demonstrations_without_observations_name_the_script_that_makes_them(tmp_path):
    with h5py.File(tmp_path / "raw.hdf5", "w") as file:
        file["data/demo_0/actions"] = file["data/demo_0/states"] = np.zeros((3, 2))
    with pytest.raises(DatasetFormatError, match=r"lacks obs, rewards, dones; it holds actions, states. .*to_obs.py"):
        open_dataset(tmp_path / "raw.hdf5")
    with h5py.File(tmp_path / "raw.hdf5", "a") as file:
        del file["data"]
    with pytest.raises(DatasetFormatError, match="holds no data/demo_0"):
        open_dataset(tmp_path / "raw.hdf5", format="robomimic")


def test_images_are_refused_with_a_pointer_to_encoders(tmp_path):
    picture = {f"{name}/camera": np.zeros((5, 8, 8, 3), np.uint8) for name in ("obs", "next_obs")}
    with h5py.File(path := demonstrations(tmp_path / "d.hdf5"), "a") as file:
        for number in NUMBERS:
            for name, array in picture.items():
                file[f"data/demo_{number}/{name}"] = array
    with pytest.raises(ImageObservationError, match="encoder"):
        open_dataset(path)


def test_given_spaces_are_used_and_links_are_refused(tmp_path):
    path = demonstrations(tmp_path / "d.hdf5")
    box = spaces.Box(-2, 2, (7,))
    assert open_dataset(path, action_space=box).spec.action_space == box
    with h5py.File(path, "a") as file:
        del file["data/demo_2/actions"]
        file["data/demo_2/actions"] = h5py.ExternalLink("/etc/passwd", "/x")
    with pytest.raises(DatasetFormatError, match="is a link to elsewhere"):
        open_dataset(path)


def test_it_is_read_only(tmp_path):
    spec = open_dataset(demonstrations(tmp_path / "d.hdf5")).spec
    with pytest.raises(DatasetError, match="robomimic datasets are only read"):
        create_dataset(tmp_path / "e.hdf5", spec, 3, format="robomimic")
