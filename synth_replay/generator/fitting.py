"""The steps of a fit: encoding, held-out rows, training with checkpoints, relabelling model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from synth_replay.checkpoint import load_checkpoint, save_checkpoint
from synth_replay.codec.codec import EncodedRows, TransitionCodec
from synth_replay.codec.labels import LabelEncoder
from synth_replay.diffusion import Denoiser, DenoiserTrainer
from synth_replay.diffusion.training import LossRecord, TrainerMeta
from synth_replay.errors import CheckpointError, ConfigError
from synth_replay.generator.calibration import calibrate
from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.fitted import FittedModel, new_denoiser
from synth_replay.generator.relabel import fit_relabeler
from synth_replay.generator.sampling import condition_tensor
from synth_replay.progress import track
from synth_replay.safe_paths import shown
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec

MAX_HOLDOUT_ROWS = 4096


@dataclass(frozen=True)
class LabelledRows:
    """Real rows and their labels.

    Attributes:
        transitions: Checked transitions of ``n`` rows.
        encoder: Encoder of the labels; None without labels.
        labels: Label values ``[n]``; None without labels.
    """

    transitions: Transitions
    encoder: LabelEncoder | None = None
    labels: Array | None = None

    @classmethod
    def from_labels(cls, transitions: Transitions, labels: Any) -> LabelledRows:
        """Pairs rows with one label each, or with none where ``labels`` is None.

        Raises:
            InvalidTransitionsError: If the labels cannot be used.
        """
        if labels is None:
            return cls(transitions)
        encoder = LabelEncoder.from_labels(labels, len(transitions))
        return cls(transitions, encoder, encoder.values(labels, len(transitions)))

    def encoded_labels(self) -> Array | None:
        """Returns the labels as the networks see them, ``[n, L]``; None without labels."""
        return None if self.encoder is None or self.labels is None else self.encoder.encode(self.labels)

    def fingerprint(self, seed: int) -> int:
        """Returns a seed that depends on ``seed`` and the rows alone, so that a resumed fit encodes them alike."""
        digest = hashlib.sha256(str(seed).encode())
        labels = {} if self.labels is None else {"labels": self.labels}
        for name, array in (self.transitions.leaves() | labels).items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return int.from_bytes(digest.digest()[:8], "little")


@dataclass(frozen=True)
class FitIdentity:
    """The properties that a checkpoint shares with the fit that resumes from it, each as text or a hash.

    Attributes:
        data: Fingerprint of the seed and the rows.
        configuration: Hash of the settings that influence the training of the denoiser.
        spaces: Hash of the spec.
    """

    data: str
    configuration: str
    spaces: str

    @classmethod
    def of_fit(cls, config: GeneratorConfig, spec: TransitionSpec, data: int) -> FitIdentity:
        """Computes the identity of a fit with the data's fingerprint ``data``."""
        settings = config.to_dict()
        used = [settings[name] for name in ("network", "noise", "training", "codec")] + [config.guidance.label_dropout]
        return cls(str(data), _digest(used), _digest(spec.to_dict()))

    def check(self, checkpoint: str | Path, saved: dict[str, str]) -> None:
        """Checks that the checkpoint belongs to this fit.

        Raises:
            CheckpointError: If the saved identity differs.
        """
        names = {"data": "seed or dataset"}
        if differing := [names.get(key, key) for key, value in asdict(self).items() if saved.get(key) != value]:
            raise CheckpointError(
                f"{checkpoint} holds the state of a fit with another {' and another '.join(differing)}. "
                "Give another folder, or delete this one."
            )


def fit_model(
    rows: LabelledRows,
    spec: TransitionSpec,
    config: GeneratorConfig,
    device: torch.device,
    *,
    seed: int,
    previous: FittedModel | None = None,
    checkpoint: str | Path | None = None,
    progress: bool | None = False,
) -> FittedModel:
    """Fits codec, denoiser and relabelling model to real rows.

    Args:
        rows: Real rows and their labels.
        spec: Columns of the rows.
        config: Settings of the fit.
        device: Device on which the model trains.
        seed: Seed of the whole fit; with a checkpoint, the fingerprint of the data.
        previous: Model whose weights the denoiser starts from, if the row layout is unchanged.
        checkpoint: Folder of the training state; None saves none.
        progress: Show progress; None shows bars on a terminal and lines elsewhere.

    Raises:
        CheckpointError: If the checkpoint belongs to another fit.
        FitDivergedError: If the loss stops being finite.
    """
    rng, terminations = np.random.default_rng(seed), rows.transitions.terminations
    codec = TransitionCodec(spec, config.codec, rows.encoder)
    encoded = codec.fit_transform(rows.transitions, rng, rows.labels)
    denoiser = new_denoiser(codec, config, device, int(rng.integers(2**63)))
    if previous is not None:
        previous.warm_start(denoiser, codec)
    history: list[LossRecord] = []
    if codec.row_dim:
        trainer = _new_trainer(denoiser, codec, encoded, terminations, config, rng)
        history = _train(trainer, progress, checkpoint, FitIdentity.of_fit(config, spec, seed))
        del trainer  # and its rows, before the next model needs memory of its own
    del encoded
    labels = rows.encoded_labels()
    relabeler = fit_relabeler(spec, rows.transitions, config.relabel, device, rng, progress, labels)
    model = FittedModel(codec, denoiser, relabeler, history)
    calibrate(model, config, seed)
    return model


def with_steps(config: GeneratorConfig, steps: int) -> GeneratorConfig:
    """Returns the configuration with another number of training steps.

    Raises:
        ConfigError: If it is no whole number from 1 on.
    """
    if isinstance(steps, bool) or not isinstance(steps, Integral) or steps < 1:
        raise ConfigError(f"steps must be a whole number from 1 on; got {shown(steps)}.")
    training = replace(config.training, steps=steps, eval_every=min(config.training.eval_every, steps))
    return replace(config, training=training)


def _new_trainer(
    denoiser: Denoiser,
    codec: TransitionCodec,
    encoded: EncodedRows,
    terminations: Array,
    config: GeneratorConfig,
    rng: np.random.Generator,
) -> DenoiserTrainer:
    """Creates a trainer on the encoded rows, some of which are held out."""
    share = min(config.training.holdout_share, MAX_HOLDOUT_ROWS / len(encoded.rows))
    held = codec.conditions.held_out(encoded.codes, share, rng)
    pool = codec.conditions.training_pool(terminations[~held], encoded.codes[~held])
    device = denoiser.device
    return DenoiserTrainer(
        denoiser,
        *_tensors(encoded, ~held, device),
        _tensors(encoded, held, device) if held.any() else None,
        torch.from_numpy(pool).to(device),
        config.training,
        torch.Generator(device=device).manual_seed(int(rng.integers(2**63))),
    )


def _tensors(encoded: EncodedRows, which: Array, device: torch.device) -> tuple[Tensor, Tensor | None]:
    return torch.from_numpy(encoded.rows[which]).to(device), condition_tensor(encoded.conditions[which], device)


def _train(
    trainer: DenoiserTrainer, progress: bool | None, checkpoint: str | Path | None, identity: FitIdentity
) -> list[LossRecord]:
    """Runs a trainer and shows its progress, from its checkpoint if there is one; returns the loss history."""
    if checkpoint is not None and (Path(checkpoint) / "training.json").exists():
        tensors, saved = load_checkpoint(checkpoint, "training")
        identity.check(checkpoint, saved.get("identity", {}))
        trainer.restore(tensors, cast(TrainerMeta, saved))
    with track(trainer.config.steps, "fitting", "step", progress, done=trainer.step) as shown:
        for record in trainer.run(shown.update):
            shown.note(loss=f"{record['loss']:.4f}", holdout=f"{record['holdout_loss']:.4f}")
            if checkpoint is not None:
                tensors, meta = trainer.state()
                save_checkpoint(checkpoint, "training", tensors, {**meta, "identity": asdict(identity)})
    return trainer.history


def _digest(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
