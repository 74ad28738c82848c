"""Generated rows are terminal as often as real ones, even if rows do not predict it or relabelling is weak."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces

from synth_replay import TransitionGenerator, Transitions
from synth_replay.generator import RelabelConfig, fitting
from synth_replay.generator.termination_rates import TerminationRates, relabelled_rates
from tests.conftest import TINY

REAL = 0.05
CONFIG = replace(
    TINY,
    training=replace(TINY.training, steps=60, eval_every=30),
    relabel=replace(TINY.relabel, steps=150, width=32),
    sampler=replace(TINY.sampler, steps=4),
)


def rows(n=1000, ends="random", kind="box"):
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=(2, n, 2)).astype(np.float32)
    flags = rng.random(n) < REAL
    if ends == "hidden time":
        flags = np.arange(n) % 20 == 19
    elif ends == "rule":
        flags = before[:, 0] > 1.645
    wrap = {"box": lambda x: x, "dict": lambda x: {"a": x, "b": x[:, :1]}, "discrete": lambda x: np.int64(x[:, 0] > 0)}
    before, after = (wrap[kind](x) for x in (before, after))
    return Transitions(before, rng.uniform(-1, 1, (n, 1)), rng.normal(size=n), after, flags)


def generator(kind="box", config=CONFIG):
    box = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    seen = {
        "box": box,
        "dict": spaces.Dict({"a": box, "b": spaces.Box(-np.inf, np.inf, (1,), np.float32)}),
        "discrete": spaces.Discrete(2),
    }
    return TransitionGenerator(seen[kind], spaces.Box(-1, 1, (1,)), config, seed=0, device="cpu")


def near(rate, real=REAL):
    return 0.75 * real < rate < 1.25 * real


@pytest.fixture(scope="module")
def fitted():
    return generator().fit(rows())


@pytest.mark.parametrize(("ends", "kind"), [("random", "dict"), ("random", "discrete"), ("hidden time", "box")])
def test_unpredictable_terminations_are_as_frequent_as_in_the_data_and_a_warning_says_so(ends, kind, caplog):
    real = rows(ends=ends, kind=kind)
    made = generator(kind).fit(real)
    assert near(made.sample(2000).terminations.mean(), real.terminations.mean())
    assert "only rewards, not terminations" in caplog.text and made.notes == [caplog.messages[-1]]


@pytest.mark.parametrize("steps", [1, 20])
def test_a_relabelling_model_of_few_steps_does_not_change_the_rate(steps, caplog):
    real = rows(ends="rule")
    made = generator(config=replace(CONFIG, relabel=replace(CONFIG.relabel, steps=steps))).fit(real)
    assert near(made.sample(2000).terminations.mean(), real.terminations.mean())
    assert "relabel.steps" in caplog.text


def test_each_class_of_labels_keeps_its_own_rate(tmp_path):
    parts = [rows(1500, "rule"), replace(rows(500), terminations=np.arange(500) % 4 == 0)]
    config = replace(
        CONFIG,
        training=replace(CONFIG.training, steps=300, batch_size=128, learning_rate=3e-3, eval_every=150),
        relabel=replace(CONFIG.relabel, steps=400, width=64),
    )
    made = generator(config=config).fit(Transitions.concatenate(parts), labels=["a"] * 1500 + ["b"] * 500)
    assert [note.startswith("Label 'b': 25.00% of the real rows") for note in made.notes] == [True]
    made.save(tmp_path / "g")
    again = TransitionGenerator.load(tmp_path / "g", device="cpu")
    assert again.notes == made.notes
    found = again.sample(1500, label="a")
    assert near(found.terminations.mean()) and near(again.sample(1000, label="b").terminations.mean(), 0.25)
    assert np.mean((found.observations[:, 0] > 1.645) == found.terminations) > 0.97


def never(observations, _actions, _after):
    return np.zeros(len(observations)), np.zeros(len(observations), bool)


def test_a_function_that_terminates_at_another_rate_is_kept_and_reported(caplog):
    relabel = replace(RelabelConfig.from_function(never), resamples=0)
    made = generator(config=replace(CONFIG, relabel=relabel)).fit(rows())
    assert not made.sample(2000).terminations.any()
    assert "relabel.function makes 0.00% of the generated rows terminal" in caplog.text


def test_rewards_are_relabelled_even_if_terminations_are_not(fitted):
    fitted.reseed(1)
    relabelled = fitted.sample(50)
    fitted.reseed(1)
    plain = fitted.sample(50, relabel=False)
    assert np.array_equal(relabelled.terminations, plain.terminations)
    assert not np.array_equal(relabelled.rewards, plain.rewards)


def test_predictable_terminations_are_still_relabelled_without_a_warning(caplog):
    config = replace(
        CONFIG,
        network=replace(CONFIG.network, width=64, embedding_dim=32),
        training=replace(CONFIG.training, steps=500, batch_size=128, learning_rate=3e-3, eval_every=250),
        sampler=replace(CONFIG.sampler, steps=10),
        relabel=replace(CONFIG.relabel, steps=600, width=64),
    )
    made = generator(config=config).fit(rows(3000, "rule"))
    found = made.sample(3000)
    assert not caplog.messages and made.notes == []
    assert near(found.terminations.mean())
    assert np.mean((found.observations[:, 0] > 1.645) == found.terminations) > 0.985


def test_the_decision_is_saved_pickled_and_kept_with_wider_actions(fitted, tmp_path):
    fitted.save(tmp_path / "g")
    loaded, copied = TransitionGenerator.load(tmp_path / "g", device="cpu"), pickle.loads(pickle.dumps(fitted))
    assert fitted.notes and loaded.notes == copied.notes == fitted.notes
    loaded.widen_actions(spaces.Box(-2, 2, (1,)))
    for made in (loaded, copied):
        assert near(made.sample(2000).terminations.mean(), rows().terminations.mean())


def test_the_measurement_draws_no_random_number_of_the_fit(monkeypatch):
    monkeypatch.setattr(fitting, "calibrate", lambda *_: None)
    without = generator().fit(rows()).sample(20, relabel=False)
    monkeypatch.undo()
    measured = generator().fit(rows()).sample(20, relabel=False)
    assert np.array_equal(measured.observations, without.observations)


def test_rows_that_diffuse_their_flags_keep_the_better_of_two_rates():
    real = rows()
    made = generator(config=replace(CONFIG, codec=replace(CONFIG.codec, discrete="diffuse"))).fit(real)
    shares = [made.sample(3000, relabel=relabel).terminations.mean() for relabel in (True, False)]
    (rates,) = made._model.relabeler.rates
    best = min(rates.relabelled, rates.drawn, key=lambda rate: abs(rate - rates.real))
    assert shares[0] == pytest.approx(best, abs=0.03) and shares[1] == pytest.approx(rates.drawn, abs=0.03)


@pytest.mark.parametrize(
    ("relabelled", "error", "kept"),
    [
        (0.05, 0.0, True),
        (0.06, 0.0, True),
        (0.061, 0.0, False),
        (0.04, 0.0, True),
        (0.039, 0.0, False),
        (0.0, 0.0, False),
        (0.93, 0.0, False),
        (0.08, 0.01, True),
        (0.08, 0.009, False),
    ],
)
def test_a_rate_may_differ_by_a_fifth_and_two_standard_errors(relabelled, error, kept):
    rates = TerminationRates(0.05, 0.05, relabelled, error)
    assert rates.kept == kept and bool(rates.note) != kept


def test_rates_match_a_direct_count_over_all_rows():
    rng = np.random.default_rng(0)
    requested = rng.random(200_000) < 0.02
    settled = np.where(requested, rng.random(200_000) < 0.7, rng.random(200_000) < 0.001)
    shares = settled[requested].mean(), settled[~requested].mean()
    counts = int(requested.sum()), int((~requested).sum())
    found = relabelled_rates(0.02, requested.mean(), counts, shares, 0.0)
    assert found.relabelled == pytest.approx(settled.mean())
    assert found.error == pytest.approx(np.sqrt(0.02**2 * 0.21 / counts[0] + 0.98**2 * 0.000999 / counts[1]), rel=0.05)
    assert relabelled_rates(0.02, 0.02, counts, shares, 1.0).relabelled == pytest.approx(0.02)
