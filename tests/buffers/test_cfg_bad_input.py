"""Offline data, settings and generators that a mixed buffer cannot use: refused before any work."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces

from synth_replay import TransitionGenerator, Transitions
from synth_replay.errors import ConfigError, DatasetError, InvalidTransitionsError, SpecMismatchError
from synth_replay.transitions import TransitionSpec
from tests.buffers.helpers import ENV, counted, feed, make, offline_data, write
from tests.conftest import TINY, rollout


def test_offline_data_that_cannot_be_used_is_refused_before_any_work(tmp_path):
    good = offline_data()
    with pytest.raises(DatasetError, match="does not exist"):
        make(offline=tmp_path / "gone.hdf5")
    with pytest.raises(ConfigError, match="Transitions"):
        make(offline=42)
    with pytest.raises(InvalidTransitionsError, match="no transitions"):
        make(offline=good[:0])
    with pytest.raises(SpecMismatchError, match="another environment"):
        make(offline=rollout("MountainCarContinuous-v0"))
    with pytest.raises(InvalidTransitionsError, match="environment units"):
        make(offline=replace(good, actions=good.actions * 3))
    with pytest.raises(InvalidTransitionsError, match="NaN"):
        make(offline=replace(good, rewards=np.full(600, np.nan)))


def test_a_file_that_states_another_action_scale_is_refused(tmp_path):
    scaled = replace(offline_data(), actions=offline_data().actions / 2)
    space = spaces.Box(-1, 1, (1,), np.float32)
    write(tmp_path / "scaled", scaled, TransitionSpec(ENV.observation_space, space))
    with pytest.raises(SpecMismatchError, match="environment's scale"):
        make(offline=tmp_path / "scaled")


def test_a_file_that_states_no_action_space_is_read_with_the_environments(tmp_path):
    rows = offline_data()
    small = np.clip(rows.actions, -0.9, 0.9)  # all in [-1, 1], in an environment of [-2, 2]
    columns = {name: getattr(rows, name) for name in ("observations", "rewards", "next_observations")}
    np.savez(tmp_path / "bare.npz", actions=small, terminals=rows.terminations, **columns)
    assert len(make(offline=tmp_path / "bare.npz").offline) == 600


def test_a_pickle_says_how_it_can_be_given(tmp_path):
    (tmp_path / "buffer.pkl").write_bytes(pickle.dumps({}))
    with pytest.raises(DatasetError, match=r"open_dataset\(.*trusted=True\)"):
        make(offline=tmp_path / "buffer.pkl")


def test_actions_that_use_half_of_their_range_are_mentioned():
    rows = Transitions.concatenate([offline_data(), offline_data()])
    with pytest.warns(UserWarning, match="rescaled"):
        make(offline=replace(rows, actions=rows.actions / 2))


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"generation": "vae"}, "generation is one of"),
        ({"generator": "additive_noise"}, "with labels"),
        ({"guidance_weight": -2.0}, "at least -1"),
        ({"guidance_weight": 1.0, "generation": "online"}, "guidance_weight is for"),
        ({"synthetic_ratio": 2.0}, "synthetic_ratio"),
        ({"plan": "both"}, "concat, oorb"),
        ({"refresh_every": 0}, "refresh_every"),
    ],
)
def test_settings_that_cannot_work_are_refused(kwargs, match):
    with pytest.raises(ConfigError, match=match):
        make(**kwargs)


def test_a_generator_without_the_labels_is_refused_and_one_with_them_fills_the_stores(tmp_path):
    rows = Transitions(**{k: v for k, v in offline_data().columns().items() if k != "truncations"})
    unlabelled = TransitionGenerator(ENV.observation_space, ENV.action_space, TINY, 0, "cpu").fit(rows)
    unlabelled.save(tmp_path / "plain")
    with pytest.raises(ConfigError, match="'online' or 'offline'"):
        make(generator=tmp_path / "plain")
    unlabelled.fit(rows, labels=np.full(len(rows), "offline")).save(tmp_path / "labelled")
    buffer = make(generator=tmp_path / "labelled")
    assert counted(buffer, 300)[1] == [0, 280, 0, 20]


def test_a_saved_generator_of_both_labels_is_validated_on_the_rows_that_are_there(tmp_path):
    buffer = feed(make())
    buffer.sample(10)
    buffer.engine.generator.save(tmp_path)
    assert counted(make(generator=tmp_path, validate=0.0), 300)[1] == [0, 200, 80, 20]
