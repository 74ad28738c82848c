"""The pipeline of arXiv 2508.12356 end to end, as small as it gets, on real environments."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from shutil import rmtree
from types import SimpleNamespace

import d3rlpy
import gymnasium as gym
import numpy as np
import pytest

import synth_replay_visual.__main__ as command
from synth_replay import TransitionGenerator, Transitions
from synth_replay.augment.backgrounds import PATTERNS
from synth_replay.augment.pixels import BackgroundOverlay, RandomShift
from synth_replay.datasets import collect_episodes, mix_episodes, open_pixels, write_offline_procgen, write_vd4rl_npz
from synth_replay.encoders import FrozenEncoder
from synth_replay.environments import ProcgenEnv, make_dmc_pixels
from synth_replay.errors import CheckpointError, ConfigError, SpecMismatchError
from synth_replay_visual import ARMS, VisualConfig, make_task, pipeline, run_arm, run_pipeline, stages
from synth_replay_visual.evaluation import play
from synth_replay_visual.summary import write_summary
from tests.conftest import TINY
from tests.environments.helpers import needs_procgen, needs_rendering

SIZE = VisualConfig(4, 6, 8, 6, (16,), generator=replace(TINY, store_rows=100), episodes=1, save_every=2)


def random_data(env, steps, seed=0):
    env.action_space.seed(seed)
    return collect_episodes(env, lambda _: env.action_space.sample(), steps=steps, seed=seed, progress=False)


@pytest.fixture
def fruitbot(tmp_path):
    folder = tmp_path / "fruitbot"
    write_offline_procgen(folder, random_data(ProcgenEnv("fruitbot", seed=0), 200))
    return open_pixels(folder)


@needs_procgen
def test_four_arms_of_a_game_make_equal_updates_and_end_in_table_and_pictures(fruitbot, tmp_path):
    task, out = make_task("fruitbot"), tmp_path / "out"
    results = run_pipeline(task, fruitbot, SIZE, out)
    assert [found["arm"] for found in results] == list(ARMS)
    assert all(len(found["returns"]["test"]) == 1 and "train" in found["returns"] for found in results)
    encoders = {found["arm"]: found["encoder"] for found in results}
    assert encoders["baseline"] == encoders["upsampled"] != encoders["augmented"] == encoders["augmented_upsampled"]
    for arm, found in zip(ARMS, results, strict=True):  # the agent that is saved has these returns
        actor = d3rlpy.load_learnable(str(out / "seed-0" / f"{arm}.d3"), device="cpu")
        make = partial(task.make_env, "test", 64)
        assert play(actor, make, 1, pipeline.TEST_SEED, 0.0)[0] == found["returns"]["test"]
    assert all(("marginal" in found) == ("upsampled" in found["arm"]) for found in results)
    assert {found["updates"] for found in results} == {SIZE.pretrain_steps + SIZE.finetune_steps}
    assert [found["real_share"] for found in results] == [1.0, 0.5, 1.0, 0.5]
    files = write_summary(task, fruitbot, results, out)
    assert all(file.stat().st_size > 100 for file in files)
    table = (out / "table.md").read_text()
    assert all(word in table for word in ("Baseline", "Upsampled", "Augmented", "Both", "Train", "Test", "G_perf"))


@needs_procgen
def test_latents_of_the_augmented_arms_are_of_augmented_frames(fruitbot, tmp_path):
    task, chosen = make_task("fruitbot"), stages.chosen_episodes(fruitbot, 50, 0)
    agent = stages.pretrained(task, chosen, SIZE, False, 0, tmp_path)
    encoder = stages.frozen(agent, SIZE, tmp_path)
    plain, again, augmented = (
        stages.latents(task, chosen, encoder, which, 0, tmp_path / str(i)).observations
        for i, which in enumerate((False, False, True))
    )
    np.testing.assert_array_equal(plain, again)
    assert (np.abs(plain - augmented).max(1) > 1e-3).mean() > 0.9


@needs_procgen
def test_a_stopped_run_goes_on_and_what_is_done_is_not_made_again(fruitbot, tmp_path):
    task, out = make_task("fruitbot"), tmp_path / "out"
    half = replace(SIZE, pretrain_steps=2)
    run_arm(task, fruitbot, half, "baseline", 0, out)  # a run that stopped after its first checkpoint
    (out / "seed-0" / "baseline.json").unlink()
    (out / "run.json").unlink()
    (out / "seed-0" / "plain" / "encoder.pt2").unlink()
    rmtree(out / "seed-0" / "plain" / "latents")
    first = run_arm(task, fruitbot, SIZE, "baseline", 0, out)
    assert [path.name for path in (out / "seed-0" / "plain").glob("*.d3")] == ["agent-000000004.d3"]
    assert run_arm(task, fruitbot, SIZE, "baseline", 0, tmp_path / "undisturbed") == first
    (out / "seed-0" / "plain" / "agent-000000004.d3").unlink()
    assert run_arm(task, fruitbot, SIZE, "baseline", 0, out) == first  # of its file
    with pytest.raises(CheckpointError, match="another size"):
        run_arm(task, fruitbot, replace(SIZE, latent="critic"), "upsampled", 0, out)


@needs_procgen
def test_what_cannot_be_evaluated_is_refused_before_anything_is_learnt(fruitbot, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="concat, sum, critic; got 'actor'"):
        run_arm(make_task("fruitbot"), fruitbot, replace(SIZE, latent="actor"), "baseline", 0, out)
    assert not out.exists()
    for other in ("coinrun", "cheetah-run"):
        with pytest.raises(SpecMismatchError, match=r"another (task|game)"):
            run_arm(make_task(other), fruitbot, SIZE, "baseline", 0, out / other)
    assert not list(out.rglob("*.d3"))


@needs_procgen
def test_results_are_of_one_dataset_even_if_another_has_its_lengths(fruitbot, tmp_path):
    stages.claim(tmp_path / "out", make_task("fruitbot"), fruitbot, SIZE)
    stages.claim(tmp_path / "out", make_task("fruitbot"), open_pixels(fruitbot.path), SIZE)
    write_offline_procgen(tmp_path / "other" / "fruitbot", list(fruitbot.episodes()))
    other = open_pixels(tmp_path / "other" / "fruitbot")
    for data in (other, mix_episodes(fruitbot, other, seed=0)):
        with pytest.raises(CheckpointError, match="another data"):
            stages.claim(tmp_path / "out", make_task("fruitbot"), data, SIZE)


def test_episodes_are_chosen_anew_for_each_seed_and_read_when_asked_for(fruitbot):
    few = stages.chosen_episodes(fruitbot, len(fruitbot) - int(fruitbot.lengths.max()) - 1, 0)
    assert 0 < len(few) < len(fruitbot) and few.fingerprint != fruitbot.fingerprint
    held = list(fruitbot.episodes())
    for episode in few.episodes():
        assert any(np.array_equal(episode.frames, other.frames) for other in held)
    assert stages.chosen_episodes(fruitbot, None, 0) is fruitbot


def test_all_that_an_agent_learns_from_has_one_draw_for_a_stack_and_the_next_one():
    frames = np.random.default_rng(0).integers(0, 256, (32, 9, 64, 64), np.uint8)
    for augmented in (False, True):
        before, after = make_task("cheetah-run").augmenter(augmented, 0)(frames, frames.copy())
        np.testing.assert_array_equal(before, after)
        moved = (before != frames).any((1, 2, 3))
        assert moved.mean() > 0.8
    one = before.reshape(32, 3, 3, 64, 64)
    same = np.broadcast_to(frames[:, :3, None], (32, 3, 3, 64, 64)).swapaxes(1, 2).reshape(32, 9, 64, 64)
    stack = make_task("cheetah-run").augmenter(True, 0)(same, same.copy())[0].reshape(one.shape)
    assert (stack == stack[:, :1]).all()


def test_a_generator_is_judged_by_rows_that_it_has_not_seen():
    n = np.arange(95, dtype=np.float32)
    seen, unseen = stages.held_out(Transitions(n[:, None], n[:, None], n, n[:, None], np.zeros(95, bool)), seed=3)
    assert len(unseen) == 9 and sorted([*seen.rewards, *unseen.rewards]) == n.tolist()


@needs_procgen
def test_options_of_the_command_change_the_size_and_arms_of_another_evaluation_are_left_out(
    fruitbot, tmp_path, monkeypatch, capsys
):
    asked = []
    monkeypatch.setattr(command, "run_pipeline", lambda task, data, size, *_, **__: asked.append(size))
    (tmp_path / "seed-0").mkdir()
    for arm, epsilon in (("baseline", 0.0), ("upsampled", 0.2)):
        held = {"arm": arm, "evaluation": {"episodes": 2, "epsilon": epsilon}}
        (tmp_path / "seed-0" / f"{arm}.json").write_text(json.dumps(held))
    options = ["--size", "smoke", "--epsilon", "0.2", "--feature-size", "7", "--latent", "critic"]
    places = ["--data", str(fruitbot.path), "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["visual", "fruitbot", *places, *options])
    command.main()
    assert (asked[0].epsilon, asked[0].feature_size, asked[0].latent) == (0.2, 7, "critic")
    assert "1 arms had another evaluation: they are left out" in capsys.readouterr().out


@needs_procgen
def test_the_command_mixes_a_share_of_other_data_in(fruitbot, tmp_path, monkeypatch):
    write_offline_procgen(tmp_path / "other" / "fruitbot", random_data(ProcgenEnv("fruitbot", seed=9), 200, seed=9))
    taken = []
    monkeypatch.setattr(command, "run_pipeline", lambda task, data, *args, **kwargs: taken.append(data))
    places = [
        "--data",
        str(fruitbot.path),
        "--out",
        str(tmp_path / "out"),
        "--mix",
        str(tmp_path / "other" / "fruitbot"),
    ]
    monkeypatch.setattr("sys.argv", ["visual", "fruitbot", *places, "--mix-share", "0.5"])
    command.main()
    assert set(taken[0].sources) == {0, 1} and 0.2 < taken[0].share < 0.8


@needs_procgen
def test_another_evaluation_makes_the_arm_again_and_nothing_before_it(fruitbot, tmp_path):
    task, out = make_task("fruitbot"), tmp_path / "out"
    first = run_arm(task, fruitbot, SIZE, "upsampled", 0, out)
    made = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and path.stem != "upsampled"}
    assert run_arm(task, fruitbot, SIZE, "upsampled", 0, out) == first
    again = run_arm(task, fruitbot, replace(SIZE, epsilon=1.0, episodes=2), "upsampled", 0, out)
    assert again["evaluation"] == {"episodes": 2, "epsilon": 1.0} and len(again["returns"]["test"]) == 2
    assert again["encoder"] == first["encoder"]
    assert made == {path: path.stat().st_mtime_ns for path in made}


@needs_procgen
def test_a_seed_has_its_own_tests_and_its_generator_does_not_see_what_it_is_judged_by(fruitbot, tmp_path, monkeypatch):
    tested, compared, fitted = [], [], []
    played, divergence, fit = pipeline.play, pipeline.latent_divergence, TransitionGenerator.fit

    def recorded(agent, make_env, episodes, seed, epsilon):
        tested.append((seed, epsilon))
        return played(agent, make_env, episodes, seed, epsilon)

    monkeypatch.setattr(pipeline, "play", recorded)
    monkeypatch.setattr(
        pipeline, "latent_divergence", lambda a, b: (compared.append((len(a), len(b))), divergence(a, b))[1]
    )
    monkeypatch.setattr(
        TransitionGenerator, "fit", lambda self, rows, **k: (fitted.append(len(rows)), fit(self, rows, **k))[1]
    )
    for seed in (0, 1):
        found = run_arm(make_task("fruitbot"), fruitbot, replace(SIZE, epsilon=0.25), "upsampled", seed, tmp_path)
    assert tested == [(10_000, 0.25)] * 2 + [(20_000, 0.25)] * 2
    assert all(train == test for train, test in compared) and len(compared) == 2
    assert fitted == [found["rows"] - found["rows"] // 10] * 2


def test_what_augmented_arms_see_is_neither_drqs_shift_nor_all_of_the_tests_patterns():
    augmenter = make_task("cheetah-run").generalization(0)
    kinds = [type(one) for one in augmenter.augmentations]
    assert len(kinds) == 4 and BackgroundOverlay in kinds and RandomShift not in kinds
    overlay = augmenter.augmentations[kinds.index(BackgroundOverlay)]
    assert 0 < len(set(overlay.patterns)) < len(set(PATTERNS))


class Corridor(gym.Env):
    """100 steps; actions are remembered."""

    def __init__(self, taken):
        self.observation_space, self.action_space = gym.spaces.Box(0, 255, (3, 4, 4), np.uint8), gym.spaces.Discrete(5)
        self.taken = taken

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.mine = []
        self.taken.append(self.mine)
        return self.observation_space.sample(), {}

    def step(self, action):
        self.mine.append(int(action))
        return self.observation_space.sample(), 1.0, len(self.mine) == 100, False, {}


def test_an_evaluation_takes_the_asked_share_of_random_actions_at_the_same_steps_for_every_agent():
    explored = []
    for best in (0, 1):
        agent, taken = SimpleNamespace(predict=lambda seen, best=best: np.full(len(seen), best)), []
        returns, _ = play(agent, lambda taken=taken: Corridor(taken), 20, 7, 0.3)
        assert returns == [100.0] * 20
        explored.append(np.array(taken))
    assert np.isin(explored[0], [2, 3, 4]).mean() == pytest.approx(0.3 * 3 / 5, abs=0.03)
    np.testing.assert_array_equal(explored[0] > 1, explored[1] > 1)
    play(agent, lambda: Corridor(taken), 20, 7, 1.0)
    assert len({tuple(row) for row in taken[-20:]}) == 20
    play(agent, lambda: Corridor(taken), 2, 7)
    assert taken[-1] == taken[-2] == [1] * 100


def test_a_learning_rate_is_that_of_all_networks_and_by_default_the_algorithms_own():
    drq, cql = make_task("cheetah-run"), make_task("fruitbot")
    faster = replace(SIZE, learning_rate=0.01)
    assert (drq.config(SIZE).actor_learning_rate, cql.config(SIZE).learning_rate) == (1e-4, 5e-4)
    assert drq.config(faster).actor_learning_rate == drq.config(faster).critic_learning_rate == 0.01
    assert cql.config(faster).learning_rate == 0.01


@needs_rendering
def test_a_task_of_dm_control_is_evaluated_under_three_levels_of_distraction(tmp_path):
    env = make_dmc_pixels("cheetah", "run", size=64, frame_stack=1)
    write_vd4rl_npz(tmp_path / "data", random_data(env, 120))
    task, data = make_task("cheetah-run"), open_pixels(tmp_path / "data")
    found = run_arm(task, data, replace(SIZE, latent="sum"), "augmented_upsampled", 0, tmp_path / "out")
    assert list(found["returns"]) == ["original", "easy", "medium", "hard"]
    assert list(found["divergence"]) == ["easy", "medium", "hard"]
    assert np.isfinite(list(found["divergence"].values())).all()
    encoder = FrozenEncoder.load(tmp_path / "out" / "seed-0" / "augmented" / "encoder.pt2")
    assert (encoder.layout.latent, encoder.layout.size, encoder.space.high[0]) == ("sum", 6, 2)


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
