"""The part of a seed's experiment that two arms share, and where its files are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from synth_replay_visual.config import VisualConfig
from synth_replay_visual.tasks import Task


@dataclass(frozen=True)
class Branch:
    """One agent on pixels with its encoder, latents and generator, shared by an arm with and one without upsampling.

    Attributes:
        task: Task of the agent.
        config: Sizes of the pipeline.
        augmented: Whether pixels are augmented.
        seed: Seed of everything random.
        out: Folder of all results.
    """

    task: Task
    config: VisualConfig
    augmented: bool
    seed: int
    out: Path

    @property
    def folder(self) -> Path:
        """Folder of the agent on pixels, its encoder, latents and generator."""
        return self.out / f"seed-{self.seed}" / ("augmented" if self.augmented else "plain")

    @property
    def encoder_path(self) -> Path:
        """File of the frozen encoder."""
        return self.folder / "encoder.safetensors"

    @property
    def generator_path(self) -> Path:
        """Folder of the fitted generator."""
        return self.folder / "generator"

    def result_path(self, arm: str) -> Path:
        """Returns the JSON file of an arm's result."""
        return self.folder.with_name(f"{arm}.json")

    def agent_path(self, arm: str) -> Path:
        """Returns the d3rlpy file of an arm's fine-tuned agent."""
        return self.folder.with_name(f"{arm}.d3")
