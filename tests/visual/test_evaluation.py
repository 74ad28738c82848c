"""Episodes of an evaluation: which actions are random, and what is kept."""

from __future__ import annotations

from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest

from synth_replay_visual import play_episodes


class Corridor(gym.Env):
    """100 steps; actions are remembered."""

    def __init__(self, taken):
        self.observation_space, self.action_space = gym.spaces.Box(0, 255, (3, 4, 4), np.uint8), gym.spaces.Discrete(5)
        self.taken = taken

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.mine = []
        self.taken.append(self.mine)
        return self.observation_space.sample(), {}

    def step(self, action):
        self.mine.append(int(action))
        return self.observation_space.sample(), 1.0, len(self.mine) == 100, False, {}


def test_an_evaluation_takes_the_asked_share_of_random_actions_at_the_same_steps_for_every_agent():
    explored = []
    for best in (0, 1):
        agent, taken = SimpleNamespace(predict=lambda seen, best=best: np.full(len(seen), best)), []
        played = play_episodes(agent, lambda taken=taken: Corridor(taken), 20, 7, 0.3)
        assert played.returns == (100.0,) * 20
        assert played.observations.shape == (20 * 20, 3, 4, 4)
        explored.append(np.array(taken))
    assert np.isin(explored[0], [2, 3, 4]).mean() == pytest.approx(0.3 * 3 / 5, abs=0.03)
    np.testing.assert_array_equal(explored[0] > 1, explored[1] > 1)
    play_episodes(agent, lambda: Corridor(taken), 20, 7, 1.0)
    assert len({tuple(row) for row in taken[-20:]}) == 20
    play_episodes(agent, lambda: Corridor(taken), 2, 7)
    assert taken[-1] == taken[-2] == [1] * 100
