"""The script that makes pixel datasets, at a tiny size: its data are what the raw environments show."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gymnasium.spaces import Discrete
from stable_baselines3 import PPO

from synth_replay.datasets import open_pixels
from synth_replay.environments import ProcgenEnv, make_dmc_pixels
from tests.environments.helpers import needs_procgen, needs_rendering

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return import_module


def collect(out, *arguments):
    command = [sys.executable, str(EXAMPLES / "collect_pixels.py"), *arguments, "--out", str(out), "--episodes", "1"]
    return subprocess.run(command, capture_output=True, text=True)


def replayed(env, episode, seed):
    """Frames ``[T + 1, 3, 64, 64]`` and rewards of an episode's actions in the environment itself."""
    frames, rewards = [env.reset(seed=seed)[0]], []
    for action in episode.actions:
        frame, reward, *_ = env.step(action)
        frames.append(frame)
        rewards.append(reward)
    return np.stack(frames), np.array(rewards)


def test_the_medium_policy_is_the_first_at_a_third_of_the_way_to_the_best(example):
    snapshot, pick = example("common.pixel_snapshots").Snapshot, example("common.pixel_collecting").snapshots_of_quality
    taken = [snapshot(step, score, f"{step}.zip") for step, score in enumerate([10.0, 39.0, 40.0, 100.0, 70.0])]
    picked = {name: [shot.step for shot in pick(taken, name)] for name in ("random", "medium", "expert")}
    assert picked == {"random": [0], "medium": [2], "expert": [3]}
    assert [shot.step for shot in pick(taken, "medium-replay")] == [0, 1, 2]
    assert pick(taken[:1], "medium-replay") == pick(taken[:1], "expert") == taken[:1]


def test_an_exploring_policy_takes_the_asked_share_of_random_actions_and_the_same_again(example):
    exploring, env = example("common.pixel_collecting").exploring, SimpleNamespace(action_space=Discrete(15))
    taken = []
    for _ in range(2):
        one, other = exploring([lambda seen: seen, lambda seen: seen + 1], env, 0.2, seed=3)
        taken.append([int(one(20)) for _ in range(3_000)])
        assert other(20) in (*range(15), 21)
    assert taken[0] == taken[1]
    random = np.array(taken[0]) < 20
    assert random.mean() == pytest.approx(0.2, abs=0.03)
    assert len(set(np.array(taken[0])[random])) == 15
    refused = collect("nowhere", "--task", "coinrun", "--epsilon", "1.1")
    assert refused.returncode == 2 and "--epsilon: a share is in [0, 1]" in refused.stderr


@pytest.mark.slow
@needs_rendering
def test_a_control_task_is_learnt_once_and_drawn_as_its_simulator_shows_it(tmp_path):
    small = ["--task", "cheetah-run", "--steps", "510", "--train-steps", "3"]
    done = collect(tmp_path / "plain", *small)
    assert done.returncode == 0, done.stderr
    assert "510 steps in 2 episodes" in done.stdout
    plain, env = list(open_pixels(tmp_path / "plain").episodes()), make_dmc_pixels(size=64, frame_stack=1)
    for seed, episode in enumerate(plain):
        frames, rewards = replayed(env, episode, seed)
        np.testing.assert_array_equal(episode.frames, frames)
        np.testing.assert_allclose(episode.rewards, rewards, rtol=1e-6)

    again = collect(tmp_path / "distracted", *small, "--distraction", "hard")
    assert again.returncode == 0, again.stderr
    assert "learning" not in again.stderr
    for one, other in zip(plain, open_pixels(tmp_path / "distracted").episodes(), strict=True):
        np.testing.assert_array_equal(one.actions, other.actions)
        np.testing.assert_array_equal(one.rewards, other.rewards)
        assert (one.frames != other.frames).mean() > 0.5


@pytest.fixture(scope="module")
def coinrun(tmp_path_factory):
    """The folder in which policies are learnt once, and the options that do so."""
    return tmp_path_factory.mktemp("coinrun"), ["--task", "coinrun", "--train-steps", "1"]


@pytest.mark.slow
@needs_procgen
def test_without_random_actions_the_best_one_is_taken_for_every_frame(coinrun):
    folder, small = coinrun
    for name, epsilon in (("greedy", "0"), ("random", "1")):
        done = collect(folder / name, *small, "--quality", "random", "--steps", "60", "--epsilon", epsilon)
        assert done.returncode == 0, done.stderr
    best = PPO.load(folder / "coinrun-policies-1-seed0" / "policy-0.zip", device="cpu")
    for episode in open_pixels(folder / "greedy", game="coinrun").episodes():
        frames = episode.frames[: len(episode)]
        np.testing.assert_array_equal(episode.actions, best.predict(frames, deterministic=True)[0])
    actions = np.concatenate([episode.actions for episode in open_pixels(folder / "random", game="coinrun").episodes()])
    assert len(set(actions.tolist())) > 10


@pytest.mark.slow
@needs_procgen
def test_a_game_is_drawn_as_the_engine_shows_it_on_training_levels(coinrun):
    folder, small = coinrun
    small = [*small, "--quality", "expert", "--steps", "40"]
    done = collect(folder / "expert", *small)
    assert done.returncode == 0, done.stderr
    dataset, env = open_pixels(folder / "expert", game="coinrun"), ProcgenEnv("coinrun")
    assert len(dataset) == 40
    for seed, episode in enumerate(dataset.episodes()):
        frames, rewards = replayed(env, episode, seed)
        assert env.reset(seed=seed)[1]["level_seed"] == episode.level_seed < 200
        shown = episode.frames.transpose(0, 2, 3, 1)
        np.testing.assert_array_equal(shown, frames[: len(shown)])
        np.testing.assert_allclose(episode.rewards, rewards)

    refused = collect(folder / "expert", *small)
    assert refused.returncode == 2
    assert "already exists" in refused.stderr


@pytest.mark.slow
@needs_rendering
def test_learning_that_was_interrupted_goes_on_from_its_last_snapshot(tmp_path, example):
    snapshots, tasks = example("common.pixel_snapshots"), example("common.pixel_tasks")

    class Interrupted(tasks.ControlTask):
        def score(self, model, seed):
            if model.num_timesteps == 2:
                raise KeyboardInterrupt
            return float(model.num_timesteps)

    interrupted, whole = (kind("pendulum-swingup", 64, None) for kind in (Interrupted, tasks.ControlTask))
    with pytest.raises(KeyboardInterrupt):
        snapshots.learn(interrupted, tmp_path, 3, seed=0)
    kept = [snapshots.Snapshot(step, float(step), f"policy-{step}.zip") for step in (0, 1)]
    assert snapshots.new_or_resumed(whole, tmp_path, kept, 3, 0).replay_buffer.size() == 1
    taken = snapshots.learn(whole, tmp_path, 3, seed=0)
    assert taken[:2] == kept
    assert [shot.step for shot in taken] == [0, 1, 2, 3]
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"policy-{i}.zip" for i in range(4)] + [
        "snapshots.json"
    ]


@needs_rendering
@pytest.mark.slow
def test_a_task_that_does_not_exist_is_refused_before_anything_is_learnt(tmp_path):
    refused = collect(tmp_path / "out", "--task", "cheetah-fly")
    assert refused.returncode == 2
    assert "cheetah has no task 'fly'; it has run" in refused.stderr
    assert not list(tmp_path.iterdir())
