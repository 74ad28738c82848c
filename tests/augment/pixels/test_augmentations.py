"""Each augmentation against an oracle that shares no code with it."""

import colorsys
import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from synth_replay.augment import (
    PIXEL_AUGMENTATIONS,
    BackgroundOverlay,
    ColourCutout,
    ColourJitter,
    Cutout,
    Flip,
    Grayscale,
    RandomConvolution,
    RandomCrop,
    RandomShift,
    Rotation,
)
from synth_replay.errors import ConfigError, SpecMismatchError
from tests.augment.pixels.scenes import noise_frames


def apply(augmentation, frames, seed=0):
    return augmentation(frames.clone(), torch.Generator().manual_seed(seed))


def yiq(frames):
    """Planes Y, I, Q of frames ``[..., 3, H, W]``, by the standard library."""
    colours = frames.movedim(-3, -1).reshape(-1, 3).tolist()
    return np.array([colorsys.rgb_to_yiq(*colour) for colour in colours]).T


def ratio(changed, original):
    """The factor between two arrays, which must be the same everywhere."""
    factor = float((changed * original).sum() / (original**2).sum())
    torch.testing.assert_close(changed, factor * original, atol=1e-4, rtol=0)
    return factor


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", PIXEL_AUGMENTATIONS)
def test_one_draw_holds_for_every_frame_of_a_row_and_differs_between_rows(name, channels):
    one = noise_frames(rows=1, frames=1, channels=channels)
    out = apply(PIXEL_AUGMENTATIONS[name](), one.expand(16, 6, -1, -1, -1).contiguous())
    assert out.shape == (16, 6, *one.shape[2:])
    torch.testing.assert_close(out, out[:, :1].expand_as(out), atol=1e-6, rtol=0)
    if (name, channels) != ("grayscale", 1):
        assert len(np.unique(out[:, 0].reshape(16, -1).numpy().round(4), axis=0)) > 1


@pytest.mark.parametrize("name", PIXEL_AUGMENTATIONS)
def test_a_row_comes_out_as_it_would_beside_other_rows(name):
    frames = noise_frames(rows=5)
    alone = frames.clone()
    alone[1:] = 0.5
    augmentation = PIXEL_AUGMENTATIONS[name]()
    torch.testing.assert_close(apply(augmentation, alone)[0], apply(augmentation, frames)[0])


def test_a_shift_moves_whole_pixels_and_repeats_the_border():
    frames, seen = noise_frames(rows=60), set()
    out = apply(RandomShift(2), frames).numpy()
    for before, after in zip(frames.numpy(), out, strict=True):
        padded = np.pad(before, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
        places = [(y, x) for y in range(5) for x in range(5)]
        found = [(y, x) for y, x in places if np.array_equal(padded[..., y : y + 20, x : x + 28], after)]
        assert len(found) == 1
        seen.update(found)
    assert {y for y, _ in seen} == {x for _, x in seen} == set(range(5))


def test_a_crop_shows_a_window_that_lies_inside_the_frame_and_has_its_share():
    y, x = torch.meshgrid(torch.linspace(0, 1, 41), torch.linspace(0, 1, 61), indexing="ij")
    out = apply(RandomCrop(0.5), torch.stack([y, x], 0)[None, None].expand(50, 1, 2, -1, -1).contiguous())
    for ramp, axis in ((out[:, 0, 0], 1), (out[:, 0, 1], 2)):
        steps = ramp.diff(dim=axis).narrow(axis, 1, ramp.shape[axis] - 3)  # a border pixel has no neighbour outside
        torch.testing.assert_close(steps, steps.mean().expand_as(steps), atol=1e-4, rtol=0)
        assert float(steps.mean()) == pytest.approx(0.5 / (ramp.shape[axis] - 1), rel=0.01)
        assert 0 <= ramp.min() < 0.05 and 0.95 < ramp.max() <= 1
    torch.testing.assert_close(apply(RandomCrop(1.0), frames := noise_frames()), frames)


def test_a_rotation_turns_by_up_to_ninety_degrees_as_scipy_does():
    smooth = ndimage.gaussian_filter(noise_frames(1, 1, 1, 50, 70).numpy()[0, 0, 0], 2)
    y, x = np.mgrid[:50, :70]
    spot = np.exp(-((y - 24.5) ** 2 + (x - 50) ** 2) / 8)
    frames = torch.tensor(np.stack([spot, smooth]), dtype=torch.float32)[None, :, None].repeat(40, 1, 1, 1, 1)
    angles = []
    for turned_spot, turned in apply(Rotation(), frames)[:, :, 0].numpy():
        down, right = ((turned_spot * axis).sum() / turned_spot.sum() for axis in (y - 24.5, x - 34.5))
        angles.append(math.degrees(math.atan2(-down, right)))
        expected = ndimage.rotate(smooth, angles[-1], reshape=False, order=1)
        inside = ndimage.rotate(np.ones_like(smooth), angles[-1], reshape=False, order=1) > 0.99
        assert np.abs(turned - expected)[inside].max() < 0.02
        assert not turned[ndimage.binary_erosion(~inside, iterations=2, border_value=1)].any()
    assert -90 <= min(angles) < -70 and 70 < max(angles) <= 90


def test_a_flip_mirrors_half_of_the_rows():
    frames = noise_frames(rows=200, frames=2, height=4, width=4)
    out = apply(Flip(), frames)
    mirrored = (out == frames.flip(-1)).flatten(1).all(1)
    assert ((out == frames).flatten(1).all(1) ^ mirrored).all()
    assert 70 < mirrored.sum() < 130


def test_brightness_contrast_and_saturation_scale_what_they_are_named_after():
    frames = 0.4 + 0.2 * noise_frames(rows=100, frames=3, height=6, width=6)
    luma = frames[:, :, :1] * 0.299 + frames[:, :, 1:2] * 0.587 + frames[:, :, 2:] * 0.114
    zeros = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
    centres = {
        "brightness": torch.zeros(100, 1, 1, 1, 1),
        "contrast": luma.mean((1, 2, 3, 4), True),
        "saturation": luma,
    }
    for name, centre in centres.items():
        out = apply(ColourJitter(**{**zeros, name: 0.4}), frames)
        pairs = zip(out - centre, frames - centre, strict=True)
        factors = [ratio(changed, original) for changed, original in pairs]
        assert 0.6 <= min(factors) < 0.65 and 1.35 < max(factors) <= 1.4, name
    torch.testing.assert_close(apply(ColourJitter(**zeros), frames), frames)


def test_hue_turns_all_colours_by_one_angle_and_keeps_their_brightness():
    frames = 0.4 + 0.2 * noise_frames(rows=30, frames=2, height=4, width=4)
    out, turns = apply(ColourJitter(0, 0, 0), frames), []
    for before, after in zip(frames, out, strict=True):
        (y, i, q), (new_y, new_i, new_q) = yiq(before), yiq(after)
        np.testing.assert_allclose(new_y, y, atol=4e-3)  # colorsys rounds the standard's constants
        turn = (new_i + 1j * new_q) @ (i - 1j * q) / (np.hypot(i, q) ** 2).sum()
        assert abs(turn) == pytest.approx(1, abs=0.05)
        np.testing.assert_allclose(new_i + 1j * new_q, turn * (i + 1j * q), atol=0.01)
        turns.append(np.angle(turn) / (2 * np.pi))
    assert min(turns) < -0.4 and max(turns) > 0.4


def test_grayscale_takes_the_colour_of_three_rows_in_ten():
    frames = noise_frames(rows=300, frames=2, height=3, width=3)
    out = apply(Grayscale(), frames)
    gray = np.einsum("bfchw,c->bfhw", frames.numpy(), [0.299, 0.587, 0.114])[:, :, None]
    changed = (np.abs(out.numpy() - gray) < 1e-5).all((1, 2, 3, 4))
    assert ((out == frames).flatten(1).all(1).numpy() ^ changed).all()
    assert 60 < changed.sum() < 120


@pytest.mark.parametrize("kind", [Cutout, ColourCutout])
def test_a_cutout_covers_one_rectangle_with_one_colour(kind):
    frames = 2 + noise_frames(rows=300, frames=2, height=50, width=100)
    sides, colours, corners = [], [], []
    for before, after in zip(frames, apply(kind(0.1, 0.3), frames), strict=True):
        box = (before != after).all(0).all(0)
        rows, columns = box.any(1).nonzero()[:, 0], box.any(0).nonzero()[:, 0]
        assert box.sum() == len(rows) * len(columns), "not a rectangle"
        assert torch.equal(after[..., ~box], before[..., ~box])
        covered = after[..., box]
        assert torch.equal(covered, covered[:1, :, :1].expand_as(covered))
        sides.append((len(rows), len(columns)))
        colours.append(covered[0, :, 0])
        corners.append((int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())))
    heights, widths = zip(*sides, strict=True)
    assert set(heights) == set(range(5, 16)) and set(widths) == set(range(10, 31))
    assert min(c[0] for c in corners) == 0 and max(c[1] for c in corners) == 49
    assert min(c[2] for c in corners) < 3 and max(c[3] for c in corners) > 96
    colours = torch.stack(colours)
    if kind is Cutout:
        assert not colours.any()
    else:
        assert (colours.min(0)[0] < 0.05).all() and (colours.max(0)[0] > 0.95).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_random_convolution_is_one_kernel_per_row_then_a_sigmoid(channels):
    frames = noise_frames(rows=3, frames=4, channels=channels, height=12, width=14)
    logits = apply(RandomConvolution(), frames).logit().numpy()
    padded = np.pad(frames.numpy(), ((0, 0), (0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(3, 4))
    windows = windows.transpose(0, 1, 3, 4, 2, 5, 6).reshape(3, -1, channels * 9)
    outputs = logits.transpose(0, 1, 3, 4, 2).reshape(3, -1, channels)
    for patch, output in zip(windows, outputs, strict=True):  # a linear map explains everything, borders too
        kernel = np.linalg.lstsq(patch, output, rcond=None)[0]
        np.testing.assert_allclose(patch @ kernel, output, atol=1e-3)
        assert 0.3 < kernel.std() < 2


def test_an_overlay_blends_each_row_with_one_of_the_pictures():
    pictures = np.random.default_rng(0).integers(0, 256, (5, 20, 28, 3), dtype=np.uint8)
    frames = noise_frames(rows=40)
    out = apply(BackgroundOverlay(pictures, alpha=0.25), frames).numpy()
    behind = pictures.transpose(0, 3, 1, 2)[:, None, None] / 255
    blends = 0.75 * frames.numpy() + 0.25 * behind
    which = np.abs(blends - out).max((2, 3, 4, 5)).argmin(0)
    np.testing.assert_allclose(blends[which, np.arange(40)], out, atol=1e-5)
    assert set(which) == set(range(5))


def test_an_overlay_reads_a_folder_and_follows_the_frames_size(tmp_path):
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (10, 10), (255, 0, 102)).save(tmp_path / "a.png")
    overlay = BackgroundOverlay(tmp_path)
    for size in (8, 12):
        out = apply(overlay, torch.zeros(2, 1, 3, size, size))
        torch.testing.assert_close(out, torch.tensor([0.5, 0, 0.2])[:, None, None].expand_as(out))
    gray = apply(overlay, torch.zeros(2, 1, 1, 8, 8))
    torch.testing.assert_close(gray, torch.full_like(gray, 0.5 * (0.299 + 0.114 * 0.4)))


def test_procedural_overlays_differ_by_their_seed():
    frames = noise_frames()
    first, again, other = (apply(BackgroundOverlay(limit=4, seed=seed), frames) for seed in (0, 0, 1))
    torch.testing.assert_close(first, again)
    assert (first - other).abs().mean() > 0.02


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: RandomShift(-1), "pixels"),
        (lambda: RandomCrop(1.2), "share"),
        (lambda: Rotation(200), "degrees"),
        (lambda: Flip(-0.1), "probability"),
        (lambda: ColourJitter(hue=0.7), "hue"),
        (lambda: ColourJitter(contrast=float("nan")), "contrast"),
        (lambda: Grayscale(2), "probability"),
        (lambda: Cutout(high=1.5), "high"),
        (lambda: ColourCutout(0.5, 0.2), "swap"),
        (lambda: BackgroundOverlay(alpha=2), "alpha"),
        (lambda: BackgroundOverlay(limit=0), "limit"),
        (lambda: BackgroundOverlay(seed=-1), "seed"),
        (lambda: BackgroundOverlay(np.zeros((2, 8, 8, 3))), "float64"),
        (lambda: BackgroundOverlay(np.zeros((2, 3, 8, 8), np.uint8)), "N, H, W, 3"),
    ],
)
def test_impossible_settings_are_refused(make, text):
    with pytest.raises(ConfigError, match=text):
        make()


def test_pictures_of_another_size_than_the_frames_are_refused():
    overlay = BackgroundOverlay(np.zeros((2, 64, 64, 3), np.uint8))
    with pytest.raises(SpecMismatchError, match="64x64, frames 20x28"):
        apply(overlay, noise_frames())
