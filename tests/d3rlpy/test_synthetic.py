import io

import gymnasium as gym
import numpy as np
import pytest
import torch

from synth_replay import TransitionGenerator
from synth_replay.errors import (
    ConfigError,
    ImageObservationError,
    InvalidTransitionsError,
    MissingColumnError,
    SpecMismatchError,
    UnsupportedBufferError,
)
from synth_replay.generator import ForwardConfig, OneStepConfig
from synth_replay_d3rlpy import SyntheticReplayBuffer, to_transitions
from tests.conftest import TINY
from tests.d3rlpy.helpers import KWARGS, ActionSpace, d3rlpy, dataset, first, real_mask, small, train

algos = d3rlpy.algos
CONTINUOUS = [
    algos.CQLConfig,
    algos.CalQLConfig,
    algos.IQLConfig,
    algos.TD3PlusBCConfig,
    algos.SACConfig,
    algos.TD3Config,
    algos.AWACConfig,
    algos.BCConfig,
    algos.ReBRACConfig,
]
DISCRETE = [algos.DiscreteCQLConfig, algos.DQNConfig, algos.DoubleDQNConfig, algos.DiscreteBCConfig]


def wrap(env_id="Pendulum-v1", steps=600, picker=None, **kwargs):
    d3rlpy.seed(0)
    return SyntheticReplayBuffer.wrap(dataset(env_id, steps, transition_picker=picker), **(KWARGS | kwargs))


def assert_mixed(buffer, ratio=0.5, count=64):
    """Exact counts, shuffled, in the stock buffer's dtypes and shapes."""
    batch, stock = buffer.sample_transition_batch(count), buffer.dataset.sample_transition_batch(count)
    real = real_mask(batch, buffer)
    assert real.sum() == round(ratio * count)
    assert len(batch.transitions) == count
    for name in ("observations", "actions", "rewards", "next_observations", "next_actions", "terminals", "intervals"):
        ours, theirs = first(getattr(batch, name)), first(getattr(stock, name))
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, name
        assert np.isfinite(ours).all() or (
            name == "next_actions" and "next_actions" not in buffer.engine.generator.spec.extras
        ), name
    if 0 < ratio < 1:
        assert real[: real.sum()].sum() < real.sum()
    return batch


@pytest.mark.parametrize("config", CONTINUOUS + DISCRETE, ids=lambda c: c.__name__.removesuffix("Config"))
def test_every_algorithm_fits_on_exactly_mixed_batches(config):
    buffer = wrap("CartPole-v1" if config in DISCRETE else "Pendulum-v1")
    train(small(config), buffer, steps=50)
    assert buffer.stats.refreshes == 1 and buffer.stats.real_share == 0.5
    batch = assert_mixed(buffer)
    if config in DISCRETE:
        assert set(np.unique(batch.actions)) <= {0.0, 1.0}
    else:
        assert np.abs(batch.actions).max() <= 2


@pytest.mark.parametrize("steps", [1, 3])
def test_with_a_real_ratio_of_one_batches_are_the_stock_buffers_own(steps):
    picker = d3rlpy.dataset.MultiStepTransitionPicker(steps, 0.9) if steps > 1 else None
    buffer = wrap("CartPole-v1", picker=picker, real_ratio=1.0)
    d3rlpy.seed(7)
    ours = [buffer.sample_transition_batch(50) for _ in range(3)]
    d3rlpy.seed(7)
    for batch in ours:
        stock = buffer.dataset.sample_transition_batch(50)
        for name in ("observations", "actions", "rewards", "next_observations", "next_actions", "terminals"):
            np.testing.assert_array_equal(getattr(batch, name), getattr(stock, name))
        assert [len(t.rewards_to_go) for t in batch.transitions] == [len(t.rewards_to_go) for t in stock.transitions]
    assert buffer.stats.refreshes == 0


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.9])
def test_the_ratio_is_kept_to_the_row(ratio):
    assert_mixed(wrap(real_ratio=ratio), ratio=ratio)


def test_scalers_evaluators_and_multi_step_pickers_work():
    picker = d3rlpy.dataset.MultiStepTransitionPicker(3, 0.99)
    buffer = wrap("CartPole-v1", picker=picker)
    algorithm = small(
        algos.DiscreteCQLConfig,
        observation_scaler=d3rlpy.preprocessing.StandardObservationScaler(),
        reward_scaler=d3rlpy.preprocessing.StandardRewardScaler(),
    )
    scores = train(algorithm, buffer, 20, evaluators={"td": d3rlpy.metrics.TDErrorEvaluator()})
    assert np.isfinite(scores[-1][1]["td"])
    assert set(np.unique(assert_mixed(buffer).intervals)) <= {1, 2, 3}


def test_action_scalers_are_fitted_on_real_episodes():
    buffer = wrap()
    algorithm = small(algos.TD3PlusBCConfig, action_scaler=d3rlpy.preprocessing.MinMaxActionScaler())
    train(algorithm, buffer, 20)
    assert algorithm.action_scaler.maximum.max() <= 2


def test_online_training_refits_every_k_steps_and_not_before():
    env = gym.make("Pendulum-v1")
    d3rlpy.seed(0)
    host = d3rlpy.dataset.create_fifo_replay_buffer(1000, env=env)
    buffer = SyntheticReplayBuffer.wrap(host, env=env, refresh_every=150, **KWARGS)
    seen = []
    small(algos.SACConfig).fit_online(
        env,
        buffer,
        n_steps=400,
        n_steps_per_epoch=100,
        update_start_step=40,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
        show_progress=False,
        callback=lambda *_: seen.append(buffer.stats.refreshes),
    )
    assert seen[90] == 0 and buffer.stats.refreshes == 2
    assert_mixed(buffer)


def test_offline_rows_are_there_when_fine_tuning_starts():
    buffer = wrap(refresh_every=100)
    algorithm = small(algos.IQLConfig)
    train(algorithm, buffer, 20)
    env = gym.make("Pendulum-v1")
    quiet = {"logger_adapter": d3rlpy.logging.NoopAdapterFactory(), "show_progress": False}
    algorithm.fit_online(env, buffer, n_steps=120, n_steps_per_epoch=60, **quiet)
    assert buffer.stats.refreshes == 2 and buffer.transition_count > 700
    assert_mixed(buffer)


def test_dumped_real_episodes_load_again():
    buffer = wrap()
    file = io.BytesIO()
    buffer.dump(file)
    file.seek(0)
    again = SyntheticReplayBuffer.load(file, d3rlpy.dataset.InfiniteBuffer(), **KWARGS)
    assert again.transition_count == buffer.transition_count and again.size() == buffer.size()
    np.testing.assert_array_equal(again.episodes[1].rewards, buffer.episodes[1].rewards)
    assert_mixed(again)


def test_sampling_writes_nothing_into_the_wrapped_dataset():
    buffer = wrap("CartPole-v1")
    before = [episode.observations.copy() for episode in buffer.episodes]
    for _ in range(3):
        buffer.sample_transition_batch(64).observations[:] = 7
    for kept, episode in zip(before, buffer.episodes, strict=True):
        np.testing.assert_array_equal(kept, episode.observations)


def test_seeds_of_d3rlpy_fix_everything():
    a, b = (wrap().sample_transition_batch(64) for _ in range(2))
    np.testing.assert_array_equal(a.observations, b.observations)
    assert (wrap(seed=3).sample_transition_batch(64).observations != a.observations).any()


def test_generated_ends_have_zero_next_observations_as_in_d3rlpy():
    buffer = wrap("CartPole-v1", real_ratio=0.0)
    batch = buffer.sample_transition_batch(400)
    ends = batch.terminals[:, 0] > 0
    assert ends.any() and (batch.next_observations[ends] == 0).all() and (batch.next_actions[ends] == 0).all()
    assert (batch.next_observations[~ends] != 0).any(axis=1).all()


def test_returns_to_go_of_generated_rows_are_given_or_missed_loudly():
    batch = wrap(real_ratio=0.0).sample_transition_batch(20)
    found = [t.rewards_to_go.item() for t in batch.transitions]
    assert min(found) > -2500 and max(found) <= 0 and batch.transitions[3:5][1].interval == 1
    batch = wrap(extra_columns=()).sample_transition_batch(20)
    with pytest.raises(MissingColumnError, match="extra_columns"):
        list(batch.transitions)


def test_a_saved_generator_is_used_without_a_fit(tmp_path):
    data = dataset()
    box = gym.make("Pendulum-v1")
    generator = TransitionGenerator(box.observation_space, box.action_space, TINY, seed=0)
    generator.fit(to_transitions(data, box.observation_space, box.action_space)).save(tmp_path)
    buffer = SyntheticReplayBuffer.wrap(data, env=box, generator=tmp_path, progress=False)
    assert_mixed(buffer)
    assert buffer.stats.refreshes == 0 and buffer.stats.rows == 500
    with pytest.raises(SpecMismatchError, match="fitted for"):
        SyntheticReplayBuffer.wrap(dataset("CartPole-v1"), generator=tmp_path)


def test_trajectory_models_are_refused_with_a_reason():
    buffer = wrap()
    with pytest.raises(UnsupportedBufferError, match="whole sequences"):
        buffer.sample_trajectory_batch(2, 5)
    decision_transformer = algos.DecisionTransformerConfig(batch_size=8).create(device="cpu")
    with pytest.raises(UnsupportedBufferError, match="whole sequences"):
        decision_transformer.fit(
            buffer,
            n_steps=2,
            n_steps_per_epoch=1,
            logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
            show_progress=False,
        )


def test_bad_input_fails_before_any_training():
    with pytest.raises(ConfigError, match="MDPDataset"):
        SyntheticReplayBuffer.wrap(np.zeros(3))
    with pytest.raises(ConfigError, match=r"\[0, 1\]"):
        wrap(real_ratio=1.5)
    with pytest.raises(SpecMismatchError, match="Unknown extra"):
        wrap(extra_columns=("speed",))
    env = gym.make("Pendulum-v1")
    host = d3rlpy.dataset.create_fifo_replay_buffer(100, env=env)
    with pytest.raises(InvalidTransitionsError, match="env="):
        SyntheticReplayBuffer.wrap(host)
    with pytest.raises(InvalidTransitionsError, match="no complete transition"):
        SyntheticReplayBuffer.wrap(host, env=env, **KWARGS).sample_transition_batch(4)
    with pytest.warns(UserWarning, match="real rows"):
        SyntheticReplayBuffer.wrap(dataset("CartPole-v1", 50), **KWARGS)


def test_images_are_refused_with_a_pointer_to_encoders():
    frames = np.zeros((30, 1, 32, 32), np.uint8)
    ends = np.arange(30) % 10 == 9
    data = d3rlpy.dataset.MDPDataset(
        frames, np.zeros((30, 1)), np.zeros(30), ends, action_space=ActionSpace.DISCRETE, action_size=2
    )
    with pytest.raises(ImageObservationError, match="encoder"):
        SyntheticReplayBuffer.wrap(data, **KWARGS)


def test_nan_rows_fail_at_the_first_batch_and_name_the_row():
    data = dataset()
    data.episodes[0].rewards[5] = np.nan
    buffer = SyntheticReplayBuffer.wrap(data, **KWARGS)
    with pytest.raises(InvalidTransitionsError, match="row 5"):
        buffer.sample_transition_batch(8)


def test_an_episode_cannot_be_slipped_into_a_running_one():
    buffer = wrap()
    episode = buffer.episodes[0]
    buffer.append(episode.observations[0], episode.actions[0], 0.0)
    with pytest.raises(UnsupportedBufferError, match="clip_episode"):
        buffer.append_episode(episode)


def test_training_leaves_batches_usable_by_torch():
    batch = wrap().sample_transition_batch(16)
    assert torch.from_numpy(batch.observations).shape == (16, 3)


@pytest.mark.parametrize("name", ["observation", "action", "reward"])
def test_nan_is_named_as_it_is_stored_and_nothing_is_lost(name):
    episode = dataset().episodes[0]
    step = {"observation": episode.observations[0], "action": episode.actions[0], "reward": np.float32(0.0)}
    broken = step | {name: np.full_like(step[name], np.nan)}
    for ratio in (0.5, 1.0):
        buffer = SyntheticReplayBuffer.wrap(dataset(), generator=TINY, real_ratio=ratio, progress=False)
        buffer.append(**step)
        if ratio == 1.0:
            buffer.append(**broken)  # nothing is generated there: d3rlpy decides
            continue
        with pytest.raises(InvalidTransitionsError, match=f"The {name} of environment 0 is nan"):
            buffer.append(**broken)
        assert buffer.engine.steps == 1


def test_rows_of_a_high_relevance_are_asked_for():
    buffer = SyntheticReplayBuffer.wrap(dataset(), relevance=lambda rows: rows.rewards, **KWARGS)
    buffer.sample_transition_batch(32)
    assert buffer.stats.relevance_asked > buffer.stats.relevance


def test_one_step_rollouts_have_the_algorithms_actions():
    config = OneStepConfig(forward=ForwardConfig(members=2, width=8, steps=9), rewards=TINY.relabel, store_rows=200)
    options = KWARGS | {"generator": config, "extra_columns": ()}
    buffer, agent = SyntheticReplayBuffer.wrap(dataset(), **options), small(d3rlpy.algos.TD3PlusBCConfig)
    agent.build_with_dataset(dataset())
    with pytest.raises(ConfigError, match=r"act_with"):
        buffer.sample_transition_batch(32)
    buffer.engine.act_with(agent.predict)
    batch = buffer.sample_transition_batch(32)
    acted = np.isclose(agent.predict(batch.observations), batch.actions, atol=1e-5).all(axis=1)
    assert acted.sum() == 16
