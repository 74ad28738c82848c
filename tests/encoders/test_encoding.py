"""Datasets as latents: in chunks, from a cache, averaged over augmentations, resumed."""

from __future__ import annotations

import numpy as np
import pytest

from synth_replay.encoders import FrozenEncoder, encode_transitions
from synth_replay.errors import CheckpointError, ConfigError
from tests.encoders.helpers import SHAPE, Towers, encoder, pixel_rollout


class Brighter:
    """Adds one random number to all frames of a row."""

    def reseed(self, seed):
        self.rng = np.random.default_rng(seed)

    def __call__(self, before, after):
        more = self.rng.integers(0, 20, (len(before), 1, 1, 1))
        return tuple(np.minimum(view.astype(int) + more, 255).astype(np.uint8) for view in (before, after))


def chunks(rows=100):
    held = pixel_rollout()
    return [held[start : start + rows] for start in range(0, len(held), rows)]


def test_all_columns_but_the_observations_stay():
    rows, latents = pixel_rollout(), encode_transitions(chunks(), encoder())
    np.testing.assert_allclose(latents.observations, encoder().encode(rows.observations), atol=1e-5)
    np.testing.assert_allclose(latents.next_observations, encoder().encode(rows.next_observations), atol=1e-5)
    for name in ("actions", "rewards", "terminations"):
        np.testing.assert_array_equal(getattr(latents, name), getattr(rows, name))


def test_the_mean_over_many_draws_is_nearer_to_the_mean_latent_than_one_draw_is():
    rows = pixel_rollout()[:100]
    many = encode_transitions([rows], encoder(), augmenter=Brighter(), draws=64)
    views = [np.minimum(rows.observations.astype(int) + k, 255).astype(np.uint8) for k in range(20)]
    exact = np.mean([encoder().encode(view) for view in views], 0)
    one = encode_transitions([rows], encoder(), augmenter=Brighter())
    errors = [np.square(found.observations - exact).mean() for found in (many, one)]
    assert 0 < errors[0] < errors[1] / 20  # 1/64 of the variance


def test_a_row_and_its_next_observation_share_the_draw():
    rows, found = pixel_rollout(), encode_transitions(chunks(250), encoder(), augmenter=Brighter(), seed=5)
    seed = int(np.random.SeedSequence([5, 0]).generate_state(1)[0])
    more = np.random.default_rng(seed).integers(0, 20, (250, 1, 1, 1))
    for name in ("observations", "next_observations"):
        naive = np.minimum(getattr(rows, name).astype(int) + more, 255).astype(np.uint8)
        np.testing.assert_allclose(getattr(found, name), encoder().encode(naive), atol=1e-5)
    again = encode_transitions(chunks(250), encoder(), augmenter=Brighter(), seed=5)
    np.testing.assert_array_equal(found.observations, again.observations)


class Counting(FrozenEncoder):
    rows = 0

    def encode(self, observations, progress=False):
        self.rows += len(observations)
        return super().encode(observations, progress)


def test_a_stopped_encoding_goes_on_where_it_stopped_with_the_same_result(tmp_path):
    def stopping():
        yield from chunks()[:2]
        raise KeyboardInterrupt

    def run(parts, cache):
        made = Counting(Towers(), SHAPE, "concat", (-1, 1))
        return encode_transitions(parts, made, augmenter=Brighter(), cache=cache), made.rows

    with pytest.raises(KeyboardInterrupt):
        run(stopping(), tmp_path / "a")
    resumed, encoded = run(chunks(), tmp_path / "a")
    assert encoded == 2 * 50
    whole, encoded = run(chunks(), tmp_path / "b")
    assert encoded == 2 * 250
    np.testing.assert_array_equal(resumed.observations, whole.observations)
    assert run(chunks(), tmp_path / "b")[1] == 0


def test_a_cache_of_something_else_is_refused(tmp_path):
    encode_transitions(chunks(), encoder(), cache=tmp_path, note="pendulum")
    with pytest.raises(CheckpointError, match="another folder"):
        encode_transitions(chunks(), encoder("sum"), cache=tmp_path, note="pendulum")
    with pytest.raises(CheckpointError, match="another folder"):
        encode_transitions(chunks(), encoder(), cache=tmp_path, note="cheetah")
    with pytest.raises(CheckpointError, match="another folder"):
        encode_transitions(chunks(), encoder(), cache=tmp_path, note="pendulum", augmenter=Brighter())
    with pytest.raises(CheckpointError, match="another dataset"):
        encode_transitions(chunks(50), encoder(), cache=tmp_path, note="pendulum")


def test_draws_need_an_augmentation_and_rows_are_needed():
    with pytest.raises(ConfigError, match="draws"):
        encode_transitions(chunks(), encoder(), draws=2)
    with pytest.raises(ConfigError, match="no transitions"):
        encode_transitions([], encoder())
