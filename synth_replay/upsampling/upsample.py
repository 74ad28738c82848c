"""Datasets of generated rows on disk, made in steps that survive a kill and are never seen half-done.

Everything in the making lies in ``<out>.unfinished``: the training state, the fitted generator, the shards. ``out``
appears when it is whole. The same call again goes on where the last one stopped.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from synth_replay.checkpoint import write_whole
from synth_replay.datasets import Dataset, ShardWriter, create_dataset, guess_format, open_dataset
from synth_replay.errors import DatasetError, DatasetExistsError, SynthReplayError
from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.generator import TransitionGenerator
from synth_replay.runtime import show_progress
from synth_replay.transitions import Transitions
from synth_replay.upsampling.jobs import differences, plain

SHARD_ROWS = 100_000
JOB, LOCK = "job.json", "lock"


@dataclass(frozen=True)
class Output:
    """A dataset to be made.

    Attributes:
        path: File or folder; must not hold anything else.
        rows: Rows to generate.
        seed: Seed of the rows. Each shard has its own stream, so that a resumed run gives the same rows.
        format: One of :data:`synth_replay.datasets.FORMATS`; None goes by the suffix, and a folder is Parquet.
        label: Only rows of this label of the generator; None draws labels in the data's proportions.
        shard_rows: Rows that are generated and written at once.

    Raises:
        DatasetError: If there are no rows, in all or in a shard, or the seed is negative.
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
        """The format's name."""
        return self.format or guess_format(self.path)

    def describe(self) -> dict[str, Any]:
        """What has to be the same for a run to be gone on with."""
        return {"rows": self.rows, "seed": self.seed, "label": self.label, "shard_rows": self.shard_rows}


class Workplace:
    """``<out>.unfinished``, which belongs to one job.

    Args:
        out: What is being made.
        job: JSON values that tell this job from another.

    Raises:
        DatasetExistsError: If ``out`` holds something else, or the folder belongs to another job.
    """

    def __init__(self, out: Path, job: dict[str, Any]) -> None:
        self.out, self.folder = out, out.with_name(out.name + ".unfinished")
        self.job = plain(job)
        held = self._held()
        if held is not None and held != self.job:
            raise DatasetExistsError(
                f"{self.folder} holds an unfinished run with other settings ({differences(held, self.job)}): repeat "
                "that command, delete the folder, or choose another output."
            )
        self.mine = held is not None
        self._lock = FileLock(self.folder / LOCK, timeout=0)

    @property
    def trash(self) -> Path:
        """What a kill during :meth:`clear` may leave."""
        return self.folder.with_name(self.folder.name + ".trash")

    def _held(self) -> dict[str, Any] | None:
        try:
            job: dict[str, Any] = json.loads((self.folder / JOB).read_text())
        except FileNotFoundError:
            ours = {LOCK, f"{JOB}.partial"}
            if self.folder.exists() and any(path.name not in ours for path in self.folder.iterdir()):
                raise DatasetExistsError(f"{self.folder} is in the way: delete it or choose another output.") from None
            return None
        except (ValueError, NotADirectoryError) as error:
            raise DatasetExistsError(f"{self.folder} is in the way ({error}): delete it.") from error
        return job

    @contextmanager
    def work(self) -> Iterator[None]:
        """Makes the folder before any work is done, and holds it against other processes.

        What a kill left of an earlier folder is removed. After an error before there was any progress, so is this one.

        Raises:
            DatasetExistsError: If another process is at work on the same output.
            OSError: If the disk refuses.
        """
        shutil.rmtree(self.trash, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise DatasetExistsError(f"Another process is making {self.out}: wait for it, or end it first.") from error
        try:
            if not self.mine:
                write_whole(self.folder / JOB, json.dumps(self.job, indent=1).encode())
            yield
        except Exception:
            if {path.name for path in self.folder.iterdir()} <= {JOB, LOCK}:
                self.clear()
            raise
        finally:
            self._lock.release()

    def clear(self) -> None:
        """Removes it; a kill in the middle leaves nothing that looks like an unfinished run."""
        if self.folder.exists():
            self.folder.rename(self.trash)
        shutil.rmtree(self.trash, ignore_errors=True)


def split(rows: Transitions, holdout: float, seed: int) -> tuple[Transitions, Transitions | None]:
    """Rows to fit, and a share of them kept out for the report (the same at each call); None without any."""
    if not 0 <= holdout < 1:
        raise DatasetError(f"holdout is a share of the rows in [0, 1); got {holdout}.")
    count = int(holdout * len(rows))
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
    """The generator in ``folder / "generator"``, fitted first if it is not there, from where a killed fit stopped."""
    done = folder / "generator"
    if (done / "generator.json").exists():
        return TransitionGenerator.load(done, device)
    spec = dataset.spec
    generator = TransitionGenerator(spec.observation_space, spec.action_space, config, seed, device)
    generator.fit(rows, progress=progress, checkpoint=folder / "fit")
    generator.save(done)
    shutil.rmtree(folder / "fit", ignore_errors=True)
    return generator


def generate_shards(
    generator: TransitionGenerator, folder: Path, output: Output, meta: dict[str, Any], progress: bool | None = None
) -> None:
    """Generates the shards that are missing in ``folder`` and completes it."""
    writer = ShardWriter(folder, generator.spec, output.rows, shard_rows=output.shard_rows, meta=meta)
    if writer.finished:
        return
    missing = [(number, *writer.bounds(number)) for number in writer.missing()]
    done = output.rows - sum(stop - start for _, start, stop in missing)
    with _row_bar("sampling", output.rows, done, progress) as bar:
        for number, start, stop in missing:
            generator.reseed(int(np.random.SeedSequence([output.seed, number]).generate_state(1)[0]))
            writer.write(number, generator.sample(stop - start, label=output.label))
            bar.update(stop - start)
    writer.finish()


def finished_job(output: Output) -> dict[str, Any]:
    """The job of the finished dataset at ``output.path``; empty if there is none, or it was not made here."""
    try:
        found = open_dataset(output.path, format=output.resolved_format)
    except SynthReplayError:
        return {}
    job: dict[str, Any] = found.meta.get("job", {})
    return job if len(found) == job.get("output", {}).get("rows") else {}  # somebody else has taken rows away


def is_complete(output: Output, job: dict[str, Any]) -> bool:
    """Whether ``output.path`` is the finished dataset of this very job.

    Raises:
        DatasetExistsError: If something else is there.
    """
    if not output.path.exists():
        return False
    held, job = finished_job(output), plain(job)
    if held == job:
        return True
    found = f"rows made with other settings ({differences(held, job)})" if held else "something else"
    raise DatasetExistsError(f"{output.path} already holds {found}: choose another output, or delete it.")


def make_dataset(
    output: Output,
    job: dict[str, Any],
    obtain: Callable[[Path], TransitionGenerator],
    *,
    before_clearing: Callable[[TransitionGenerator], None] | None = None,
    progress: bool | None = None,
) -> bool:
    """Generates a dataset, resumably.

    Args:
        output: What to make.
        job: What it is made from, to tell this run from another.
        obtain: Gives the fitted generator; may keep its own progress in the folder that it gets.
        before_clearing: Called when the output is there, while the generator still is.
        progress: Progress bars; None shows them on a terminal.

    Returns:
        Whether there was anything to do: False if the output was complete already.

    Raises:
        DatasetExistsError: If the output, or its ``.unfinished``, holds something else.
        DatasetError: If the format is unknown.
    """
    job = job | {"output": output.describe(), "format": output.resolved_format}
    complete, place = is_complete(output, job), Workplace(output.path, job)
    if complete and not place.mine:
        return False
    with place.work():
        generator = obtain(place.folder)
        if not complete:
            config = generator.config.to_dict()
            meta = {"job": job, "generator": generator.digest(), "config": config, "sampler": config["sampler"]}
            meta |= {"seed": output.seed, "label": output.label}
            generate_shards(generator, place.folder / "shards", output, meta, progress)
            _publish(place.folder, output, meta, progress)
        if before_clearing is not None:
            before_clearing(generator)
        place.clear()
    return True


def _publish(folder: Path, output: Output, meta: dict[str, Any], progress: bool | None) -> None:
    shards = folder / "shards"
    if output.resolved_format == "parquet":
        if (folder / "generator").exists():
            shutil.copytree(folder / "generator", shards / "generator", dirs_exist_ok=True)
        shards.rename(output.path)
        return
    source = open_dataset(shards)
    copy_dataset(source, output.path, output.resolved_format, meta, progress)


def copy_dataset(
    source: Dataset, out: Path, format: str | None, meta: dict[str, Any], progress: bool | None = None
) -> None:
    """Writes a dataset in another format, a chunk at a time."""
    with (
        _row_bar("writing", len(source), 0, progress) as bar,
        create_dataset(out, source.spec, len(source), format=format, meta=meta) as writer,
    ):
        for chunk in source.chunks():
            writer.write(chunk)
            bar.update(len(chunk))


def _row_bar(name: str, total: int, done: int, progress: bool | None) -> tqdm[Any]:
    return tqdm(total=total, initial=done, desc=name, unit="row", unit_scale=True, disable=not show_progress(progress))
