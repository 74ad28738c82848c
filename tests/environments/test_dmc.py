import os
import subprocess
import sys
from ctypes.util import find_library

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_for_sb3

from synth_replay.environments import load_dm_control, make_dmc_pixels
from synth_replay.errors import ConfigError, MissingExtraError
from tests.environments.helpers import needs_rendering

PLAIN = {"shadow": False, "reflection": False}


def raw_suite(domain, task, seed, fast=True):
    """The task itself, its own random numbers seeded as a seeded reset does."""
    env = load_dm_control()[0].load(domain, task, task_kwargs={"random": seed})
    if fast:
        env.physics.model.vis.quality.offsamples = 0
    return env


@needs_rendering
@pytest.mark.parametrize("fast", [True, False])
def test_observations_and_rewards_are_those_of_the_suite(fast):
    env, raw = (
        make_dmc_pixels("walker", "walk", size=32, frame_stack=3, fast=fast),
        raw_suite("walker", "walk", 5, fast),
    )
    flags = PLAIN if fast else {}
    raw.reset()
    frames = [raw.physics.render(32, 32, camera_id=0, render_flag_overrides=flags)] * 3
    observation, _ = env.reset(seed=5)
    env.action_space.seed(0)
    for _ in range(8):
        np.testing.assert_array_equal(observation, np.concatenate([f.transpose(2, 0, 1) for f in frames[-3:]]))
        action = env.action_space.sample()
        assert action.dtype == np.float32
        observation, reward, *_ = env.step(action)
        assert reward == sum(raw.step(action).reward for _ in range(2))
        np.testing.assert_array_equal(env.unwrapped.physics.get_state(), raw.physics.get_state())
        frames.append(raw.physics.render(32, 32, camera_id=0, render_flag_overrides=flags))
    np.testing.assert_array_equal(env.render(), frames[-1])


@needs_rendering
def test_channels_last_is_the_same_frames_in_another_order():
    first, last = (make_dmc_pixels(size=24, channels_first=c) for c in (True, False))
    first.reset(seed=0)
    last.reset(seed=0)
    action = np.full(6, 0.5, np.float32)
    one, two = first.step(action)[0], last.step(action)[0]
    assert one.shape == (9, 24, 24) and two.shape == (24, 24, 9)
    np.testing.assert_array_equal(one.transpose(1, 2, 0), two)


@needs_rendering
@pytest.mark.parametrize(("repeat", "steps"), [(300, 4), (250, 4)])
def test_an_episode_of_a_thousand_physics_steps_is_truncated_and_not_terminated(repeat, steps):
    env, raw = make_dmc_pixels("cheetah", "run", size=8, action_repeat=repeat), raw_suite("cheetah", "run", 1)
    env.reset(seed=1)
    raw.reset()
    action = np.full(6, 0.3, np.float32)
    ends = [env.step(action) for _ in range(steps)]
    assert [(e[2], e[3]) for e in ends] == [(False, False)] * (steps - 1) + [(False, True)]
    np.testing.assert_allclose(sum(e[1] for e in ends), sum(raw.step(action).reward for _ in range(1000)), rtol=1e-12)


@needs_rendering
@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version:UserWarning")
@pytest.mark.parametrize("distraction", [None, "hard"])
def test_the_checkers_of_gymnasium_and_sb3_pass(distraction):
    env = make_dmc_pixels("walker", "walk", size=84, distraction=distraction)
    check_env(env, skip_render_check=True)
    check_for_sb3(env)


@needs_rendering
def test_an_observation_is_not_changed_by_later_steps():
    env = make_dmc_pixels("cheetah", "run", size=16, frame_stack=1)
    observation, _ = env.reset(seed=0)
    kept = observation.copy()
    env.step(env.action_space.high)
    np.testing.assert_array_equal(observation, kept)


@needs_rendering
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"domain": "cat"}, "Unknown domain 'cat'.*cheetah"),
        ({"domain": "walker", "task": "fly"}, "walker has no task 'fly'.*walk"),
        ({"camera_id": 7}, "no camera 7.*0 to 1"),
        ({"size": 0}, "size=0"),
        ({"frame_stack": 0, "action_repeat": 0}, "frame_stack=0, action_repeat=0"),
        ({"distraction": "extreme"}, "easy, medium, hard"),
    ],
)
def test_bad_options_are_refused(options, text):
    with pytest.raises(ConfigError, match=text):
        make_dmc_pixels(**options)


@pytest.mark.slow
@needs_rendering
@pytest.mark.skipif(sys.platform != "linux", reason="GLFW needs no display server on other systems")
@pytest.mark.parametrize("backend", ["windows95", "glfw"])
def test_a_backend_that_does_not_start_is_named_with_the_system_packages(backend):
    said = refusal(MUJOCO_GL=backend)
    assert f"MUJOCO_GL is {backend}" in said and "libegl1" in said and "libosmesa6" in said


@pytest.mark.slow
def test_a_package_that_the_simulator_lacks_is_not_taken_for_a_rendering_library():
    said = refusal("import sys\nsys.modules['packaging'] = None\n")  # Gymnasium's MuJoCo renderer imports it
    assert "packaging" in said and "pip install 'synth-replay[dmc]'" in said and "libegl1" not in said


@pytest.mark.slow
@needs_rendering
@pytest.mark.skipif(sys.platform != "linux" or not find_library("EGL"), reason="EGL is not installed")
def test_d3rlpy_which_imports_the_simulator_itself_may_come_first():
    assert "MUJOCO_GL" not in refusal("import d3rlpy\n")


def refusal(before="", **variables):
    """What a process of its own says that cannot make the environment."""
    code = (
        f"{before}from synth_replay.environments import make_dmc_pixels\n"
        "from synth_replay.errors import MissingExtraError\n"
        "try: make_dmc_pixels()\n"
        "except MissingExtraError as error: print(error)"
    )
    place = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL")}
    place |= variables | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=place).stdout


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    for module in [m for m in sys.modules if m.partition(".")[0] == "dm_control"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "dm_control", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'synth-replay\[dmc\]'"):
        make_dmc_pixels()
