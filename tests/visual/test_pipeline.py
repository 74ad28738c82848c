"""The pipeline of arXiv 2508.12356 end to end, as small as possible, on real environments."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from shutil import copytree, rmtree

import d3rlpy
import numpy as np
import pytest

from synth_replay import TransitionGenerator
from synth_replay.datasets import open_pixels, write_vd4rl_npz
from synth_replay.encoders import FrozenEncoder
from synth_replay.environments import make_dmc_pixels
from synth_replay.errors import CheckpointError
from synth_replay_visual import (
    ARMS,
    Branch,
    EvaluationSettings,
    encode_dataset,
    evaluation,
    freeze_encoder,
    make_task,
    play_episodes,
    pretrain,
    run_arm,
    sample_episodes,
    write_summary,
)
from tests.environments.helpers import needs_procgen, needs_rendering
from tests.visual.helpers import SMALLEST, random_data


@needs_procgen
def test_four_arms_of_a_game_make_equal_updates_and_end_in_table_and_pictures(fruitbot, four_arms, tmp_path):
    task, (out, results) = make_task("fruitbot"), four_arms
    assert [found.arm for found in results] == list(ARMS)
    assert all(set(found.evaluation.returns) == {"train", "test"} for found in results)
    assert all(len(found.evaluation.returns["test"]) == 1 for found in results)
    encoders = {found.arm: found.encoder for found in results}
    assert encoders["baseline"] == encoders["upsampled"] != encoders["augmented"] == encoders["augmented_upsampled"]
    for arm, found in zip(ARMS, results, strict=True):  # the agent that is saved has these returns
        actor = d3rlpy.load_learnable(str(out / "seed-0" / f"{arm}.d3"), device="cpu")
        make = partial(task.make_env, "test", 64)
        assert play_episodes(actor, make, 1, evaluation.TEST_SEED).returns == found.evaluation.returns["test"]
    assert all((found.fidelity is not None) == ARMS[found.arm].upsampled for found in results)
    assert {found.updates for found in results} == {SMALLEST.pretrain_steps + SMALLEST.finetune_steps}
    assert [found.real_share for found in results] == [1.0, 0.5, 1.0, 0.5]
    files = write_summary(task, fruitbot, results, tmp_path)
    assert all(file.stat().st_size > 100 for file in files)
    table = (tmp_path / "table.md").read_text()
    assert all(word in table for word in ("Baseline", "Upsampled", "Augmented", "Both", "Train", "Test", "G_perf"))


@needs_procgen
def test_latents_of_the_augmented_arms_are_of_augmented_frames(fruitbot, tmp_path):
    task, chosen = make_task("fruitbot"), sample_episodes(fruitbot, 50, 0)
    branches = [Branch(task, SMALLEST, augmented, 0, tmp_path) for augmented in (False, False, True)]
    encoder = freeze_encoder(branches[0], pretrain(branches[0], chosen))
    plain, again, augmented = (
        encode_dataset(branch, chosen, encoder, tmp_path / str(i)).observations for i, branch in enumerate(branches)
    )
    np.testing.assert_array_equal(plain, again)
    assert (np.abs(plain - augmented).max(1) > 1e-3).mean() > 0.9


@pytest.mark.usefixtures("without_pages")
@needs_procgen
def test_a_stopped_run_goes_on_and_what_is_done_is_not_made_again(fruitbot, four_arms, tmp_path):
    task, out = make_task("fruitbot"), tmp_path / "out"
    half = replace(SMALLEST, pretrain_steps=2)
    run_arm(task, fruitbot, half, "baseline", 0, out)  # a run that stopped after its first checkpoint
    (out / "seed-0" / "baseline.json").unlink()
    (out / "run.json").unlink()
    (out / "seed-0" / "plain" / "encoder.safetensors").unlink()
    rmtree(out / "seed-0" / "plain" / "latents")
    first = run_arm(task, fruitbot, SMALLEST, "baseline", 0, out)
    assert [path.name for path in (out / "seed-0" / "plain").glob("*.d3")] == ["agent-000000004.d3"]
    assert first == four_arms[1][0]  # an undisturbed run
    (out / "seed-0" / "plain" / "agent-000000004.d3").unlink()
    assert run_arm(task, fruitbot, SMALLEST, "baseline", 0, out) == first  # of its file
    with pytest.raises(CheckpointError, match="another size"):
        run_arm(task, fruitbot, replace(SMALLEST, latent="critic"), "upsampled", 0, out)


@pytest.mark.usefixtures("without_pages")
@needs_procgen
def test_another_evaluation_makes_the_arm_again_and_nothing_before_it(fruitbot, four_arms, tmp_path):
    task, out, first = make_task("fruitbot"), tmp_path / "out", four_arms[1][1]
    copytree(four_arms[0], out)
    made = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and path.stem != "upsampled"}
    assert run_arm(task, fruitbot, SMALLEST, "upsampled", 0, out) == first
    again = run_arm(task, fruitbot, replace(SMALLEST, epsilon=1.0, episodes=2), "upsampled", 0, out)
    assert again.evaluation.settings == EvaluationSettings(2, 1.0)
    assert len(again.evaluation.returns["test"]) == 2
    assert again.encoder == first.encoder
    assert made == {path: path.stat().st_mtime_ns for path in made}


@pytest.mark.usefixtures("without_pages")
@needs_procgen
def test_a_seed_has_its_own_tests_and_its_generator_does_not_see_what_it_is_judged_by(fruitbot, tmp_path, monkeypatch):
    tested, compared, fitted = [], [], []
    played, divergence, fit = evaluation.play_episodes, evaluation.latent_divergence, TransitionGenerator.fit

    def recorded(actor, make_env, episodes, seed, epsilon):
        tested.append((seed, epsilon))
        return played(actor, make_env, episodes, seed, epsilon)

    monkeypatch.setattr(evaluation, "play_episodes", recorded)
    monkeypatch.setattr(
        evaluation, "latent_divergence", lambda a, b: (compared.append((len(a), len(b))), divergence(a, b))[1]
    )
    monkeypatch.setattr(
        TransitionGenerator, "fit", lambda self, rows, **k: (fitted.append(len(rows)), fit(self, rows, **k))[1]
    )
    config = replace(SMALLEST, epsilon=0.25)
    found = run_arm(make_task("fruitbot"), fruitbot, config, "upsampled", 1, tmp_path)
    assert tested == [(20_000, 0.25)] * 2  # of seed 0 it is 10,000: see the four arms
    assert all(train == test for train, test in compared) and len(compared) == 1
    assert fitted == [found.rows - found.rows // 10]


@pytest.mark.slow
@pytest.mark.usefixtures("without_pages")
@needs_rendering
def test_a_task_of_dm_control_is_evaluated_under_three_levels_of_distraction(tmp_path):
    env = make_dmc_pixels("cheetah", "run", size=64, frame_stack=1)
    write_vd4rl_npz(tmp_path / "data", random_data(env, 120))
    task, data = make_task("cheetah-run"), open_pixels(tmp_path / "data")
    found = run_arm(task, data, replace(SMALLEST, latent="sum"), "augmented_upsampled", 0, tmp_path / "out")
    assert list(found.evaluation.returns) == ["original", "easy", "medium", "hard"]
    assert list(found.evaluation.divergence) == ["easy", "medium", "hard"]
    assert np.isfinite(list(found.evaluation.divergence.values())).all()
    encoder = FrozenEncoder.load(tmp_path / "out" / "seed-0" / "augmented" / "encoder.safetensors")
    assert (encoder.layout.latent, encoder.layout.size, encoder.space.high[0]) == ("sum", 6, 2)
