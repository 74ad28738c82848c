"""Generated values stay in the observed range of each column, with a margin or without."""

import numpy as np
import pytest
from gymnasium import spaces

from synth_replay import Transitions
from synth_replay.codec import TransitionCodec
from synth_replay.codec.config import CodecConfig
from synth_replay.errors import ConfigError
from synth_replay.generator import PRESETS
from synth_replay.transitions import TransitionSpec

BOX = spaces.Dict({"x": spaces.Box(-np.inf, np.inf, (2,), np.float32), "on": spaces.Discrete(2)})
ACT = spaces.Box(-1, 1, (1,), np.float32)


def rows(n=300):
    rng = np.random.default_rng(0)
    before, after = ({"x": rng.normal(size=(n, 2)).astype(np.float32), "on": rng.integers(0, 2, n)} for _ in range(2))
    rewards, returns = -np.abs(rng.normal(size=n)), rng.uniform(2, 3, n)
    actions = rng.uniform(-0.5, 0.5, (n, 1)).astype(np.float32)
    return Transitions(before, actions, rewards, after, rng.random(n) < 0.1, returns_to_go=returns)


def fitted(**settings):
    codec = TransitionCodec(TransitionSpec(BOX, ACT, ["returns_to_go"]), CodecConfig(**settings))
    return codec, codec.fit_transform(rows(), np.random.default_rng(0))


def beyond(made, real=None):
    """Largest excess over the observed range, as a share of the range, of each continuous column."""
    found = {}
    for name, column in (real or rows()).leaves().items():
        if column.dtype.kind == "f":
            low, high, values = column.min(axis=0), column.max(axis=0), made.leaves()[name]
            found[name] = float((np.maximum(values - high, low - values) / (high - low)).max())
    return found


def far(codec, encoded):
    return codec.decode(encoded.rows * 5, encoded.codes)


@pytest.mark.parametrize("normalizer", ["auto", "zscore", "quantile"])
@pytest.mark.parametrize("after", ["delta", "absolute"])
def test_no_column_leaves_its_observed_range(normalizer, after):
    made = far(*fitted(normalizer=normalizer, next_observations=after))
    assert max(beyond(made).values()) < 1e-6


def test_no_step_is_larger_than_an_observed_one():
    real, made = rows(), far(*fitted(next_observations="delta"))
    steps, seen = (r.next_observations["x"] - r.observations["x"] for r in (made, real))
    assert (steps <= seen.max(axis=0) + 1e-5).all() and (steps >= seen.min(axis=0) - 1e-5).all()


def test_the_margin_is_a_share_of_the_range_and_bounds_of_the_space_still_hold():
    found = beyond(far(*fitted(normalizer="zscore", support_margin=0.2)))
    assert found["rewards"] == pytest.approx(0.2, abs=1e-5) and found["returns_to_go"] == pytest.approx(0.2, abs=1e-5)
    wide = far(*fitted(normalizer="zscore", support_margin=5.0))
    assert np.abs(wide.actions).max() == 1.0


def test_the_clip_can_be_switched_off_as_in_the_preset_paper():
    assert beyond(far(*fitted(normalizer="zscore", support="off")))["rewards"] > 0.5
    assert PRESETS["paper"].codec.support == "off" and PRESETS["cpu"].codec.support == "clip"


def test_rows_of_the_data_are_decoded_unchanged():
    codec, encoded = fitted()
    again = codec.decode(encoded.rows, encoded.codes)
    for name, column in rows().leaves().items():
        np.testing.assert_allclose(again.leaves()[name], column, atol=2e-5)


def test_the_range_is_saved():
    codec, encoded = fitted(normalizer="zscore")
    again = TransitionCodec(codec.spec, codec.config)
    again.restore(codec.state())
    np.testing.assert_array_equal(far(again, encoded).rewards, far(codec, encoded).rewards)


@pytest.mark.parametrize("settings", [{"support": "fold"}, {"support_margin": -0.1}, {"support_margin": float("nan")}])
def test_invalid_settings_are_refused(settings):
    with pytest.raises(ConfigError, match=r"CodecConfig\.support"):
        CodecConfig(**settings)
