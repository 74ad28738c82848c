import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from synth_replay.errors import ConfigError
from synth_replay.evaluation import Returns, generalization_performance, generalization_table

# Mean returns of arXiv 2508.12356, Table 1 with Table 2's last method: Original, Easy, Medium, Hard
CHEETAH = {
    "Baseline": (250.1, 4.2, 3.1, 3.3),
    "Upsampled": (315.2, 4.6, 3.5, 4.1),
    "Augmented": (350.5, 81.2, 60.7, 41.3),
    "Ours": (360.2, 86.1, 71.2, 54.4),
    "Ours (FDD)": (267.9, 103.4, 85.4, 59.8),
}
# Table 3: Train Return, Test Return
PROCGEN = {
    "Coinrun": {"Baseline": (8.51, 7.17), "Upsampled": (8.96, 7.37), "Augmented": (8.65, 7.50), "Ours": (8.74, 8.02)},
    "Ninja": {"Baseline": (5.94, 4.41), "Upsampled": (6.18, 4.52), "Augmented": (5.83, 4.75), "Ours": (6.05, 4.82)},
    "Jumper": {"Baseline": (7.62, 4.23), "Upsampled": (7.94, 4.36), "Augmented": (7.55, 4.51), "Ours": (7.35, 4.72)},
}
TABLE_3 = {"train": "Train Return", "levels": ("Test Return",)}


def one_seed(means):
    return Returns(np.array(means[:1]), np.array([means[1:]]))


def five_seeds(seed=0, train=250.0, test=(4.0, 3.0, 2.0)):
    rng = np.random.default_rng(seed)
    return Returns(rng.normal(train, 10, 5), rng.normal(test, 1, (5, len(test))))


# -- the share of the gap -------------------------------------------------------------------


def test_the_share_is_that_of_the_papers_returns():
    assert generalization_performance(70.6, 250.1, 3.53) == pytest.approx(0.272, abs=5e-4)
    assert generalization_performance(61.1, 250.1, 3.53) == pytest.approx(0.2335, abs=5e-4)


@given(st.floats(-1e3, 1e3), st.floats(0.1, 1e3), st.floats(-3, 3))
def test_the_share_is_zero_at_the_baseline_one_when_the_gap_is_closed_and_linear_between(base, gap, share):
    assert generalization_performance(base, base + gap, base) == 0
    assert generalization_performance(base + gap, base + gap, base) == pytest.approx(1)
    assert generalization_performance(base + share * gap, base + gap, base) == pytest.approx(share, abs=1e-6)


def test_returns_of_seeds_and_levels_are_averaged():
    rng = np.random.default_rng(0)
    test, train, base = rng.normal(5, 1, (5, 3)), rng.normal(9, 1, 5), rng.normal(2, 1, (5, 3))
    expected = (test.mean() - base.mean()) / (train.mean() - base.mean())
    assert generalization_performance(test, train, base) == pytest.approx(expected)


@pytest.mark.parametrize(
    "returns, text",
    [
        ((5.0, 3.0, 3.0), "no gap"),
        ((5.0, 2.0, 3.0), "no gap"),
        ((5.0, np.nan, 3.0), "NaN"),
        (([], 4.0, 3.0), "missing"),
    ],
)
def test_a_baseline_without_a_gap_and_missing_returns_are_refused(returns, text):
    with pytest.raises(ConfigError, match=text):
        generalization_performance(*returns)


# -- tables ---------------------------------------------------------------------------------


def test_the_papers_first_two_tables_come_out():
    table = generalization_table({"cheetah-run": {name: one_seed(means) for name, means in CHEETAH.items()}})
    lines = table.markdown().splitlines()
    assert lines[0] == "| Environment | Method | Original | Easy | Medium | Hard | Test Mean |"
    assert lines[2] == "| cheetah-run | Baseline | 250.1 | 4.2 | 3.1 | 3.3 | 3.5 |"
    assert lines[5] == "|  | Ours | 360.2 | 86.1 | 71.2 | 54.4 | 70.6 |"
    assert "|  | Augmented | 0.17 | 289.4 | 0.23 |" in lines
    assert "|  | Ours (FDD) | 0.31 | 185.0 | 0.32 |" in lines  # the paper has 185.1: it rounded the mean first
    gaps = table.to_dict()["gaps"]["cheetah-run"]
    assert gaps["Ours"]["G_perf"]["value"] == pytest.approx(0.272, abs=5e-4)
    assert gaps["Baseline"]["G_perf"]["value"] == 0


def test_the_papers_third_table_comes_out():
    returns = {game: {name: one_seed(means) for name, means in lines.items()} for game, lines in PROCGEN.items()}
    table = generalization_table(returns, **TABLE_3)
    lines = table.markdown(digits=2).splitlines()
    assert lines[0] == "| Environment | Method | Train Return | Test Return |"
    assert lines[2] == "| Coinrun | Baseline | 8.51 | 7.17 |"
    found = {name: [round(line[x].value, 2) for x in ("Test / Train", "Train - Test")] for name, line in
             table.gaps["Average"].items()}  # fmt: skip
    assert found == {
        "Baseline": [0.72, 2.09],
        "Upsampled": [0.70, 2.28],
        "Augmented": [0.76, 1.76],
        "Ours": [0.79, 1.53],
    }
    shares = [generalization_performance(x["Ours"][1], *x["Baseline"]) for x in PROCGEN.values()]
    assert table.gaps["Average"]["Ours"]["G_perf"].value == pytest.approx(np.mean(shares))


def test_environments_with_other_methods_are_not_averaged():
    returns = {"a": {"Baseline": five_seeds(), "Ours": five_seeds(1)}, "b": {"Baseline": five_seeds(2)}}
    assert list(generalization_table(returns).gaps) == ["a", "b"]


def test_intervals_are_those_of_a_bootstrap_over_seeds():
    returns = five_seeds()
    line = generalization_table({"e": {"Baseline": returns}}).returns["e"]["Baseline"]
    columns = {"Original": returns.train, "Medium": returns.test[:, 1], "Test Mean": returns.test.mean(axis=1)}
    for name, values in columns.items():
        expected = bootstrap((values,), np.mean, n_resamples=5_000, method="percentile", rng=0).confidence_interval
        slack = 0.1 * values.std()
        assert line[name].value == pytest.approx(values.mean())
        assert (line[name].low, line[name].high) == pytest.approx(tuple(expected), abs=slack)


def test_a_seed_keeps_its_training_and_test_returns_together():
    train = np.array([100.0, 150.0, 250.0])
    found = generalization_table({"e": {"Baseline": Returns(train, train / 4)}}, **TABLE_3).gaps["e"]["Baseline"]
    assert tuple(found["Test / Train"]) == pytest.approx((0.25, 0.25, 0.25))
    assert found["Train - Test"].low < 125 - 10 < 125 + 10 < found["Train - Test"].high


def test_tables_repeat_with_the_seed():
    returns = {"e": {"Baseline": five_seeds(), "Ours": five_seeds(1, test=(50, 40, 30))}}
    first, again, other = (generalization_table(returns, seed=seed).markdown(4) for seed in (0, 0, 1))
    assert first == again != other


def test_figures_that_cannot_be_told_are_left_out_and_the_rest_is_json():
    returns = {
        "one seed": {"Baseline": one_seed((9.0, 4.0, 4.0, 4.0))},
        "no gap": {"Baseline": five_seeds(train=-5.0, test=(9.0, 9.0, 9.0))},
        "a gap within the noise": {"Baseline": five_seeds(train=2.0, test=(1.0, 1.0, 1.0))},
    }
    table = generalization_table(returns)
    found = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert found["returns"]["one seed"]["Baseline"]["Original"] == {"value": 9.0, "low": None, "high": None}
    assert found["gaps"]["no gap"]["Baseline"]["G_perf"] == dict.fromkeys(("value", "low", "high"))
    assert found["gaps"]["no gap"]["Baseline"]["Test / Train"]["value"] is None
    noisy = found["gaps"]["a gap within the noise"]["Baseline"]["G_perf"]
    assert noisy["value"] == 0 and noisy["low"] is None
    assert "| no gap | Baseline | – |" in table.markdown()  # noqa: RUF001
    assert table.markdown().endswith("Means over 1 to 5 seeds, with 95 % bootstrap intervals over seeds.\n")


def test_every_line_of_a_table_has_the_same_cells():
    returns = {"a": {"Baseline": five_seeds(), "Ours": five_seeds(1)}, "b": {"Baseline": five_seeds(2)}}
    for part in generalization_table(returns).markdown().split("\n\n")[:2]:
        assert all(a.count("|") == b.count("|") for a, b in pairwise(part.splitlines()))


@pytest.mark.parametrize(
    "train, test, text",
    [
        (np.zeros(4), np.zeros((5, 3)), r"\(4,\)"),
        (np.zeros((5, 1)), np.zeros((5, 3)), "shapes"),
        (np.zeros(0), np.zeros((0, 3)), "shapes"),
        (np.array([1, np.nan]), np.zeros(2), "NaN"),
    ],
)
def test_returns_that_are_no_table_of_seeds_are_refused(train, test, text):
    with pytest.raises(ConfigError, match=text):
        Returns(train, test)


@pytest.mark.parametrize(
    "returns, options, text",
    [
        ({}, {}, "no environments"),
        ({"e": {"Ours": five_seeds()}}, {}, "no method 'Baseline'; it has Ours"),
        ({"e": {"Baseline": five_seeds()}}, TABLE_3, "3 levels; the table has 1: Test Return"),
        ({"Average": {"Baseline": five_seeds()}}, {}, "another name"),
    ],
)
def test_tables_that_cannot_be_made_are_refused(returns, options, text):
    with pytest.raises(ConfigError, match=text):
        generalization_table(returns, **options)
