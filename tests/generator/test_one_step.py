"""One-step rollouts of a system whose law is known: the policy's actions, and what follows from them."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces

from synth_replay import Transitions
from synth_replay.errors import ConfigError, NotFittedError, TooFewTransitionsError
from synth_replay.generator import ForwardConfig, OneStepConfig, RelabelConfig
from synth_replay.generator.one_step import OneStepModel
from tests.conftest import TINY

SPACES = spaces.Box(-9, 9, (2,)), spaces.Box(-1, 1, (1,))
CONFIG = OneStepConfig(
    forward=ForwardConfig(members=2, width=64, steps=600),
    rewards=RelabelConfig(enabled=True, steps=600, width=64, threshold=0.5),
)
NOISE = 0.02


def law(s, a):
    """Returns the mean of s', the reward and the ends of a system that ends where s'0 is above 1."""
    after = 0.9 * s + 0.5 * a
    return after, s[:, 0] - 2 * a[:, 0], after[:, 0] > 1


def real_rows(count=3000):
    rng = np.random.default_rng(0)
    s, a = rng.normal(size=(count, 2)), rng.uniform(-1, 1, (count, 1))
    after, rewards, _ = law(s, a)
    after = after + NOISE * rng.normal(size=s.shape)
    return Transitions(*(x.astype("f4") for x in (s, a, rewards, after)), after[:, 0] > 1)


def policy(observations):
    return np.tanh(observations[:, 1:])


@pytest.fixture(scope="module")
def model():
    made = OneStepModel(*SPACES, CONFIG, seed=0, device="cpu")
    made.act_with(policy)
    return made.fit(real_rows(), progress=False)


def test_states_are_real_and_actions_are_the_policys(model):
    made, real = model.sample(500), real_rows()
    known = {row.tobytes() for row in real.observations}
    assert all(row.tobytes() in known for row in made.observations)
    assert np.array_equal(made.actions, policy(made.observations))
    model.act_with(lambda observations: np.full((len(observations), 1), 3.0))
    assert (model.sample(10).actions == 1.0).all()
    model.act_with(policy)


def test_what_follows_obeys_the_law(model):
    made = model.sample(2000)
    after, rewards, _ = law(made.observations, made.actions)
    assert (made.next_observations - after).std() == pytest.approx(NOISE, rel=0.6)
    assert np.abs(made.rewards - rewards).mean() < 0.1
    clear = np.abs(after[:, 0] - 1) > 0.15
    assert (made.terminations == (made.next_observations[:, 0] > 1))[clear].mean() > 0.98
    model.spec.check(made)


def test_states_and_model_can_come_from_a_diffusion_model():
    config = OneStepConfig(states=TINY, forward=CONFIG.forward, rewards=CONFIG.rewards, store_rows=800)
    made = OneStepModel(*SPACES, config, seed=0, device="cpu")
    made.act_with(policy)
    rows, real = made.fit(real_rows(400), progress=False).sample(300), real_rows(400)
    known = {row.tobytes() for row in real.observations}
    assert not any(row.tobytes() in known for row in rows.observations)
    assert np.array_equal(rows.actions, policy(rows.observations))


def test_a_model_is_the_same_again_and_a_pickled_one_learns_anew():
    twins = []
    for _ in range(2):
        twin = OneStepModel(*SPACES, CONFIG, seed=3, device="cpu").fit(real_rows(300), progress=False)
        twin.act_with(policy)
        twins.append(twin)
    copied = pickle.loads(pickle.dumps(twins[0]))
    assert not copied.fitted
    rows = [each.sample(50) for each in twins]
    assert np.array_equal(rows[0].next_observations, rows[1].next_observations)
    copied.act_with(policy)
    assert len(copied.fit(real_rows(300), progress=False).sample(5)) == 5


def test_where_every_step_ends_an_episode_generated_ones_do():
    rows = real_rows(300)
    rows = replace(rows, terminations=np.ones(300, bool))
    made = OneStepModel(*SPACES, CONFIG, seed=0, device="cpu")
    made.act_with(policy)
    assert made.fit(rows, progress=False).sample(50).terminations.all()


def task_rewards(observations, actions, next_observations):
    return 100 + observations[:, 0], next_observations[:, 0] > 0


def test_the_tasks_own_function_gives_rewards_and_ends():
    rewards = RelabelConfig.from_function(task_rewards)
    made = OneStepModel(*SPACES, replace(CONFIG, rewards=rewards), seed=0, device="cpu")
    made.act_with(policy)
    rows = made.fit(real_rows(300), progress=False).sample(50)
    assert np.allclose(rows.rewards, 100 + rows.observations[:, 0])
    assert np.array_equal(rows.terminations, rows.next_observations[:, 0] > 0)


def test_wider_actions_reach_the_generator_of_states():
    made = OneStepModel(*SPACES, OneStepConfig(states=TINY, rewards=CONFIG.rewards), seed=0, device="cpu")
    made.widen_actions(spaces.Box(-2, 2, (1,)))
    rows = real_rows(200)
    made.fit(replace(rows, actions=2 * rows.actions), steps=5, progress=False)
    assert made.fitted


def test_a_sample_of_no_rows_is_empty(model):
    assert len(model.sample(0)) == 0


def test_what_is_missing_is_named(model):
    empty = OneStepModel(*SPACES, CONFIG, seed=0)
    with pytest.raises(NotFittedError, match="fit"):
        empty.sample(3)
    with pytest.raises(TooFewTransitionsError):
        empty.fit(real_rows(20))
    rows = real_rows(200)
    rows = Transitions(**(rows.columns() | {"next_actions": rows.actions}))
    with pytest.raises(ConfigError, match=r"has no next_actions: leave them out"):
        empty.fit(rows)


@pytest.mark.parametrize(
    "answer", [lambda s: s, lambda s: np.full((len(s), 1), np.nan), lambda s: s[:, :1].astype(str)]
)
def test_a_policy_that_returns_no_actions_is_named(model, answer):
    model.act_with(answer)
    with pytest.raises(ConfigError, match="must return finite actions of shape"):
        model.sample(4)
    model.act_with(policy)


def test_rewards_that_come_from_nowhere_are_refused():
    with pytest.raises(ConfigError, match="enabled=True or a function"):
        OneStepConfig(rewards=RelabelConfig(enabled=False))


@pytest.mark.parametrize("value", [{"members": 0}, {"steps": -1}, {"learning_rate": 0.0}])
def test_a_setting_that_is_not_positive_is_named(value):
    with pytest.raises(ConfigError, match=next(iter(value))):
        ForwardConfig(**value)
