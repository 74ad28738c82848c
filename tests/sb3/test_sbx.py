"""Stable-Baselines Jax takes the buffer as Stable-Baselines3 does."""

import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    sbx = pytest.importorskip("sbx", reason="sbx-rl is not installed")

from synth_replay_sb3 import SyntheticReplayBuffer
from tests.sb3.helpers import KWARGS, assert_mixed


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "env_id"), [("SAC", "Pendulum-v1"), ("TD3", "Pendulum-v1"), ("DQN", "CartPole-v1")])
def test_an_algorithm_of_sbx_learns_past_a_refresh_with_exact_counts(name, env_id):
    options = {"learning_starts": 50, "train_freq": 10, "batch_size": 32, "seed": 0}
    model = getattr(sbx, name)(
        "MlpPolicy", env_id, replay_buffer_class=SyntheticReplayBuffer, replay_buffer_kwargs=KWARGS, **options
    )
    model.learn(260)
    assert_mixed(model)
