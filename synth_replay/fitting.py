"""What a fit needs besides the model: labels, seeds, progress, checkpoints."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from synth_replay.checkpoint import load_checkpoint, save_checkpoint
from synth_replay.config import GeneratorConfig
from synth_replay.diffusion import DenoiserTrainer
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions


def resolve_device(device: str | torch.device) -> torch.device:
    """``auto`` to a GPU when there is one, else the CPU; anything else as torch reads it."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def with_steps(config: GeneratorConfig, steps: int) -> GeneratorConfig:
    """The configuration with another number of training steps."""
    training = replace(config.training, steps=steps, eval_every=min(config.training.eval_every, steps))
    return replace(config, training=training)


def show_progress(progress: bool | None) -> bool:
    """None shows bars on a terminal only."""
    return sys.stderr.isatty() if progress is None else progress


def train(trainer: DenoiserTrainer, show: bool, checkpoint: str | Path | None) -> list[dict[str, float]]:
    """Runs a trainer with a progress bar, from its checkpoint if there is one; returns the loss history."""
    if checkpoint is not None and (Path(checkpoint) / "training.json").exists():
        trainer.restore(*load_checkpoint(checkpoint, "training"))
    with tqdm(
        total=trainer.config.steps, initial=trainer.step, desc="fitting", disable=not show, unit="step", leave=False
    ) as bar:
        for entry in trainer.run():
            bar.update(trainer.step - bar.n)
            bar.set_postfix(loss=f"{entry['loss']:.4f}", holdout=f"{entry['holdout_loss']:.4f}")
            if checkpoint is not None:
                save_checkpoint(checkpoint, "training", *trainer.state())
    return trainer.history


def fingerprint(seed: int, transitions: Transitions, labels: Array | None) -> int:
    """A seed that is the same for the same data, so that a resumed fit splits and encodes alike."""
    digest = hashlib.sha256(str(seed).encode())
    for name, array in (transitions.leaves() | ({} if labels is None else {"labels": labels})).items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return int.from_bytes(digest.digest()[:8], "little")
