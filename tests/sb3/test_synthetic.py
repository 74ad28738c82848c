import pickle
import zipfile

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import QRDQN, TQC, CrossQ
from stable_baselines3 import DDPG, DQN, SAC, TD3, HerReplayBuffer
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecNormalize
from synth_replay_sb3 import SyntheticReplayBuffer, SyntheticReplayCallback
from synth_replay_sb3.conversion import stored_transitions

from synth_replay import TransitionGenerator, Transitions
from synth_replay.errors import (
    ConfigError,
    ImageObservationError,
    InvalidTransitionsError,
    SpecMismatchError,
    UnsupportedBufferError,
)
from tests.conftest import TINY, rollout

KWARGS = {"generator": TINY, "refresh_every": 200, "progress": False}
NET = {"net_arch": [16]}
CONTINUOUS = [SAC, TD3, DDPG, TQC, CrossQ]
DISCRETE = [DQN, QRDQN]


def make(algorithm=SAC, env=None, buffer_class=SyntheticReplayBuffer, extra=None, **kwargs):
    env = env or ("CartPole-v1" if algorithm in DISCRETE else "Pendulum-v1")
    buffer = {"replay_buffer_kwargs": KWARGS | (extra or {})} if buffer_class is SyntheticReplayBuffer else {}
    defaults = {"learning_starts": 50, "seed": 0, "batch_size": 32, "train_freq": 10, "device": "cpu"}
    defaults |= {"policy_kwargs": dict(NET)}
    policy = kwargs.pop("policy", "MlpPolicy")
    return algorithm(policy, env, replay_buffer_class=buffer_class, **buffer, **(defaults | kwargs))


def stored_keys(buffer):
    """Every real observation as the bytes that a batch would show."""
    size = buffer.size()
    first = buffer.observations
    if isinstance(first, dict):
        first = first[next(iter(first))]
    return {row.tobytes() for row in first[:size].reshape(-1, *first.shape[2:])}


def real_mask(batch, buffer):
    observations = batch.observations
    if isinstance(observations, dict):
        observations = observations[next(iter(buffer.observations))]
    known = stored_keys(buffer)
    return np.array([row.tobytes() in known for row in observations.numpy()])


def assert_mixed(model, ratio=0.5, count=64, env=None):
    """The batch holds exactly the planned generated rows, shuffled, and looks like SB3's own."""
    buffer = model.replay_buffer
    assert buffer.stats.refreshes >= 1
    batch = buffer.sample(count, env=env)
    if env is None:
        real = real_mask(batch, buffer)
        assert real.sum() == round(ratio * count)
        assert 0 < real[: count // 2].sum() < round(ratio * count)
    reference = super(SyntheticReplayBuffer.__mro__[1], buffer).sample(count, env)
    assert type(batch) is type(reference)
    for ours, theirs in zip(batch, reference, strict=True):
        for a, b in zip(*(x.values() if isinstance(x, dict) else [x] for x in (ours, theirs)), strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert a.dtype == b.dtype and a.shape == b.shape and a.device == b.device
                assert torch.isfinite(a.float()).all()
    return batch


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
    raw = model.replay_buffer.engine.store.rows()
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
    assert model.replay_buffer.engine.clock.steps == 400
    rows = stored_transitions(model.replay_buffer)
    assert len(rows) == 400
    stored = model.replay_buffer.observations[:100].reshape(-1, 3)
    assert {r.tobytes() for r in rows.observations} == {r.tobytes() for r in stored}
    assert_mixed(model)


class DictPendulum(gym.ObservationWrapper):
    def __init__(self):
        super().__init__(gym.make("Pendulum-v1"))
        angle, speed = spaces.Box(-1, 1, (2,)), spaces.Box(-8, 8, (1,))
        self.observation_space = spaces.Dict({"angle": angle, "speed": speed})

    def observation(self, observation):
        return {"angle": observation[:2], "speed": observation[2:]}


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


def test_rows_for_an_n_step_fit_equal_sb3s_own_samples():
    env = make_vec_env("CartPole-v1", n_envs=2, seed=0)
    model = make(DQN, env=env, extra={"n_steps": 3, "gamma": 0.9})
    model.learn(120)
    buffer = model.replay_buffer
    rows = stored_transitions(buffer)
    assert len(rows) == 2 * buffer.size()
    by_observation = {rows.observations[i].tobytes(): i for i in range(len(rows))}
    sample = super(SyntheticReplayBuffer.__mro__[1], buffer).sample(200)
    for i in range(200):
        j = by_observation[sample.observations[i].numpy().tobytes()]
        assert sample.rewards[i].item() == pytest.approx(rows.rewards[j], rel=1e-6)
        assert sample.discounts[i].item() == pytest.approx(rows.discounts[j], rel=1e-6)
        assert np.array_equal(sample.next_observations[i].numpy(), rows.next_observations[j])
        assert bool(sample.dones[i]) == rows.terminations[j]


def test_memory_optimised_storage_works_and_its_invalid_row_is_not_fitted():
    kwargs = {"handle_timeout_termination": False}
    model = make(optimize_memory_usage=True, extra=kwargs, buffer_size=210)
    model.learn(260)
    assert_mixed(model)
    buffer = model.replay_buffer
    rows = stored_transitions(buffer)
    assert buffer.full and len(rows) == 209
    assert not (rows.observations == buffer.observations[buffer.pos, 0]).all(axis=1).any()


def test_a_wrapped_ring_is_read_whole_and_in_order():
    model = make(buffer_size=150, extra={"real_ratio": 1.0})
    model.learn(200)
    rows = stored_transitions(model.replay_buffer)
    assert len(rows) == 150
    same_episode = ~(rows.terminations[:-1] | (np.arange(149) == -1))
    linked = (rows.next_observations[:-1] == rows.observations[1:]).all(axis=1)
    assert linked[same_episode].mean() > 0.98  # all but time limits


def test_time_limits_are_not_fitted_as_ends():
    model = make(env=gym.wrappers.TimeLimit(gym.make("Pendulum-v1"), 20))
    model.learn(260)
    buffer = model.replay_buffer
    assert buffer.dones.sum() > 5 and not stored_transitions(buffer).terminations.any()
    assert model.replay_buffer.sample(200).dones.sum() == 0


def test_actions_are_fitted_in_environment_units_and_stored_in_sb3s():
    model = make()
    model.learn(260)
    rows = stored_transitions(model.replay_buffer)
    assert 1.5 < np.abs(rows.actions).max() <= 2
    np.testing.assert_allclose(rows.actions[:, 0], 2 * model.replay_buffer.actions[:260, 0, 0], rtol=1e-5)
    assert np.abs(model.replay_buffer.engine.generator.sample(500).actions).max() > 1.2
    assert np.abs(model.replay_buffer.engine.store.rows()["actions"]).max() <= 1


def test_sampling_writes_nothing_into_sb3s_storage():
    model = make()
    model.learn(220)
    buffer = model.replay_buffer
    before = {n: getattr(buffer, n).copy() for n in ("observations", "actions", "rewards", "dones", "timeouts")}
    buffer.engine.clock.request()
    buffer.sample(64)
    assert all(np.array_equal(getattr(buffer, name), value) for name, value in before.items())


def test_two_runs_with_the_same_seed_are_equal():
    a, b = (make(seed=7).learn(300) for _ in range(2))
    for x, y in zip(a.policy.parameters(), b.policy.parameters(), strict=True):
        assert torch.equal(x, y)
    c = make(seed=8).learn(300)
    assert not all(torch.equal(x, y) for x, y in zip(a.policy.parameters(), c.policy.parameters(), strict=True))


# -- saving -----------------------------------------------------------------------------------


def test_a_loaded_replay_buffer_goes_on_where_it_stopped(tmp_path):
    model = make()
    model.learn(260)
    model.save_replay_buffer(tmp_path / "buffer")
    other = make()
    other.load_replay_buffer(tmp_path / "buffer")
    a, b = model.replay_buffer, other.replay_buffer
    for _ in range(3):
        np.random.seed(1)
        x = a.sample(32)
        np.random.seed(1)
        y = b.sample(32)
        assert torch.equal(x.observations, y.observations) and torch.equal(x.rewards, y.rewards)
    assert b.stats.refreshes == a.stats.refreshes and b.engine.clock.next_at == a.engine.clock.next_at
    other.learn(200, reset_num_timesteps=False)
    assert b.stats.refreshes == a.stats.refreshes + 1


@pytest.mark.parametrize("extra", [{}, {"n_steps": 2}])
def test_a_saved_model_holds_no_generator_and_loads_with_the_class(tmp_path, extra):
    model = make(extra=extra)
    model.learn(260)
    model.save(tmp_path / "model.zip")
    plain = make(buffer_class=None)
    plain.save(tmp_path / "plain.zip")
    size, reference = ((tmp_path / f"{n}.zip").stat().st_size for n in ("model", "plain"))
    assert size < reference + 20_000
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        assert not any("generator" in name or "safetensors" in name for name in archive.namelist())
    loaded = SAC.load(tmp_path / "model.zip", env=gym.make("Pendulum-v1"))
    assert type(loaded.replay_buffer) is type(model.replay_buffer)
    loaded.learn(260)
    assert loaded.replay_buffer.stats.refreshes == 1


def test_dict_buffers_survive_pickling():
    buffer = make(env=DictPendulum(), policy="MultiInputPolicy").replay_buffer
    assert type(pickle.loads(pickle.dumps(buffer))) is type(buffer)


# -- offline ----------------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1"])
def test_offline_training_from_transitions(env_id):
    rows = rollout(env_id)
    model = make(DQN if env_id == "CartPole-v1" else SAC, env=env_id)
    model.replay_buffer = SyntheticReplayBuffer.from_transitions(
        rows, model.observation_space, model.action_space, device="cpu", **KWARGS
    )
    model.learn(0)
    model.train(gradient_steps=5, batch_size=32)
    assert_mixed(model)
    back = stored_transitions(model.replay_buffer)
    np.testing.assert_array_equal(back.observations, rows.observations)
    np.testing.assert_allclose(back.actions, rows.actions, atol=1e-6)
    np.testing.assert_array_equal(back.terminations, rows.terminations)


def test_preloading_divides_rows_among_environments_and_refuses_what_does_not_fit(pendulum):
    model = make(env=make_vec_env("Pendulum-v1", n_envs=2), buffer_size=1000)
    model.replay_buffer.preload(pendulum)
    assert model.replay_buffer.pos == 300
    np.testing.assert_allclose(stored_transitions(model.replay_buffer).rewards, pendulum.rewards, rtol=1e-6)
    with pytest.raises(InvalidTransitionsError, match="room for 400"):
        model.replay_buffer.preload(pendulum)
    with pytest.raises(InvalidTransitionsError, match="n_envs=2"):
        model.replay_buffer.preload(pendulum[:7])
    with pytest.raises(SpecMismatchError):
        model.replay_buffer.preload(rollout("CartPole-v1"))


def test_preloaded_n_step_returns_do_not_cross_into_other_episodes():
    n = 120
    rewards = np.ones(n)
    obs = np.random.default_rng(0).standard_normal((n, 3)).astype(np.float32)
    cut = np.arange(n) % 10 == 9
    rows = Transitions(obs, np.zeros((n, 1), np.float32), rewards, obs, np.zeros(n), truncations=cut)
    env = gym.make("Pendulum-v1")
    buffer = SyntheticReplayBuffer.from_transitions(
        rows, env.observation_space, env.action_space, n_steps=4, gamma=1.0, buffer_size=200, **KWARGS
    )
    found = stored_transitions(buffer).rewards
    np.testing.assert_array_equal(found, np.minimum(4, 10 - np.arange(n) % 10))


def test_preloading_into_memory_optimised_storage_is_refused(pendulum):
    model = make(optimize_memory_usage=True, extra={"handle_timeout_termination": False}, buffer_size=1000)
    with pytest.raises(InvalidTransitionsError, match="optimize_memory_usage"):
        model.replay_buffer.preload(pendulum)


def test_dict_observations_can_be_preloaded(pendulum):
    env = DictPendulum()

    def split(values):
        return {"angle": values[:, :2], "speed": values[:, 2:]}

    columns = pendulum.columns() | {n: split(getattr(pendulum, n)) for n in ("observations", "next_observations")}
    rows = Transitions(**columns)
    buffer = SyntheticReplayBuffer.from_transitions(rows, env.observation_space, env.action_space, **KWARGS)
    back = stored_transitions(buffer)
    np.testing.assert_array_equal(back.observations["speed"], rows.observations["speed"])


def test_a_saved_generator_is_used_from_the_first_batch(pendulum, tmp_path):
    env = gym.make("Pendulum-v1")
    TransitionGenerator(env.observation_space, env.action_space, TINY, seed=0).fit(pendulum).save(tmp_path / "g")
    model = make(extra={"generator": str(tmp_path / "g"), "refresh_every": 10_000})
    model.learn(100)
    assert real_mask(model.replay_buffer.sample(64), model.replay_buffer).sum() == 32
    with pytest.raises(SpecMismatchError):
        make(DQN, extra={"generator": str(tmp_path / "g")})


# -- logging and refusals ---------------------------------------------------------------------


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
    with pytest.raises(ImageObservationError, match="latent"):
        SyntheticReplayBuffer(10, pixels, box)
    with pytest.raises(UnsupportedBufferError, match="n_steps=1"):
        SyntheticReplayBuffer(10, spaces.Dict({"a": box}), box, n_steps=3)


def test_discrete_observations_are_mixed():
    model = make(DQN, env="FrozenLake-v1")
    model.learn(260)
    batch = model.replay_buffer.sample(64)
    assert model.replay_buffer.stats.refreshes == 1
    assert batch.observations.shape == (64, 1) and set(batch.observations.unique().tolist()) <= set(range(16))


def test_a_plain_sb3_buffer_can_be_read(pendulum):
    env = gym.make("Pendulum-v1")
    buffer = ReplayBuffer(100, env.observation_space, env.action_space, device="cpu")
    for i in range(50):
        before, after, scaled = pendulum.observations[i], pendulum.next_observations[i], pendulum.actions[i] / 2
        buffer.add(before, after, scaled, pendulum.rewards[i], np.array([False]), [{}])
    np.testing.assert_allclose(stored_transitions(buffer).actions, pendulum.actions[:50], rtol=1e-6)
