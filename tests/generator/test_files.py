"""A generator's folder and a configuration's file are data: they run no code, and each value is checked when read."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synth_replay import GeneratorConfig, TransitionGenerator
from synth_replay.buffers import SyntheticReplayBuffer
from synth_replay.errors import CheckpointError, ConfigError, UntrustedFileError
from synth_replay.generator import RelabelConfig
from tests.conftest import TINY, rollout
from tests.generator.test_generator import make

RULE = """
from pathlib import Path
import numpy as np
Path("imported").touch()
def rule(observations, actions, after):
    return np.full(len(actions), 7.0), np.zeros(len(actions), bool)
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "g"
    make(config=TINY).fit(rollout("Pendulum-v1")[:300], labels=np.arange(300) % 2, progress=False).save(folder)
    return folder


def edited(saved, folder, keys, value):
    """Copies the generator to ``folder`` with one changed value and a matching hash."""
    folder.mkdir()
    for path in saved.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    path = folder / "generator.json"
    held = at = json.loads(path.read_text())
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = value
    held["meta_sha256"] = hashlib.sha256(json.dumps(held["meta"], sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(held))
    return folder


# -- code ---------------------------------------------------------------------------------------


@pytest.fixture
def rule(tmp_path, monkeypatch):
    """A module in the working directory that leaves a mark when it is imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    name = f"rule_{os.urandom(4).hex()}"
    Path(f"{name}.py").write_text(RULE)
    return f"{name}:rule"


def test_a_function_that_a_generators_folder_names_is_imported_only_if_trusted(saved, rule, tmp_path):
    folder = edited(saved, tmp_path / "g", ("meta", "config", "relabel", "function"), rule)
    env = make()
    for load in (
        lambda: TransitionGenerator.load(folder),
        lambda: SyntheticReplayBuffer(10, env.spec.observation_space, env.spec.action_space, generator=folder),
    ):
        with pytest.raises(UntrustedFileError, match=rf"names the relabelling function '{rule}'.*trusted=True"):
            load()
    assert not Path("imported").exists()
    made = TransitionGenerator.load(folder, trusted=True)
    assert set(made.sample(20).rewards) == {7.0} and Path("imported").exists()
    SyntheticReplayBuffer(10, env.spec.observation_space, env.spec.action_space, generator=folder)  # trusted by now


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_function_that_a_configuration_file_names_is_imported_only_if_trusted(suffix, rule, tmp_path):
    path = tmp_path / f"config.{suffix}"
    replace(TINY, relabel=RelabelConfig(function=rule)).save(path)
    for load in (GeneratorConfig.load, lambda path: make(config=path)):
        with pytest.raises(UntrustedFileError, match="trusted=True"):
            load(path)
    assert not Path("imported").exists()
    assert GeneratorConfig.load(path, trusted=True).relabel.function == rule
    assert make(config=path).config.relabel.function == rule
    replace(TINY, relabel=RelabelConfig(function="os:system")).save(path)  # only the other function was trusted
    with pytest.raises(UntrustedFileError, match="os:system"):
        GeneratorConfig.load(path)


# -- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("network: {width: 32.5}", "NetworkConfig.width is a whole number, not 32.5"),
        ("network: {width: true}", "NetworkConfig.width is a whole number, not True"),
        ("network: {width: [64]}", r"whole number, not \[64\]"),
        ("network: {width: null}", "whole number, not None"),
        ("training: {learning_rate: fast}", "TrainingConfig.learning_rate is a number, not 'fast'"),
        ("training: {learning_rate: .inf}", "is a number, not inf"),
        ("training: {betas: [0.9]}", "TrainingConfig.betas is 2 numbers"),
        ("training: {betas: 0.9}", "is 2 numbers, not 0.9"),
        ("sampler: {name: euler}", "SamplerConfig.name is one of heun_sde, heun_ode, dpmpp_2m, not 'euler'"),
        ("codec: {normalizer: 3}", "CodecConfig.normalizer is one of auto, zscore, quantile, not 3"),
        ("relabel: {enabled: 1}", "RelabelConfig.enabled is true or false, not 1"),
        ("relabel: {function: 3}", "RelabelConfig.function is text, not 3"),
        ("{1: 2}", "GeneratorConfig has no"),
        ("base: [cpu]", "base is one of the presets"),
        ("[" * 5000, "Cannot read the configuration"),
        ("a: " + "[" * 5000, "more than 200 brackets"),
        ('{"network": ' + "[" * 100_000, "Cannot read the configuration"),
    ],
)
def test_a_value_of_another_type_is_named_when_the_file_is_read(text, match, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=match):
        GeneratorConfig.load(path)


def test_numbers_are_read_as_people_write_them(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("training: {learning_rate: 1e-3, steps: 1e4, patience: null, betas: [0.9, 1e-1]}\nchunk_rows: 40.0")
    config = GeneratorConfig.load(path)
    training = config.training
    assert (training.learning_rate, training.steps, training.patience) == (1e-3, 10_000, None)
    assert training.betas == (0.9, 0.1) and (type(training.steps), type(config.chunk_rows)) == (int, int)


EDITS = [
    (("meta", "rng"), {}),
    (("meta", "rng", "bit_generator"), "MT19937"),
    (("meta", "rng", "state", "state"), "x"),
    (("meta", "seed"), "x"),
    (("meta", "seed"), -1),
    (("meta", "history"), 3),
    (("meta", "history"), [{"step": "x", "loss": 1.0, "holdout_loss": []}]),
    (("meta", "label"), {"classes": [[1]], "quantiles": [], "mean": 0, "std": 1}),
    (("meta", "label"), None),
    (("meta", "config", "network", "width"), 10**12),
    (("meta", "config", "network", "depth"), 10**12),
    (("meta", "config", "network", "fourier_features"), 10**12),
    (("meta", "config"), []),
    (("meta", "spec", "extras"), 3),
    (("meta", "spec", "action_space", "shape"), [10**9, 10**9]),
    (("meta", "spec", "action_space"), {"type": "MultiBinary", "dtype": "int8", "n": 10**12}),
    (("meta", "spec", "action_space"), {"type": "Discrete", "dtype": "int64", "n": 10**12, "start": 0}),
    (("meta", "spec", "action_space"), {"type": "os.system", "dtype": "int64"}),
    (("meta",), []),
    (("format",), 1),
    (("sha256",), None),
    (("tensors",), "../elsewhere.safetensors"),
    (("tensors",), ["a"]),
    (("tensors",), "generator.json"),
]


@pytest.mark.parametrize(("keys", "value"), EDITS, ids=lambda v: str(v)[:40])
def test_an_edited_generator_is_one_clear_error_even_with_the_right_hash(saved, keys, value, tmp_path):
    folder = edited(saved, tmp_path / "g", keys, value)
    with pytest.raises(CheckpointError):
        TransitionGenerator.load(folder, "cpu")


def test_a_changed_value_is_noticed_by_the_hash(saved, tmp_path):
    folder = edited(saved, tmp_path / "g", ("meta", "config", "sampler", "steps"), 9)
    assert TransitionGenerator.load(folder).config.sampler.steps == 9  # somebody who knows the format
    path = folder / "generator.json"
    path.write_text(path.read_text().replace('"steps": 9', '"steps": 8'))
    with pytest.raises(CheckpointError, match="changed or damaged after it was saved"):
        TransitionGenerator.load(folder)


def test_a_tensor_file_that_is_no_plain_file_of_the_folder_is_not_opened(saved, tmp_path):
    (tmp_path / "elsewhere.safetensors").write_bytes(b"secret")
    prepared = (os.mkfifo, os.mkdir, lambda path: path.symlink_to("../elsewhere.safetensors"))
    for number, prepare in enumerate(prepared):
        folder = edited(saved, tmp_path / f"g{number}", ("tensors",), "given.safetensors")
        prepare(folder / "given.safetensors")
        with pytest.raises(CheckpointError, match="not a generator checkpoint"):
            TransitionGenerator.load(folder)


@pytest.mark.parametrize(
    "load", [lambda path: GeneratorConfig.load(path), lambda path: TransitionGenerator.load(path.parent)]
)
def test_a_device_or_a_pipe_in_the_place_of_a_json_file_is_not_opened(load, tmp_path):
    path = tmp_path / "generator.json"
    for put in (lambda: path.symlink_to("/dev/zero"), lambda: os.mkfifo(path), path.mkdir):
        path.unlink(missing_ok=True)
        put()
        with pytest.raises((ConfigError, CheckpointError), match="not a"):
            load(path)


def test_a_file_of_the_user_in_a_generators_folder_is_kept(saved, tmp_path):
    folder = edited(saved, tmp_path / "g", ("meta", "seed"), 3)
    names = ("generator-notes.safetensors", f"generator-{'0' * 16}.safetensors", "generator.json.partial", "readme.md")
    for name in names:
        (folder / name).write_text("mine")
    TransitionGenerator.load(folder).save(folder)
    assert all((folder / name).read_text() == "mine" for name in names) and len(list(folder.iterdir())) == 6


def test_aliases_that_stand_for_gigabytes_are_refused_at_once(tmp_path):
    lines = ["- &a0 [x,x,x,x,x,x,x,x,x,x]"] + [f"- &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    path = tmp_path / "bomb.yaml"
    for head in ("", "store_rows:\n", "network:\n  width:\n"):
        path.write_text(head + "\n".join(f"    {line}" for line in lines))
        with pytest.raises(ConfigError, match="aliases") as refused:
            GeneratorConfig.load(path)
        assert len(str(refused.value)) < 2_000
