"""Model rollouts of one step in Stable-Baselines3: the policy comes from the callback."""

import numpy as np
import pytest
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from synth_replay.errors import ConfigError
from synth_replay.generator import ForwardConfig, OneStepConfig, RelabelConfig
from synth_replay_sb3 import SyntheticReplayCallback
from synth_replay_sb3.callbacks import policy_of
from synth_replay_sb3.policies import DroQSACPolicy
from tests.sb3.helpers import make, real_mask

SMALL = OneStepConfig(
    forward=ForwardConfig(members=2, width=16, steps=30),
    rewards=RelabelConfig(enabled=True, steps=30, width=16),
    store_rows=300,
)


@pytest.mark.parametrize("algorithm", [SAC, DQN])
def test_a_model_trains_on_rollouts_of_its_own_policy(algorithm):
    model = make(algorithm, extra={"generator": SMALL})
    model.learn(230, callback=SyntheticReplayCallback())
    buffer = model.replay_buffer
    batch = buffer.sample(64)
    assert buffer.stats.rows == 300 and buffer.stats.real_share == 0.5
    assert real_mask(batch, buffer).all()  # states are real
    pairs = {np.append(o, a).tobytes() for o, a in zip(buffer.observations[:, 0], buffer.actions[:, 0], strict=True)}
    drawn = zip(batch.observations.numpy(), batch.actions.numpy(), strict=True)
    known = [np.append(o, a.astype(buffer.actions.dtype)).tobytes() in pairs for o, a in drawn]
    assert sum(known) == 32 if algorithm is SAC else sum(known) >= 32


def test_without_the_callback_training_stops_at_the_first_batch_and_says_what_to_do():
    model = make(SAC, extra={"generator": "one_step_model"})
    with pytest.raises(ConfigError, match=r"callback=SyntheticReplayCallback\(\)"):
        model.learn(230)
    assert model.num_timesteps < 100


def test_actions_of_generated_rows_are_the_policys_for_normalised_observations():
    env = VecNormalize(make_vec_env("Pendulum-v1", 1, seed=0))
    model = make(SAC, env=env, extra={"generator": SMALL})
    model.learn(230, callback=SyntheticReplayCallback())
    generator = model.replay_buffer.engine.generator
    generator.act_with(lambda observations: model.predict(env.normalize_obs(observations), deterministic=True)[0])
    expected = generator.sample(200)
    act = policy_of(model)
    drawn = np.mean([act(expected.observations) for _ in range(300)], axis=0)
    assert np.corrcoef(drawn[:, 0], expected.actions[:, 0])[0, 1] > 0.9


def test_dropout_stays_on_in_an_update_during_which_rows_are_generated():
    model = make(SAC, policy=DroQSACPolicy)
    model.policy.set_training_mode(True)
    policy_of(model)(np.zeros((4, 3), np.float32))
    assert model.critic.training and model.critic_target.qf0[1].training
    model.policy.set_training_mode(False)
    policy_of(model)(np.zeros((4, 3), np.float32))
    assert not model.critic.training


def test_a_buffer_is_saved_without_the_policy(tmp_path):
    model = make(SAC, extra={"generator": SMALL})
    model.learn(230, callback=SyntheticReplayCallback())
    model.save_replay_buffer(tmp_path / "buffer")
    model.load_replay_buffer(tmp_path / "buffer")
    model.learn(210, callback=SyntheticReplayCallback(), reset_num_timesteps=False)
    assert model.replay_buffer.stats.refreshes == 2
