"""Sampling of rows from the parts of a fitted model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from synth_replay.codec.codec import TransitionCodec
from synth_replay.diffusion import Denoiser, residual, sample
from synth_replay.diffusion.config import SamplerConfig
from synth_replay.diffusion.guidance import GuidanceConfig
from synth_replay.errors import ConfigError
from synth_replay.generator.config import GeneratorConfig, RelabelConfig
from synth_replay.generator.relabel import Relabeler, relabel_by_function, resolve_function
from synth_replay.progress import track
from synth_replay.safe_paths import shown
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions

RESAMPLES = 2


@dataclass(frozen=True)
class SamplingOptions:
    """Settings of one call that samples rows.

    Attributes:
        sampler: Sampling algorithm and noise schedule.
        guidance: Strength of the guidance by labels.
        resample_share: Share of the rows, the least plausible ones, that are resampled, in [0, 1).
        relabel: Settings of the relabelling; None keeps the denoiser's own rewards and terminations.
        chunk_rows: Maximum number of rows that are sampled at once.
    """

    sampler: SamplerConfig
    guidance: GuidanceConfig
    resample_share: float = 0.0
    relabel: RelabelConfig | None = None
    chunk_rows: int = 65_536

    @classmethod
    def from_config(
        cls,
        config: GeneratorConfig,
        weight: float | None = None,
        sampler: SamplerConfig | None = None,
        relabel: bool = True,
    ) -> SamplingOptions:
        """Takes the options from a configuration.

        Args:
            config: Configuration of the generator.
            weight: Guidance weight, instead of the configuration's.
            sampler: Sampler, instead of the configuration's.
            relabel: Use the relabelling of the configuration.

        Raises:
            ConfigError: If the sampler is no SamplerConfig, or the weight is outside [-1, 100] or needs a null token
                that the configuration does not train.
        """
        if sampler is not None and not isinstance(sampler, SamplerConfig):
            raise ConfigError(f"The sampler must be a SamplerConfig; got {shown(sampler)}.")
        guidance = config.guidance if weight is None else replace(config.guidance, weight=weight)
        return cls(
            sampler or config.sampler,
            guidance,
            config.resample_share,
            config.relabel if relabel else None,
            # with guidance the network sees each row twice: larger chunks would leave the caches
            max(1, config.chunk_rows // guidance.evaluations),
        )


def condition_tensor(conditions: Array, device: torch.device) -> Tensor | None:
    """Returns conditions ``[n, C]`` as the denoiser's input; None where C is 0."""
    return torch.from_numpy(conditions).to(device) if conditions.shape[1] else None


@dataclass(frozen=True)
class RowSampler:
    """A sampler of transitions, given their conditions and labels.

    Attributes:
        codec: Map between transitions and rows.
        denoiser: Diffusion model of the rows.
        relabeler: Model of rewards and terminations, or None.
        options: Settings of the sampling.
        rng: Source of all noise, on the denoiser's device.
    """

    codec: TransitionCodec
    denoiser: Denoiser
    relabeler: Relabeler | None
    options: SamplingOptions
    rng: torch.Generator

    def sample_in_chunks(self, codes: Array, labels: Array | None, progress: bool | None = False) -> Transitions:
        """Samples one row for each condition, at most ``chunk_rows`` at a time.

        Args:
            codes: Condition codes ``[n, K]``.
            labels: Label values ``[n]``, or None.
            progress: Show progress; None shows a bar on a terminal and lines elsewhere.

        Returns:
            ``n`` rows in environment units.
        """
        out: dict[str, Array] = {}
        chunk = self.options.chunk_rows
        with track(len(codes), "sampling", "row", progress) as shown:
            for start in range(0, max(len(codes), 1), chunk):
                part = slice(start, start + chunk)
                rows = self.sample(codes[part], None if labels is None else labels[part])
                for name, array in rows.leaves().items():
                    out.setdefault(name, np.empty((len(codes), *array.shape[1:]), array.dtype))[part] = array
                shown.update(len(rows))
        return Transitions.from_leaves(out)

    def sample(self, codes: Array, labels: Array | None) -> Transitions:
        """Samples one row for each of the conditions ``[n, K]`` and label values ``[n]``, all at once."""
        rows = self._generate(codes, labels)
        return rows if self.options.relabel is None else self._relabel(rows, codes, labels, self.options.relabel)

    def _generate(self, codes: Array, labels: Array | None) -> Transitions:
        """Returns rows with the denoiser's own rewards and terminations."""
        return self.codec.decode(self._denoise(self.codec.conditions.encode(codes, labels)), codes)

    # -- relabelling ------------------------------------------------------------------------

    def _relabel(self, rows: Transitions, codes: Array, labels: Array | None, config: RelabelConfig) -> Transitions:
        """Relabels rows and resamples those whose predicted termination disagrees with the requested one."""
        first = self._predict(rows, labels, config)
        if np.array_equal(first.terminations, rows.terminations):
            return first
        columns = self._resampled(first, rows.terminations, codes, labels, config)
        # a weak model reaches few of the requested terminations: its other terminal rows fill the shortfall
        shortfall = max(int(rows.terminations.sum() - columns["terminations"].sum()), 0)
        spare = np.flatnonzero(first.terminations & ~columns["terminations"])[:shortfall]
        _put(columns, spare, first[spare])
        return Transitions.from_leaves(columns)

    def _resampled(
        self, first: Transitions, requested: Array, codes: Array, labels: Array | None, config: RelabelConfig
    ) -> dict[str, Array]:
        """Returns the columns of relabelled rows; those with a termination that was not requested are resampled."""
        columns = {name: np.array(column) for name, column in first.leaves().items()}
        for _ in range(config.resamples):
            wrong = np.flatnonzero(columns["terminations"] != requested)
            if not len(wrong):
                break
            values = None if labels is None else labels[wrong]
            again = self._predict(self._generate(codes[wrong], values), values, config)
            right = again.terminations == requested[wrong]
            _put(columns, wrong[right], again[right])
        return columns

    def relabelled_terminations(self, codes: Array, labels: Array | None) -> tuple[Array, Array, Array]:
        """Samples one row for each condition and returns only terminations.

        Args:
            codes: Condition codes ``[n, K]``.
            labels: Label values ``[n]``, or None.

        Returns:
            Requested terminations ``[n]`` bool, those that the model predicts, and those after resampling.
        """
        config, rows = self.options.relabel or RelabelConfig(), self._generate(codes, labels)
        first = self._predict(rows, labels, config)
        settled = self._resampled(first, rows.terminations, codes, labels, config)
        return rows.terminations, first.terminations, settled["terminations"]

    def _predict(self, rows: Transitions, labels: Array | None, config: RelabelConfig) -> Transitions:
        """Returns rows with the rewards and terminations of the function or the model."""
        if config.function is not None:
            return relabel_by_function(rows, resolve_function(config.function))
        if self.relabeler is None:
            return rows
        encoder = self.codec.conditions.label
        relabelled = self.relabeler(rows, None if encoder is None or labels is None else encoder.encode(labels))
        return replace(relabelled, rewards=self.codec.clip_rewards(relabelled.rewards))

    # -- denoising --------------------------------------------------------------------------

    @torch.inference_mode()
    def _denoise(self, conditions: Array) -> Array:
        """Samples encoded rows ``[n, D]`` and resamples the least plausible ones."""
        if not self.codec.row_dim:
            return np.zeros((len(conditions), 0), np.float32)
        rows, scores = self._candidates(conditions)
        if scores is not None and len(conditions):
            limit = scores.quantile(1 - self.options.resample_share)
            for _ in range(RESAMPLES):
                implausible = torch.nonzero(scores > limit).reshape(-1)
                again, new_scores = self._candidates(conditions[implausible.cpu().numpy()])
                assert new_scores is not None
                better = new_scores < scores[implausible]
                rows[implausible[better]], scores[implausible[better]] = again[better], new_scores[better]
        return rows.cpu().numpy()

    def _candidates(self, conditions: Array) -> tuple[Tensor, Tensor | None]:
        """Samples encoded rows ``[n, D]`` and, where rows are resampled, computes their residuals ``[n]``."""
        options, condition = self.options, condition_tensor(conditions, self.denoiser.device)
        guided = self.denoiser.for_sampling(condition, options.guidance)
        sampler = replace(options.sampler, sigma_max=options.sampler.sigma_max * self.codec.prior_scale)
        rows = sample(guided, (len(conditions), self.codec.row_dim), sampler, self.rng)
        if not options.resample_share:
            return rows, None
        # without guidance: rows that guidance moves away from the data on purpose are not implausible
        return rows, residual(self.denoiser.for_sampling(condition), rows, self.rng)


def _put(columns: dict[str, Array], at: Array, rows: Transitions) -> None:
    for name, column in rows.leaves().items():
        columns[name][at] = column
