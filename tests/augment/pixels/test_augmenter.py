import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_replay.augment import PIXEL_AUGMENTATIONS, PIXEL_PRESETS, PixelAugmenter, Rotation
from synth_replay.errors import (
    CheckpointError,
    ConfigError,
    DatasetError,
    InvalidTransitionsError,
    SpecMismatchError,
)
from tests.augment.pixels.scenes import GOLDEN, thumbnails

RNG = np.random.default_rng(0)


def stacks(rows=12, channels=9, size=16, dtype=np.uint8):
    """Observations and next observations, each byte of its own."""
    return tuple(RNG.integers(0, 256, (rows, channels, size, size)).astype(dtype) for _ in range(2))


def nothing(frames, rng):
    return frames


def paint(level):
    """An augmentation whose rows can be told from others'."""
    return lambda frames, rng: torch.full_like(frames, level / 255)


@pytest.mark.parametrize("name", [*PIXEL_PRESETS, *PIXEL_AUGMENTATIONS])
def test_observation_and_next_observation_have_the_same_draw(name):
    observations = stacks(rows=1)[0].repeat(40, axis=0)
    first, second = PixelAugmenter(name, seed=1)(observations, observations.copy())
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first.reshape(40, -1), axis=0)) > 1
    assert first.dtype == np.uint8 and first.shape == observations.shape


@pytest.mark.parametrize("name", [*PIXEL_PRESETS, *PIXEL_AUGMENTATIONS])
def test_layout_and_container_do_not_matter(name):
    pair = stacks(rows=20)
    expected = PixelAugmenter(name, seed=2)(*pair)
    last = PixelAugmenter(name, seed=2)(*(array.transpose(0, 2, 3, 1) for array in pair))
    tensors = PixelAugmenter(name, seed=2)(*map(torch.from_numpy, pair))
    for one, other, tensor in zip(expected, last, tensors, strict=True):
        np.testing.assert_array_equal(one, other.transpose(0, 3, 1, 2))
        assert isinstance(tensor, torch.Tensor) and torch.equal(tensor, torch.from_numpy(one))
        assert one.flags.c_contiguous and other.flags.c_contiguous and tensor.is_contiguous()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("frame_channels", [1, 3])
def test_every_byte_survives_when_nothing_is_done(frame_channels, channels_last):
    observations = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16).repeat(6, axis=1).repeat(3, axis=0)
    observations[1] = observations[1].transpose(0, 2, 1)
    if channels_last:
        observations = observations.transpose(0, 2, 3, 1)
    out = PixelAugmenter([nothing], frame_channels=frame_channels, channels_last=channels_last)(observations)
    np.testing.assert_array_equal(out, observations)


def test_the_input_is_neither_changed_nor_handed_back():
    observations, following = stacks(rows=30)
    kept = observations.copy()
    observations.flags.writeable = False
    for share in (0.0, 1.0):
        out, _ = PixelAugmenter(keep_original=share, seed=0)(observations, following)
        np.testing.assert_array_equal(observations, kept)
        assert not np.shares_memory(out, observations) and out.flags.writeable
    np.testing.assert_array_equal(out, kept)


def test_one_augmentation_is_drawn_for_each_row_and_some_rows_are_kept():
    observations, following = (np.full((1000, 3, 8, 8), 9, np.uint8) for _ in range(2))
    levels = (50, 100, 150)
    out = PixelAugmenter([paint(level) for level in levels], keep_original=0.4, seed=3)(observations, following)
    assert (out[0] == out[1]).all() and (out[0] == out[0][:, :1, :1, :1]).all()
    found, counts = np.unique(out[0][:, 0, 0, 0], return_counts=True)
    assert found.tolist() == [9, *levels]
    assert abs(counts[0] - 400) < 60 and np.abs(counts[1:] - 200).max() < 50


def test_all_augmentations_follow_each_other_and_are_clipped_in_between():
    steps = [lambda frames, rng: frames + 1, lambda frames, rng: frames * 0.4]
    observations = stacks(rows=50)[0]
    out = PixelAugmenter(steps, mode="all", keep_original=0.5, seed=0)(observations)
    changed = (out == 102).all((1, 2, 3))
    assert 10 < changed.sum() < 40 and (out[~changed] == observations[~changed]).all()


@given(order=st.permutations(range(25)))
@settings(max_examples=10, deadline=None)
def test_rows_come_back_in_their_own_order(order):
    levels = np.asarray(order, np.uint8)
    observations = np.broadcast_to(levels[:, None, None, None], (25, 3, 8, 8))
    out = PixelAugmenter([nothing, nothing, nothing], keep_original=0.3)(observations)
    np.testing.assert_array_equal(out[:, 0, 0, 0], levels)


def test_floats_up_to_255_keep_their_type_and_give_the_same_picture():
    pair = stacks()
    expected = PixelAugmenter(seed=4)(*pair)
    for dtype in (np.float32, np.float64):
        out = PixelAugmenter(seed=4)(*(array.astype(dtype) for array in pair))
        assert all(o.dtype == dtype for o in out)
        assert all(np.abs(o - e).max() <= 0.502 for o, e in zip(out, expected, strict=True))
    dark = np.zeros((2, 3, 8, 8), np.float32)
    np.testing.assert_array_equal(PixelAugmenter("random_shift")(dark), dark)


def test_an_empty_batch_comes_back_empty():
    out = PixelAugmenter()(*stacks(rows=0))
    assert [o.shape for o in out] == [(0, 9, 16, 16)] * 2


def test_a_seed_repeats_the_draws_and_calls_go_on():
    observations = stacks()[0]
    one, other = PixelAugmenter(seed=5), PixelAugmenter(seed=5)
    first, second = one(observations), one(observations)
    np.testing.assert_array_equal(other(observations), first)
    assert (first != second).any() and (PixelAugmenter(seed=6)(observations) != first).any()
    assert (PixelAugmenter()(observations) != PixelAugmenter()(observations)).any()
    other.reseed(5)
    np.testing.assert_array_equal(other(observations), first)


def test_a_saved_state_and_a_pickled_augmenter_go_on_where_it_stopped():
    observations = stacks()[0]
    running = PixelAugmenter(seed=7)
    running(observations)
    copy, resumed = pickle.loads(pickle.dumps(running)), PixelAugmenter(seed=0)
    resumed.load_state_dict(running.state_dict())
    expected = running(observations)
    np.testing.assert_array_equal(copy(observations), expected)
    np.testing.assert_array_equal(resumed(observations), expected)


def test_chunks_of_a_dataset_repeat_in_a_second_pass_of_the_same_chunks():
    chunks = [stacks(rows=5) for _ in range(3)]
    passes = [[augmenter(*chunk) for chunk in chunks] for augmenter in (PixelAugmenter(seed=8), PixelAugmenter(seed=8))]
    np.testing.assert_array_equal(*passes)


def test_the_preset_is_the_papers_four():
    names = PIXEL_PRESETS["generalization"]
    assert names == ("rotation", "colour_jitter", "colour_cutout", "background_overlay")
    assert [type(a) for a in PixelAugmenter().augmentations] == [PIXEL_AUGMENTATIONS[name] for name in names]
    assert len(PIXEL_AUGMENTATIONS) == 10


def test_names_and_ready_augmentations_mix_and_pictures_reach_the_overlay():
    black = np.zeros((1, 16, 16, 3), np.uint8)
    augmenter = PixelAugmenter(["background_overlay", Rotation(0)], mode="all", backgrounds=black)
    observations = stacks()[0]
    assert np.abs(augmenter(observations) - observations / 2).max() <= 0.51


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"augmentations": "blur"}, ConfigError, "blur.*generalization, random_shift"),
        ({"augmentations": ["rotation", "blur"]}, ConfigError, "blur"),
        ({"augmentations": [3]}, ConfigError, "3"),
        ({"augmentations": []}, ConfigError, "at least one"),
        ({"augmentations": "rotation", "backgrounds": "."}, ConfigError, "background_overlay"),
        ({"backgrounds": "no/such/folder"}, DatasetError, "such"),
        ({"mode": "two"}, ConfigError, "'one' and 'all'"),
        ({"keep_original": 1.5}, ConfigError, "keep_original"),
        ({"frame_channels": 9}, ConfigError, "1 or 3"),
    ],
)
def test_an_impossible_augmenter_is_refused(options, error, text):
    with pytest.raises(error, match=text):
        PixelAugmenter(**options)


BYTES = np.zeros((4, 9, 16, 16), np.uint8)
FLOATS = BYTES.astype(np.float32)


def with_value(value):
    array = FLOATS.copy()
    array[2, 3, 4, 5] = value
    return array


@pytest.mark.parametrize(
    ("batch", "options", "text"),
    [
        (BYTES[0], {}, r"\[9, 16, 16\]"),
        (BYTES[:, :, :, :9], {}, "unclear.*channels_last"),
        (BYTES[:, :, :9, :9], {}, "unclear.*channels_last"),
        (BYTES, {"channels_last": True}, "look like the reverse"),
        (BYTES.transpose(0, 2, 3, 1), {"channels_last": False}, "look like the reverse"),
        (BYTES[:, :8], {}, "8 channels.*frame_channels=3"),
        (BYTES[:, :0], {}, "0 channels"),
        (BYTES.astype(np.int64), {}, "int64"),
        (torch.zeros(4, 9, 16, 16, dtype=torch.int32), {}, "int32"),
        (BYTES.tolist(), {}, "list"),
        (with_value(256), {}, r"\[0, 255\]"),
        (with_value(-1), {}, r"\[0, 255\]"),
        (with_value(np.nan), {}, "NaN"),
        (with_value(np.inf), {}, "inf"),
        (with_value(0.5), {}, "multiply by 255"),
    ],
)
def test_bad_frames_are_refused_before_anything_is_drawn(batch, options, text):
    augmenter = PixelAugmenter(seed=0, **options)
    before = augmenter.state_dict()["rng"]
    for arguments in ([batch], [batch, batch]):
        with pytest.raises(InvalidTransitionsError, match=text):
            augmenter(*arguments)
    assert torch.equal(augmenter.state_dict()["rng"], before)


def test_a_channel_order_that_the_shape_does_not_tell_can_be_told():
    for last in (False, True):
        out = PixelAugmenter([nothing], channels_last=last)(BYTES[:, :, :9, :9])
        assert out.shape == (4, 9, 9, 9)


@pytest.mark.parametrize("other", [BYTES[:3], BYTES[:, :6], BYTES[:, :, 1:], FLOATS])
def test_next_observations_unlike_the_observations_are_refused(other):
    with pytest.raises(SpecMismatchError, match="must be alike"):
        PixelAugmenter()(BYTES, other)


def test_an_augmentation_that_changes_the_shape_is_named():
    def shrink(frames, rng):
        return frames[..., 1:]

    with pytest.raises(ConfigError, match=r"shrink.*keep the shape"):
        PixelAugmenter([shrink])(BYTES)


@pytest.mark.parametrize("state", [{}, {"rng": 3}, {"rng": torch.zeros(3)}, {"rng": torch.zeros(7, dtype=torch.uint8)}])
def test_a_foreign_state_is_refused(state):
    with pytest.raises(CheckpointError, match="PixelAugmenter"):
        PixelAugmenter().load_state_dict(state)


def test_a_picture_of_every_augmentation_is_the_one_that_was_looked_at():
    pinned, made = np.load(GOLDEN), thumbnails()
    assert set(pinned) == {"frames", *PIXEL_AUGMENTATIONS}
    for name, expected in made.items():
        difference = np.abs(pinned[name].astype(int) - expected)
        assert difference.max() <= 2, f"{name} looks different; look again before pinning it anew"
