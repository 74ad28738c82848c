"""The generator's configuration, its presets, and its JSON and YAML files."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml

from synth_replay.codec.config import CodecConfig
from synth_replay.diffusion import GuidanceConfig, NetworkConfig, NoiseConfig, SamplerConfig, TrainingConfig
from synth_replay.errors import ConfigError
from synth_replay.generator.relabel_config import RelabelConfig


@dataclass(frozen=True)
class GeneratorConfig:
    """Everything that determines a fitted generator, given data and a seed.

    Attributes:
        network: Size of the denoiser.
        noise: Noise levels in training.
        training: Optimisation.
        sampler: How rows are drawn.
        codec: How transitions become rows.
        guidance: How labels are dropped in training and followed in sampling, for rows fitted with labels.
        relabel: Whether generated rows get their rewards and terminations from a supervised model or a function.
        redraw_share: Share of generated rows, the least plausible by the denoiser's own residual, that are drawn again
            under the same conditions. 0 keeps every row.
        chunk_rows: Rows that are denoised at once, at most; where labels are guided, half as many.
        store_rows: Generated rows that a replay buffer keeps and replaces at each refresh.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    codec: CodecConfig = field(default_factory=CodecConfig)
    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    relabel: RelabelConfig = field(default_factory=RelabelConfig)
    redraw_share: float = 0.0
    chunk_rows: int = 65_536
    store_rows: int = 1_000_000

    def __post_init__(self) -> None:
        if self.chunk_rows < 1 or self.store_rows < 1:
            raise ConfigError("GeneratorConfig: chunk_rows and store_rows must be at least 1.")
        if not 0 <= self.redraw_share < 1:
            raise ConfigError(f"GeneratorConfig.redraw_share must be in [0, 1), not {self.redraw_share!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Nested JSON types; :meth:`from_dict` is the inverse."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return plain

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> GeneratorConfig:
        """Builds a configuration.

        Args:
            data: Values by name. What is not named is as in the preset that ``base`` names; without ``base`` it is the
                field's default, of which most are the paper's.

        Raises:
            ConfigError: For unknown names or values that cannot be used.
        """
        rest, base = dict(data), data.get("base")
        rest.pop("base", None)
        if base is not None and base not in PRESETS:
            raise ConfigError(f"base is one of the presets {', '.join(PRESETS)}; got {base!r}.")
        config: GeneratorConfig = _changed(cls() if base is None else PRESETS[base], rest)
        return config

    def save(self, path: str | Path) -> None:
        """Writes JSON (``.json``) or YAML (any other suffix)."""
        path = Path(path)
        text = json.dumps(self.to_dict(), indent=2) if path.suffix == ".json" else yaml.safe_dump(self.to_dict())
        path.write_text(text)

    @classmethod
    def load(cls, path: str | Path) -> GeneratorConfig:
        """Reads a file of :meth:`save`, or one written by hand (see :meth:`from_dict`).

        Raises:
            ConfigError: If the file cannot be read or holds something else.
        """
        try:
            data = yaml.safe_load(Path(path).read_text())  # JSON is YAML
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"Cannot read the configuration {path}: {error}") from error
        if not isinstance(data, dict):
            raise ConfigError(f"{path} does not hold a configuration (a mapping of names to values).")
        return cls.from_dict(data)


def _changed(start: Any, data: Any) -> Any:
    """A configuration with other values, at any depth."""
    name = type(start).__name__
    if not isinstance(data, dict):
        raise ConfigError(f"{name} is a mapping of names to values, not {data!r}.")
    known = {field_.name for field_ in dataclasses.fields(start)}
    if unknown := set(data) - known:
        raise ConfigError(f"{name} has no {sorted(unknown)}; it has {sorted(known)}.")
    held = {key: getattr(start, key) for key in data}
    values = {k: _changed(held[k], v) if dataclasses.is_dataclass(held[k]) else v for k, v in data.items()}
    try:
        return dataclasses.replace(start, **values)
    except TypeError as error:
        raise ConfigError(f"{name}: {error}") from error


PAPER = GeneratorConfig(
    codec=CodecConfig(normalizer="zscore", next_observations="absolute", discrete="diffuse", decorrelate="never"),
)
"""SynthER's published settings (Tables 8 and 9, and its code): 128-step stochastic Heun, 100K training steps."""

FAST = GeneratorConfig(
    network=NetworkConfig(width=512),
    training=TrainingConfig(steps=20_000, batch_size=1024, learning_rate=1e-3, patience=8),
    sampler=SamplerConfig(name="dpmpp_2m", steps=16, sigma_max=10.0),
    relabel=RelabelConfig(enabled=True),
    chunk_rows=131_072,
)
"""For a GPU."""

CPU = GeneratorConfig(
    network=NetworkConfig(width=256),
    training=TrainingConfig(steps=10_000, batch_size=512, learning_rate=1e-3, patience=6),
    sampler=SamplerConfig(name="dpmpp_2m", steps=16, sigma_max=10.0),
    relabel=RelabelConfig(enabled=True),
    chunk_rows=4096,
    store_rows=100_000,
)
"""For a CPU: a refit takes minutes on two cores."""

PRESETS: dict[str, GeneratorConfig] = {"paper": PAPER, "fast": FAST, "cpu": CPU}


def resolve_config(config: str | Path | GeneratorConfig | None, device: torch.device) -> GeneratorConfig:
    """A preset's name, a file's path or a configuration to a configuration.

    Args:
        config: None takes ``fast`` on a GPU and ``cpu`` on a CPU.
        device: Where the generator will run.

    Raises:
        ConfigError: If it is neither a preset nor a readable file.
    """
    if config is None:
        return PRESETS["cpu" if device.type == "cpu" else "fast"]
    if isinstance(config, GeneratorConfig):
        return config
    if str(config) in PRESETS:
        return PRESETS[str(config)]
    if Path(config).is_file():
        return GeneratorConfig.load(config)
    raise ConfigError(f"{config!r} is neither a preset ({', '.join(PRESETS)}) nor an existing configuration file.")
