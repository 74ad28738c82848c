"""The result of a fit, from which rows are sampled."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor

from synth_replay.codec.codec import TransitionCodec
from synth_replay.codec.labels import LabelDict, LabelEncoder
from synth_replay.diffusion import Denoiser, ResidualMLP
from synth_replay.diffusion.config import NetworkConfig
from synth_replay.diffusion.training import LossRecord
from synth_replay.errors import InvalidTransitionsError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.relabel import Relabeler
from synth_replay.generator.sampling import RowSampler, SamplingOptions
from synth_replay.spaces import Array
from synth_replay.transitions import TransitionSpec

logger = logging.getLogger(__name__)


class ModelMeta(TypedDict):
    """The JSON values of a fitted model's state; the tensors are kept beside them.

    Attributes:
        spec: Result of :meth:`TransitionSpec.to_dict`.
        label: Result of :meth:`LabelEncoder.to_dict`, or None.
        history: Losses at each evaluation of the fit.
    """

    spec: dict[str, Any]
    label: LabelDict | None
    history: list[LossRecord]


def new_denoiser(codec: TransitionCodec, config: GeneratorConfig, device: torch.device, seed: int) -> Denoiser:
    """Creates a denoiser of the codec's rows, with initial weights that depend on ``seed`` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResidualMLP(max(codec.row_dim, 1), codec.conditions.dim, config.network)
    columns = codec.loss_weights
    weights = None if columns is None else torch.tensor(columns, dtype=torch.float32, device=device)
    label, dropout = codec.conditions.label_columns, config.guidance.label_dropout
    return Denoiser(network.to(device), config.noise, label, dropout, weights)


@dataclass(frozen=True)
class FittedModel:
    """A codec, the denoiser of its rows, and the model that relabels them.

    Attributes:
        codec: Map between transitions and rows.
        denoiser: Diffusion model of the rows.
        relabeler: Model of rewards and terminations, or None.
        history: Losses at each evaluation of the fit.
    """

    codec: TransitionCodec
    denoiser: Denoiser
    relabeler: Relabeler | None
    history: list[LossRecord]

    @property
    def notes(self) -> list[str]:
        """Warnings about the fit, one text each; empty if everything works as configured."""
        rates = () if self.relabeler is None else self.relabeler.rates
        encoder = self.codec.conditions.label
        classes = encoder.classes if encoder is not None and len(rates) > 1 else ("",) * len(rates)
        prefixes = [f"Label {name!r}: " if name != "" else "" for name in classes]
        return [prefix + each.note for prefix, each in zip(prefixes, rates, strict=True) if each.note]

    def warm_start(self, denoiser: Denoiser, codec: TransitionCodec) -> None:
        """Copies these weights into the denoiser of another codec's rows, if the layout of the rows is unchanged."""
        old, new = self.denoiser.network.state_dict(), denoiser.network.state_dict()
        same = np.array_equal(self.codec.affine.varies, codec.affine.varies) and codec.axes is None
        if same and all(key in old and old[key].shape == value.shape for key, value in new.items()):
            denoiser.network.load_state_dict(old)
        else:
            logger.info("The row layout differs from the last fit's, so training starts from new weights.")

    def with_spec(self, spec: TransitionSpec) -> FittedModel:
        """Returns the model for a spec of the same columns with other bounds."""
        codec = TransitionCodec(spec, self.codec.config, self.codec.conditions.label)
        codec.restore(self.codec.state())
        relabeler = self.relabeler
        if relabeler is not None:
            tensors, relabeler = relabeler.state(), Relabeler(spec, relabeler.config, relabeler.device)
            relabeler.restore(tensors)
        return replace(self, codec=codec, relabeler=relabeler)

    # -- sampling ---------------------------------------------------------------------------

    def sample_conditions(self, count: int, label: Any, rng: np.random.Generator) -> tuple[Array, Array | None]:
        """Samples the conditions of the rows to generate.

        Args:
            count: Number of rows.
            label: One label for all rows, ``[count]`` labels, or None for labels in the data's proportions.
            rng: Source of the sample.

        Returns:
            Condition codes ``[count, K]`` and label values ``[count]``, which are None without labels.

        Raises:
            InvalidTransitionsError: If a label was not fitted.
        """
        encoder = self.codec.conditions.label
        if label is None:
            codes = self.codec.conditions.sample(count, rng)
            return codes, None if encoder is None else encoder.sample(codes[:, -1], rng)
        if encoder is None:
            raise InvalidTransitionsError(
                f"No row was fitted with the label {label!r}: this generator was fitted without labels. Fit it with "
                "fit(rows, labels=...)."
            )
        values = encoder.values(label, count)
        return self.codec.conditions.sample_labelled(encoder.bins(values), rng), values

    def sampler(self, options: SamplingOptions, rng: torch.Generator) -> RowSampler:
        """Creates a sampler of this model's rows.

        Args:
            options: Settings of the sampling.
            rng: Source of all noise, on the model's device.
        """
        return RowSampler(self.codec, self.denoiser, self.relabeler, options, rng)

    # -- persistence ------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], ModelMeta]:
        """Returns everything learnt: tensors by name, and JSON values."""
        tensors = {f"network.{k}": v for k, v in self.denoiser.network.state_dict().items()}
        tensors |= {f"codec.{k}": torch.from_numpy(np.ascontiguousarray(v)) for k, v in self.codec.state().items()}
        if self.relabeler is not None:
            tensors |= {f"relabel.{k}": v for k, v in self.relabeler.state().items()}
        label = self.codec.conditions.label
        meta = ModelMeta(
            spec=self.codec.spec.to_dict(), label=None if label is None else label.to_dict(), history=self.history
        )
        return tensors, meta

    @classmethod
    def restore(
        cls, tensors: dict[str, Tensor], meta: ModelMeta, config: GeneratorConfig, device: torch.device
    ) -> FittedModel:
        """Builds the model from a state that :meth:`state` gave.

        Args:
            tensors: Tensors by name.
            meta: JSON values.
            config: Configuration of the fit.
            device: Device on which the model will run.
        """
        spec = TransitionSpec.from_dict(meta["spec"])
        label = None if meta["label"] is None else LabelEncoder.from_dict(meta["label"])
        codec = TransitionCodec(spec, config.codec, label)
        codec.restore({name: tensor.numpy() for name, tensor in _part(tensors, "codec").items()})
        _require_sizes(config.network, _part(tensors, "network"))
        denoiser = new_denoiser(codec, config, device, 0)
        denoiser.network.load_state_dict(_part(tensors, "network"))
        relabeler = None
        if learnt := _part(tensors, "relabel"):
            relabeler = Relabeler(spec, config.relabel, device)
            relabeler.restore(learnt)
        return cls(codec, denoiser, relabeler, _checked_history(meta["history"]))


def _part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}


def _require_sizes(config: NetworkConfig, weights: dict[str, Tensor]) -> None:
    """Checks that the weights have the configuration's sizes, before a network allocates memory.

    Raises:
        ValueError: If the sizes differ.
    """
    blocks = [name for name in weights if name.startswith("blocks.") and name.endswith(".weight")]
    found = (*weights["input.weight"].shape, len(blocks), len(weights["time.0.frequencies"]))
    wanted = (config.width, config.embedding_dim, config.depth, config.fourier_features // 2)
    if found != wanted:
        raise ValueError(f"the weights have the sizes {found}, the configuration {wanted}")


def _checked_history(history: list[LossRecord]) -> list[LossRecord]:
    """Returns the history of a file, whose records must hold numbers.

    Raises:
        TypeError: If they do not.
    """
    for record in history:
        if not all(
            isinstance(value, (int, float)) for value in (record["step"], record["loss"], record["holdout_loss"])
        ):
            raise TypeError(f"the history holds {str(record)[:80]}")
    return history
