"""Settings of the diffusion model. Defaults are SynthER's published ones (Tables 8 and 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from synth_replay.errors import ConfigError

SamplerName = Literal["heun_sde", "heun_ode", "dpmpp_2m"]
SAMPLER_NAMES: tuple[SamplerName, ...] = ("heun_sde", "heun_ode", "dpmpp_2m")


def _positive(owner: object, *names: str) -> None:
    for name in names:
        value = getattr(owner, name)
        if not value > 0:
            raise ConfigError(f"{type(owner).__name__}.{name} must be positive, not {value!r}.")


@dataclass(frozen=True)
class NetworkConfig:
    """Residual MLP denoiser (SynthER Table 8).

    Attributes:
        width: Hidden units of each residual block.
        depth: Number of residual blocks.
        embedding_dim: Units of the row and noise-level embeddings (SynthER: 128 offline, 256 online).
        fourier_features: Random Fourier features of the noise level, half sines and half cosines.
    """

    width: int = 1024
    depth: int = 6
    embedding_dim: int = 128
    fourier_features: int = 16

    def __post_init__(self) -> None:
        _positive(self, "width", "depth", "embedding_dim", "fourier_features")


@dataclass(frozen=True)
class NoiseConfig:
    """Noise levels seen in training: ln sigma ~ N(p_mean, p_std^2) (EDM Table 1).

    Attributes:
        sigma_data: Standard deviation of a normalised row.
        p_mean: Mean of ln sigma.
        p_std: Standard deviation of ln sigma.
    """

    sigma_data: float = 1.0
    p_mean: float = -1.2
    p_std: float = 1.2

    def __post_init__(self) -> None:
        _positive(self, "sigma_data", "p_std")


@dataclass(frozen=True)
class TrainingConfig:
    """Optimisation of the denoiser.

    Attributes:
        steps: Gradient steps, also the length of the cosine schedule.
        batch_size: Rows of a batch.
        large_batch_size: Rows of a batch when there are at least ``large_data_rows`` rows.
        large_data_rows: Number of rows from which batches are large; SynthER's code switches at 800K rows.
        learning_rate: Peak rate of AdamW, annealed to zero by a cosine.
        betas: AdamW's moment decay rates.
        weight_decay: AdamW's decoupled weight decay.
        clip_norm: Largest global gradient norm.
        ema_decay: Decay of the exponential moving average of the weights, which sampling uses.
        ema_every: Steps between two updates of the moving average.
        holdout_share: Share of the rows that are held out to measure the denoising loss, in [0, 1).
        eval_every: Steps between two evaluations of the held-out loss. Training waits for the device only then.
        patience: Evaluations without improvement before training stops early; None never stops early.
    """

    steps: int = 100_000
    batch_size: int = 256
    large_batch_size: int = 1024
    large_data_rows: int = 800_000
    learning_rate: float = 3e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    ema_decay: float = 0.995
    ema_every: int = 10
    holdout_share: float = 0.05
    eval_every: int = 500
    patience: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", tuple(self.betas))
        _positive(self, "steps", "batch_size", "large_batch_size", "learning_rate", "clip_norm", "ema_every")
        _positive(self, "eval_every", "patience") if self.patience is not None else _positive(self, "eval_every")
        if not 0 <= self.holdout_share < 1 or not 0 <= self.ema_decay < 1:
            raise ConfigError("TrainingConfig: holdout_share and ema_decay must be in [0, 1).")


@dataclass(frozen=True)
class SamplerConfig:
    """Sampling algorithm and noise schedule.

    Attributes:
        name: ``heun_sde`` (EDM Algorithm 2, SynthER's choice), ``heun_ode`` (EDM Algorithm 1),
            or ``dpmpp_2m`` (DPM-Solver++(2M), Lu et al. 2022).
        steps: Number of noise levels.
        sigma_min: Lowest positive noise level.
        sigma_max: Initial noise level. Where rows are whitened (``CodecConfig.decorrelate``), a multiple of the
            standard deviation of their widest axis.
        rho: Curvature of the noise schedule (EDM Eq. 5).
        s_churn: Amount of fresh noise. This and the next three settings concern ``heun_sde`` only.
        s_tmin: Lowest noise level that gets fresh noise.
        s_tmax: Highest noise level that gets fresh noise.
        s_noise: Factor on the standard deviation of the fresh noise.
    """

    name: SamplerName = "heun_sde"
    steps: int = 128
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0
    s_churn: float = 80.0
    s_tmin: float = 0.05
    s_tmax: float = 50.0
    s_noise: float = 1.003

    def __post_init__(self) -> None:
        if self.name not in SAMPLER_NAMES:
            raise ConfigError(f"Unknown sampler {self.name!r}; choose one of {', '.join(SAMPLER_NAMES)}.")
        _positive(self, "sigma_min", "rho")
        if self.steps < 2 or self.sigma_max <= self.sigma_min:
            raise ConfigError("SamplerConfig needs steps >= 2 and sigma_max > sigma_min.")

    @property
    def evaluations(self) -> int:
        """Network evaluations per sample (NFE). Heun's last step needs no correction."""
        return self.steps if self.name == "dpmpp_2m" else 2 * self.steps - 1
