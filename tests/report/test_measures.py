import numpy as np
import pytest

from synth_replay.evaluation import (
    NearestFitted,
    correlation_matrix,
    find_copies,
    largest_correlation_gaps,
    nearest_distances,
)


def test_nearest_fitted_equals_the_direct_distances_and_is_exactly_zero_for_a_copy():
    rng = np.random.default_rng(0)
    fitted, rows = rng.normal(5, [1, 3, 0.1], (200, 3)), rng.normal(5, [1, 3, 0.1], (150, 3))
    scale = fitted.std(axis=0) * np.sqrt(3)
    nearest = NearestFitted(fitted)
    np.testing.assert_allclose(nearest(rows), nearest_distances(rows / scale, fitted / scale))
    own = np.arange(200)
    expected = nearest_distances(fitted / scale, fitted / scale, skip_self=True)
    np.testing.assert_allclose(nearest(fitted, own), expected)
    assert (nearest(fitted) == 0).all()


def test_copies_of_any_fitted_row_are_found_where_the_sampled_share_misses_them():
    rng = np.random.default_rng(0)
    fitted, fresh = rng.normal(size=(4000, 6)), rng.normal(size=(1000, 6))
    nearest = NearestFitted(fitted)
    assert find_copies(nearest, fitted[-500:], fresh, held_out=True, max_rows=300).share == 1.0
    assert find_copies(nearest, rng.normal(size=(500, 6)), fresh, held_out=True).share < 0.04
    assert find_copies(nearest, rng.normal(size=(500, 6)), fitted, held_out=False).share < 0.04


def test_a_single_fitted_row_and_constant_columns_can_be_measured():
    one = np.ones((1, 3))
    found = find_copies(NearestFitted(one), one, one, held_out=False)
    assert found.distances[0] == 0 and found.baseline[0] == 1


def test_correlations_of_constant_columns_are_nan_and_never_the_worst():
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    real = np.c_[x, x + 0.1 * rng.normal(size=500), np.ones(500), rng.normal(size=500)]
    fake = real.copy()
    rng.shuffle(fake[:, 1])
    a, b = correlation_matrix(real), correlation_matrix(fake)
    assert np.isnan(a[2]).all() and a[0, 1] == pytest.approx(np.corrcoef(real[:, 0], real[:, 1])[0, 1])
    gaps = largest_correlation_gaps(a, b, ["a", "b", "c", "d"], 10)
    assert (gaps[0].first, gaps[0].second) == ("a", "b") and gaps[0].gap > 0.8
    assert len(gaps) == 3 and not any("c" in gap[:2] for gap in gaps)
    assert largest_correlation_gaps(np.full((2, 2), np.nan), np.full((2, 2), np.nan), ["a", "b"]) == []
