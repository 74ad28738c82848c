"""Episodes are what an environment showed, was told and paid."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from synth_replay.datasets.pixels.collect import collect_episodes, newest_frame
from synth_replay.datasets.pixels.episode import PixelEpisode
from synth_replay.errors import (
    ConfigError,
    UnsupportedSpaceError,
)
from tests.datasets.pixels.helpers import (
    BOX,
    DISCRETE,
    CounterEnv,
    action_of,
    assert_episodes,
    episode_of,
)


def encoded_policy(env):
    return lambda _: action_of(env.unwrapped.episode, env.unwrapped.time, env.action_space)


@pytest.mark.parametrize("space", [BOX, DISCRETE])
@pytest.mark.parametrize("stacked", [False, True])
def test_collected_episodes_hold_what_the_environment_showed(space, stacked):
    env = CounterEnv(5, space)
    played = gym.wrappers.FrameStackObservation(env, 3) if stacked else env
    found = collect_episodes(played, encoded_policy(env), episodes=3, seed=4)
    assert_episodes(found, [_levelled(episode_of(i, 5, space, terminated=True)) for i in range(3)])
    assert env.seeds == [4, None, None]


def test_a_number_of_steps_is_met_exactly_by_cutting_the_last_episode():
    env = CounterEnv(5)
    found = list(collect_episodes(env, encoded_policy(env), steps=12, seed=0))
    whole = [episode_of(i, 5, terminated=True) for i in range(2)]
    assert_episodes(found, map(_levelled, [*whole, episode_of(2, 2)]))


def test_a_time_limit_is_no_termination():
    env = gym.wrappers.TimeLimit(CounterEnv(100), 4)
    assert_episodes(collect_episodes(env, encoded_policy(env), episodes=1, seed=0), [_levelled(episode_of(0, 4))])


class Unshown(gym.Wrapper):
    """Repeats the last frame at an end, as Procgen must, and says so."""

    def step(self, action):
        shown = self.env.unwrapped._shown.copy()
        observation, reward, terminated, truncated, info = self.env.step(action)
        missing = terminated or truncated
        return (
            (shown if missing else observation),
            reward,
            terminated,
            truncated,
            info | {"final_frame_missing": missing},
        )


def test_a_frame_that_is_not_shown_is_not_made_up():
    env = Unshown(CounterEnv(5))
    ended = episode_of(0, 5, terminated=True, missing=True)
    assert_episodes(collect_episodes(env, encoded_policy(env), episodes=1, seed=0), [_levelled(ended)])
    env = Unshown(gym.wrappers.TimeLimit(CounterEnv(9), 5))
    assert_episodes(collect_episodes(env, encoded_policy(env), episodes=1, seed=0), [_levelled(episode_of(0, 4))])


@pytest.mark.parametrize(
    ("shape", "newest"),
    [
        ((8, 8, 3), lambda o: o.transpose(2, 0, 1)),
        ((3, 8, 8), lambda o: o),
        ((9, 8, 8), lambda o: o[6:9]),
        ((8, 10, 9), lambda o: o[:, :, 6:9].transpose(2, 0, 1)),
        ((4, 8, 8), lambda o: o[3:]),
        ((8, 8, 1), lambda o: o.transpose(2, 0, 1)),
        ((3, 8, 8, 3), lambda o: o[2].transpose(2, 0, 1)),
        ((4, 3, 8, 8), lambda o: o[3]),
    ],
)
def test_the_newest_frame_is_found_in_every_layout(shape, newest):
    if shape == (9, 8, 8):
        shape = (9, 16, 16)
    if shape == (8, 10, 9):
        shape = (16, 20, 9)
    space = spaces.Box(0, 255, shape, np.uint8, seed=1)
    observation = space.sample()
    found = newest_frame(space)(observation)
    np.testing.assert_array_equal(found, newest(observation))
    observation[:] = 0
    assert found.any()  # a copy


def test_what_cannot_be_collected_is_refused_before_the_environment_runs():
    env = CounterEnv()
    for limits in ({}, {"steps": 1, "episodes": 1}, {"steps": 0}, {"episodes": -1}):
        with pytest.raises(ConfigError, match="either steps or episodes"):
            collect_episodes(env, encoded_policy(env), seed=0, **limits)
    env.action_space = spaces.MultiBinary(2)
    with pytest.raises(UnsupportedSpaceError, match="Box or Discrete"):
        collect_episodes(env, encoded_policy(env), episodes=1, seed=0)
    with pytest.raises(UnsupportedSpaceError, match="AddRenderObservation"):
        collect_episodes(gym.make("CartPole-v1"), lambda _: 0, episodes=1, seed=0)
    assert not env.seeds


def _levelled(episode):
    return PixelEpisode(episode.frames, episode.actions, episode.rewards, episode.terminated, 50 + episode.level_seed)
