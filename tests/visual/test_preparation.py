"""Checks before training, and which rows each step sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from synth_replay import Transitions
from synth_replay.datasets import mix_episodes, open_pixels, write_offline_procgen
from synth_replay.errors import CheckpointError, ConfigError, SpecMismatchError
from synth_replay_visual import claim_folder, make_task, run_arm, sample_episodes, split_holdout
from tests.environments.helpers import needs_procgen
from tests.visual.helpers import SMALLEST


@needs_procgen
def test_what_cannot_be_evaluated_is_refused_before_anything_is_learnt(fruitbot, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="concat, sum, critic; got 'actor'"):
        run_arm(make_task("fruitbot"), fruitbot, replace(SMALLEST, latent="actor"), "baseline", 0, out)
    assert not out.exists()
    for other in ("coinrun", "cheetah-run"):
        with pytest.raises(SpecMismatchError, match=r"another (task|game)"):
            run_arm(make_task(other), fruitbot, SMALLEST, "baseline", 0, out / other)
    assert not list(out.rglob("*.d3"))


@needs_procgen
def test_results_are_of_one_dataset_even_if_another_has_its_lengths(fruitbot, tmp_path):
    claim_folder(tmp_path / "out", make_task("fruitbot"), fruitbot, SMALLEST)
    claim_folder(tmp_path / "out", make_task("fruitbot"), open_pixels(fruitbot.path), SMALLEST)
    write_offline_procgen(tmp_path / "other" / "fruitbot", list(fruitbot.episodes()))
    other = open_pixels(tmp_path / "other" / "fruitbot")
    for data in (other, mix_episodes(fruitbot, other, seed=0)):
        with pytest.raises(CheckpointError, match="another data"):
            claim_folder(tmp_path / "out", make_task("fruitbot"), data, SMALLEST)


@needs_procgen
def test_episodes_are_chosen_anew_for_each_seed_and_read_when_asked_for(fruitbot):
    few = sample_episodes(fruitbot, len(fruitbot) - int(fruitbot.lengths.max()) - 1, 0)
    assert 0 < len(few) < len(fruitbot) and few.fingerprint != fruitbot.fingerprint
    held = list(fruitbot.episodes())
    for episode in few.episodes():
        assert any(np.array_equal(episode.frames, other.frames) for other in held)
    assert sample_episodes(fruitbot, None, 0) is fruitbot


def test_a_generator_is_judged_by_rows_that_it_has_not_seen():
    n = np.arange(95, dtype=np.float32)
    seen, unseen = split_holdout(Transitions(n[:, None], n[:, None], n, n[:, None], np.zeros(95, bool)), seed=3)
    assert len(unseen) == 9 and sorted([*seen.rewards, *unseen.rewards]) == n.tolist()
