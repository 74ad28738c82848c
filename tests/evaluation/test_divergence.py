import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from scipy.stats import gaussian_kde, norm

from synth_replay.errors import InvalidTransitionsError, SpecMismatchError
from synth_replay.evaluation import Divergence, latent_divergence, normalized_divergences

matrices = st.tuples(st.integers(2, 30), st.just(3)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-50, 50))
)


def one_dimension(train, test):
    return latent_divergence(train[:, None], test[:, None]).mean


def by_scipy(train, test, bandwidth=None):
    """The divergence of two kernel density estimates on a fine grid; by default each has its own bandwidth."""
    factors = [None if bandwidth is None else bandwidth / x.std(ddof=1) for x in (train, test)]
    densities = [gaussian_kde(x, factor) for x, factor in zip((train, test), factors, strict=True)]
    both = np.concatenate([train, test])
    grid = np.linspace(both.min() - 2, both.max() + 2, 5_000)
    values = [density(grid) for density in densities]
    return (
        jensenshannon(*(np.where(x > 1e-200, x, 0) for x in values), base=2) ** 2
    )  # SciPy fails where halves underflow


def pairs():
    rng = np.random.default_rng(0)
    yield rng.normal(size=700), rng.normal(0.5, 1.3, 500)
    yield np.tanh(rng.normal(0, 3, 600)), np.tanh(rng.normal(0.5, 4, 400))
    yield rng.gamma(2, size=300), np.concatenate([rng.normal(0, 0.5, 200), rng.normal(4, 0.5, 200)])


@pytest.mark.parametrize("train, test", list(pairs()))
def test_the_divergence_is_that_of_kernel_density_estimates(train, test):
    scott = [gaussian_kde(x).factor * x.std(ddof=1) for x in (train, test)]
    assert one_dimension(train, test) == pytest.approx(by_scipy(train, test, np.sqrt(scott[0] * scott[1])), abs=5e-4)
    assert one_dimension(train, test) == pytest.approx(by_scipy(train, test), abs=0.01)


def test_gaussians_a_deviation_apart_diverge_as_their_densities_do():
    rng = np.random.default_rng(0)
    found = one_dimension(rng.normal(size=20_000), rng.normal(1, 1, 20_000))
    grid = np.linspace(-10, 11, 20_001)
    assert found == pytest.approx(jensenshannon(norm.pdf(grid), norm.pdf(grid, 1), base=2) ** 2, abs=0.01)


def test_distributions_that_share_nothing_diverge_by_one_bit():
    rng = np.random.default_rng(0)
    assert one_dimension(rng.normal(size=500), rng.normal(100, 1, 500)) > 0.9999


def test_equal_distributions_score_near_zero_and_nearer_with_more_rows():
    rng = np.random.default_rng(0)
    found = [latent_divergence(*rng.normal(size=(2, n, 100))).mean for n in (200, 1_000, 10_000)]
    np.testing.assert_allclose(found, [0.009, 0.0025, 0.0005], rtol=0.2)


def test_a_rarely_active_unit_is_not_torn_apart_by_its_spike_at_zero():
    rng = np.random.default_rng(0)
    train, test = (rng.exponential(1, 2_000) * (np.arange(2_000) < active) for active in (100, 40))
    true = jensenshannon([0.95, 0.05], [0.98, 0.02], base=2) ** 2
    assert one_dimension(train, test) == pytest.approx(true, abs=0.005)
    assert by_scipy(train, test) > 10 * true


def test_constant_dimensions_agree_or_share_nothing():
    here, there = np.full((10, 1), 0.1), np.full((7, 1), 0.2)
    assert latent_divergence(here, here[:4]).mean == 0
    assert latent_divergence(here, there).mean == pytest.approx(1)
    assert latent_divergence(here, np.random.default_rng(0).normal(size=(500, 1))).mean > 0.95


@given(matrices, matrices)
def test_the_divergence_is_a_symmetric_number_of_bits(train, test):
    found = latent_divergence(train, test).per_dimension
    assert found.shape == (3,) and (found >= 0).all() and (found <= 1).all()
    np.testing.assert_allclose(latent_divergence(test, train).per_dimension, found, atol=1e-9)
    np.testing.assert_allclose(latent_divergence(train, train[::-1]).per_dimension, 0, atol=1e-9)


@given(matrices, matrices, st.floats(0.01, 100), st.floats(-100, 100))
def test_scaling_and_shifting_a_dimension_changes_nothing(train, test, scale, shift):
    found = latent_divergence(train * scale + shift, test * scale + shift).per_dimension
    np.testing.assert_allclose(found, latent_divergence(train, test).per_dimension, atol=1e-6)


def test_float32_latents_and_each_dimension_on_its_own_give_the_same():
    train, test = np.random.default_rng(0).normal(size=(2, 300, 4)).astype(np.float32)
    found = latent_divergence(train, test)
    np.testing.assert_array_equal(found.per_dimension, [one_dimension(*x) for x in zip(train.T, test.T, strict=True)])
    assert found.to_dict() == {"mean": found.mean, "per_dimension": found.per_dimension.tolist()}


def test_means_are_normalised_by_the_largest_of_the_environment():
    found = {"Baseline": Divergence(np.array([0.2, 0.6])), "Ours": Divergence(np.array([0.1, 0.1]))}
    assert normalized_divergences(found) == pytest.approx({"Baseline": 1.0, "Ours": 0.25})
    assert normalized_divergences({"Baseline": Divergence(np.zeros(3))}) == {"Baseline": 0.0}
    assert normalized_divergences({}) == {}


@pytest.mark.parametrize(
    "train, test, error, text",
    [
        (np.zeros((5, 3)), np.zeros((5, 2)), SpecMismatchError, r"\(5, 2\)"),
        (np.zeros(5), np.zeros(5), SpecMismatchError, "matrices"),
        (np.zeros((5, 0)), np.zeros((5, 0)), SpecMismatchError, "matrices"),
        (np.zeros((5, 3)), np.zeros((1, 3)), InvalidTransitionsError, "test has 1 rows"),
        (np.full((5, 3), np.nan), np.zeros((5, 3)), InvalidTransitionsError, "train latents hold NaN"),
        (np.zeros((5, 3)), np.full((5, 3), np.inf), InvalidTransitionsError, "test latents hold NaN or infinity"),
    ],
)
def test_latents_that_cannot_be_compared_are_refused(train, test, error, text):
    with pytest.raises(error, match=text):
        latent_divergence(train, test)
