"""Training with files of stock buffers, its end before a first refresh, and the rows that a refit reads."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.save_util import load_from_pkl

from synth_replay.errors import InvalidTransitionsError, UnsupportedBufferError
from synth_replay_sb3 import CFGMixedBuffer, SyntheticReplayBuffer, SyntheticReplayCallback
from tests.conftest import TINY
from tests.sb3.helpers import ACTIONS, BOX, OPTIONS, fill, make


@pytest.fixture
def stock_file(tmp_path):
    model = make(buffer_class=None, env=gym.wrappers.TimeLimit(gym.make("Pendulum-v1"), 20), learning_starts=1000)
    model.learn(150).save_replay_buffer(tmp_path / "stock.pkl")
    return tmp_path / "stock.pkl", model.replay_buffer


def test_a_stock_buffer_that_replaced_ours_is_refused_with_the_way_to_copy_its_rows(stock_file):
    path, stock = stock_file
    model = make(extra={"n_steps": 3, "refresh_every": 1000})
    ours = model.replay_buffer
    model.load_replay_buffer(path)
    with pytest.raises(UnsupportedBufferError, match=r"now a ReplayBuffer.*replay_buffer\.preload\(load_from_pkl"):
        model.learn(10, callback=SyntheticReplayCallback())
    ours.preload(load_from_pkl(path))
    for name in ("observations", "actions", "rewards", "dones"):
        np.testing.assert_allclose(getattr(ours, name)[:149], getattr(stock, name)[:149], atol=1e-6)
    assert (ours.timeouts[:149] == stock.timeouts[:149]).all() and stock.timeouts[:149].sum() == 7
    model.replay_buffer = ours
    model.learn(60, callback=SyntheticReplayCallback())
    assert ours.stats.refreshes == 1


def test_a_stock_buffer_in_place_of_a_mixed_one_is_offered_as_offline_data(stock_file):
    path, stock = stock_file
    kwargs = {"generator": TINY, "offline": stock, "progress": False}
    model = SAC(
        "MlpPolicy", "Pendulum-v1", replay_buffer_class=CFGMixedBuffer, replay_buffer_kwargs=kwargs, device="cpu"
    )
    model.load_replay_buffer(path)
    with pytest.raises(UnsupportedBufferError, match=r"as offline data: offline=load_from_pkl\(path\)"):
        model.learn(10, callback=SyntheticReplayCallback())


def test_n_step_rows_are_not_preloaded_as_single_steps():
    stock = fill(NStepReplayBuffer(500, BOX, ACTIONS, device="cpu", n_steps=2))
    with pytest.raises(InvalidTransitionsError, match="n-step"):
        SyntheticReplayBuffer(500, BOX, ACTIONS, **OPTIONS).preload(stock)


def test_training_announces_the_first_refresh_and_warns_if_it_ends_before(capsys, caplog):
    model = make(DQN, extra={"refresh_every": 60, "progress": None}, learning_starts=90)
    model.learn(80, callback=SyntheticReplayCallback())
    (line,) = caplog.messages
    assert "ended after 80 environment steps without one generated row" in line and "at or after step 91" in line
    assert "first refit is due at environment step 91" in capsys.readouterr().err


def test_offline_training_and_training_past_a_refresh_end_without_a_warning(caplog):
    model = make(SAC, learning_starts=0)
    model.learn(0, callback=SyntheticReplayCallback())
    model.learn(220, callback=SyntheticReplayCallback())
    assert model.replay_buffer.stats.refreshes == 1 and not caplog.messages


def test_a_refit_reads_only_the_rows_that_it_fits(monkeypatch):
    read, get = [], ReplayBuffer._get_samples
    buffer = fill(SyntheticReplayBuffer(500, BOX, ACTIONS, n_envs=2, fit_rows=110, **OPTIONS), 100)
    monkeypatch.setattr(
        ReplayBuffer, "_get_samples", lambda self, rows, env=None: read.append(len(rows)) or get(self, rows, env)
    )
    buffer.sample(10)
    assert buffer.stats.refreshes == 1 and sum(read[:2]) == 110 and min(read[:2]) > 20
