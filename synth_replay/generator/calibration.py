"""Calibration: measures whether relabelled rows are terminal as often as the real ones."""

from __future__ import annotations

import logging
import math

import numpy as np
import torch

from synth_replay.codec.discrete_columns import Conditions
from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.fitted import FittedModel
from synth_replay.generator.sampling import SamplingOptions
from synth_replay.generator.termination_rates import TerminationRates, relabelled_rates
from synth_replay.spaces import Array

logger = logging.getLogger(__name__)

MEASURED_ROWS = 1024
"""Number of rows generated to measure the rate, of each kind: requested as terminal, and others."""
FEWEST_ROWS = 128
"""Smallest number of rows of each kind for one class of labels, where there are many classes."""
STREAM = 0x7E12  # separates the calibration's random numbers from those of the fit


def calibrate(model: FittedModel, config: GeneratorConfig, seed: int) -> None:
    """Measures the rate of relabelled terminations, and stops relabelling them if the rate is too far off.

    Equally many rows are generated for terminal and for other conditions, so that a rate of one in a thousand can be
    measured. Each class of labels is measured separately. Measured on the fitted rows, the rate would be optimistic,
    because the relabelling model has seen their terminations.

    Args:
        model: Fitted model; its relabelling model is changed.
        config: Settings of the fit.
        seed: Seed of the fit. The random numbers come from a stream of their own.
    """
    relabeler = model.relabeler
    if relabeler is None or not 0 < relabeler.termination_rate < 1:
        return
    relabeler.rates = _all_rates(model, config, relabeler.termination_rate, np.random.default_rng([seed, STREAM]))
    for note in model.notes:
        logger.warning(note)


def check_function(conditions: Conditions, codes: Array, terminations: Array) -> None:
    """Warns if the share of rows that a user's function makes terminal differs from the requested share.

    The function is the task's own rule, so its terminations are kept.

    Args:
        conditions: Conditions of the fit.
        codes: Condition codes ``[n, K]`` of the rows.
        terminations: Terminations ``[n]`` by the function.
    """
    requested = conditions.decode(codes).get("terminations")
    if requested is None or len(codes) < MEASURED_ROWS:
        return
    wanted, found = float(requested.mean()), float(terminations.mean())
    error = math.sqrt((wanted * (1 - wanted) + found * (1 - found)) / len(codes))
    if TerminationRates(wanted, wanted, found, error).off:
        logger.warning(
            f"relabel.function makes {found:.2%} of the generated rows terminal; {wanted:.2%} of the real rows are. "
            "Either its rule is not that of the data, or the generator needs more training steps."
        )


def _all_rates(
    model: FittedModel, config: GeneratorConfig, rate: float, rng: np.random.Generator
) -> tuple[TerminationRates, ...]:
    """Returns the rates of each class of labels; of all rows, without labels or if terminations are diffused."""
    conditions = model.codec.conditions
    terminal = conditions.decode(conditions.table).get("terminations")
    count = min(MEASURED_ROWS, config.chunk_rows)
    if terminal is None:
        found = _measure(model, config, conditions.sample(2 * count, rng), rng)
        return (relabelled_rates(rate, float(found[0].mean()), *_shares(*found)),)
    classes = len(conditions.label.classes) if conditions.label is not None else 0
    rates = []
    for among in [conditions.table[:, -1] == number for number in range(classes)] or [np.ones(len(terminal), bool)]:
        real = float(conditions.counts[among & terminal].sum() / conditions.counts[among].sum())
        kinds = [kind for kind in (among & terminal, among & ~terminal) if kind.any()]
        rows = max(count // max(classes, 1), FEWEST_ROWS)
        codes = np.concatenate([conditions.sample(rows, rng, among=kind) for kind in kinds])
        rates.append(relabelled_rates(real, real, *_shares(*_measure(model, config, codes, rng))))
    return tuple(rates)


def _measure(
    model: FittedModel, config: GeneratorConfig, codes: Array, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    encoder = model.codec.conditions.label
    labels = None if encoder is None else encoder.sample(codes[:, -1], rng)
    noise = torch.Generator(device=model.denoiser.device).manual_seed(int(rng.integers(2**63)))
    return model.sampler(SamplingOptions.from_config(config), noise).relabelled_terminations(codes, labels)


def _shares(requested: Array, first: Array, settled: Array) -> tuple[tuple[int, int], tuple[float, float], float]:
    """Returns numbers of rows, terminal shares and the spare share, see :func:`relabelled_rates`."""
    hit, false = (float(settled[of].mean()) if of.any() else 0.0 for of in (requested, ~requested))
    spare = float((first & ~settled & ~requested).sum() / max((~requested).sum(), 1))
    return (int(requested.sum()), int((~requested).sum())), (hit, false), spare
