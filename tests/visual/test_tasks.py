"""Tasks: what agents see, how they learn, which names and sizes are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from synth_replay.augment import BACKGROUND_PATTERNS, BackgroundOverlay, RandomShift
from synth_replay.errors import ConfigError
from synth_replay_visual import VisualConfig, make_task
from tests.visual.helpers import SMALLEST


def test_all_that_an_agent_learns_from_has_one_draw_for_a_stack_and_the_next_one():
    frames = np.random.default_rng(0).integers(0, 256, (32, 9, 64, 64), np.uint8)
    for augmented in (False, True):
        before, after = make_task("cheetah-run").pretraining_augmenter(augmented, 0)(frames, frames.copy())
        np.testing.assert_array_equal(before, after)
        moved = (before != frames).any((1, 2, 3))
        assert moved.mean() > 0.8
    one = before.reshape(32, 3, 3, 64, 64)
    same = np.broadcast_to(frames[:, :3, None], (32, 3, 3, 64, 64)).swapaxes(1, 2).reshape(32, 9, 64, 64)
    stack = make_task("cheetah-run").pretraining_augmenter(True, 0)(same, same.copy())[0].reshape(one.shape)
    assert (stack == stack[:, :1]).all()


def test_what_augmented_arms_see_is_neither_drqs_shift_nor_all_of_the_tests_patterns():
    augmenter = make_task("cheetah-run").generalization_augmenter(0)
    kinds = [type(one) for one in augmenter.augmentations]
    assert len(kinds) == 4 and BackgroundOverlay in kinds and RandomShift not in kinds
    overlay = augmenter.augmentations[kinds.index(BackgroundOverlay)]
    assert 0 < len(set(overlay.patterns)) < len(set(BACKGROUND_PATTERNS))


def test_a_learning_rate_is_that_of_all_networks_and_by_default_the_algorithms_own():
    drq, cql = make_task("cheetah-run"), make_task("fruitbot")
    faster = replace(SMALLEST, learning_rate=0.01)
    assert (drq.agent_config(SMALLEST).actor_learning_rate, cql.agent_config(SMALLEST).learning_rate) == (1e-4, 5e-4)
    assert drq.agent_config(faster).actor_learning_rate == drq.agent_config(faster).critic_learning_rate == 0.01
    assert cql.agent_config(faster).learning_rate == 0.01


def test_unknown_tasks_and_sizes_are_refused():
    with pytest.raises(ConfigError, match="Unknown task"):
        make_task("cartpole")
    with pytest.raises(ConfigError, match="cheetah-run, walker-stand"):
        make_task("cheetah-fly")
    with pytest.raises(ConfigError, match="batch_size"):
        VisualConfig(batch_size=0)
    with pytest.raises(ConfigError, match="learning_rate must be positive; got 0"):
        VisualConfig(learning_rate=0.0)
    for epsilon in (-0.1, 1.5, float("nan")):
        with pytest.raises(ConfigError, match=f"epsilon is a probability, in .0, 1.; got {epsilon}"):
            VisualConfig(epsilon=epsilon)
    with pytest.raises(ConfigError, match="64 x 64"):
        make_task("coinrun").make_env("train", 84)
