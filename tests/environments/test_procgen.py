import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils import seeding
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_for_sb3

from synth_replay.environments import ProcgenEnv
from synth_replay.environments.optional_imports import load_procgen
from synth_replay.errors import ConfigError, MissingExtraError
from tests.environments.helpers import needs_procgen

NOTHING = 4  # the action without a key


def raw_engine(game, seed, **options):
    """The engine that the wrapper makes from this seed."""
    rand_seed = int(seeding.np_random(seed)[0].integers(2**31 - 1))
    options = {"num_levels": 200, "distribution_mode": "easy", **options}
    engine = load_procgen().ProcgenGym3Env(num=1, num_threads=0, env_name=game, rand_seed=rand_seed, **options)
    _ = engine._c_lib.libenv_close  # as in ProcgenEnv
    return engine


def look(engine):
    reward, observation, first = engine.observe()
    return float(reward[0]), observation["rgb"][0], bool(first[0]), engine.get_info()[0]


@needs_procgen
@pytest.mark.parametrize(("game", "episodes"), [("fruitbot", 100), ("chaser", 20), ("maze", 8)])
def test_frames_levels_and_returns_are_the_raw_engines(game, episodes):
    env, engine, rng = ProcgenEnv(game), raw_engine(game, 3), np.random.default_rng(0)
    frame, info = env.reset(seed=3)
    returns, raw_returns, total, raw_total = [], [], 0.0, 0.0
    while len(returns) < episodes:
        _, raw_before, _, raw_info = look(engine)
        np.testing.assert_array_equal(frame, raw_before)
        assert info["level_seed"] == raw_info["level_seed"]
        action = int(rng.integers(15))
        frame, reward, terminated, truncated, info = env.step(action)
        engine.act(np.array([action]))
        raw_reward, _, first, raw_info = look(engine)
        total, raw_total = total + reward, raw_total + raw_reward
        assert first == (terminated or truncated) and not (terminated and truncated)
        expected = {"level_seed": raw_info["prev_level_seed"], "level_complete": raw_info["prev_level_complete"]}
        assert info == expected | {"final_frame_missing": first}
        if first:
            np.testing.assert_array_equal(frame, raw_before)  # the last that was drawn, not the next level's
            returns, raw_returns, total, raw_total = [*returns, total], [*raw_returns, raw_total], 0.0, 0.0
            frame, info = env.reset()
    assert returns == raw_returns and len(set(returns)) > 1


@needs_procgen
@pytest.mark.parametrize(
    ("game", "mode", "limit"),
    [("maze", "easy", 500), ("leaper", "easy", 500), ("coinrun", "hard", 1000), ("jumper", "memory", 2000)],
)
def test_waiting_is_truncated_at_the_limit_of_the_game(game, mode, limit):
    env, engine = ProcgenEnv(game, distribution_mode=mode), raw_engine(game, 0, distribution_mode=mode)
    env.reset(seed=0)
    for step in range(1, limit + 1):
        _, _, terminated, truncated, _ = env.step(NOTHING)
        engine.act(np.array([NOTHING]))
        assert look(engine)[2] == (step == limit)
        assert not terminated and truncated == (step == limit)


@needs_procgen
def test_a_death_is_a_termination():
    env = ProcgenEnv("starpilot", seed=0)
    env.reset()
    steps, terminated = 0, False
    while not terminated:
        _, _, terminated, truncated, info = env.step(NOTHING)
        steps += 1
        assert not truncated
    assert steps < env.time_limit and not info["level_complete"]


@needs_procgen
def test_levels_stay_within_the_asked_range_and_all_come_up():
    env = ProcgenEnv("heist", num_levels=5, start_level=40, seed=0)
    assert {env.reset()[1]["level_seed"] for _ in range(60)} == set(range(40, 45))
    everything = ProcgenEnv("heist", num_levels=0, seed=0)
    levels = [everything.reset()[1]["level_seed"] for _ in range(20)]
    assert len(set(levels)) == 20 and max(levels) > 2**30


@needs_procgen
def test_a_reset_within_an_episode_starts_another_level_that_is_played_from_its_beginning():
    env, engine = ProcgenEnv("ninja"), raw_engine("ninja", 5)
    env.reset(seed=5)
    for _ in range(7):
        env.step(NOTHING)
        engine.act(np.array([NOTHING]))
    engine.act(np.array([-1]))
    frame, info = env.reset()
    np.testing.assert_array_equal(frame, look(engine)[1])
    assert info["level_seed"] == look(engine)[3]["level_seed"]
    for _ in range(env.time_limit - 1):
        assert not any(env.step(NOTHING)[2:4])
    assert env.step(NOTHING)[3]


@needs_procgen
def test_a_seed_repeats_levels_and_another_does_not():
    def levels(env, seed):
        return [env.reset(seed=seed)[1]["level_seed"], *(env.reset()[1]["level_seed"] for _ in range(9))]

    first, second = ProcgenEnv("miner", seed=1), ProcgenEnv("miner")
    assert levels(first, 7) == levels(second, 7) == levels(first, 7) != levels(first, 8)
    assert levels(first, None) != levels(ProcgenEnv("miner"), None)


@needs_procgen
@pytest.mark.parametrize("check", [check_env, check_for_sb3])
def test_the_checkers_of_gymnasium_and_sb3_pass(check):
    env = gym.make("synth_replay/Procgen-coinrun-v0", num_levels=200, render_mode="rgb_array")
    check(env.unwrapped)


@needs_procgen
def test_the_picture_is_the_observation_in_large():
    env = ProcgenEnv("bigfish", render_mode="rgb_array", seed=0)
    frame, _ = env.reset()
    ended = False
    while not ended:
        small = env.render().reshape(64, 8, 64, 8, 3).mean((1, 3))
        assert np.corrcoef(small.ravel(), frame.ravel())[0, 1] > 0.9
        before = env.render()
        frame, _, ended, _, _ = env.step(NOTHING)
    np.testing.assert_array_equal(env.render(), before)


@needs_procgen
def test_steps_outside_an_episode_and_unknown_actions_are_refused():
    env = ProcgenEnv("chaser")
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(NOTHING)
    env.reset(seed=0)
    for action in (-1, 15):
        with pytest.raises(InvalidAction, match=str(action)):
            env.step(action)
    while not any(env.step(NOTHING)[2:4]):
        pass
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(NOTHING)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"game": "pong"}, "coinrun"),
        ({"distribution_mode": "nightmare"}, "easy, hard"),
        ({"distribution_mode": "memory"}, "coinrun has no memory mode.*caveflyer"),
        ({"num_levels": -1}, "not all within"),
        ({"start_level": 2**31}, "not all within"),
        ({"num_levels": 0, "start_level": 3}, "no effect"),
        ({"render_mode": "human"}, "rgb_array"),
    ],
)
def test_bad_options_are_refused_before_the_engine_starts(options, text):
    with pytest.raises(ConfigError, match=text):
        ProcgenEnv(**options)


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "procgen", None)
    monkeypatch.delitem(sys.modules, "procgen.env", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'synth-replay\[procgen\]'"):
        ProcgenEnv()


@needs_procgen
def test_a_library_that_cannot_be_loaded_is_named_with_the_system_packages(tmp_path):
    package = Path(find_spec("procgen").submodule_search_locations[0])
    broken = tmp_path / "procgen"
    (broken / "data" / "prebuilt").mkdir(parents=True)
    for file in (*package.glob("*.py"), package / "version.txt"):
        (broken / file.name).symlink_to(file)
    (broken / "data" / "assets").symlink_to(package / "data" / "assets")
    (broken / "data" / "prebuilt" / "libenv.so").write_bytes(b"")
    code = f"import sys; sys.path[:0] = {[str(tmp_path), *sys.path]!r}\n" + (
        "from synth_replay.environments import ProcgenEnv\n"
        "from synth_replay.errors import MissingExtraError\n"
        "try: ProcgenEnv()\n"
        "except MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "libgl1 libglib2.0-0" in done.stdout and "libenv.so" in done.stdout


@needs_procgen
def test_a_forgotten_environment_can_be_collected_while_another_is_made():
    code = """
import gc
from synth_replay.environments import ProcgenEnv
env = ProcgenEnv("coinrun")
with env._engine._ffi._lock:  # which the making of an engine holds
    cycle = [env]
    cycle.append(cycle)
    del env, cycle
    assert gc.collect()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
