import json
import pickle
import subprocess
import sys
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch

from synth_replay import TransitionGenerator
from synth_replay.checkpoint import load_checkpoint, save_checkpoint
from synth_replay.errors import (
    CheckpointError,
    SpecMismatchError,
)
from tests.conftest import rollout
from tests.generator.test_generator import make, same


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1"])
def test_a_loaded_generator_goes_on_with_the_same_rows(env_id, tmp_path):
    generator = make(env_id).fit(rollout(env_id))
    generator.save(tmp_path / "g")
    loaded = TransitionGenerator.load(tmp_path / "g")
    assert loaded.config == generator.config and loaded.spec == generator.spec
    assert same(generator.sample(64), loaded.sample(64))
    assert loaded.holdout_loss == generator.holdout_loss


def test_pickling_keeps_weights_and_random_state(pendulum):
    generator = make().fit(pendulum)
    assert same(pickle.loads(pickle.dumps(generator)).sample(64), generator.sample(64))
    assert not pickle.loads(pickle.dumps(make())).fitted


def test_a_folder_holds_no_pickle(pendulum, tmp_path):
    make().fit(pendulum).save(tmp_path)
    names = sorted(p.suffix for p in tmp_path.iterdir())
    assert names == [".json", ".safetensors"]


def test_saving_again_replaces_the_old_version_whole(pendulum, tmp_path):
    for seed in (1, 2):
        make(seed=seed).fit(pendulum).save(tmp_path)
    assert TransitionGenerator.load(tmp_path).seed == 2
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["truncate", "flip", "json", "no-tensors", "nothing", "newer", "meta"])
def test_a_damaged_checkpoint_is_one_clear_error(pendulum, tmp_path, damage):
    make().fit(pendulum).save(tmp_path)
    header, tensors = tmp_path / "generator.json", next(tmp_path.glob("*.safetensors"))
    data = json.loads(header.read_text())
    if damage == "truncate":
        tensors.write_bytes(tensors.read_bytes()[:-100])
    elif damage == "flip":
        blob = bytearray(tensors.read_bytes())
        blob[-1] ^= 255
        tensors.write_bytes(bytes(blob))
    elif damage == "json":
        header.write_text(header.read_text()[:40])
    elif damage == "no-tensors":
        tensors.unlink()
    elif damage == "nothing":
        header.unlink()
    elif damage == "newer":
        header.write_text(json.dumps(data | {"format": 99}))
    else:
        del data["meta"]["spec"]
        header.write_text(json.dumps(data))
    with pytest.raises(CheckpointError):
        TransitionGenerator.load(tmp_path)


def test_a_generator_of_another_environment_is_named(pendulum):
    generator = make().fit(pendulum)
    env = gym.make("CartPole-v1")
    with pytest.raises(SpecMismatchError, match="fitted for"):
        generator.require(env.observation_space, env.action_space)


def test_a_full_disk_while_saving_leaves_the_old_file(tmp_path):
    """A real write error: the process may not write files above a size that the new version exceeds."""
    save_checkpoint(tmp_path, "generator", {"x": torch.ones(10)}, {"version": 1})
    script = (
        "import resource, signal, sys, torch\n"
        "from synth_replay.checkpoint import save_checkpoint\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try:\n"
        "    save_checkpoint(sys.argv[1], 'generator', {'x': torch.ones(10_000)}, {'version': 2})\n"
        "except OSError as error:\n"
        "    print('OSError', error.errno)\n"
    )
    out = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert out.stdout.startswith("OSError"), out
    tensors, meta = load_checkpoint(tmp_path, "generator")
    assert meta == {"version": 1} and len(tensors["x"]) == 10
    assert len(list(tmp_path.iterdir())) == 2


def test_an_interrupted_fit_resumes_exactly_from_its_checkpoint(pendulum, tmp_path, monkeypatch):
    from synth_replay.diffusion import DenoiserTrainer

    whole = make().fit(pendulum, checkpoint=tmp_path / "a")
    train = DenoiserTrainer._train

    def killed(self, count, on_step):
        if self.step >= 10:
            raise KeyboardInterrupt
        train(self, count, on_step)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(DenoiserTrainer, "_train", killed)
        make().fit(pendulum, checkpoint=tmp_path / "b")
    assert load_checkpoint(tmp_path / "b", "training")[1]["step"] == 10
    resumed = make().fit(pendulum, checkpoint=tmp_path / "b")
    assert resumed.history == whole.history
    assert same(resumed.sample(40), whole.sample(40))


def test_the_state_of_another_fit_is_not_taken_for_this_ones(pendulum, tmp_path):
    whole = make().fit(pendulum, checkpoint=tmp_path)
    assert same(make().fit(pendulum, checkpoint=tmp_path).sample(40), whole.sample(40))
    order, ones = np.random.default_rng(0).permutation(len(pendulum)), np.ones(len(pendulum), np.float32)
    others = {
        "seed or dataset": lambda: make().fit(pendulum[order], checkpoint=tmp_path),
        "another seed": lambda: make(seed=make().seed + 1).fit(pendulum, checkpoint=tmp_path),
        "another configuration": lambda: make().fit(pendulum, steps=7, checkpoint=tmp_path),
        "dataset and another spaces": lambda: make().fit(replace(pendulum, discounts=ones), checkpoint=tmp_path),
    }
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for match, fit in others.items():
        with pytest.raises(CheckpointError, match=match):
            fit()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# -- configuration --------------------------------------------------------------------------
