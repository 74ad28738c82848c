"""The steps that make a dataset of generated rows: fit, generate shard by shard, publish.

The training state, the fitted generator and the shards are kept in ``<out>.unfinished``, and ``out`` appears when it is
complete. After a kill, the same call resumes where the last one stopped.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from synth_replay.datasets import Dataset, ShardWriter, create_dataset, guess_format, open_dataset
from synth_replay.datasets.atomic_files import followed, sweep
from synth_replay.errors import CheckpointError, DatasetError, DatasetExistsError, DifferentJobError, SynthReplayError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.generator import TransitionGenerator
from synth_replay.progress import track
from synth_replay.transitions import Transitions
from synth_replay.upsampling.jobs import Job, as_read_back, differences
from synth_replay.upsampling.workplace import Workplace

SHARD_ROWS = 100_000


@dataclass(frozen=True)
class Output:
    """A dataset to make.

    Attributes:
        path: File or folder to write; must not hold anything else.
        rows: Number of rows to generate, at least 1.
        seed: Seed of the generated rows, at least 0. Each shard has its own random stream, so a resumed run gives the
            same rows.
        format: Format to write, a key of :data:`synth_replay.datasets.FORMATS`; None takes it from the suffix of
            ``path``, and no suffix means a Parquet folder.
        label: Label of every generated row; None draws labels in the data's proportions.
        shard_rows: Rows that are generated and written at once, at least 1.

    Raises:
        DatasetError: If a number is out of its range.
    """

    path: Path
    rows: int
    seed: int = 0
    format: str | None = None
    label: int | str | None = None
    shard_rows: int = SHARD_ROWS

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise DatasetError(f"The number of samples must be at least 1; got {self.rows}.")
        if self.shard_rows < 1:
            raise DatasetError(f"A shard needs at least 1 row; got {self.shard_rows}.")
        if self.seed < 0:
            raise DatasetError(f"The seed must not be negative; got {self.seed}.")

    @property
    def resolved_format(self) -> str:
        """Name of the format to write.

        Raises:
            DatasetError: If the suffix of ``path`` belongs to no format.
        """
        return self.format or guess_format(self.path)

    def describe(self) -> Job:
        """Returns the settings that must be equal for a run to be resumed."""
        return {"rows": self.rows, "seed": self.seed, "label": self.label, "shard_rows": self.shard_rows}


def split_holdout(rows: Transitions, share: float, seed: int) -> tuple[Transitions, Transitions | None]:
    """Splits rows into those to fit and those held out for the report.

    Args:
        rows: All rows.
        share: Share of the rows to hold out, in [0, 1).
        seed: Seed of the choice; equal arguments give an equal split.

    Returns:
        The rows to fit in their own order, and the held-out rows in random order; None if there are none.

    Raises:
        DatasetError: If ``share`` is out of its range.
    """
    if not 0 <= share < 1:
        raise DatasetError(f"The holdout share must be in [0, 1); got {share}.")
    count = int(share * len(rows))
    if not count:
        return rows, None
    order = np.random.default_rng([seed, 1]).permutation(len(rows))
    return rows[np.sort(order[count:])], rows[order[:count]]


def fit_resumably(
    rows: Transitions,
    dataset: Dataset,
    folder: Path,
    config: str | Path | GeneratorConfig | None,
    *,
    seed: int = 0,
    device: str | torch.device = "auto",
    progress: bool | None = None,
) -> TransitionGenerator:
    """Fits a generator and saves it in ``folder / "generator"``, or loads it from there if an earlier call saved it.

    Args:
        rows: Rows to fit.
        dataset: The dataset that they come from, for its spaces.
        folder: Where the training state and the generator are kept; a killed fit resumes from there.
        config: Configuration, preset or file; None suits the device.
        seed: Seed of the fit.
        device: PyTorch device; ``"auto"`` takes a GPU when there is one.
        progress: Whether to show progress; None shows a bar on a terminal and lines elsewhere.

    Raises:
        CheckpointError: If the folder holds a generator with another relabelling function, or state of another fit.
    """
    done = folder / "generator"
    spec = dataset.spec
    generator = TransitionGenerator(spec.observation_space, spec.action_space, config, seed, device)
    if (done / "generator.json").exists():
        function = generator.config.relabel.function
        held = TransitionGenerator.load(done, device, trusted=function is not None)
        if held.config.relabel.function == function:
            return held
        raise CheckpointError(f"{done} holds a generator with other settings: delete {folder} and run again.")
    generator.fit(rows, progress=progress, checkpoint=folder / "fit")
    generator.save(done)
    shutil.rmtree(folder / "fit", ignore_errors=True)
    return generator


def generate_shards(
    generator: TransitionGenerator, folder: Path, output: Output, meta: dict[str, Any], progress: bool | None = None
) -> None:
    """Generates the missing shards of a Parquet folder and marks the folder as complete.

    Args:
        generator: A fitted generator; reseeded for each shard.
        folder: The Parquet folder; may hold some shards already.
        output: The dataset to make.
        meta: JSON values to keep in the folder's manifest.
        progress: Whether to show progress; None shows a bar on a terminal and lines elsewhere.

    Raises:
        DatasetError: If the disk changes what is written.
    """
    writer = ShardWriter(folder, generator.spec, output.rows, shard_rows=output.shard_rows, meta=meta)
    if writer.finished:
        return
    missing = writer.missing()
    done = output.rows - sum(_rows(writer, number) for number in missing)
    with track(output.rows, "sampling", "row", progress, done=done, keep=True) as shown:
        for number in missing:
            generator.reseed(int(np.random.SeedSequence([output.seed, number]).generate_state(1)[0]))
            writer.write(number, generator.sample(_rows(writer, number), label=output.label))
            shown.update(_rows(writer, number))
    if damaged := writer.missing():
        raise DatasetError(
            f"{folder}: {len(damaged)} shards read back with other contents than were written. Check the disk, then "
            "run the same command again: it makes only these."
        )
    writer.finish()


def _rows(writer: ShardWriter, number: int) -> int:
    start, stop = writer.bounds(number)
    return stop - start


def finished_job(output: Output) -> Job:
    """Reads the job of the finished dataset at ``output.path``.

    Returns:
        The job; empty if there is no dataset, if this package did not make it, or if rows have been removed since.
    """
    try:
        found = open_dataset(output.path, format=output.resolved_format)
    except SynthReplayError:
        return {}
    job = found.meta.get("job")
    if not isinstance(job, dict) or not isinstance(made := job.get("output"), dict):
        return {}
    return job if len(found) == made.get("rows") else {}


def is_complete(output: Output, job: Job) -> bool:
    """Whether ``output.path`` holds the finished dataset of this very job; False if nothing is there.

    Raises:
        DifferentJobError: If it holds rows of another job.
        DatasetExistsError: If it holds something else.
    """
    if not output.path.exists() or (output.path.is_dir() and not any(output.path.iterdir())):
        return False
    held, job = finished_job(output), as_read_back(job)
    if held == job:
        return True
    remedy = "choose another output, or delete it."
    if not held:
        raise DatasetExistsError(f"{output.path} already holds something else: {remedy}")
    found = f"{output.path} already holds rows made with other settings"
    raise DifferentJobError(found, differences(held, job), remedy)


def make_dataset(
    output: Output,
    job: Job,
    obtain: Callable[[Path], TransitionGenerator],
    *,
    before_clearing: Callable[[TransitionGenerator], None] | None = None,
    progress: bool | None = None,
) -> bool:
    """Generates a dataset; after a kill, the same call resumes.

    Args:
        output: The dataset to make.
        job: What it is made from, as JSON values that tell this run from another.
        obtain: Returns the fitted generator; may keep its own progress in the folder that it gets.
        before_clearing: Called with the generator when the output is complete, before the unfinished run is removed.
        progress: Whether to show progress; None shows bars on a terminal and lines elsewhere.

    Returns:
        Whether there was anything to do: False if the output was complete already.

    Raises:
        DifferentJobError: If the output, or its ``.unfinished``, belongs to another job.
        DatasetExistsError: If one of them holds something else, or another process makes the same output.
        DatasetError: If the format is unknown.
    """
    output = replace(output, path=followed(output.path))
    job = job | {"output": output.describe(), "format": output.resolved_format}
    complete, place = is_complete(output, job), Workplace(output.path, job)
    if complete:
        sweep(output.path)
    if complete and not place.resuming:
        place.sweep()
        return False
    with place.work():
        generator = obtain(place.folder)
        if not complete:
            _generate_and_publish(generator, place.folder, output, job, progress)
        if before_clearing is not None:
            before_clearing(generator)
        place.clear()
    return True


def _generate_and_publish(
    generator: TransitionGenerator, folder: Path, output: Output, job: Job, progress: bool | None
) -> None:
    config = generator.config.to_dict()
    meta = {"job": job, "generator": generator.digest(), "config": config, "sampler": config["sampler"]}
    meta |= {"seed": output.seed, "label": output.label}
    shards = folder / "shards"
    generate_shards(generator, shards, output, meta, progress)
    if output.resolved_format != "parquet":
        copy_dataset(open_dataset(shards), output.path, output.resolved_format, meta, progress)
        return
    if (folder / "generator").exists():
        shutil.copytree(folder / "generator", shards / "generator", dirs_exist_ok=True)
    shards.rename(output.path)


def copy_dataset(
    source: Dataset, out: Path, format: str | None, meta: dict[str, Any], progress: bool | None = None
) -> None:
    """Writes a dataset in another format, chunk by chunk.

    Args:
        source: The dataset to read.
        out: File or folder to write.
        format: A key of :data:`synth_replay.datasets.FORMATS` that can be written; None takes it from the suffix.
        meta: JSON values to keep with the rows.
        progress: Whether to show progress; None shows a bar on a terminal and lines elsewhere.

    Raises:
        DatasetExistsError: If ``out`` holds something.
        DatasetError: If the format cannot be written, or cannot hold the rows.
    """
    with (
        track(len(source), "writing", "row", progress, keep=True) as shown,
        create_dataset(out, source.spec, len(source), format=format, meta=meta) as writer,
    ):
        for chunk in source.chunks():
            writer.write(chunk)
            shown.update(len(chunk))
