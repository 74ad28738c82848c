import os
import subprocess
import sys
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from synth_replay import TransitionGenerator, Transitions
from synth_replay.diffusion.config import SamplerConfig
from synth_replay.errors import (
    FitDivergedError,
    InvalidTransitionsError,
    NotFittedError,
    SpecMismatchError,
    TooFewTransitionsError,
)
from synth_replay.generator import PRESETS, RelabelConfig
from tests.conftest import TINY, rollout


def make(env_id="Pendulum-v1", config=TINY, seed=0, device="auto"):
    env = gym.make(env_id)
    return TransitionGenerator(env.observation_space, env.action_space, config=config, seed=seed, device=device)


def same(a, b):
    return all(np.array_equal(x, b.leaves()[name]) for name, x in a.leaves().items())


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1"])
@pytest.mark.parametrize("preset", ["cpu", "paper"])
def test_rows_satisfy_the_environments_spaces(env_id, preset):
    config = replace(TINY, codec=PRESETS[preset].codec)
    generator = make(env_id, config).fit(rollout(env_id))
    rows = generator.sample(777)
    env = gym.make(env_id)
    assert len(rows) == 777
    generator.spec.check(rows)
    for i in range(0, 777, 50):
        assert env.action_space.contains(rows.actions[i])
        assert rows.observations[i].dtype == env.observation_space.dtype


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(pendulum):
    a, b, c = (make(seed=s).fit(pendulum).sample(50) for s in (1, 1, 2))
    assert same(a, b) and not same(a, c)


def test_another_seed_and_another_fit_learn_other_weights(pendulum):
    first, again, other = (make(seed=s).fit(pendulum) for s in (1, 1, 2))
    learnt = first.digest()
    assert learnt == again.digest() != other.digest()
    assert first.fit(pendulum).digest() != learnt


def test_fitting_and_sampling_leave_global_random_states_alone(pendulum):
    torch.manual_seed(3)
    np.random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    make().fit(pendulum).sample(10)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 1000])
def test_any_number_of_rows_is_drawn_in_chunks(pendulum, count):
    generator = make(config=replace(TINY, chunk_rows=256)).fit(pendulum)
    rows = generator.sample(count)
    assert len(rows) == count and rows.observations.shape == (count, 3)
    assert len(np.unique(rows.observations, axis=0)) == count


def test_a_generator_learns_linear_dynamics_and_rare_terminations():
    rng = np.random.default_rng(0)
    n = 20_000
    obs = rng.standard_normal((n, 2))
    actions = rng.uniform(-1, 1, (n, 1)).astype(np.float32)
    after = obs @ np.array([[0.9, 0.1], [-0.1, 0.9]]) + 0.3 * actions
    terminations = obs[:, 0] > np.quantile(obs[:, 0], 0.995)
    data = Transitions(obs, actions, after[:, 0] * 2, after, terminations)
    space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    config = replace(
        TINY,
        network=replace(TINY.network, width=64, depth=3, embedding_dim=64),
        training=replace(TINY.training, steps=2500, batch_size=256, eval_every=250),
        sampler=SamplerConfig(name="dpmpp_2m", steps=16, sigma_max=10.0),
        relabel=RelabelConfig(),  # the denoiser's own rewards and terminations
    )
    rows = TransitionGenerator(space, spaces.Box(-1, 1, (1,)), config, seed=0).fit(data).sample(20_000)
    np.testing.assert_allclose(np.cov(rows.observations.T), np.cov(obs.T), atol=0.06)
    expected = rows.observations @ np.array([[0.9, 0.1], [-0.1, 0.9]]) + 0.3 * rows.actions
    assert np.median(np.abs(rows.next_observations - expected)) < 0.06
    assert np.median(np.abs(rows.rewards - 2 * rows.next_observations[:, 0])) < 0.15
    assert rows.terminations.mean() == pytest.approx(0.005, abs=1e-4)
    assert np.median(rows.observations[rows.terminations, 0]) > 2.3


def test_a_warm_start_begins_where_the_last_fit_ended(pendulum):
    config = replace(TINY, training=replace(TINY.training, steps=300, eval_every=10, learning_rate=3e-3))
    generator = make(config=config).fit(pendulum)
    first = generator.history[0]["loss"]
    generator.fit(pendulum, warm_start=True)
    assert generator.history[0]["loss"] < first * 0.95
    generator.fit(pendulum)
    assert generator.history[0]["loss"] > first * 0.9


def test_a_warm_start_with_other_columns_is_one_from_scratch(pendulum):
    """As many columns vary, but weights of one are of no use for another."""
    made = []
    for warm in (True, False):
        first, second = (replace(pendulum, observations=np.array(pendulum.observations)) for _ in range(2))
        first.observations[:, 0], second.observations[:, 1] = 0.5, 0.5
        made.append(make().fit(first).fit(second, warm_start=warm).sample(50))
    for name, array in made[0].leaves().items():
        np.testing.assert_array_equal(array, made[1].leaves()[name])


def test_extra_columns_are_learnt_when_they_are_there(pendulum):
    n = len(pendulum)
    extra = Transitions(
        **pendulum.columns(),
        discounts=np.where(np.arange(n) % 2, 0.99, 0.97),
        next_actions=pendulum.actions[::-1],
        returns_to_go=np.arange(n, dtype=float),
    )
    rows = make().fit(extra).sample(100)
    assert rows.next_actions.shape == (100, 1) and np.abs(rows.next_actions).max() <= 2
    assert rows.returns_to_go.dtype == np.float32 and set(np.unique(rows.discounts)) <= {
        np.float32(0.99),
        np.float32(0.97),
    }


def test_dict_observations_come_back_as_dicts(pendulum):
    space = spaces.Dict({"vector": spaces.Box(-8, 8, (3,)), "mode": spaces.Discrete(3)})

    def wrap(values):
        return {"vector": values, "mode": (values[:, 2] > 0).astype(int)}

    data = Transitions(
        wrap(pendulum.observations),
        pendulum.actions,
        pendulum.rewards,
        wrap(pendulum.next_observations),
        pendulum.terminations,
    )
    rows = TransitionGenerator(space, spaces.Box(-2, 2, (1,)), TINY, seed=0).fit(data).sample(60)
    assert rows.observations["vector"].shape == (60, 3)
    assert set(np.unique(rows.next_observations["mode"])) <= {0, 1, 2}


def test_data_without_any_variation_is_returned_as_it_is():
    n = 200
    data = Transitions(np.ones((n, 2)), np.zeros(n, int), np.ones(n), np.ones((n, 2)), np.zeros(n))
    rows = TransitionGenerator(spaces.Box(-1, 1, (2,)), spaces.Discrete(2), TINY, seed=0).fit(data).sample(30)
    assert (rows.observations == 1).all() and (rows.actions == 0).all() and not rows.terminations.any()


# -- bad input ------------------------------------------------------------------------------


def test_bad_rows_are_refused_before_training_and_the_fitted_generator_survives(pendulum):
    generator = make().fit(pendulum)
    history = generator.history
    broken = pendulum.map(np.copy)
    broken.rewards[5] = np.nan
    with pytest.raises(InvalidTransitionsError, match="NaN"):
        generator.fit(broken)
    with pytest.raises(TooFewTransitionsError, match="at least 100"):
        generator.fit(pendulum[:99])
    with pytest.raises(SpecMismatchError):
        generator.fit(rollout("CartPole-v1"))
    assert generator.history is history and len(generator.sample(5)) == 5


def test_sampling_or_saving_before_fitting_is_refused(tmp_path):
    with pytest.raises(NotFittedError):
        make().sample(1)
    with pytest.raises(NotFittedError):
        make().save(tmp_path)


def test_a_negative_number_of_rows_is_refused(pendulum):
    with pytest.raises(InvalidTransitionsError):
        make().fit(pendulum).sample(-1)


@pytest.mark.parametrize("labels", [["a"], np.zeros(600, complex), np.zeros((600, 1), int), np.full(600, np.nan)])
def test_labels_that_are_not_one_per_row_are_refused(pendulum, labels):
    with pytest.raises(InvalidTransitionsError, match="label"):
        make().fit(pendulum, labels=labels)


def test_rows_of_a_label_come_from_that_labels_data(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.where(np.arange(4000) % 4 == 0, "online", "offline")
    obs = rng.standard_normal((4000, 2)) * 0.3 + np.where(labels == "online", 2.0, -2.0)[:, None]
    data = Transitions(obs, rng.integers(0, 2, 4000), obs[:, 0], obs + 0.1, np.zeros(4000))
    config = replace(
        TINY,
        training=replace(TINY.training, steps=2000, eval_every=200, batch_size=256, learning_rate=3e-3),
        sampler=replace(TINY.sampler, steps=12),
    )
    space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    generator = TransitionGenerator(space, spaces.Discrete(2), config, seed=0).fit(data, labels=labels)
    generator.save(tmp_path)
    generator = TransitionGenerator.load(tmp_path)
    assert generator.labels == ["offline", "online"]
    assert (generator.sample(500, label="online").observations[:, 0] > 0).mean() > 0.9
    assert (generator.sample(500, label="offline").observations[:, 0] < 0).mean() > 0.9
    assert (generator.sample(2000).observations[:, 0] > 0).mean() == pytest.approx(0.25, abs=0.04)
    with pytest.raises(InvalidTransitionsError, match="offline"):
        generator.sample(5, label="expert")


def test_a_diverging_fit_keeps_the_last_good_generator(pendulum):
    generator = make().fit(pendulum)
    before = generator.holdout_loss
    generator.config = replace(TINY, training=replace(TINY.training, learning_rate=1e30, clip_norm=1e30, steps=200))
    with pytest.raises(FitDivergedError):
        generator.fit(pendulum)
    assert generator.holdout_loss == before
    assert np.isfinite(generator.sample(20).observations).all()


def test_ctrl_c_in_the_middle_of_a_fit_leaves_the_generator_as_it_was(pendulum, monkeypatch):
    from synth_replay.diffusion import DenoiserTrainer

    generator = make().fit(pendulum)
    history = generator.history
    train = DenoiserTrainer._train

    def interrupted(self, count, on_step):
        if self.step >= 10:
            raise KeyboardInterrupt
        train(self, count, on_step)

    monkeypatch.setattr(DenoiserTrainer, "_train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generator.fit(pendulum)
    assert generator.history is history and len(generator.sample(5)) == 5


# -- saving and loading ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs resource limits")
def test_a_million_rows_in_store_and_sample_stay_under_one_and_a_half_gigabytes():
    script = (
        "import resource, numpy as np\n"
        "from dataclasses import replace\n"
        "from gymnasium import spaces\n"
        "from synth_replay import TransitionGenerator, Transitions\n"
        "from synth_replay.generator import CPU\n"
        "from synth_replay.buffers.store import ColumnStore\n"
        "rng = np.random.default_rng(0)\n"
        "o = rng.standard_normal((5000, 11)); a = rng.uniform(-1, 1, (5000, 3))\n"
        "data = Transitions(o, a, o[:, 0], o + 0.1, rng.random(5000) < 0.01)\n"
        "small = replace(CPU, network=replace(CPU.network, width=32, depth=2), sampler=replace(CPU.sampler, steps=2),\n"
        "                relabel=replace(CPU.relabel, steps=50))\n"
        "box = spaces.Box(-np.inf, np.inf, (11,), np.float64)\n"
        "generator = TransitionGenerator(box, spaces.Box(-1, 1, (3,)), small, seed=0).fit(data, steps=20)\n"
        "store = ColumnStore(1_000_000)\n"
        "rows = generator.sample(1_000_000)\n"
        "store.replace(rows.leaves())\n"
        "assert len(store) == len(rows) == 1_000_000\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)\n"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    print(f"peak memory {out.stdout.strip()} GB")
    assert float(out.stdout) < 1.5
