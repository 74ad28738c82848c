"""``real_ratio="auto"`` in Stable-Baselines3: the count, the share, and training that equals SB3's own until then."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env

from synth_replay.buffers import AutoShare
from synth_replay_sb3 import SyntheticReplayBuffer, SyntheticReplayCallback
from tests.sb3.helpers import make

EARLY = AutoShare(begin=2, full=8, floor=None)


class Counting(SyntheticReplayBuffer):
    """Counts the rows that SB3 itself draws and stores."""

    def _get_samples(self, batch_inds, env=None):
        self.drawn = getattr(self, "drawn", 0) + len(batch_inds)
        return super()._get_samples(batch_inds, env)

    def add(self, obs, *args):
        self.stored = getattr(self, "stored", 0) + self.n_envs
        super().add(obs, *args)


def counting(algorithm=SAC, ratio=EARLY, **options):
    from tests.sb3.helpers import KWARGS

    given = {"replay_buffer_kwargs": KWARGS | {"real_ratio": ratio}} | options
    return make(algorithm, buffer_class=Counting, **given)


def assert_counted(model):
    buffer = model.replay_buffer
    assert buffer.stats.draws_per_row == pytest.approx(buffer.drawn / buffer.stored)


@pytest.mark.parametrize("options", [{}, {"buffer_size": 130}, {"n_envs": 3}, {"n_envs": 3, "buffer_size": 120}])
def test_draws_are_counted_in_rings_several_environments_and_learning_in_pieces(options):
    envs = options.pop("n_envs", 1)
    env = make_vec_env("Pendulum-v1", envs, seed=0)
    model = counting(env=env, gradient_steps=2, **options)
    for _ in range(3):
        model.learn(120, reset_num_timesteps=False)
    assert_counted(model)
    assert model.replay_buffer.stored == model.num_timesteps


def test_the_count_goes_on_after_saving_and_loading(tmp_path):
    model = counting()
    model.learn(150)
    model.save_replay_buffer(tmp_path / "b")
    other = counting()
    other.load_replay_buffer(tmp_path / "b")
    assert other.replay_buffer.stats.draws_per_row == model.replay_buffer.stats.draws_per_row > 0
    other.learn(100, reset_num_timesteps=False)
    assert_counted(other)


def test_preloaded_rows_count_as_rows():
    model = counting(learning_starts=0)
    source = make(SAC, buffer_class=ReplayBuffer)
    source.learn(200)
    buffer = model.replay_buffer
    buffer.preload(source.replay_buffer)
    model.learn(0)
    model.train(gradient_steps=4, batch_size=50)
    assert buffer.stats.draws_per_row == pytest.approx(1.0)
    model.train(gradient_steps=20, batch_size=50)
    assert buffer.stats.refreshes == 1 and buffer.stats.real_share < 1.0
    assert buffer.stats.draws_per_row == pytest.approx(buffer.drawn / 200)


@pytest.mark.parametrize("algorithm", [SAC, DQN])
def test_until_rows_are_drawn_often_every_weight_is_that_of_training_with_sb3s_own_buffer(algorithm):
    models = []
    for options in ({"extra": {"real_ratio": "auto"}}, {"buffer_class": ReplayBuffer}):
        torch.manual_seed(0)
        models.append(make(algorithm, train_freq=1, **options).learn(250))
    ours, theirs = (model.policy.state_dict() for model in models)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    stats = models[0].replay_buffer.stats
    assert stats.refreshes == 0 and stats.draws_per_row == pytest.approx(32 * 200 / 250, rel=0.05)


def test_the_log_shows_the_draws_and_training_without_generated_rows_ends_without_a_warning(caplog):
    model = make(SAC, extra={"real_ratio": "auto"})
    model.learn(120, callback=SyntheticReplayCallback())
    logged = model.logger.name_to_value
    model.replay_buffer.sample(4)
    assert not caplog.messages
    assert "synth/draws_per_row" in logged or model.replay_buffer.stats.to_dict()["draws_per_row"] > 0


def test_the_share_rises_in_training_and_is_the_same_again():
    shares = []
    for _ in range(2):
        model, seen = counting(gradient_steps=10), []
        for _ in range(6):
            model.learn(60, reset_num_timesteps=False)
            seen.append(model.replay_buffer.stats.real_share)
        shares.append(seen)
    assert shares[0] == shares[1] and shares[0][0] == 1.0 and shares[0][-1] < 0.8
    assert np.isfinite(model.replay_buffer.sample(32).rewards.numpy()).all()
