"""Rows of high relevance on a toy whose relevance is known: the first observation."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces
from scipy.stats import ks_2samp

from synth_replay import TransitionGenerator, Transitions
from synth_replay.buffers import Relevance
from synth_replay.errors import ConfigError
from synth_replay.generator import CPU
from synth_replay.generator.prompted import PromptedGenerator, with_labels_dropped

SPACES = spaces.Box(-9, 9, (2,)), spaces.Box(-1, 1, (1,))
CONFIG = replace(
    CPU,
    network=replace(CPU.network, width=64, depth=3),
    training=replace(CPU.training, steps=1_200, batch_size=256),
    relabel=replace(CPU.relabel, enabled=False),
)


def first_observation(rows):
    return rows.observations[:, 0]


TOP = Relevance(first_observation, top=0.25)


@pytest.fixture(scope="module")
def rows():
    rng, count = np.random.default_rng(0), 6000
    s, a = rng.normal(size=(count, 2)), rng.uniform(-1, 1, (count, 1))
    after = 0.9 * s + 0.3 * a + 0.1 * rng.normal(size=s.shape)
    columns = [x.astype("f4") for x in (s, a, s[:, 1] - a[:, 0], after)]
    return Transitions(*columns, np.zeros(count, bool))


@pytest.fixture(scope="module")
def prompted(rows):
    inner = TransitionGenerator(*SPACES, with_labels_dropped(CONFIG, TOP), seed=0)
    return PromptedGenerator(inner, TOP).fit(rows, progress=False)


def marginal(real, made):
    """Mean 1 - KS over all columns, by SciPy."""
    columns = zip(real.leaves().values(), made.leaves().values(), strict=True)
    pairs = [(a.reshape(len(a), -1).T, b.reshape(len(b), -1).T) for a, b in columns if a.dtype != bool]
    return np.mean([1 - ks_2samp(x, y).statistic for a, b in pairs for x, y in zip(a, b, strict=True)])


def test_relevance_exceeds_the_replays_by_what_was_asked_and_rows_are_as_good_as_without(rows, prompted):
    made, real = prompted.sample(4000), first_observation(rows)
    top = real >= np.quantile(real, 0.75)
    assert first_observation(made).mean() == pytest.approx(real[top].mean(), abs=0.1)
    assert (first_observation(made) > np.quantile(real, 0.7)).mean() > 0.97
    plain = TransitionGenerator(*SPACES, CONFIG, seed=0).fit(rows, progress=False).sample(4000)
    as_many = rows[: top.sum()]  # fewer rows have lower marginals by chance
    assert marginal(rows[top], made) > marginal(as_many, plain) - 0.01
    assert marginal(rows, made) < 0.8


def test_figures_say_what_was_asked_for_and_what_came_out(rows, prompted):
    made, real = prompted.sample(3000), np.sort(first_observation(rows))
    assert prompted.figures["relevance"] == pytest.approx(real.mean(), abs=1e-5)
    assert prompted.figures["relevance_asked"] == pytest.approx(real[-len(real) // 4 :].mean(), abs=0.05)
    assert prompted.figures["relevance_made"] == pytest.approx(first_observation(made).mean(), abs=1e-5)


def test_generated_rows_are_to_be_like_the_rows_of_high_relevance(rows, prompted):
    like = first_observation(prompted.resembled(rows))
    assert np.array_equal(np.sort(like), np.sort(first_observation(rows))[-1500:])
    assert len(prompted.resembled(rows[:0])) == 0


def test_a_saved_generator_is_asked_for_the_same_relevances(prompted, tmp_path):
    prompted.inner.save(tmp_path)
    again = PromptedGenerator(TransitionGenerator.load(tmp_path), TOP)
    assert first_observation(again.sample(500)).mean() > 1.1


def test_a_generator_without_relevances_is_named(rows):
    tiny = replace(CONFIG, training=replace(CONFIG.training, steps=5))
    fitted = TransitionGenerator(*SPACES, tiny, seed=0).fit(rows[:200], progress=False)
    with pytest.raises(ConfigError, match="was not fitted with a relevance"):
        PromptedGenerator(fitted, TOP)
