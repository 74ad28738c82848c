"""What a fit leaves behind: everything that is needed to draw rows, as one thing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from synth_replay.codec import TransitionCodec
from synth_replay.config import GeneratorConfig
from synth_replay.diffusion import Denoiser, ResidualMLP, SamplerConfig, residual, sample
from synth_replay.relabel import Relabeler, relabel_by_function
from synth_replay.relabel_config import resolve_function
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec

REDRAWS = 2


def new_denoiser(codec: TransitionCodec, config: GeneratorConfig, device: torch.device, seed: int) -> Denoiser:
    """A denoiser for the codec's rows, with initial weights of ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResidualMLP(max(codec.row_dim, 1), codec.condition_dim, config.network)
    return Denoiser(network.to(device), config.noise)


def on_device(codec: TransitionCodec, codes: Array, device: torch.device) -> Tensor | None:
    """Conditions as the denoiser's input; None without any."""
    return torch.from_numpy(codec.one_hot(codes)).to(device) if codec.condition_dim else None


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

    def draw(self, codes: Array, sampler: SamplerConfig, rng: torch.Generator, relabel: bool = True) -> Transitions:
        """One row for each of the conditions ``codes``."""
        rows = self.codec.decode(self._denoise(codes, sampler, rng), codes)
        if not relabel:
            return rows
        if self.config.relabel.function is not None:
            return relabel_by_function(rows, resolve_function(self.config.relabel.function))
        return rows if self.relabeler is None else self.relabeler(rows)

    @torch.inference_mode()
    def _denoise(self, codes: Array, sampler: SamplerConfig, rng: torch.Generator) -> Array:
        if not self.codec.row_dim:
            return np.zeros((len(codes), 0), np.float32)
        rows, scores = self._candidates(codes, sampler, rng)
        if scores is not None and len(codes):
            limit = scores.quantile(1 - self.config.redraw_share)
            for _ in range(REDRAWS):
                implausible = torch.nonzero(scores > limit).reshape(-1)
                again, new_scores = self._candidates(codes[implausible.cpu().numpy()], sampler, rng)
                assert new_scores is not None
                better = new_scores < scores[implausible]
                rows[implausible[better]], scores[implausible[better]] = again[better], new_scores[better]
        return rows.cpu().numpy()

    def _candidates(self, codes: Array, sampler: SamplerConfig, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Rows, and their residuals if the implausible ones are to be drawn again."""
        denoise = self.denoiser.for_sampling(on_device(self.codec, codes, self.device))
        rows = sample(denoise, (len(codes), self.codec.row_dim), sampler, rng)
        return rows, residual(denoise, rows, rng) if self.config.redraw_share else None

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
        cls, spec: TransitionSpec, config: GeneratorConfig, device: torch.device, tensors: dict[str, Tensor]
    ) -> FittedModel:
        """Rebuilds from :meth:`state`."""
        parts = {name: _part(tensors, name) for name in ("network", "codec", "relabel")}
        codec = TransitionCodec.from_state(spec, config.codec, {k: v.numpy() for k, v in parts["codec"].items()})
        denoiser = new_denoiser(codec, config, device, 0)
        denoiser.network.load_state_dict(parts["network"])
        labels = parts["relabel"]
        relabeler = Relabeler.from_state(spec, config.relabel, device, labels) if labels else None
        return cls(codec, denoiser, relabeler, config, device)


def _part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
