"""Prioritized Generative Replay in Stable-Baselines3, by one argument."""

import pickle

import pytest
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.save_util import load_from_pkl

from synth_replay.generator import relevance
from synth_replay.generator.one_step_config import ForwardConfig
from synth_replay_sb3 import SyntheticReplayCallback
from tests.sb3.helpers import assert_mixed, make


@pytest.mark.parametrize("algorithm", [SAC, DQN])
def test_a_model_trains_on_rows_of_high_curiosity_and_logs_it(algorithm, monkeypatch, tmp_path):
    monkeypatch.setattr(relevance, "FORWARD", ForwardConfig(members=1, width=16, steps=20))
    model = make(algorithm, extra={"relevance": "curiosity"})
    model.learn(230, callback=SyntheticReplayCallback())
    assert_mixed(model)
    stats = model.replay_buffer.stats
    assert stats.relevance_asked > stats.relevance > 0 and stats.relevance_made > 0
    model.save_replay_buffer(tmp_path / "buffer")
    assert repr(load_from_pkl(tmp_path / "buffer.pkl").stats) == repr(stats)
    assert pickle.loads(pickle.dumps(model.replay_buffer)).sample(8).rewards.shape == (8, 1)
