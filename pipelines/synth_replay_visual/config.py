"""Arms of the experiment, and sizes of its steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from synth_replay.errors import ConfigError
from synth_replay.generator import CPU, PAPER, GeneratorConfig
from synth_replay_visual.results import EvaluationSettings


class Arm(NamedTuple):
    """The two choices that distinguish the arms (arXiv 2508.12356, Section 4.1).

    Attributes:
        augmented: Whether pixels are augmented, in pretraining and before they are encoded.
        upsampled: Whether generated latent transitions are mixed into the batches of fine-tuning.
    """

    augmented: bool
    upsampled: bool


ARMS: dict[str, Arm] = {
    "baseline": Arm(augmented=False, upsampled=False),
    "upsampled": Arm(augmented=False, upsampled=True),
    "augmented": Arm(augmented=True, upsampled=False),
    "augmented_upsampled": Arm(augmented=True, upsampled=True),
}


@dataclass(frozen=True)
class VisualConfig:
    """Sizes of the pipeline; all arms make the same number of updates.

    Attributes:
        pretrain_steps: Number of updates of the agent on pixels.
        finetune_steps: Number of updates of the heads on latents, in every arm.
        batch_size: Batch size of pretraining and fine-tuning.
        feature_size: Dimensions of each feature, of actor and critic (50 in DrQ-v2; the paper's ablation: 32 to 256).
        hidden_units: Widths of the heads' hidden layers.
        latent: ``concat`` (SynthER, Appendix F), ``sum`` (arXiv 2508.12356, Eq. 5) or the name of one feature. Heads
            that were trained on a feature of their own continue with it in ``concat``; with ``sum`` their input is new.
        generator: Configuration of the generator of latent transitions.
        real_ratio: Share of real latents in a batch of the upsampled arms, in [0, 1].
        rows: Largest number of transitions of the dataset to use; None for all.
        episodes: Number of episodes of each evaluation.
        save_every: Number of updates between two checkpoints of the agent on pixels.
        learning_rate: Learning rate of the agent on pixels and of its heads on latents; None for the algorithm's own.
        epsilon: Probability of a random action in each step of an evaluation, in [0, 1]. An agent that always takes its
            best action can stand still for ever where a frame does not show the whole state, as in Procgen.

    Raises:
        ConfigError: If a size or the learning rate is not positive, or ``epsilon`` is not a probability.
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
    def evaluation(self) -> EvaluationSettings:
        """Settings of the evaluation, which can be repeated with the same agents and latents."""
        return EvaluationSettings(self.episodes, self.epsilon)

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
    # under 15 minutes on two cores, to check that every step works
    "smoke": VisualConfig(300, 300, 32, 50, (128,), generator=SMOKE_GENERATOR, rows=3_000, episodes=2, save_every=100),
    # hours on two cores; can be stopped and resumed
    "cpu": VisualConfig(generator=replace(CPU, store_rows=100_000)),
    # networks of DrQ-v2's size and SynthER's own generator, for a GPU
    "paper": VisualConfig(100_000, 100_000, 256, 50, (1024, 1024), "sum", PAPER, save_every=5_000),
}
