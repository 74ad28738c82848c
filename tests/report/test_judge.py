from dataclasses import replace

import numpy as np
import pytest

from synth_replay import FidelityScores
from synth_replay.report import Evidence, TerminationCounts, judge
from synth_replay.report.support import FarRows, RangeGap

REFERENCE = FidelityScores(
    marginal=0.99,
    marginals={"observations[0]": 0.985, "rewards": 0.995},
    correlation=0.996,
    termination_rate_real=0.01,
    termination_rate=0.01,
    dynamics_error=0.0,
    dynamics_error_mean=0.0,
    reward_error=0.0,
    reward_error_mean=0.0,
    termination_precision=1.0,
    termination_recall=1.0,
    nearest_distance=0.2,
    nearest_distance_real=0.2,
    copy_share=0.01,
)
GOOD = replace(
    REFERENCE,
    marginal=0.984,
    correlation=0.994,
    dynamics_error=2e-4,
    dynamics_error_mean=4e-3,
    reward_error=4e-4,
    reward_error_mean=1e-2,
    termination_precision=0.6,
    termination_recall=0.58,
)
GIVEN = Evidence(reference=REFERENCE)


def test_a_good_fit_of_hopper_is_good_enough():
    verdict = judge(GOOD, GIVEN)
    assert verdict.good and verdict.headline == "Good enough to train on" and not verdict.problems


@pytest.mark.parametrize(
    ("key", "score", "warn", "fail"),
    [
        ("marginal", "marginal", 0.965, 0.95),
        ("correlation", "correlation", 0.983, 0.97),
        ("dynamics_error", "dynamics_error", 0.002, 0.01),
        ("reward_error", "reward_error", 0.005, 0.9),
        ("termination_precision", "termination_precision", 0.4, 0.1),
        ("termination_recall", "termination_recall", 0.4, 0.1),
        ("termination_rate", "termination_rate", 0.007, 0.002),
        ("copies", "copy_share", 0.1, 1.0),
    ],
)
def test_each_score_can_pass_warn_and_fail(key, score, warn, fail):
    assert judge(GOOD, GIVEN)[key].passed is True
    careful, bad = (judge(replace(GOOD, **{score: value}), GIVEN) for value in (warn, fail))
    assert [check.key for check in careful.checks if check.passed is False] == [key]
    assert careful[key].outcome == "warn" and careful.headline == "Train with care" and not careful.good
    assert bad[key].outcome == "fail" and bad.headline == "Not good enough to train on" and not bad.good
    assert bad.problems == [bad[key].sentence]


def test_a_score_that_is_nan_is_not_measured_and_never_passes():
    nan = float("nan")
    names = ("dynamics_error", "reward_error", "termination_precision", "termination_recall", "correlation")
    verdict = judge(replace(GOOD, **dict.fromkeys(names, nan)), replace(GIVEN, why_not="nobody asked"))
    for name in names:
        assert verdict[name].outcome == "not measured" and verdict[name].passed is None
    assert "nobody asked" in verdict["dynamics_error"].sentence
    assert verdict.headline == "Good enough to train on, as far as it was measured"
    assert {check.key for check in verdict.unmeasured} == {*names, "worst_pair", "range", "support", "holdout"}


@pytest.mark.parametrize(
    ("evidence", "key", "outcome"),
    [
        ({"outside": RangeGap("rewards", 0.0011, 0.001, -1, 0, 0.1)}, "range", "pass"),
        ({"outside": RangeGap("rewards", 0.01, 0.001, -1, 0, 0.1)}, "range", "warn"),
        ({"outside": RangeGap("rewards", 0.06, 0.001, -1, 0, 0.1)}, "range", "fail"),
        ({"far": FarRows("observations", 0.06, 0.02)}, "support", "pass"),
        ({"far": FarRows("observations", 0.12, 0.02)}, "support", "warn"),
        ({"far": FarRows("observations", 0.48, 0.02)}, "support", "fail"),
        ({"held_out": 0}, "holdout", "warn"),
        ({"held_out": 999}, "holdout", "warn"),
        ({"held_out": 1000}, "holdout", "pass"),
    ],
)
def test_support_and_the_size_of_the_hold_out_are_judged(evidence, key, outcome):
    verdict = judge(GOOD, replace(GIVEN, **evidence))
    assert verdict[key].outcome == outcome
    assert verdict.level == {"pass": "good", "warn": "fair", "fail": "bad"}[outcome]


def test_levels_are_ordered():
    fair = judge(GOOD, replace(GIVEN, held_out=10))
    assert [fair.below(level) for level in ("good", "fair", "bad")] == [True, False, False]
    assert fair.to_dict()["level"] == "fair" and not fair.good


def test_the_worst_columns_are_named():
    scores = replace(GOOD, marginals={"observations[3]": 0.70, "observations[1]": 0.81, "rewards": 0.99})
    sentence = judge(scores, GIVEN)["worst_marginal"].sentence
    assert sentence == ("Observations look wrong: the marginal of observations[3] is 0.70; observations[1] is 0.81.")


def test_marginals_are_judged_against_what_real_rows_of_the_same_number_score():
    scores, few = replace(GOOD, marginal=0.93), replace(REFERENCE, marginal=0.94)
    assert judge(scores, Evidence(reference=few))["marginal"].passed
    assert judge(scores)["marginal"].outcome == "fail"
    assert "0.920" in judge(scores, Evidence(reference=few))["marginal"].rule


def test_a_rate_that_chance_explains_passes():
    scores = replace(GOOD, termination_rate=0.016)
    assert judge(scores, replace(GIVEN, rows=(10_000, 10_000)))["termination_rate"].outcome == "warn"
    assert judge(scores, replace(GIVEN, rows=(500, 500)))["termination_rate"].passed


@pytest.mark.parametrize(("rate", "outcome"), [(0.0, "pass"), (0.01, "fail")])
def test_without_real_terminations_none_may_be_generated(rate, outcome):
    scores = replace(GOOD, termination_rate_real=0.0, termination_rate=rate)
    assert judge(scores, GIVEN)["termination_rate"].outcome == outcome


def test_too_few_terminations_say_nothing_about_precision():
    scores = replace(GOOD, termination_precision=0.0)
    few = TerminationCounts(generated=4, simulated=20, confirmed=0, rows=500)
    check = judge(scores, replace(GIVEN, terminations=few))["termination_precision"]
    assert check.outcome == "not measured" and "4 such terminations among 500 stepped rows" in check.sentence
    many = replace(GIVEN, terminations=replace(few, generated=40))
    assert judge(scores, many)["termination_precision"].outcome == "fail"


def test_a_verdict_is_frozen_and_json():
    verdict = judge(GOOD, GIVEN)
    with pytest.raises(AttributeError):
        verdict.good = False
    data = verdict.to_dict()
    assert data["headline"] == verdict.headline and len(data["checks"]) == len(verdict.checks)
    assert all(check["rule"] and check["reason"] and check["sentence"] for check in data["checks"])
    assert np.isfinite(data["checks"][0]["value"])
