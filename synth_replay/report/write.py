"""Writing the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym
from tqdm.auto import tqdm

from synth_replay.buffers.snapshots import Snapshot
from synth_replay.errors import InvalidTransitionsError
from synth_replay.evaluation.simulator import StateSetter
from synth_replay.report.extra import require_report_extra
from synth_replay.report.files import whole_file
from synth_replay.report.measure import measure
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
    history: Sequence[Mapping[str, float]] | None = None,
    provenance: Mapping[str, Any] | None = None,
    snapshots: Sequence[Snapshot] | None = None,
    title: str = "Fidelity of generated transitions",
    seed: int = 0,
    progress: bool | None = None,
) -> Verdict:
    """Writes one self-contained HTML page that shows how good generated rows are, and judges them.

    The page needs no network and no JavaScript. The same arguments give the same bytes.

    Args:
        path: File to write; an older one is replaced only when the new one is whole.
        real: The rows that the generator was fitted on.
        synthetic: Generated rows, in random order.
        holdout: Real rows that were not fitted. Without them generated rows are compared with the fitted ones,
            which flatters; the page says so.
        env: The environment, for everything that needs the simulator. Where its state cannot be set, the page says so.
        set_state: How to set ``env``'s state, for environments that are not known here.
        history: :attr:`TransitionGenerator.history`.
        provenance: What it takes to make the rows again: command line, data file and hash, config, seed, device, ...
            Values may be nested. Versions are filled in.
        snapshots: ``buffer.engine.snapshots.held`` of a ``CFGMixedBuffer``, for a map of its four sources over time.
        title: Heading of the page.
        seed: Seed of every choice of rows to compare or draw.
        progress: Show a progress bar; None shows it on a terminal.

    Returns:
        The verdict that heads the page.

    Raises:
        MissingExtraError: If matplotlib, jinja2 or scikit-learn are not installed.
        InvalidTransitionsError: If rows are missing or not finite.
        SpecMismatchError: If columns differ, or ``env`` has other observations.
        OSError: If the file cannot be written.
    """
    require_report_extra()
    from synth_replay.report.page import render  # draws: needs the extra

    rows = comparable_rows(real, synthetic, holdout)
    if env is not None:
        check_environment(real, env)
    with whole_file(Path(path)) as file, _steps(show_progress(progress)) as step:
        measured = measure(rows, env, set_state, seed, step)
        told: dict[str, Any] = {"title": title, "history": history, "provenance": provenance, "snapshots": snapshots}
        file.write(render(measured, **told, seed=seed, step=step))
    return measured.verdict


def write_mixed_report(path: str | Path, snapshots: Sequence[Snapshot], **kwargs: Any) -> Verdict:
    """:func:`write_report` for a ``CFGMixedBuffer``: the last refresh's rows of both kinds, and a map of the sources.

    Samples of real and of generated rows are compared, with as many of each kind on both sides. Copies are looked for
    in the sample alone.

    Args:
        path: File to write.
        snapshots: ``buffer.engine.snapshots.held``.
        **kwargs: As for :func:`write_report`, but for the rows.

    Raises:
        InvalidTransitionsError: If there has been no refresh.
        Others: As :func:`write_report`.
    """
    if not snapshots:
        raise InvalidTransitionsError("There has been no refresh yet: nothing was generated that could be reported on.")
    real, synthetic = comparable_kinds(snapshots[-1])
    told = {"compared": f"samples of {len(real):,} real and {len(synthetic):,} generated rows of the last refresh"}
    kwargs["provenance"] = told | dict(kwargs.get("provenance") or {})
    kwargs.setdefault("title", "Four sources of an offline-to-online run")
    return write_report(path, real, synthetic, snapshots=snapshots, **kwargs)


@contextmanager
def _steps(show: bool) -> Iterator[Callable[[str], None]]:
    with tqdm(total=STEPS, desc="report", disable=not show, leave=False) as bar:

        def step(name: str) -> None:
            bar.set_postfix_str(name)
            bar.update()

        yield step
