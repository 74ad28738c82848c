"""The command ``upsample``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import tyro

from synth_replay import TransitionGenerator, Transitions
from synth_replay.cli.messages import Usage, print_made, print_notes
from synth_replay.cli.options import Input, InputOptions, Running, RunningOptions, WriteFormat
from synth_replay.cli.presets import starting_config
from synth_replay.cli.provenance import describe_fit, generator_folder
from synth_replay.cli.report_page import REPORT_ROWS, check_page, holdout_share, write_page
from synth_replay.datasets import Dataset, open_dataset, require_outside
from synth_replay.generator import GeneratorConfig
from synth_replay.upsampling import SHARD_ROWS, Output, finished_job, fit_resumably, make_dataset, split_holdout

FittedAndHeldOut = tuple[Transitions, Transitions | None]


@dataclass(frozen=True)
class Upsample:
    """Fit a generator on a dataset and write generated rows. After an interruption, the same command resumes."""

    data: tyro.conf.Positional[Path]
    """Dataset: npz, D4RL, d3rlpy, Minari, Parquet or (trusted) Stable-Baselines3."""
    num_samples: int
    """Number of rows to generate, e.g. 1_000_000."""
    out: Path
    """Dataset to write: .npz, .hdf5 (D4RL), or a folder (Parquet, with the generator in it)."""
    out_format: WriteFormat | None = None
    """Format to write; taken from the suffix by default."""
    report: Path | None = None
    """HTML page to write, which shows how good the generated rows are."""
    holdout: float | None = None
    """Share of the rows that are kept out of the fit for the report. With a report, the default is 1,000 rows,
    limited to 5 % to 20 % of all; else 0."""
    preset: str = "auto"
    """Preset that the generator options start from: paper, fast, cpu, or a YAML or JSON file; auto suits the device."""
    shard_rows: int = SHARD_ROWS
    """Rows that are generated and written at once."""
    source: InputOptions = field(default_factory=Input)
    running: RunningOptions = field(default_factory=Running)
    generator: GeneratorConfig = field(default_factory=starting_config)

    def run(self) -> None:
        """Fits the generator, generates the rows, writes the report, and prints where they are."""
        self.running.check()
        check_page(self.report)
        usage, env = Usage(), self.source.make_env()
        dataset = self.source.open(self.data, env)
        for path in (self.out, self.report):
            if path is not None:
                require_outside(path, dataset.path)
        output = Output(self.out, self.num_samples, self.running.seed, self.out_format, None, self.shard_rows)
        share = self._holdout_share(output, len(dataset))
        origin = describe_fit(dataset, self.generator, self.running.seed) | {"holdout": share}
        # the data are read once, and not at all if the output is complete
        rows = cache(lambda: split_holdout(dataset.read(), share, self.running.seed))
        write_report = partial(self._write_report, rows, env, origin)
        new = make_dataset(
            output,
            {"upsample": origin},
            lambda folder: self._fit(rows()[0], dataset, folder),
            before_clearing=write_report,
            progress=self.running.progress,
        )
        if not new and self.report is not None:
            write_report(self._kept_generator())
        print_made(output, new, usage)
        print_notes(dataset)

    def _holdout_share(self, output: Output, rows: int) -> float:
        """The share of rows to hold out; a finished dataset keeps its own, so that a report can be added later."""
        if self.holdout is not None:
            return self.holdout
        made = finished_job(output).get("upsample")
        held = made.get("holdout") if isinstance(made, dict) else None
        return held if isinstance(held, float) else holdout_share(rows) if self.report else 0.0

    def _fit(self, rows: Transitions, dataset: Dataset, folder: Path) -> TransitionGenerator:
        running = self.running
        settings: dict[str, Any] = {"seed": running.seed, "device": running.device, "progress": running.progress}
        return fit_resumably(rows, dataset, folder, self.generator, **settings)

    def _write_report(
        self,
        rows: Callable[[], FittedAndHeldOut],
        env: gym.Env[Any, Any] | None,
        origin: dict[str, Any],
        made: TransitionGenerator | None,
    ) -> None:
        if self.report is None:
            return
        real, holdout = rows()
        line = write_page(
            self.report,
            real,
            next(open_dataset(self.out, format=self.out_format).chunks(REPORT_ROWS)),
            origin,
            holdout=holdout,
            env=env,
            history=None if made is None else made.history,
            notes=() if made is None else made.notes,
            title=f"{self.data.name}, upsampled to {self.num_samples:,} rows",
            progress=self.running.progress,
        )
        print(line)

    def _kept_generator(self) -> TransitionGenerator | None:
        """The generator that a Parquet folder keeps; None for other formats."""
        folder = generator_folder(self.out)
        return None if folder == self.out else TransitionGenerator.load(folder, "cpu", trusted=self.source.trusted)
