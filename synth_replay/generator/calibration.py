"""Calibration: measures whether relabelled rows are terminal as often as the real ones."""

from __future__ import annotations

import logging

import numpy as np
import torch

from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.fitted import FittedModel
from synth_replay.generator.sampling import SamplingOptions
from synth_replay.generator.termination_rates import TerminationRates, relabelled_rates
from synth_replay.spaces import Array

logger = logging.getLogger(__name__)

MEASURED_ROWS = 1024
"""Rows requested as terminal, and other rows, that are generated to measure the rate."""
STREAM = 0x7E12  # separates the calibration's random numbers from those of the fit


def calibrate(model: FittedModel, config: GeneratorConfig, seed: int) -> None:
    """Measures the rate of relabelled terminations, and gives up their relabelling if it does not keep the rate.

    Equally many rows are generated for terminal and for other conditions, so that a rate of one in a thousand can be
    measured. The rows of the fit would flatter the relabelling model, which has seen their terminations.

    Args:
        model: Fitted model; its relabelling model is changed.
        config: Settings of the fit.
        seed: Seed of the fit. The random numbers come from a stream of their own.
    """
    relabeler = model.relabeler
    if relabeler is None or not 0 < relabeler.termination_rate < 1:
        return
    relabeler.rates = _measure(model, config, relabeler.termination_rate, seed)
    if relabeler.rates.note:
        logger.warning(relabeler.rates.note)


def _measure(model: FittedModel, config: GeneratorConfig, real: float, seed: int) -> TerminationRates:
    rng = np.random.default_rng([seed, STREAM])
    codes, stratified = _codes(model, min(MEASURED_ROWS, config.chunk_rows), rng)
    encoder = model.codec.conditions.label
    labels = None if encoder is None else encoder.sample(codes[:, -1], rng)
    noise = torch.Generator(device=model.denoiser.device).manual_seed(int(rng.integers(2**63)))
    found = model.sampler(SamplingOptions.from_config(config), noise).relabelled_terminations(codes, labels)
    requested, first, settled = found
    shares = tuple(float(settled[of].mean()) if of.any() else 0.0 for of in (requested, ~requested))
    spare = float((first & ~settled & ~requested).sum() / max((~requested).sum(), 1))
    drawn = real if stratified else float(requested.mean())
    counts = int(requested.sum()), int((~requested).sum())
    return relabelled_rates(real, drawn, counts, (shares[0], shares[1]), spare)


def _codes(model: FittedModel, count: int, rng: np.random.Generator) -> tuple[Array, bool]:
    """Samples terminal and other conditions, ``count`` each, if terminations are conditions; else any conditions."""
    conditions = model.codec.conditions
    terminal = conditions.decode(conditions.table).get("terminations")
    if terminal is None:
        return conditions.sample(2 * count, rng), False
    return np.concatenate([conditions.sample(count, rng, among=among) for among in (terminal, ~terminal)]), True
