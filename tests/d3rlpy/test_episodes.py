from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from synth_replay import Transitions, TransitionSpec
from synth_replay.errors import InvalidTransitionsError, UnsupportedSpaceError
from synth_replay_d3rlpy import SyntheticReplayBuffer, to_replay_buffer, to_transitions
from tests.conftest import rollout
from tests.d3rlpy.helpers import KWARGS


def spec_of(env_id):
    env = gym.make(env_id)
    return TransitionSpec(env.observation_space, env.action_space)


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1"])
def test_d3rlpys_own_transitions_are_the_rows(env_id):
    rows = rollout(env_id, 300)
    buffer = to_replay_buffer(rows, spec_of(env_id))
    assert buffer.transition_count == 300
    for i, episode in enumerate(buffer.episodes):
        found = buffer.transition_picker(episode, 0)
        assert np.array_equal(found.observation, rows.observations[i])
        assert np.array_equal(found.action, np.atleast_1d(rows.actions[i]))
        assert found.reward == pytest.approx(rows.rewards[i])
        assert found.terminal == rows.terminations[i]
        if not rows.terminations[i]:
            assert np.array_equal(found.next_observation, rows.next_observations[i])


def test_the_second_step_has_the_next_action_where_there_is_one():
    rows = rollout("Pendulum-v1", 100)
    after = rows.actions[::-1].copy()
    buffer = to_replay_buffer(replace(rows, next_actions=after), spec_of("Pendulum-v1"))
    found = [buffer.transition_picker(episode, 0).next_action for episode in buffer.episodes]
    assert np.array_equal(np.stack(found), after)


def test_such_a_dataset_can_be_wrapped_and_read_back():
    rows = rollout("CartPole-v1", 300)
    buffer = to_replay_buffer(rows, spec_of("CartPole-v1"))
    back = to_transitions(buffer, *(getattr(gym.make("CartPole-v1"), f"{n}_space") for n in ("observation", "action")))
    going_on = ~rows.terminations
    assert np.array_equal(back.terminations, rows.terminations) and np.array_equal(back.actions, rows.actions)
    assert np.array_equal(back.next_observations[going_on], rows.next_observations[going_on])
    batch = SyntheticReplayBuffer.wrap(buffer, env=gym.make("CartPole-v1"), **KWARGS).sample_transition_batch(64)
    assert batch.observations.shape == (64, 4)


def test_what_d3rlpy_cannot_hold_is_refused():
    rows = rollout("Pendulum-v1", 100)
    with pytest.raises(InvalidTransitionsError, match="no transitions"):
        to_replay_buffer(rows[:0], spec_of("Pendulum-v1"))
    nested = {"x": rows.observations}
    space = spaces.Dict({"x": gym.make("Pendulum-v1").observation_space})
    dicts = Transitions(nested, rows.actions, rows.rewards, nested, rows.terminations)
    with pytest.raises(UnsupportedSpaceError, match="Dict"):
        to_replay_buffer(dicts, TransitionSpec(space, spec_of("Pendulum-v1").action_space))
    shifted = Transitions(rows.observations, np.ones(100, int), rows.rewards, rows.observations, rows.terminations)
    with pytest.raises(UnsupportedSpaceError, match="from 0"):
        to_replay_buffer(shifted, TransitionSpec(spec_of("Pendulum-v1").observation_space, spaces.Discrete(3, start=1)))
