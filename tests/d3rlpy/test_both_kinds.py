"""All views of a mixed buffer agree on its episodes, and buffers that cannot be wrapped are refused."""

from __future__ import annotations

import io

import gymnasium as gym
import numpy as np
import pytest

from synth_replay.errors import UnsupportedBufferError
from synth_replay_d3rlpy import CFGMixedBuffer, SyntheticReplayBuffer, to_transitions
from tests.conftest import rollout
from tests.d3rlpy.helpers import KWARGS, NoopAdapterFactory, d3rlpy, dataset, small, train

algos, metrics = d3rlpy.algos, d3rlpy.metrics


def mixed(steps=50, env_id="Pendulum-v1", **kwargs):
    """A mixed buffer in the middle of its second online episode."""
    d3rlpy.seed(0)
    buffer, rows = CFGMixedBuffer(dataset(env_id), **(KWARGS | kwargs)), rollout(env_id, seed=1)
    for i in range(steps):
        buffer.append(rows.observations[i], np.atleast_1d(rows.actions[i]), float(rows.rewards[i]))
        if i == 29:
            buffer.clip_episode(False)
    return buffer


@pytest.mark.parametrize("steps", [0, 1, 30, 50])
def test_all_properties_cover_the_same_episodes(steps):
    buffer = mixed(steps)
    held = buffer.buffer
    assert buffer.size() == len(buffer.episodes) == len(held.episodes)
    assert buffer.transition_count == held.transition_count == len(held)
    assert all(a is b for a, b in zip(buffer.episodes, held.episodes, strict=True))
    entries = [held[k] for k in range(len(held))]
    assert sum(episode.transition_count for episode in buffer.episodes) == len(entries)
    assert {id(episode) for episode, _ in entries} == {id(episode) for episode in buffer.episodes}
    assert held[-1] == entries[-1] and len(list(iter(held))) == len(entries)
    with pytest.raises(IndexError, match="entries"):
        held[len(held)]


@pytest.mark.parametrize("steps", [0, 50])
def test_a_dump_holds_the_episodes_of_both_kinds(steps):
    buffer, file = mixed(steps), io.BytesIO()
    buffer.dump(file)
    file.seek(0)
    again = d3rlpy.dataset.ReplayBuffer.load(file, d3rlpy.dataset.InfiniteBuffer())
    assert again.size() == buffer.size() and again.transition_count == buffer.transition_count
    for a, b in zip(again.episodes, buffer.episodes, strict=True):
        np.testing.assert_array_equal(a.observations, b.observations)
        assert a.terminated == b.terminated


def test_steps_that_are_appended_to_the_storage_are_online_ones():
    buffer = mixed()
    count = buffer.dataset.transition_count
    buffer.buffer.append(buffer.episodes[0], 3)
    assert buffer.dataset.transition_count == count + 1 and buffer.sample_transition_batch(64) is not None


def test_single_transitions_come_from_both_kinds():
    buffer = mixed(400)
    rows = np.array([buffer.sample_transition().observation for _ in range(300)])
    known = np.concatenate([episode.observations for episode in buffer.dataset.episodes])
    share = np.isin(rows[:, 2], known[:, 2]).mean()
    assert share == pytest.approx(buffer.dataset.transition_count / buffer.transition_count, abs=0.12)


def test_prdc_finds_the_neighbours_of_both_kinds():
    buffer = mixed(120)
    scaler = d3rlpy.preprocessing.StandardObservationScaler()
    train(small(algos.PRDCConfig, observation_scaler=scaler), buffer, steps=3)
    online = np.concatenate([episode.observations for episode in buffer.dataset.episodes])
    alone = np.concatenate([episode.observations for episode in buffer.offline_dataset.episodes])
    everything = np.concatenate([alone, online])
    np.testing.assert_allclose(scaler.mean.ravel(), everything.mean(axis=0), atol=0.02)


@pytest.mark.parametrize(
    "evaluator",
    [
        metrics.TDErrorEvaluator(),
        metrics.DiscountedSumOfAdvantageEvaluator(),
        metrics.AverageValueEstimationEvaluator(),
        metrics.InitialStateValueEstimationEvaluator(),
        metrics.SoftOPCEvaluator(-500),
        metrics.ContinuousActionDiffEvaluator(),
    ],
    ids=lambda evaluator: type(evaluator).__name__,
)
def test_evaluators_score_the_episodes_of_both_kinds(evaluator):
    buffer = mixed(60)
    buffer.clip_episode(False)
    algorithm = small(algos.TD3Config)
    train(algorithm, buffer, steps=2)
    both = d3rlpy.dataset.ReplayBuffer(d3rlpy.dataset.InfiniteBuffer(), episodes=list(buffer.episodes))
    assert evaluator(algorithm, buffer) == pytest.approx(evaluator(algorithm, both), rel=1e-5)


@pytest.mark.parametrize("make", [lambda: SyntheticReplayBuffer.wrap(dataset(), real_ratio=1, **KWARGS), mixed])
def test_clipping_an_episode_without_steps_is_ignored(make):
    buffer = make()
    buffer.clip_episode(False)
    counts = buffer.transition_count, buffer.size()
    for _ in range(2):
        buffer.clip_episode(True)
    assert (buffer.transition_count, buffer.size()) == counts
    assert len(buffer.sample_transition_batch(500)) == 500


# -- trajectories -------------------------------------------------------------------------------


def transformer(buffer):
    algorithm = algos.DecisionTransformerConfig(batch_size=4, context_size=5).create(device="cpu")
    quiet = {"logger_adapter": NoopAdapterFactory(), "show_progress": False}
    algorithm.fit(buffer, n_steps=2, n_steps_per_epoch=2, **quiet)


def test_where_nothing_is_generated_trajectories_are_the_stock_buffers_own():
    stock = dataset()
    buffer = SyntheticReplayBuffer.wrap(stock, real_ratio=1, **KWARGS)
    d3rlpy.seed(4)
    ours = buffer.sample_trajectory_batch(6, 5), buffer.sample_trajectory(7)
    d3rlpy.seed(4)
    theirs = stock.sample_trajectory_batch(6, 5), stock.sample_trajectory(7)
    for a, b in zip(ours, theirs, strict=True):
        for name in ("observations", "actions", "rewards", "returns_to_go", "timesteps", "masks"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    transformer(buffer)


def test_a_mixed_buffer_without_generation_has_trajectories_of_both_kinds():
    buffer = mixed(200, generation="none", online_ratio=0.25)
    batch = buffer.sample_trajectory_batch(40, 5)
    assert np.bincount(buffer.last_sources).tolist() == [10, 30] and batch.observations.shape == (40, 5, 3)
    assert buffer.sample_trajectory(5).length == 5
    transformer(buffer)


@pytest.mark.parametrize("make", [lambda: SyntheticReplayBuffer.wrap(dataset(), **KWARGS), mixed])
def test_where_rows_are_generated_trajectories_are_refused_with_an_alternative(make):
    for sample in (lambda buffer: buffer.sample_trajectory(5), lambda buffer: buffer.sample_trajectory_batch(2, 5)):
        with pytest.raises(UnsupportedBufferError, match=r"real_ratio=1.*generation='none'"):
            sample(make())


def test_loose_offline_rows_have_no_trajectories():
    buffer = CFGMixedBuffer(rollout("Pendulum-v1"), env=gym.make("Pendulum-v1"), generation="none", **KWARGS)
    with pytest.raises(UnsupportedBufferError, match="whole episodes"):
        buffer.sample_trajectory_batch(2, 5)


# -- mixtures -----------------------------------------------------------------------------------


def test_d3rlpys_own_mixture_is_refused_and_the_mixed_buffer_named():
    stock = d3rlpy.dataset.MixedReplayBuffer(dataset(), dataset(), secondary_mix_ratio=0.5)
    for take in (SyntheticReplayBuffer.wrap, CFGMixedBuffer, to_transitions):
        with pytest.raises(UnsupportedBufferError, match="CFGMixedBuffer"):
            take(stock)


@pytest.mark.parametrize("make", [lambda: SyntheticReplayBuffer.wrap(dataset(), **KWARGS), mixed])
def test_a_buffer_that_generates_is_not_wrapped_again(make):
    for take in (SyntheticReplayBuffer.wrap, CFGMixedBuffer):
        with pytest.raises(UnsupportedBufferError, match=r"buffer\.dataset"):
            take(make())
