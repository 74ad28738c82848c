"""Section: the loss of the fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from synth_replay.diffusion.training import LossRecord
from synth_replay.report.section import Picture, Section
from synth_replay.report.style import REAL, SYNTHETIC, draw
from synth_replay.spaces import Array


def loss_section(history: Sequence[LossRecord] | None) -> Section:
    """Builds the section: training and held-out loss over gradient steps."""
    if not history:
        return Section("loss", "Loss", missing="No history of the fit was given (TransitionGenerator.history).")
    steps = np.array([entry.get("step", i) for i, entry in enumerate(history)], np.float64)
    train, held = (np.array([e.get(key, np.nan) for e in history], np.float64) for key in ("loss", "holdout_loss"))
    text = "Denoising loss per dimension. If the held-out loss rises while the training loss falls, the model overfits."
    change = f"over {steps[-1]:,.0f} steps the training loss went {_change(train)}, the held-out loss {_change(held)}"
    picture = Picture(
        draw(4.1, 2.3, lambda axes: _paint(axes, steps, train, held)), f"Line chart of the loss: {change}.", ""
    )
    return Section("loss", "Loss", (text,), (picture,), "single", f"{change[0].upper()}{change[1:]}.")


def _change(values: Array) -> str:
    known = values[np.isfinite(values)]
    return f"from {known[0]:.3f} to {known[-1]:.3f}" if len(known) else "unrecorded"


def _paint(axes: Axes, steps: Array, train: Array, held: Array) -> None:
    marker = "o" if len(steps) < 3 else ""
    axes.plot(steps, train, color=REAL, linewidth=1.4, marker=marker, label="training rows")
    axes.plot(steps, held, color=SYNTHETIC, linewidth=1.4, linestyle="--", marker=marker, label="held-out rows")
    axes.set(xlabel="gradient steps", ylabel="loss")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.locator_params(axis="x", nbins=6)
    axes.grid(True)
    axes.legend()
