"""The hyperparameter files for rl-zoo3 go through its own loader and train."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from synth_replay.generator.config import GeneratorConfig
from synth_replay_sb3 import SyntheticReplayBuffer
from tests.conftest import TINY

FOLDER = Path(__file__).parents[2] / "examples" / "rl_zoo3"
FILES = {"sac": "Pendulum-v1", "dqn": "CartPole-v1"}


@pytest.mark.parametrize("file", FILES)
def test_every_environment_of_a_file_takes_our_buffer_as_rl_zoo3_reads_it(file):
    import importlib  # noqa: F401 - rl-zoo3 evaluates the strings where this is imported

    for settings in yaml.safe_load((FOLDER / f"{file}.yml").read_text()).values():
        assert eval(settings["replay_buffer_class"]) is SyntheticReplayBuffer
        options = eval(settings["replay_buffer_kwargs"])
        assert options["real_ratio"] == 0.5 and options["refresh_every"] >= 5000


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "env_id"), FILES.items())
def test_rl_zoo3_trains_past_a_refresh_with_the_file(algorithm, env_id, tmp_path):
    TINY.save(tmp_path / "tiny.yaml")
    assert GeneratorConfig.load(tmp_path / "tiny.yaml") == TINY
    options = f"dict(refresh_every=120, generator={str(tmp_path / 'tiny.yaml')!r})"
    command = [sys.executable, "-W", "ignore", "-m", "rl_zoo3.train", "--algo", algorithm, "--env", env_id]
    command += ["--conf-file", str(FOLDER / f"{algorithm}.yml"), "--log-folder", str(tmp_path / "logs")]
    command += ["--n-timesteps", "200", "--eval-freq", "-1", "--seed", "0", "--device", "cpu", "--num-threads", "1"]
    changed = ["learning_starts:100", "train_freq:20", "gradient_steps:1", f"replay_buffer_kwargs:{options}"]
    done = subprocess.run([*command, "-params", *changed], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (saved,) = (tmp_path / "logs").glob(f"{algorithm}/*/{env_id}.zip")
    from stable_baselines3 import DQN, SAC

    model = {"sac": SAC, "dqn": DQN}[algorithm].load(saved)
    assert isinstance(model.replay_buffer, SyntheticReplayBuffer) and model.num_timesteps >= 200
