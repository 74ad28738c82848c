"""The code of the page on pixels runs. Only sizes and the placeholder data are replaced."""

import re
from pathlib import Path

import numpy as np
import pytest
from stable_baselines3 import SAC

from synth_replay.datasets import write_vd4rl_npz
from synth_replay.generator.config import PRESETS
from tests.conftest import TINY
from tests.datasets.pixels.helpers import episode_of
from tests.encoders.helpers import pixel_env, pixel_rollout
from tests.sb3.pixels.test_policies import SmallCnn

TEXT = (Path(__file__).parents[2] / "docs" / "pixels.md").read_text()
SB3, D3RLPY, AUGMENT = re.findall(r"```python\n(.*?)```", TEXT, flags=re.S)


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(PRESETS, "cpu", TINY)


def test_the_sb3_snippet_runs():
    env = pixel_env()
    model = SAC("CnnPolicy", env, policy_kwargs={"features_extractor_class": SmallCnn}, buffer_size=500, device="cpu")
    namespace: dict = {"model": model, "env": env}
    code = SB3.replace("    env,\n", "    env,\n    buffer_size=500,\n    device='cpu',\n").replace("50_000", "105")
    exec(code, namespace)
    assert namespace["upsampled"].replay_buffer.observations.shape[-1] == 16


def test_the_d3rlpy_snippet_runs():
    write_vd4rl_npz(Path("cheetah-run"), [episode_of(i, 60, size=64) for i in range(2)])
    quiet = "n_steps=2, n_steps_per_epoch=2, show_progress=False"
    namespace: dict = {}
    exec(D3RLPY.replace("n_steps=100_000", quiet).replace("DrQBCConfig()", "DrQBCConfig(batch_size=4)"), namespace)
    frames, encoder = namespace["frames"], namespace["learner"].config.actor_encoder_factory.encoder
    stacks = frames.stacks(frames.observation_frames[:5])
    from synth_replay.encoders import FrozenEncoder

    latents = FrozenEncoder.load(encoder).encode(stacks)
    np.testing.assert_allclose(namespace["actor"].predict(stacks), namespace["learner"].predict(latents), atol=1e-5)


def test_the_augmentation_snippet_runs():
    rows = pixel_rollout()
    namespace = {"observations": rows.observations, "next_observations": rows.next_observations}
    exec(AUGMENT, namespace)
    assert namespace["observations"].shape == rows.observations.shape
    assert not np.array_equal(namespace["observations"], rows.observations)


def test_the_data_of_the_command_are_made_by_the_one_before_it():
    made = re.search(r"python examples/collect_pixels.py [^\n]*--out (\S+)", TEXT)[1]
    assert f"cheetah-run --data {made} " in TEXT


def test_a_folder_without_data_is_told_in_one_line(monkeypatch, tmp_path):
    from synth_replay_visual import __main__ as command

    words = ["visual", "cheetah-run", "--data", "none", "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit, match=r"^error: none does not exist") as ended:
        command.main()
    assert "\n" not in ended.value.code


def test_the_commands_options_exist():
    command = re.search(r"python -m synth_replay_visual ([^\n]*)", TEXT)[1]
    source = (Path(__file__).parents[2] / "pipelines/synth_replay_visual/__main__.py").read_text()
    assert all(f'"{word}"' in source for word in command.split() if word.startswith("--"))
