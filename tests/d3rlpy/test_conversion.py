import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from d3rlpy.constants import ActionSpace
    from d3rlpy.dataset import MDPDataset

from synth_replay_d3rlpy import to_transitions

from synth_replay.errors import InvalidTransitionsError
from tests.conftest import rollout


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_transitions_equal_those_that_d3rlpy_picks(env_id):
    rows = rollout(env_id, 500)
    discrete = rows.actions.ndim == 1
    dataset = MDPDataset(
        rows.observations,
        rows.actions.reshape(500, -1),
        rows.rewards,
        rows.terminations,
        timeouts=rows.truncations,
        action_space=ActionSpace.DISCRETE if discrete else ActionSpace.CONTINUOUS,
        action_size=2 if discrete else 1,
    )
    found = to_transitions(dataset.episodes, discrete=discrete)
    picked = [
        dataset.transition_picker(episode, i) for episode in dataset.episodes for i in range(episode.transition_count)
    ]
    assert len(found) == len(picked) == dataset.transition_count
    np.testing.assert_array_equal(found.observations, [p.observation for p in picked])
    np.testing.assert_array_equal(found.next_observations, [p.next_observation for p in picked])
    np.testing.assert_array_equal(found.rewards, [p.reward[0] for p in picked])
    np.testing.assert_array_equal(found.terminations, [p.terminal for p in picked])


def test_no_rows_are_refused():
    with pytest.raises(InvalidTransitionsError):
        to_transitions([])
