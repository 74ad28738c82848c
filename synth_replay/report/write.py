"""Writing the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym
from tqdm.auto import tqdm

from synth_replay.buffers.snapshots import Snapshot
from synth_replay.buffers.stats import SynthesisStats
from synth_replay.diffusion.training import LossRecord
from synth_replay.errors import InvalidTransitionsError
from synth_replay.evaluation.simulator import StateSetter
from synth_replay.report.files import atomic_text_file, check_destination
from synth_replay.report.measure import measure
from synth_replay.report.optional_imports import require_report_extra
from synth_replay.report.rows import comparable_rows
from synth_replay.report.sampled import comparable_kinds
from synth_replay.report.simulated import check_environment
from synth_replay.report.verdict import Verdict
from synth_replay.runtime import show_progress
from synth_replay.transitions import Transitions

STEPS = 12


def write_report(
    path: str | Path,
    real: Transitions,
    synthetic: Transitions,
    *,
    holdout: Transitions | None = None,
    env: gym.Env[Any, Any] | None = None,
    set_state: StateSetter | None = None,
    history: Sequence[LossRecord] | None = None,
    provenance: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    json_path: str | Path | None = None,
    snapshots: Sequence[Snapshot] | None = None,
    stats: SynthesisStats | None = None,
    title: str = "Fidelity of generated transitions",
    seed: int = 0,
    progress: bool | None = None,
) -> Verdict:
    """Writes one self-contained HTML page that shows how good generated rows are, with a verdict.

    The page needs no network and no JavaScript. The same arguments give the same bytes.

    Args:
        path: File to write; an existing file is replaced once the new one is complete.
        real: Rows that the generator was fitted on.
        synthetic: Generated rows, in random order.
        holdout: Real rows that were not fitted. None compares generated rows with the fitted rows; the page then says
            that scores are optimistic.
        env: Environment for everything that needs a simulator. If its state cannot be set, the page says so.
        set_state: Function ``set_state(env.unwrapped, observation)``; None covers MuJoCo v5 and classic control.
        history: Loss history of the fit, :attr:`TransitionGenerator.history`.
        provenance: Everything needed to reproduce the rows: command line, data file and hash, config, seed, device, ...
            Values may be nested. Versions are added.
        notes: Warnings about the generator, such as :attr:`TransitionGenerator.notes`; the page shows each of them.
        json_path: File for all numbers of the page as JSON, replaced once it is complete, too; None writes none.
        snapshots: Snapshots ``buffer.engine.snapshots.held`` of a ``CFGMixedBuffer``, for a map of its four sources.
        stats: Figures of a buffer, ``buffer.stats``: the page shows how often real rows were drawn, and why batches
            hold that many generated rows.
        title: Heading of the page.
        seed: Seed of every choice of rows to compare or draw.
        progress: Whether to show a progress bar; None shows it on a terminal.

    Returns:
        Verdict at the head of the page.

    Raises:
        MissingExtraError: If matplotlib, jinja2 or scikit-learn are not installed.
        InvalidTransitionsError: If rows are missing or not finite.
        SpecMismatchError: If columns differ, or ``env`` has other observations.
        OSError: If the file cannot be written.
    """
    require_report_extra()
    from synth_replay.report.page import render  # needs the extra

    rows = comparable_rows(real, synthetic, holdout)
    if env is not None:
        check_environment(real, env)
    if json_path is not None:
        check_destination(Path(json_path))
    with atomic_text_file(Path(path)) as file, _steps(show_progress(progress)) as step:
        provenance = dict(provenance or {}) | ({} if stats is None else {"buffer": vars(stats)})
        measured = measure(rows, env, set_state, seed, step)
        given: dict[str, Any] = {"title": title, "history": history, "provenance": provenance, "snapshots": snapshots}
        page, data = render(measured, **given, notes=notes, seed=seed, step=step)
        file.write(page)
        if json_path is not None:
            with atomic_text_file(Path(json_path)) as numbers:
                numbers.write(json.dumps(data, indent=1) + "\n")
    return measured.verdict


def write_mixed_report(path: str | Path, snapshots: Sequence[Snapshot], **kwargs: Any) -> Verdict:
    """Writes a report on a ``CFGMixedBuffer``: rows of the last refresh, and a map of its four sources.

    Samples of real and generated rows are compared, with the same number of online and offline rows on both sides. Only
    copies of sampled rows are found.

    Args:
        path: File to write; an existing file is replaced once the new one is complete.
        snapshots: Snapshots of the buffer, ``buffer.engine.snapshots.held``.
        **kwargs: Keyword arguments of :func:`write_report`.

    Raises:
        InvalidTransitionsError: If there has been no refresh.
        Others: All errors of :func:`write_report`.
    """
    if not snapshots:
        raise InvalidTransitionsError(
            "There has been no refresh yet, so there are no generated rows to report on: train for more steps."
        )
    real, synthetic = comparable_kinds(snapshots[-1])
    compared = {"compared": f"samples of {len(real):,} real and {len(synthetic):,} generated rows of the last refresh"}
    kwargs["provenance"] = compared | dict(kwargs.get("provenance") or {})
    kwargs.setdefault("title", "Four sources of an offline-to-online run")
    return write_report(path, real, synthetic, snapshots=snapshots, **kwargs)


@contextmanager
def _steps(show: bool) -> Iterator[Callable[[str], None]]:
    with tqdm(total=STEPS, desc="report", disable=not show, leave=False) as bar:

        def step(name: str) -> None:
            bar.set_postfix_str(name)
            bar.update()

        yield step
