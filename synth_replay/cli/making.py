"""The commands that make something: fit, sample, upsample."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import tyro

from synth_replay.cli.options import Running, Source, Usage, Written
from synth_replay.cli.presets import starting_config
from synth_replay.config import GeneratorConfig
from synth_replay.datasets import Dataset, open_dataset
from synth_replay.errors import DatasetExistsError
from synth_replay.generator import TransitionGenerator
from synth_replay.transitions import Transitions
from synth_replay.upsampling import SHARD_ROWS, Output, Workplace, digest, fit_resumably, make_dataset, split

REPORT_ROWS = 50_000
REPORT_HOLDOUT = 0.05

SourceOptions = Annotated[Source, tyro.conf.arg(name="")]
RunningOptions = Annotated[Running, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class Fit:
    """Fit a generator on a dataset and save it to a folder. Interrupted, it goes on where it stopped."""

    data: tyro.conf.Positional[Path]
    """Dataset: npz, D4RL, d3rlpy, Minari, Parquet or (trusted) Stable-Baselines3."""
    out: Path
    """Folder of the generator."""
    preset: str = "auto"
    """What the generator options start from: paper, fast, cpu, or a YAML or JSON file; auto suits the device."""
    source: SourceOptions = field(default_factory=Source)
    running: RunningOptions = field(default_factory=Running)
    generator: GeneratorConfig = field(default_factory=starting_config)

    def run(self) -> None:
        """Does it."""
        usage, dataset = Usage(), self.source.open(self.data, self.source.make_env())
        place = Workplace(self.out, {"fit": _origin(self.data, dataset, self.generator, self.running.seed)})
        if self.out.exists():
            raise DatasetExistsError(f"{self.out} already exists: choose another folder, or delete it.")
        with place.work():
            made = fit_resumably(
                dataset.read(),
                dataset,
                place.folder,
                self.generator,
                seed=self.running.seed,
                device=self.running.device,
                progress=self.running.progress,
            )
            (place.folder / "generator").rename(self.out)
            place.clear()
        print(f"{self.out}: fitted on {len(dataset):,} rows, held-out loss {made.holdout_loss:.4f} ({usage})")
        say_notes(dataset)


@dataclass(frozen=True)
class Sample:
    """Generate a dataset with a saved generator. Interrupted, it goes on at the shard where it stopped."""

    generator: tyro.conf.Positional[Path]
    """Folder of a generator."""
    num_samples: int
    """Rows to generate, e.g. 1_000_000."""
    out: Path
    """Dataset to write: .npz, .hdf5 (D4RL), or a folder (Parquet)."""
    out_format: Written | None = None
    """Format to write; by default the suffix tells."""
    label: str | None = None
    """Only rows of this class, for a generator that was fitted with classes (in Python)."""
    shard_rows: int = SHARD_ROWS
    """Rows that are generated and written at once."""
    running: RunningOptions = field(default_factory=Running)

    def run(self) -> None:
        """Does it."""
        usage = Usage()
        loaded = TransitionGenerator.load(self.generator, self.running.device)
        output = Output(
            self.out, self.num_samples, self.running.seed, self.out_format, self._label(loaded), self.shard_rows
        )
        job = {"sample": {"generator": digest(self.generator)}}
        new = make_dataset(output, job, lambda _: loaded, progress=self.running.progress)
        _say_made(output, new, usage)

    def _label(self, loaded: TransitionGenerator) -> int | str | None:
        return next((label for label in loaded.labels if str(label) == self.label), self.label)


@dataclass(frozen=True)
class Upsample:
    """Fit a generator on a dataset and write a dataset of generated rows alone. Killed, the same command goes on."""

    data: tyro.conf.Positional[Path]
    """Dataset: npz, D4RL, d3rlpy, Minari, Parquet or (trusted) Stable-Baselines3."""
    num_samples: int
    """Rows to generate, e.g. 1_000_000."""
    out: Path
    """Dataset to write: .npz, .hdf5 (D4RL), or a folder (Parquet, with the generator in it)."""
    out_format: Written | None = None
    """Format to write; by default the suffix tells."""
    report: Path | None = None
    """Write an HTML page that shows how good the generated rows are."""
    holdout: float | None = None
    """Share of the rows kept out of the fit, to compare with; 0.05 by default with a report, else 0."""
    preset: str = "auto"
    """What the generator options start from: paper, fast, cpu, or a YAML or JSON file; auto suits the device."""
    shard_rows: int = SHARD_ROWS
    """Rows that are generated and written at once."""
    source: SourceOptions = field(default_factory=Source)
    running: RunningOptions = field(default_factory=Running)
    generator: GeneratorConfig = field(default_factory=starting_config)

    def run(self) -> None:
        """Does it."""
        usage, env = Usage(), self.source.make_env()
        dataset = self.source.open(self.data, env)
        output = Output(self.out, self.num_samples, self.running.seed, self.out_format, None, self.shard_rows)
        share = self.holdout if self.holdout is not None else REPORT_HOLDOUT if self.report else 0.0
        origin = _origin(self.data, dataset, self.generator, self.running.seed) | {"holdout": share}
        rows = cache(lambda: split(dataset.read(), share, self.running.seed))  # not read if there is nothing to do
        new = make_dataset(
            output,
            {"upsample": origin},
            lambda folder: self._fit(rows()[0], dataset, folder),
            before_clearing=lambda made: self._report(rows(), made, env, origin),
            progress=self.running.progress,
        )
        _say_made(output, new, usage)
        say_notes(dataset)

    def _fit(self, rows: Transitions, dataset: Dataset, folder: Path) -> TransitionGenerator:
        running = self.running
        settings: dict[str, Any] = {"seed": running.seed, "device": running.device, "progress": running.progress}
        return fit_resumably(rows, dataset, folder, self.generator, **settings)

    def _report(
        self,
        rows: tuple[Transitions, Transitions | None],
        made: TransitionGenerator,
        env: gym.Env[Any, Any] | None,
        origin: dict[str, Any],
    ) -> None:
        if self.report is None:
            return
        from synth_replay.report import write_report

        synthetic = next(open_dataset(self.out, format=self.out_format).chunks(REPORT_ROWS))
        verdict = write_report(
            self.report,
            rows[0],
            synthetic,
            holdout=rows[1],
            env=env,
            history=made.history,
            provenance={"command": shlex.join(["synth-replay", *sys.argv[1:]])} | origin,
            title=f"{self.data.name}, upsampled to {self.num_samples:,} rows",
            progress=self.running.progress,
        )
        print(f"{self.report}: {verdict.headline}")


def _origin(path: Path, dataset: Dataset, config: GeneratorConfig, seed: int) -> dict[str, Any]:
    """What a generator is made from."""
    data = {"name": path.name, "sha256": digest(dataset.path), "rows": len(dataset), "spec": dataset.spec.to_dict()}
    return {"data": data, "config": config.to_dict(), "seed": seed}


def _say_made(output: Output, new: bool, usage: Usage) -> None:
    done = f"{output.rows:,} rows, {output.resolved_format}"
    print(f"{output.path}: {done} ({usage})" if new else f"{output.path}: complete already, nothing to do ({done})")


def say_notes(dataset: Dataset) -> None:
    """Prints what was assumed while reading, a line each."""
    for note in dataset.meta["notes"]:
        print(f"note: {note}")
