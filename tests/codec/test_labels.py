"""Labels: classes and numbers, what is sampled with them, and bad ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from synth_replay import TransitionGenerator, Transitions
from synth_replay.codec.labels import BINS, LabelEncoder
from synth_replay.diffusion.network import ResidualMLP
from synth_replay.errors import ConfigError, InvalidTransitionsError
from tests.conftest import TINY, rollout


def fitted(env_id: str, labels: object, **changes: int) -> TransitionGenerator:
    import gymnasium as gym

    env = gym.make(env_id)
    made = TransitionGenerator(env.observation_space, env.action_space, replace(TINY, **changes), seed=0, device="cpu")
    return made.fit(rollout(env_id), labels=labels)


def test_classes_are_told_apart_and_none_is_the_null_token():
    encoder = LabelEncoder.from_labels(["b", "a", "b", "c"], 4)
    assert encoder.classes == ("a", "b", "c") and encoder.width == 4
    encoded = encoder.encode(encoder.values(["c", "a"], 2))
    assert encoded.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0]]
    assert encoder.encode(encoder.values("b", 3)).tolist() == [[0, 1, 0, 0]] * 3


@settings(deadline=None, max_examples=100)
@given(arrays(np.float64, st.integers(2, 200), elements=st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, 1.0])))
def test_drawn_numbers_are_labels_of_the_bin_that_they_were_drawn_for(labels):
    encoder = LabelEncoder.from_labels(labels, len(labels))
    bins = encoder.bins(encoder.values(labels, len(labels)))
    assert ((bins >= 0) & (bins < BINS)).all()
    drawn = encoder.sample(bins, np.random.default_rng(0))
    by_bin = {number: set(labels[bins == number]) for number in set(bins.tolist())}
    assert all(value in by_bin[number] for value, number in zip(drawn.tolist(), bins.tolist(), strict=True))


@pytest.mark.parametrize(
    "labels",
    [
        np.random.default_rng(0).exponential(size=5000),
        np.where(np.arange(5000) % 10 == 0, np.arange(5000) / 2500, 0.0),  # nine in ten are zero
        (np.arange(5000) % 10 == 0).astype(float),
        np.repeat([9.9, 18.0, 35.0, 66.0], 1250),  # returns of four episodes
    ],
)
def test_labels_are_drawn_as_they_are_distributed_ties_and_all(labels):
    encoder = LabelEncoder.from_labels(labels, len(labels))
    drawn = encoder.sample(encoder.bins(labels), np.random.default_rng(1))
    assert set(drawn) <= set(labels)
    assert drawn.mean() == pytest.approx(labels.mean(), rel=0.03)
    for value in set(labels[:3]):
        assert (drawn == value).mean() == pytest.approx((labels == value).mean(), abs=0.02)


@pytest.mark.parametrize("label", [-5.0, 0.7, 12.0])
def test_a_number_between_or_beyond_the_fitted_ones_can_be_asked_for(label):
    made = fitted("CartPole-v1", (np.arange(600) % 10 == 0).astype(float))
    assert len(made.sample(20, label=label)) == 20


def test_many_classes_of_unequal_size_do_not_fill_the_memory():
    labels = np.concatenate([np.zeros(400, int), np.arange(1, 201)])
    made = fitted("CartPole-v1", labels)
    codes = np.stack([np.zeros(600, int), labels], axis=1)
    assert len(made._model.codec.conditions.training_pool(np.zeros(600, bool), codes)) <= 9 * 600


def test_terminations_go_with_the_label_that_they_were_seen_with():
    rows = rollout("CartPole-v1")
    score = rows.observations[:, 2].astype(np.float64) ** 2  # the pole falls where it leans most
    made = fitted("CartPole-v1", score)
    upright, leaning = (made.sample(400, label=float(np.quantile(score, q)), relabel=False) for q in (0.05, 0.99))
    assert upright.terminations.mean() == 0 and leaning.terminations.mean() > 0.2


def test_each_row_can_have_its_own_label():
    labels = np.where(np.arange(600) < 200, "few", "many")
    made = fitted("CartPole-v1", labels)
    codes, values = made._model.sample_conditions(
        6, np.array(["many", "few", "few", "many", "many", "few"]), np.random.default_rng(0)
    )
    assert values.tolist() == [1, 0, 0, 1, 1, 0] and codes[:, -1].tolist() == values.tolist()
    assert len(made.sample(3, label=["few", "many", "few"])) == 3


@pytest.mark.parametrize(
    ("label", "match"),
    [("none", "'none'"), (["few"] * 5, "shape"), ([["few"]], "shape"), (1, "1")],
)
def test_a_label_that_was_not_fitted_or_of_another_length_is_refused(label, match):
    made = fitted("CartPole-v1", np.where(np.arange(600) < 200, "few", "many"))
    with pytest.raises(InvalidTransitionsError, match=match):
        made.sample(3, label=label)


@pytest.mark.parametrize("label", [np.nan, "high", np.inf])
def test_a_label_that_is_no_number_is_refused_where_numbers_were_fitted(label):
    with pytest.raises(InvalidTransitionsError, match=r"number|NaN"):
        fitted("CartPole-v1", np.linspace(0, 1, 600)).sample(3, label=label)


def test_labels_of_an_unlabelled_generator_are_refused():
    made = fitted("CartPole-v1", None)
    with pytest.raises(InvalidTransitionsError, match="No row was fitted with the label"):
        made.sample(3, label="online")


@pytest.mark.parametrize("weight", [-1.5, float("nan")])
def test_a_guidance_weight_below_minus_one_is_refused(weight):
    with pytest.raises(ConfigError, match="weight"):
        fitted("CartPole-v1", np.arange(600) % 2).sample(3, label=0, guidance_weight=weight)


@pytest.mark.parametrize("labels", [np.arange(600) % 3, np.linspace(-1, 1, 600), np.array(["a", "b"] * 300)])
def test_a_saved_labelled_generator_draws_the_same_rows(labels, tmp_path):
    made = fitted("CartPole-v1", labels)
    made.save(tmp_path)
    loaded = TransitionGenerator.load(tmp_path, "cpu")
    assert loaded.labels == made.labels
    one = labels[0].item()
    for a, b in zip(
        made.sample(50, label=one).leaves().values(), loaded.sample(50, label=one).leaves().values(), strict=True
    ):
        assert np.array_equal(a, b)


def test_each_class_has_the_same_part_in_the_held_out_loss():
    labels = np.where(np.arange(600) < 120, "few", "many")
    made = fitted("CartPole-v1", labels)
    codes = np.stack([np.zeros(600, int), labels == "many"], axis=1).astype(int)
    held = made._model.codec.conditions.held_out(codes, 0.05, np.random.default_rng(0))
    assert held[:120].sum() == held[120:].sum() == 15


def test_tasks_that_reward_the_same_steps_differently_keep_their_rewards():
    rng = np.random.default_rng(0)
    observations = rng.standard_normal((2000, 2))
    labels = np.where(np.arange(2000) % 2, "high", "low")
    rewards = observations[:, 0] + np.where(labels == "high", 5.0, -5.0)
    rows = Transitions(observations, rng.integers(0, 2, 2000), rewards, observations, np.zeros(2000))
    config = replace(TINY, relabel=replace(TINY.relabel, steps=400, learning_rate=1e-2))
    space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    made = TransitionGenerator(space, spaces.Discrete(2), config, seed=0, device="cpu").fit(rows, labels=labels)
    assert made.sample(500, label="high").rewards.mean() > 4 and made.sample(500, label="low").rewards.mean() < -4


@pytest.mark.parametrize("share", [0.0, 0.02])
def test_patience_does_not_end_a_fit_that_has_too_few_rows_to_judge_by(share):
    rows, classes = rollout("Pendulum-v1"), np.arange(600) % 300
    training = replace(TINY.training, steps=60, eval_every=10, patience=1, holdout_share=share)
    observed, acted = spaces.Box(-9, 9, (3,)), spaces.Box(-2, 2, (1,))
    made = TransitionGenerator(observed, acted, replace(TINY, training=training), seed=0, device="cpu")
    made.fit(rows, labels=classes, progress=False)
    losses = [entry["holdout_loss"] for entry in made.history]
    assert all(losses) if share else (len(losses) == 6 and not any(losses))


@pytest.mark.parametrize(("weight", "calls"), [(0.0, 3), (0.5, 6), (-1.0, 3)])
def test_the_network_sees_no_more_rows_at_once_with_guidance_than_without(monkeypatch, weight, calls):
    generator = fitted("CartPole-v1", np.arange(600) % 2, chunk_rows=100)
    seen = []
    whole = ResidualMLP.forward_folded

    def counted(self, x, *rest):
        seen.append(len(x))
        return whole(self, x, *rest)

    monkeypatch.setattr(ResidualMLP, "forward_folded", counted)
    made = generator.sample(300, label=0, guidance_weight=weight, relabel=False)
    assert len(made) == 300 and set(seen) == {100}
    assert len(seen) == calls * generator.config.sampler.steps
