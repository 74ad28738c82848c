"""What a fit leaves behind: everything that is needed to draw rows, as one thing."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synth_replay.codec.codec import TransitionCodec
from synth_replay.codec.labels import LabelEncoder
from synth_replay.diffusion import Denoiser, GuidanceConfig, ResidualMLP, SamplerConfig, residual, sample
from synth_replay.errors import InvalidTransitionsError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.relabel import Relabeler, relabel_by_function
from synth_replay.generator.relabel_config import resolve_function
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec

logger = logging.getLogger(__name__)

REDRAWS = 2


@dataclass(frozen=True)
class Drawing:
    """How rows are drawn from a fitted model.

    Attributes:
        sampler: From noise to rows.
        guidance: How much the labels are followed.
    """

    sampler: SamplerConfig
    guidance: GuidanceConfig


def new_denoiser(codec: TransitionCodec, config: GeneratorConfig, device: torch.device, seed: int) -> Denoiser:
    """A denoiser for the codec's rows, with initial weights of ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResidualMLP(max(codec.row_dim, 1), codec.conditions.dim, config.network)
    columns = codec.loss_weights
    weights = None if columns is None else torch.tensor(columns, dtype=torch.float32, device=device)
    return Denoiser(network.to(device), config.noise, codec.conditions.label_columns, config.guidance, weights)


def on_device(conditions: Array, device: torch.device) -> Tensor | None:
    """Conditions as the denoiser's input; None without any."""
    return torch.from_numpy(conditions).to(device) if conditions.shape[1] else None


@dataclass
class FittedModel:
    """A codec, the denoiser of its rows, and the model that labels them anew.

    Attributes:
        codec: How transitions become rows.
        denoiser: Draws rows.
        relabeler: Gives rewards and terminations, or None.
        config: What they were fitted with.
        device: Where they run.
    """

    codec: TransitionCodec
    denoiser: Denoiser
    relabeler: Relabeler | None
    config: GeneratorConfig
    device: torch.device

    def lend_weights(self, denoiser: Denoiser, codec: TransitionCodec) -> None:
        """Starts another denoiser, of rows of ``codec``, from these weights if they mean the same there."""
        old, new = self.denoiser.network.state_dict(), denoiser.network.state_dict()
        same = np.array_equal(self.codec.affine.varies, codec.affine.varies) and codec.axes is None
        if same and all(key in old and old[key].shape == value.shape for key, value in new.items()):
            denoiser.network.load_state_dict(old)
        else:
            logger.info("The new rows have another layout than the last fit's: starting from scratch.")

    def plan(self, count: int, label: Any, rng: np.random.Generator) -> tuple[Array, Array | None]:
        """Condition codes ``[n, K]`` and label values ``[n]`` (None without labels) of the rows to draw.

        Args:
            count: Rows.
            label: One for all rows, one for each, or None for labels in the data's proportions.
            rng: Source of the draw.

        Raises:
            InvalidTransitionsError: If a label was not fitted.
        """
        encoder = self.codec.conditions.label
        if label is None:
            codes = self.codec.conditions.draw(count, rng)
            return codes, None if encoder is None else encoder.draw(codes[:, -1], rng)
        if encoder is None:
            raise InvalidTransitionsError(
                f"No row was fitted with the label {label!r}: this generator was fitted without labels. Fit it with "
                "fit(rows, labels=...)."
            )
        values = encoder.values(label, count)
        return self.codec.conditions.draw_labelled(encoder.bins(values), rng), values

    def draw(
        self, codes: Array, labels: Array | None, how: Drawing, rng: torch.Generator, relabel: bool = True
    ) -> Transitions:
        """One row for each of the conditions and labels."""
        rows = self._rows(codes, labels, how, rng)
        return self._consistent(rows, codes, labels, how, rng) if relabel else rows

    def _rows(self, codes: Array, labels: Array | None, how: Drawing, rng: torch.Generator) -> Transitions:
        """As the denoiser makes them."""
        return self.codec.decode(self._denoise(self.codec.conditions.encode(codes, labels), how, rng), codes)

    def _consistent(
        self, rows: Transitions, codes: Array, labels: Array | None, how: Drawing, rng: torch.Generator
    ) -> Transitions:
        """Rows labelled anew; those whose end is not the one that was drawn for them are drawn again."""
        wanted, first = rows.terminations, self._relabelled(rows, labels)
        if np.array_equal(first.terminations, wanted):
            return first
        columns = {name: np.array(column) for name, column in first.leaves().items()}
        for _ in range(self.config.relabel.redraws):
            torn = np.flatnonzero(columns["terminations"] != wanted)
            if not len(torn):
                break
            some = None if labels is None else labels[torn]
            again = self._relabelled(self._rows(codes[torn], some, how, rng), some)
            mended = again.terminations == wanted[torn]
            _put(columns, torn[mended], again[mended])
        # a weak model reaches few ends where they are wanted: then the others are needed
        lacking = max(int(wanted.sum() - columns["terminations"].sum()), 0)
        needed = np.flatnonzero(first.terminations & ~columns["terminations"])[:lacking]
        _put(columns, needed, first[needed])
        return Transitions.from_leaves(columns)

    def _relabelled(self, rows: Transitions, labels: Array | None) -> Transitions:
        if self.config.relabel.function is not None:
            return relabel_by_function(rows, resolve_function(self.config.relabel.function))
        if self.relabeler is None:
            return rows
        encoder = self.codec.conditions.label
        return self.relabeler(rows, None if encoder is None or labels is None else encoder.encode(labels))

    @torch.inference_mode()
    def _denoise(self, conditions: Array, how: Drawing, rng: torch.Generator) -> Array:
        if not self.codec.row_dim:
            return np.zeros((len(conditions), 0), np.float32)
        rows, scores = self._candidates(conditions, how, rng)
        if scores is not None and len(conditions):
            limit = scores.quantile(1 - self.config.redraw_share)
            for _ in range(REDRAWS):
                implausible = torch.nonzero(scores > limit).reshape(-1)
                again, new_scores = self._candidates(conditions[implausible.cpu().numpy()], how, rng)
                assert new_scores is not None
                better = new_scores < scores[implausible]
                rows[implausible[better]], scores[implausible[better]] = again[better], new_scores[better]
        return rows.cpu().numpy()

    def _candidates(self, conditions: Array, how: Drawing, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Rows, and their residuals if the implausible ones are to be drawn again."""
        condition = on_device(conditions, self.device)
        guided = self.denoiser.for_sampling(condition, how.guidance)
        sampler = replace(how.sampler, sigma_max=how.sampler.sigma_max * self.codec.widest)
        rows = sample(guided, (len(conditions), self.codec.row_dim), sampler, rng)
        if not self.config.redraw_share:
            return rows, None
        plain = self.denoiser.for_sampling(
            condition, replace(how.guidance, weight=0.0)
        )  # where guidance leads is meant
        return rows, residual(plain, rows, rng)

    # -- persistence ------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor]:
        """Everything learnt, as tensors by name."""
        tensors = {f"network.{k}": v for k, v in self.denoiser.network.state_dict().items()}
        tensors |= {f"codec.{k}": torch.from_numpy(np.ascontiguousarray(v)) for k, v in self.codec.state().items()}
        if self.relabeler is not None:
            tensors |= {f"relabel.{k}": v for k, v in self.relabeler.state().items()}
        return tensors

    @classmethod
    def from_state(
        cls,
        spec: TransitionSpec,
        config: GeneratorConfig,
        device: torch.device,
        tensors: dict[str, Tensor],
        label: LabelEncoder | None,
    ) -> FittedModel:
        """Rebuilds from :meth:`state` and the labels."""
        parts = {name: _part(tensors, name) for name in ("network", "codec", "relabel")}
        codec = TransitionCodec.from_state(spec, config.codec, {k: v.numpy() for k, v in parts["codec"].items()}, label)
        denoiser = new_denoiser(codec, config, device, 0)
        denoiser.network.load_state_dict(parts["network"])
        labels = parts["relabel"]
        relabeler = Relabeler.from_state(spec, config.relabel, device, labels) if labels else None
        return cls(codec, denoiser, relabeler, config, device)


def _put(columns: dict[str, Array], at: Array, rows: Transitions) -> None:
    for name, column in rows.leaves().items():
        columns[name][at] = column


def _part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
