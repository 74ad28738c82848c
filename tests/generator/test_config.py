from dataclasses import replace

import pytest
import torch

from synth_replay import GeneratorConfig, TransitionGenerator
from synth_replay.errors import (
    ConfigError,
)
from synth_replay.generator import PRESETS
from synth_replay.generator.config import resolve_config
from tests.conftest import TINY
from tests.generator.test_generator import make


@pytest.mark.parametrize("suffix", ["yaml", "json"])
@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_round_trip_through_files(preset, suffix, tmp_path):
    path = tmp_path / f"config.{suffix}"
    PRESETS[preset].save(path)
    assert GeneratorConfig.load(path) == PRESETS[preset]
    assert resolve_config(str(path), torch.device("cpu")) == PRESETS[preset]


def test_a_file_may_name_only_what_it_changes(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("network: {width: 64}\ntraining: {steps: 7}\n")
    config = GeneratorConfig.load(path)
    assert config.network.width == 64 and config.training.steps == 7 and config.sampler.steps == 128


def test_a_file_may_begin_with_a_preset(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("base: cpu\nnetwork: {width: 64}\n")
    cpu = PRESETS["cpu"]
    assert GeneratorConfig.load(path) == replace(cpu, network=replace(cpu.network, width=64))


@pytest.mark.parametrize(
    "text",
    [
        "base: best",
        "network: 5",
        "network: {with: 3}",
        "3",
        "a: [",
        "training: {steps: -1}",
        "training: {steps: x}",
    ],
)
def test_a_bad_configuration_file_is_one_clear_error(text, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        GeneratorConfig.load(path)


def test_unknown_presets_are_refused_and_none_follows_the_device():
    with pytest.raises(ConfigError, match="paper"):
        make(config="best")
    assert resolve_config(None, torch.device("cpu")) == PRESETS["cpu"]
    assert resolve_config(None, torch.device("cuda")) == PRESETS["fast"]
    with pytest.raises(ConfigError):
        replace(TINY, store_rows=0)


def test_paper_preset_is_the_published_setting():
    paper = PRESETS["paper"]
    assert (paper.network.width, paper.network.depth, paper.network.fourier_features) == (1024, 6, 16)
    assert (paper.training.steps, paper.training.batch_size, paper.training.large_batch_size) == (100_000, 256, 1024)
    assert paper.sampler.evaluations == 255 and paper.training.patience is None
    assert (paper.codec.normalizer, paper.codec.next_observations, paper.codec.discrete) == (
        "zscore",
        "absolute",
        "diffuse",
    )


def test_a_negative_seed_or_a_device_that_is_not_there_is_refused(pendulum, tmp_path):
    with pytest.raises(ConfigError, match="negative; got -1"):
        make(seed=-1)
    with pytest.raises(ConfigError, match=r"no device 'gpu'.*cpu"):
        make(device="gpu")
    make().fit(pendulum).save(tmp_path)
    with pytest.raises(ConfigError, match="no device 'gpu'"):
        TransitionGenerator.load(tmp_path, "gpu")
