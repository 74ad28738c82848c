from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from scipy.stats import ks_2samp

from synth_replay import Transitions
from synth_replay.buffers import synther_engine
from synth_replay.buffers.refresh import RefreshConfig
from synth_replay.buffers.validation import compare, hold_out, worst_marginal
from synth_replay.errors import ConfigError
from tests.conftest import TINY, rollout

UNTRAINED = replace(TINY, training=replace(TINY.training, steps=1, eval_every=1))


def engine(generator, validate, env_id="Pendulum-v1"):
    env = gym.make(env_id)
    options = {"refresh_every": 100, "validate": validate, "generator": generator, "seed": 0, "store_rows": 1000}
    return synther_engine(env.observation_space, env.action_space, **options)


def counts(engine, batch_size=10):
    planned = engine.plan(batch_size, real=600)
    return planned.real, planned.generated


def leaves(rows):
    return rows.leaves()


def rows(seed=0):
    return rollout("Pendulum-v1", 600, seed)


REAL = {"real": rows}


def test_rows_below_the_floor_stay_out_of_training_and_a_warning_names_the_worst_column():
    made = engine(UNTRAINED, validate=0.95)
    made.notify(100)
    with pytest.warns(UserWarning, match=r"kept out of training.*worst column is \w+.*validate=0.95"):
        made.update(REAL, leaves)
    assert counts(made, 64) == (64, 0)
    assert made.stats.gated and made.stats.fidelity < 0.95 and made.stats.real_share == 1.0
    assert made.stats.to_dict()["gated"] == 1.0


def test_rows_above_the_floor_are_mixed_in():
    made = engine("additive_noise", validate=0.9)
    made.notify(100)
    made.update(REAL, leaves)
    assert counts(made, 64) == (32, 32)
    assert not made.stats.gated and 0.9 < made.stats.fidelity <= 1.05


def test_a_gated_generator_gets_in_when_a_later_refresh_is_good_enough():
    made = engine(UNTRAINED, validate=0.95)
    made.notify(100)
    with pytest.warns(UserWarning, match="kept out"):
        made.update(REAL, leaves)
    made.generator.config = TINY  # a better fit from now on
    supply = made.supply
    supply.config, supply.gate.floor = replace(supply.config, steps=300), 0.5
    made.notify(100)
    made.update(REAL, leaves)
    assert counts(made, 64) == (32, 32)


def test_a_saved_generator_is_judged_before_its_rows_are_used(tmp_path):
    first = engine(UNTRAINED, validate=None)
    first.notify(100)
    first.update(REAL, leaves)
    first.generator.save(tmp_path)
    made = engine(tmp_path, validate=0.95)
    with pytest.warns(UserWarning, match="kept out"):
        made.update(REAL, leaves)
    assert counts(made) == (10, 0)


def test_without_a_floor_nothing_is_held_out():
    made = engine(TINY, validate=None)
    made.notify(100)
    made.update(REAL, leaves)
    assert np.isnan(made.stats.fidelity) and counts(made) == (5, 5)


def test_a_fit_waits_until_there_are_enough_rows_besides_the_held_out_ones():
    made = engine(TINY, validate=0.5)
    made.notify(100)
    made.update({"real": lambda: rows()[:105]}, leaves)
    assert counts(made) == (10, 0) and made.stats.refreshes == 0
    made.update({"real": lambda: pytest.fail("the rows were read again before there were new ones")}, leaves)
    made.notify(1)
    made.update({"real": lambda: rows()[:120]}, leaves)
    assert made.stats.refreshes == 1


def test_the_hold_out_and_the_fitted_rows_are_a_partition():
    real = rows()
    fitted, holdout = hold_out(real, np.random.default_rng(0))
    assert len(holdout) == 60
    both = np.concatenate([fitted.observations, holdout.observations])
    assert np.array_equal(np.sort(both, axis=0), np.sort(real.observations, axis=0))


def test_figures_are_one_minus_scipys_ks_statistic():
    real, other = rows(0), rows(1)
    fitted, holdout = hold_out(real, np.random.default_rng(0))
    generated = Transitions(**{k: v for k, v in other.columns().items() if k != "truncations"})
    shifted = replace(generated, rewards=generated.rewards - 100.0)
    found = compare(holdout, fitted, shifted, np.random.default_rng(0))

    def expected(rows):
        names = ("observations", "actions", "rewards", "next_observations")
        pairs = [(getattr(holdout, n).reshape(60, -1), getattr(rows, n).reshape(len(rows), -1)) for n in names]
        return np.mean([1 - ks_2samp(a[:, i], b[:, i]).statistic for a, b in pairs for i in range(a.shape[1])])

    assert found.marginal == pytest.approx(expected(shifted), abs=1e-9)
    assert found.reference == pytest.approx(expected(fitted), abs=1e-9)
    assert found.worst == "rewards"
    assert worst_marginal({"a": real}, {"store": real}, {"store": ("a",)}, np.random.default_rng(0)) == 1.0


@pytest.mark.parametrize("floor", [-0.1, 1.1])
def test_a_floor_outside_its_range_is_refused(floor):
    with pytest.raises(ConfigError, match="validate"):
        RefreshConfig(validate=floor)
