import inspect

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, SAC, HerReplayBuffer
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecNormalize

from synth_replay.errors import (
    ConfigError,
    ImageObservationError,
    UnsupportedBufferError,
)
from synth_replay_sb3 import CFGMixedBuffer, SyntheticReplayBuffer, SyntheticReplayCallback
from synth_replay_sb3.conversion import stored_transitions
from tests.sb3.helpers import CONTINUOUS, DISCRETE, DictPendulum, assert_mixed, make, real_mask


@pytest.mark.parametrize("algorithm", CONTINUOUS + DISCRETE, ids=lambda a: a.__name__)
def test_every_algorithm_learns_past_a_refresh_with_exact_counts(algorithm):
    model = make(algorithm)
    model.learn(260)
    batch = assert_mixed(model)
    if algorithm in CONTINUOUS:
        assert batch.actions.abs().max() <= 1
    else:
        assert batch.actions.dtype == torch.int64 and set(batch.actions.unique().tolist()) <= {0, 1}
    assert model.num_timesteps >= 260


@pytest.mark.parametrize("algorithm", [SAC, DQN], ids=lambda a: a.__name__)
def test_a_real_ratio_of_one_is_bitwise_stable_baselines3(algorithm):
    ours = make(algorithm, extra={"real_ratio": 1.0}).learn(400)
    theirs = make(algorithm, buffer_class=None).learn(400)
    for a, b in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        assert torch.equal(a, b)
    assert np.array_equal(ours.replay_buffer.observations, theirs.replay_buffer.observations)
    assert ours.replay_buffer.stats.refreshes == 0


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.75])
def test_the_ratio_is_kept_to_the_row(ratio):
    model = make(extra={"real_ratio": ratio})
    model.learn(250)
    assert real_mask(model.replay_buffer.sample(40), model.replay_buffer).sum() == round(40 * ratio)


def test_nothing_is_generated_before_learning_starts_or_the_first_refresh():
    model = make(learning_starts=300)
    model.learn(290)
    assert not model.replay_buffer.engine.generator.fitted
    model = make(extra={"refresh_every": 1000})
    model.learn(290)
    assert real_mask(model.replay_buffer.sample(64), model.replay_buffer).all()


def test_generated_rows_are_normalised_by_vecnormalize_like_real_ones():
    env = VecNormalize(make_vec_env("Pendulum-v1", n_envs=1, seed=0))
    model = make(env=env, extra={"real_ratio": 0.0})
    model.learn(260)
    batch = assert_mixed(model, env=env)
    raw = model.replay_buffer.engine.stores["all"].rows()
    expected = env.normalize_obs(raw["observations"])
    low, high = expected.min(axis=0), expected.max(axis=0)
    observations = batch.observations.numpy()
    assert (observations >= low - 1e-5).all() and (observations <= high + 1e-5).all()
    rewards = env.normalize_reward(raw["rewards"])
    assert rewards.min() - 1e-5 <= batch.rewards.min() and batch.rewards.max() <= rewards.max() + 1e-5
    assert np.abs(raw["observations"][:, 2]).max() > 2  # the store itself is raw


def test_several_environments_count_every_step_and_are_all_fitted():
    model = make(env=make_vec_env("Pendulum-v1", n_envs=4, seed=0), train_freq=5)
    model.learn(400)
    assert model.replay_buffer.stats.refreshes in (1, 2)
    assert model.replay_buffer.engine.steps == 400
    rows = stored_transitions(model.replay_buffer)
    assert len(rows) == 400
    stored = model.replay_buffer.observations[:100].reshape(-1, 3)
    assert {r.tobytes() for r in rows.observations} == {r.tobytes() for r in stored}
    assert_mixed(model)


def test_dict_observations_are_mixed_key_by_key():
    model = make(env=DictPendulum(), policy="MultiInputPolicy")
    model.learn(260)
    assert isinstance(model.replay_buffer, DictReplayBuffer)
    batch = assert_mixed(model)
    assert batch.observations["angle"].shape == (64, 2) and batch.observations["speed"].abs().max() <= 8


def test_n_step_returns_are_generated_with_their_discounts():
    with pytest.warns(UserWarning, match="n_steps"):
        make(n_steps=3)  # SB3 itself says that its own argument is ignored
    model = make(extra={"n_steps": 3, "gamma": 0.9})
    model.learn(260)
    assert isinstance(model.replay_buffer, NStepReplayBuffer)
    batch = assert_mixed(model)
    allowed = torch.tensor([0.9, 0.9**2, 0.9**3])
    assert torch.isclose(batch.discounts, allowed, atol=1e-5).any(dim=1).all()


def test_sampling_writes_nothing_into_sb3s_storage():
    model = make()
    model.learn(220)
    buffer = model.replay_buffer
    before = {n: getattr(buffer, n).copy() for n in ("observations", "actions", "rewards", "dones", "timeouts")}
    buffer.engine.request_refresh()
    buffer.sample(64)
    assert all(np.array_equal(getattr(buffer, name), value) for name, value in before.items())


def test_two_runs_with_the_same_seed_are_equal():
    a, b = (make(seed=7).learn(300) for _ in range(2))
    for x, y in zip(a.policy.parameters(), b.policy.parameters(), strict=True):
        assert torch.equal(x, y)
    c = make(seed=8).learn(300)
    assert not all(torch.equal(x, y) for x, y in zip(a.policy.parameters(), c.policy.parameters(), strict=True))


# -- saving -----------------------------------------------------------------------------------


def test_figures_reach_sb3s_logger_and_tensorboard(tmp_path):
    model = make()
    stream = configure(str(tmp_path), ["csv", "tensorboard"])
    model.set_logger(stream)
    model.learn(420, callback=SyntheticReplayCallback(), log_interval=1)
    stream.close()
    header = (tmp_path / "progress.csv").read_text().splitlines()[0]
    for name in ("denoising_loss", "real_share", "age", "refresh_seconds", "marginal", "refreshes"):
        assert f"synth/{name}" in header
    assert list(tmp_path.glob("events.out.tfevents*"))


def test_the_callback_needs_our_buffer():
    with pytest.raises(UnsupportedBufferError, match="SyntheticReplayBuffer"):
        make(buffer_class=None).learn(10, callback=SyntheticReplayCallback())


def test_progress_bars_show_during_a_refresh(capsys):
    make(extra={"progress": True}).learn(220)
    assert "fitting" in capsys.readouterr().err
    make().learn(220)
    assert "fitting" not in capsys.readouterr().err


def test_hindsight_replay_is_refused_with_a_reason():
    with pytest.raises(UnsupportedBufferError, match="episode"):
        make(extra={"n_sampled_goal": 4, "goal_selection_strategy": "future"})

    class Both(SyntheticReplayBuffer, HerReplayBuffer):
        pass

    env = DictPendulum()
    with pytest.raises(UnsupportedBufferError, match="Hindsight"):
        Both(10, env.observation_space, env.action_space, env=None)


@pytest.mark.parametrize(
    ("extra", "error"),
    [
        ({"real_ratio": -0.1}, ConfigError),
        ({"real_ratio": 2}, ConfigError),
        ({"store_rows": 0}, ConfigError),
        ({"refresh_every": 0}, ConfigError),
        ({"generator": "enormous"}, ConfigError),
        ({"refit": "lukewarm"}, ConfigError),
        ({"n_steps": 0}, ConfigError),
        ({"surprise": 1}, TypeError),
    ],
)
def test_bad_arguments_fail_before_any_training(extra, error):
    with pytest.raises(error):
        make(extra=extra)


def test_images_and_n_step_dicts_are_refused():
    pixels, box = spaces.Box(0, 255, (3, 36, 36), np.uint8), spaces.Box(-1, 1, (1,))
    with pytest.raises(ImageObservationError, match="encoder"):
        SyntheticReplayBuffer(10, pixels, box)
    with pytest.raises(UnsupportedBufferError, match="n_steps=1"):
        SyntheticReplayBuffer(10, spaces.Dict({"a": box}), box, n_steps=3)


def test_discrete_observations_are_mixed():
    model = make(DQN, env="FrozenLake-v1")
    model.learn(260)
    batch = model.replay_buffer.sample(64)
    assert model.replay_buffer.stats.refreshes == 1
    assert batch.observations.shape == (64, 1) and set(batch.observations.unique().tolist()) <= set(range(16))


@pytest.mark.parametrize("buffer", [SyntheticReplayBuffer, CFGMixedBuffer])
def test_the_signature_lists_every_option(buffer):
    shown = inspect.signature(buffer).parameters
    assert shown["refresh_every"].default == 10_000 and {"buffer_size", "validate", "progress"} <= set(shown)
    assert all(parameter.kind is not parameter.VAR_KEYWORD for parameter in shown.values())
