"""Datasets of frames that are mixed or transformed."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_replay.augment import PixelAugmenter
from synth_replay.datasets import open_pixels, write_offline_procgen
from synth_replay.datasets.pixels.episode import PixelEpisode
from synth_replay.datasets.pixels.mixing import mix_episodes
from synth_replay.datasets.pixels.transforms import augment_episodes, transform_episodes
from synth_replay.errors import (
    ConfigError,
    DatasetError,
    InvalidTransitionsError,
    SpecMismatchError,
)
from tests.datasets.pixels.helpers import (
    DISCRETE,
    SIZE,
    Listed,
    assert_episodes,
    episode_of,
)


def two_sources(plain, distracting):
    """Episodes of these lengths, whose red channel tells the source apart."""
    return (
        Listed(episode_of(i, steps) for i, steps in enumerate(plain)),
        Listed(episode_of(128 + i, steps) for i, steps in enumerate(distracting)),
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=30),
    st.lists(st.integers(1, 9), min_size=1, max_size=30),
    st.floats(0.01, 0.99),
    st.integers(0, 9),
)
def test_a_share_is_met_as_closely_as_whole_episodes_allow(plain, distracting, share, seed):
    plain, distracting = two_sources(plain, distracting)
    wanted = share * len(plain)
    if wanted > len(distracting) + distracting.lengths.mean() / 2:
        with pytest.raises(DatasetError, match="holds"):
            mix_episodes(plain, distracting, share, seed=seed)
        return
    mixed = mix_episodes(plain, distracting, share, seed=seed)
    found = list(mixed.episodes())
    foreign = [episode.frames[0, 0, 3, 3] >= 128 for episode in found]
    assert foreign == (mixed.sources == 1).tolist()
    rows = sum(len(episode) for episode, other in zip(found, foreign, strict=True) if other)
    longest = max(distracting.lengths)
    assert abs(rows - wanted) <= max(longest / 2, longest - wanted)
    assert mixed.share == pytest.approx(rows / sum(map(len, found)))
    assert len({episode.level_seed for episode in found}) == len(found)  # none twice


def test_five_per_cent_of_fixed_distracting_data_are_five_per_cent_of_the_plain_size():
    plain, distracting = two_sources([10] * 100, [10] * 20)
    mixed = mix_episodes(plain, distracting, seed=0)
    assert len(mixed) == 1000 and mixed.share == 0.05
    rows = np.concatenate([chunk.observations[:, 0, 3, 3] for chunk in mixed.transitions(64)])
    assert (rows >= 128).sum() == 50
    first = np.flatnonzero(rows >= 128)
    assert np.ptp(first) > 300  # spread over the dataset


def test_a_mix_depends_on_its_seed_alone():
    def numbers(seed):
        return [e.level_seed for e in mix_episodes(*two_sources([3] * 20, [3] * 20), 0.3, seed=seed).episodes()]

    assert numbers(1) == numbers(1) != numbers(2)
    mixed = mix_episodes(*two_sources([3] * 20, [3] * 20), 0.3, seed=1)
    assert [e.level_seed for e in mixed.episodes([5, 2, 9])] == [numbers(1)[i] for i in (5, 2, 9)]


def test_what_does_not_fit_is_not_mixed():
    plain, distracting = two_sources([5] * 4, [5] * 4)
    for share in (0, 1, -0.1, np.nan):
        with pytest.raises(ConfigError, match=r"share must be in \(0, 1\)"):
            mix_episodes(plain, distracting, share, seed=0)
    with pytest.raises(SpecMismatchError, match="frame_shape"):
        mix_episodes(plain, Listed([episode_of(0, 5, size=9)]), seed=0)
    with pytest.raises(SpecMismatchError, match="action_space"):
        mix_episodes(plain, Listed([episode_of(0, 5, DISCRETE)], DISCRETE), seed=0)


def test_a_transform_sees_whole_episodes_and_changes_frames_alone():
    episodes = [episode_of(i, i + 2) for i in range(3)]
    seen = []

    def invert(frames):
        seen.append(len(frames))
        return 255 - frames[:, :, ::2]

    changed = transform_episodes(episodes, invert)
    assert next(changed).frames.shape == (3, 3, SIZE // 2, SIZE) and seen == [3]
    wanted = [PixelEpisode(255 - e.frames[:, :, ::2], e.actions, e.rewards, False, e.level_seed) for e in episodes]
    assert_episodes(changed, wanted[1:])
    with pytest.raises(InvalidTransitionsError, match="returned 2 frames for 3"):
        list(transform_episodes(episodes, lambda frames: frames[1:]))
    with pytest.raises(InvalidTransitionsError, match="fractions"):
        list(transform_episodes(episodes, lambda frames: frames / 255))


def test_stored_augmentations_agree_over_the_frames_of_an_episode():
    still = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE), np.uint8)
    episodes = [replace(episode_of(i, 4), frames=np.repeat(still[None], 5, axis=0)) for i in range(6)]
    for name in ("random_shift", "colour_jitter", "background_overlay"):
        made = list(augment_episodes(episodes, PixelAugmenter(name, channels_last=False, seed=0)))
        assert all((e.frames == e.frames[0]).all() and e.frames.shape == (5, 3, SIZE, SIZE) for e in made)
        assert all((a.frames != b.frames).any() for a, b in pairwise(made))
        assert [e.level_seed for e in made] == [e.level_seed for e in episodes]
    with pytest.raises(InvalidTransitionsError, match="must keep the shape"):
        list(augment_episodes(episodes, lambda stack: stack[:, :3]))


def test_a_fingerprint_changes_with_files_and_with_what_is_mixed(tmp_path):
    for name in ("a", "b"):
        write_offline_procgen(tmp_path / name / "coinrun", [episode_of(i, 5, DISCRETE, size=64) for i in range(8)])
    a, b = open_pixels(tmp_path / "a" / "coinrun"), open_pixels(tmp_path / "b" / "coinrun")
    mixes = [mix_episodes(a, b, 0.25, seed=seed).fingerprint for seed in (0, 0, 1)]
    assert mixes[0] == mixes[1] and len({*mixes, a.fingerprint, b.fingerprint}) == 4
    before = a.fingerprint
    assert open_pixels(a.path).fingerprint == before
    file = next(f for f in (tmp_path / "a").rglob("*") if f.is_file())
    file.write_bytes(file.read_bytes())
    assert a.fingerprint != before
