"""The steps of a fit: trainer, held-out rows, progress, checkpoints."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from synth_replay.checkpoint import load_checkpoint, save_checkpoint
from synth_replay.codec.codec import Encoded, TransitionCodec
from synth_replay.diffusion import Denoiser, DenoiserTrainer
from synth_replay.errors import CheckpointError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.fitted import on_device
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec

HELD_ROWS = 4096


def with_steps(config: GeneratorConfig, steps: int) -> GeneratorConfig:
    """The configuration with another number of training steps."""
    training = replace(config.training, steps=steps, eval_every=min(config.training.eval_every, steps))
    return replace(config, training=training)


def new_trainer(
    denoiser: Denoiser,
    codec: TransitionCodec,
    encoded: Encoded,
    terminations: Array,
    config: GeneratorConfig,
    rng: np.random.Generator,
) -> DenoiserTrainer:
    """A trainer on the encoded rows, of which some of each label are held out."""
    share = min(config.training.holdout_share, HELD_ROWS / len(encoded.rows))
    held = codec.conditions.held_out(encoded.codes, share, rng)
    pool = codec.conditions.training_pool(terminations[~held], encoded.codes[~held])
    device = next(denoiser.network.parameters()).device
    return DenoiserTrainer(
        denoiser,
        *_tensors(encoded, ~held, device),
        _tensors(encoded, held, device) if held.any() else None,
        torch.from_numpy(pool).to(device),
        config.training,
        torch.Generator(device=device).manual_seed(int(rng.integers(2**63))),
    )


def _tensors(encoded: Encoded, which: Array, device: torch.device) -> tuple[Tensor, Tensor | None]:
    return torch.from_numpy(encoded.rows[which]).to(device), on_device(encoded.conditions[which], device)


def train(
    trainer: DenoiserTrainer, show: bool, checkpoint: str | Path | None, identity: dict[str, str]
) -> list[dict[str, float]]:
    """Runs a trainer with a progress bar, from its checkpoint if there is one; returns the loss history.

    Raises:
        CheckpointError: If the checkpoint is of a fit of another identity.
    """
    if checkpoint is not None and (Path(checkpoint) / "training.json").exists():
        tensors, meta = load_checkpoint(checkpoint, "training")
        _claim(checkpoint, meta.get("identity", {}), identity)
        trainer.restore(tensors, meta)
    with tqdm(
        total=trainer.config.steps, initial=trainer.step, desc="fitting", disable=not show, unit="step", leave=False
    ) as bar:
        for entry in trainer.run():
            bar.update(trainer.step - bar.n)
            bar.set_postfix(loss=f"{entry['loss']:.4f}", holdout=f"{entry['holdout_loss']:.4f}")
            if checkpoint is not None:
                tensors, meta = trainer.state()
                save_checkpoint(checkpoint, "training", tensors, meta | {"identity": identity})
    return trainer.history


def _claim(checkpoint: str | Path, held: dict[str, str], wanted: dict[str, str]) -> None:
    if differing := [name for name, value in wanted.items() if held.get(name) != value]:
        raise CheckpointError(
            f"{checkpoint} holds the state of a fit with another {' and another '.join(differing)}. "
            "Give another folder, or delete this one."
        )


def identity_of(config: GeneratorConfig, spec: TransitionSpec, data: int) -> dict[str, str]:
    """What a checkpoint has to have in common with the fit that goes on from it.

    Args:
        config: Of which only what concerns the fit counts.
        spec: Of the rows.
        data: :func:`fingerprint` of the rows and the seed.
    """
    held = config.to_dict()
    learnt = [held[name] for name in ("network", "noise", "training", "codec")] + [config.guidance.label_dropout]
    return {"seed or dataset": str(data), "configuration": _digest(learnt), "spaces": _digest(spec.to_dict())}


def _digest(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def fingerprint(seed: int, transitions: Transitions, labels: Array | None) -> int:
    """A seed that is the same for the same data, so that a resumed fit splits and encodes alike."""
    digest = hashlib.sha256(str(seed).encode())
    for name, array in (transitions.leaves() | ({} if labels is None else {"labels": labels})).items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return int.from_bytes(digest.digest()[:8], "little")
