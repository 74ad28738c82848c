"""How large each step of the pipeline is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from synth_replay.errors import ConfigError
from synth_replay.generator.config import CPU, PAPER, GeneratorConfig

# Arm: whether pixels are augmented, whether latents are upsampled (the paper's Section 4.1)
ARMS: dict[str, tuple[bool, bool]] = {
    "baseline": (False, False),
    "upsampled": (False, True),
    "augmented": (True, False),
    "augmented_upsampled": (True, True),
}


@dataclass(frozen=True)
class VisualConfig:
    """Sizes of the pipeline; all arms make the same number of updates.

    Attributes:
        pretrain_steps: Updates of the agent of pixels.
        finetune_steps: Updates of the heads on latents, in every arm.
        batch_size: Of both.
        feature_size: Numbers in the features of actor and critic (50 in DrQ-v2; the paper's ablation: 32 to 256).
        hidden_units: Of the heads.
        latent: ``concat`` (SynthER, Appendix F), ``sum`` (arXiv 2508.12356, Eq. 5) or the name of one feature. Heads
            that were learnt on a feature of their own go on with it in ``concat``; in ``sum`` they begin anew.
        generator: Of the latent transitions.
        real_ratio: Share of real latents in a batch of the upsampled arms.
        rows: Most transitions of the dataset that are used; None for all.
        episodes: Of each evaluation.
        save_every: Updates between two checkpoints of the agent of pixels.
        learning_rate: Of the agent of pixels, and of its heads on latents; None for the algorithm's own.
        epsilon: Chance of a random action in each step of an evaluation, in [0, 1]. The best actions alone can stand
            still for ever where a frame does not tell all (games of Procgen).

    Raises:
        ConfigError: If a size or the learning rate is not positive, or epsilon is no probability.
    """

    pretrain_steps: int = 20_000
    finetune_steps: int = 10_000
    batch_size: int = 128
    feature_size: int = 50
    hidden_units: tuple[int, ...] = (256, 256)
    latent: str = "concat"
    generator: GeneratorConfig = field(default=CPU)
    real_ratio: float = 0.5
    rows: int | None = None
    episodes: int = 10
    save_every: int = 1_000
    learning_rate: float | None = None
    epsilon: float = 0.0

    @property
    def evaluation(self) -> dict[str, float]:
        """What an arm can be evaluated with again, from the same agents and latents."""
        return {"episodes": self.episodes, "epsilon": self.epsilon}

    def __post_init__(self) -> None:
        for name in ("pretrain_steps", "finetune_steps", "batch_size", "feature_size", "episodes", "save_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1; got {getattr(self, name)}.")
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise ConfigError(f"learning_rate must be positive; got {self.learning_rate}.")
        if not 0 <= self.epsilon <= 1:
            raise ConfigError(f"epsilon is a probability, in [0, 1]; got {self.epsilon}.")


SMOKE_GENERATOR = replace(
    CPU,
    training=replace(CPU.training, steps=1_500, batch_size=256),
    relabel=replace(CPU.relabel, steps=1_000),
    store_rows=10_000,
)
SIZES = {
    # two cores, under 15 minutes, to see that all of it works
    "smoke": VisualConfig(300, 300, 32, 50, (128,), generator=SMOKE_GENERATOR, rows=3_000, episodes=2, save_every=100),
    # hours on two cores, in parts
    "cpu": VisualConfig(generator=replace(CPU, store_rows=100_000)),
    # networks of DrQ-v2's size and SynthER's own generator, for a GPU
    "paper": VisualConfig(100_000, 100_000, 256, 50, (1024, 1024), "sum", PAPER, save_every=5_000),
}
