"""The commands that make something: fit, sample, upsample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import tyro

from synth_replay.cli.options import Running, Source, Usage, Written
from synth_replay.cli.pages import REPORT_HOLDOUT, REPORT_ROWS, check_page, generator_folder, write_page
from synth_replay.cli.presets import starting_config
from synth_replay.datasets import Dataset, open_dataset
from synth_replay.errors import DatasetExistsError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.generator import TransitionGenerator
from synth_replay.transitions import Transitions
from synth_replay.upsampling.jobs import digest
from synth_replay.upsampling.upsample import (
    SHARD_ROWS,
    Output,
    Workplace,
    finished_job,
    fit_resumably,
    make_dataset,
    split,
)

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
        self.running.check()
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
    """Folder of a generator, or of a dataset with its generator in it."""
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
        self.running.check()
        usage, folder = Usage(), generator_folder(self.generator)
        loaded = TransitionGenerator.load(folder, self.running.device)
        output = Output(
            self.out, self.num_samples, self.running.seed, self.out_format, self._label(loaded), self.shard_rows
        )
        job = {"sample": {"generator": digest(folder)}}
        new = make_dataset(output, job, lambda _: loaded, progress=self.running.progress)
        _say_made(output, new, usage)

    def _label(self, loaded: TransitionGenerator) -> int | str | None:
        label = next((label for label in loaded.labels if str(label) == self.label), self.label)
        loaded.sample(0, label=label)  # refuses a label that was not fitted, before there is an unfinished run
        return label


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
        self.running.check()
        check_page(self.report)
        usage, env = Usage(), self.source.make_env()
        dataset = self.source.open(self.data, env)
        output = Output(self.out, self.num_samples, self.running.seed, self.out_format, None, self.shard_rows)
        share = self._share(output)
        origin = _origin(self.data, dataset, self.generator, self.running.seed) | {"holdout": share}
        rows = cache(lambda: split(dataset.read(), share, self.running.seed))  # not read if there is nothing to do
        page = partial(self._report, rows, env, origin)
        new = make_dataset(
            output,
            {"upsample": origin},
            lambda folder: self._fit(rows()[0], dataset, folder),
            before_clearing=page,
            progress=self.running.progress,
        )
        if not new and self.report is not None:
            page(_saved(self.out))
        _say_made(output, new, usage)
        say_notes(dataset)

    def _share(self, output: Output) -> float:
        """A dataset that is there keeps its share, so that a report can be asked for later."""
        if self.holdout is not None:
            return self.holdout
        made: dict[str, Any] = finished_job(output).get("upsample", {})
        return float(made.get("holdout", REPORT_HOLDOUT if self.report else 0.0))

    def _fit(self, rows: Transitions, dataset: Dataset, folder: Path) -> TransitionGenerator:
        running = self.running
        settings: dict[str, Any] = {"seed": running.seed, "device": running.device, "progress": running.progress}
        return fit_resumably(rows, dataset, folder, self.generator, **settings)

    def _report(
        self,
        rows: Callable[[], tuple[Transitions, Transitions | None]],
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
            title=f"{self.data.name}, upsampled to {self.num_samples:,} rows",
            progress=self.running.progress,
        )
        print(line)


def _saved(out: Path) -> TransitionGenerator | None:
    """The generator that a folder of Parquet keeps; other formats keep none."""
    folder = generator_folder(out)
    return None if folder == out else TransitionGenerator.load(folder, "cpu")


def _origin(path: Path, dataset: Dataset, config: GeneratorConfig, seed: int) -> dict[str, Any]:
    """What a generator is made from."""
    data = {"name": path.name, "sha256": digest(dataset.path), "rows": len(dataset), "spec": dataset.spec.to_dict()}
    return {"data": data, "config": config.to_dict(), "seed": seed}


def _say_made(output: Output, new: bool, usage: Usage) -> None:
    done = f"{output.rows:,} rows, {output.resolved_format}"
    print(
        f"{output.path}: {done} ({usage})" if new else f"{output.path}: complete already, nothing to generate ({done})"
    )


def say_notes(dataset: Dataset) -> None:
    """Prints what was assumed while reading, a line each."""
    for note in dataset.meta["notes"]:
        print(f"note: {note}")
