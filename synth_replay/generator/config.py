"""Configurations of the generator: settings, presets, and JSON and YAML files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import torch
import yaml

from synth_replay.codec.config import CodecConfig
from synth_replay.diffusion.config import NetworkConfig, NoiseConfig, SamplerConfig, TrainingConfig
from synth_replay.diffusion.guidance import GuidanceConfig
from synth_replay.errors import ConfigError
from synth_replay.generator.config_values import changed
from synth_replay.safe_paths import plain_bytes, shown
from synth_replay.spaces import Array
from synth_replay.trust import require_trust

MIN_ROWS = 100
"""Fewest rows that a generator can be fitted to."""

MOST_BRACKETS, MOST_BYTES = 200, 1 << 20

RewardFunction = Callable[[Any, Any, Any], tuple[Array, Array]]


@dataclass(frozen=True)
class RelabelConfig:
    """Settings of the model or function that gives generated rows their rewards and terminations.

    Attributes:
        enabled: Relabel generated rows with a model p(r, d | s, a, s') that is fitted together with the denoiser.
        function: Import path ``module:name`` of a function of (observations, actions, next_observations) that returns
            (rewards, terminations), all of them whole arrays. It replaces the model where the task's own rule is
            known. ``RelabelConfig.from_function`` finds the path.
        width: Units of the model's two hidden layers.
        steps: Gradient steps of the model's fit.
        batch_size: Rows of a batch.
        learning_rate: Peak rate of AdamW, annealed to zero by a cosine.
        weight_decay: AdamW's decoupled weight decay.
        input_noise: Standard deviation of the noise on the model's inputs in training, relative to their own standard
            deviation. It makes the model robust to the small errors of generated rows.
        threshold: Probability from which a row is terminal, in (0, 1). Precision and recall of the simulator's
            terminations are about equal at 0.4 (Hopper-v5, 0.7 % terminations).
        resamples: How often a row is resampled under its own conditions while its predicted termination disagrees with
            the requested one. Resampling keeps both the rate of terminations and the states in which they occur. 0
            keeps every row.
        max_levels: Most distinct values of a reward that is rounded to the values of the real rows.
    """

    enabled: bool = False
    function: str | None = None
    width: int = 256
    steps: int = 8_000
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    input_noise: float = 0.01
    threshold: float = 0.4
    resamples: int = 4
    max_levels: int = 16

    def __post_init__(self) -> None:
        for name in ("width", "steps", "batch_size", "learning_rate", "max_levels"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"RelabelConfig.{name} must be positive, not {getattr(self, name)!r}.")
        if self.resamples < 0:
            raise ConfigError(f"RelabelConfig.resamples must not be negative; got {self.resamples}.")
        if self.input_noise < 0 or self.weight_decay < 0 or not 0 < self.threshold < 1:
            raise ConfigError("RelabelConfig: input_noise, weight_decay must not be negative; threshold is in (0, 1).")

    @classmethod
    def from_function(cls, function: RewardFunction) -> RelabelConfig:
        """Configures relabelling by a function of (observations, actions, next_observations).

        Args:
            function: Function of whole arrays that returns rewards ``[n]`` and terminations ``[n]``. A configuration is
                saved as text, so it holds the function's import path, and the function must be defined at the top
                level of a module.

        Raises:
            ConfigError: If the function cannot be imported by its name (a lambda, a closure).
        """
        return cls(function=_import_path(function))


def _import_path(function: RewardFunction) -> str:
    path = f"{getattr(function, '__module__', '?')}:{getattr(function, '__qualname__', '?')}"
    try:
        found = resolve_name(path)
    except (ImportError, AttributeError, ValueError):
        found = None
    if found is not function:
        raise ConfigError(
            f"RelabelConfig.function {path} cannot be imported by that name: define it at the top level of a module "
            "(no lambda, no closure), since the configuration is saved with the generator."
        )
    return path


@dataclass(frozen=True)
class GeneratorConfig:
    """Everything that determines a fitted generator, given data and a seed.

    Attributes:
        network: Size of the denoiser.
        noise: Distribution of the noise levels in training.
        training: Optimisation of the denoiser.
        sampler: Sampling algorithm and noise schedule.
        codec: Map from transitions to rows.
        guidance: Label dropout in training and guidance in sampling, for rows fitted with labels.
        relabel: Source of the rewards and terminations of generated rows.
        resample_share: Share of generated rows, the least plausible by the denoiser's own residual, that are resampled
            under the same conditions, in [0, 1). 0 keeps every row.
        chunk_rows: Maximum number of rows that are denoised at once; half of it where guidance needs two scores.
        store_rows: Generated rows that a replay buffer keeps and replaces at each refresh.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    codec: CodecConfig = field(default_factory=CodecConfig)
    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    relabel: RelabelConfig = field(default_factory=RelabelConfig)
    resample_share: float = 0.0
    chunk_rows: int = 65_536
    store_rows: int = 1_000_000

    def __post_init__(self) -> None:
        if self.chunk_rows < 1 or self.store_rows < 1:
            raise ConfigError("GeneratorConfig: chunk_rows and store_rows must be at least 1.")
        if not 0 <= self.resample_share < 1:
            raise ConfigError(f"GeneratorConfig.resample_share must be in [0, 1), not {self.resample_share!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Returns the configuration as nested JSON values."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return plain

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> GeneratorConfig:
        """Builds a configuration from nested JSON values.

        Args:
            data: Values by name. Settings that are not named come from the preset that ``base`` names; without
                ``base`` they are the defaults, most of which are the paper's.

        Raises:
            ConfigError: If a name is unknown, or a value has another type or cannot be used.
        """
        if not isinstance(data, dict):
            raise ConfigError(f"A configuration is a mapping of names to values, not {shown(data)}.")
        rest, base = dict(data), data.get("base")
        rest.pop("base", None)
        if base is not None and not (isinstance(base, str) and base in PRESETS):
            raise ConfigError(f"base is one of the presets {', '.join(PRESETS)}; got {shown(base)}.")
        config: GeneratorConfig = changed(cls() if base is None else PRESETS[base], rest)
        return config

    def save(self, path: str | Path) -> None:
        """Writes a JSON file (suffix ``.json``) or a YAML file (any other suffix)."""
        path = Path(path)
        text = json.dumps(self.to_dict(), indent=2) if path.suffix == ".json" else yaml.safe_dump(self.to_dict())
        path.write_text(text)

    @classmethod
    def load(cls, path: str | Path, *, trusted: bool = False) -> GeneratorConfig:
        """Reads a file that :meth:`save` wrote, or one written by hand as :meth:`from_dict` describes.

        Args:
            path: YAML or JSON file.
            trusted: Whether the file may name a relabelling function, which fitting and sampling import and call.

        Raises:
            ConfigError: If the file cannot be read or holds no configuration.
            UntrustedFileError: If it names a function and ``trusted`` is off.
        """
        try:
            config = cls.from_dict(_parsed(plain_bytes(Path(path), MOST_BYTES).decode()))
        except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise ConfigError(f"Cannot read the configuration {path}: {text}") from error
        remedy = f"give GeneratorConfig.load({str(path)!r}, trusted=True) instead of the path."
        require_trusted_function(config, path, trusted, remedy)
        return config


def _parsed(text: str) -> Any:
    """Returns the values of JSON or YAML text.

    Raises:
        ValueError: If YAML has aliases, or more brackets than any configuration needs.
        YAMLError: If the text is neither JSON nor YAML.
    """
    with suppress(json.JSONDecodeError):
        return json.loads(text)
    if text.count("[") + text.count("{") > MOST_BRACKETS:  # YAML takes minutes for deep ones
        raise ValueError(f"it has more than {MOST_BRACKETS} brackets")
    if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.SafeLoader)):
        raise ValueError("it has aliases (*name), which can stand for gigabytes: write each value out")
    return yaml.safe_load(text)


def require_trusted_function(config: GeneratorConfig, path: str | Path, trusted: bool, remedy: str) -> None:
    """Checks that a configuration from a file names no function, unless the user trusts the file.

    Args:
        config: Configuration that was read.
        path: File, or folder of a generator, that it was read from.
        trusted: Whether the user trusts the origin of the file.
        remedy: What to call instead, for the error.

    Raises:
        UntrustedFileError: If it names a function, and the user has never trusted this file with this function.
    """
    if config.relabel.function is None:
        return
    require_trust(
        f"{Path(path).resolve()}\0{config.relabel.function}".encode(),
        trusted,
        f"{path} names the relabelling function {config.relabel.function!r}, which fit and sample import and call.",
        remedy,
    )


PAPER = GeneratorConfig(
    codec=CodecConfig(
        normalizer="zscore", next_observations="absolute", discrete="diffuse", decorrelate="never", support="off"
    ),
)
"""SynthER's published settings (Tables 8 and 9, and its code): 128-step stochastic Heun, 100,000 training steps."""

FAST = GeneratorConfig(
    network=NetworkConfig(width=512),
    training=TrainingConfig(steps=20_000, batch_size=1024, learning_rate=1e-3, patience=8),
    sampler=SamplerConfig(name="dpmpp_2m", steps=16, sigma_max=10.0),
    relabel=RelabelConfig(enabled=True),
    chunk_rows=131_072,
)
"""Settings for a GPU: a wider network and larger batches than ``CPU``."""

CPU = GeneratorConfig(
    network=NetworkConfig(width=256),
    training=TrainingConfig(steps=10_000, batch_size=512, learning_rate=1e-3, patience=6),
    sampler=SamplerConfig(name="dpmpp_2m", steps=16, sigma_max=10.0),
    relabel=RelabelConfig(enabled=True),
    chunk_rows=4096,
    store_rows=100_000,
)
"""Settings for a CPU: a refit takes minutes on two cores."""

PRESETS: dict[str, GeneratorConfig] = {"paper": PAPER, "fast": FAST, "cpu": CPU}


def resolve_config(config: str | Path | GeneratorConfig | None, device: torch.device) -> GeneratorConfig:
    """Resolves the argument ``config`` of a generator.

    Args:
        config: Name of a preset, path of a configuration file, or a configuration. None takes ``fast`` on a GPU and
            ``cpu`` on a CPU.
        device: Device on which the generator will run.

    Raises:
        ConfigError: If ``config`` is neither a preset nor a readable file.
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
