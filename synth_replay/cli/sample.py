"""The command ``sample``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import tyro

from synth_replay import TransitionGenerator
from synth_replay.cli.messages import Usage, print_made
from synth_replay.cli.options import Running, RunningOptions, WriteFormat
from synth_replay.cli.provenance import generator_folder
from synth_replay.datasets import require_outside
from synth_replay.upsampling import SHARD_ROWS, Output, digest, make_dataset


@dataclass(frozen=True)
class Sample:
    """Generate a dataset with a saved generator. After an interruption, the same command resumes."""

    generator: tyro.conf.Positional[Path]
    """Folder of a generator, or of a dataset that keeps its generator."""
    num_samples: int
    """Number of rows to generate, e.g. 1_000_000."""
    out: Path
    """Dataset to write: .npz, .hdf5 (D4RL), or a folder (Parquet)."""
    out_format: WriteFormat | None = None
    """Format to write; taken from the suffix by default."""
    label: str | None = None
    """Label of every generated row, for a generator that was fitted with labels (in Python)."""
    shard_rows: int = SHARD_ROWS
    """Rows that are generated and written at once."""
    trusted: bool = False
    """Allow a generator that names a relabelling function, which is imported and called."""
    running: RunningOptions = field(default_factory=Running)

    def run(self) -> None:
        """Loads the generator, generates the rows, and prints where they are."""
        self.running.check()
        usage, folder = Usage(), generator_folder(self.generator)
        loaded = TransitionGenerator.load(folder, self.running.device, trusted=self.trusted)
        require_outside(self.out, folder)
        output = Output(
            self.out, self.num_samples, self.running.seed, self.out_format, self._label(loaded), self.shard_rows
        )
        job = {"sample": {"generator": digest(folder)}}
        new = make_dataset(output, job, lambda _: loaded, progress=self.running.progress)
        print_made(output, new, usage)

    def _label(self, loaded: TransitionGenerator) -> int | str | None:
        label = next((label for label in loaded.labels if str(label) == self.label), self.label)
        loaded.sample(0, label=label)  # refuses an unknown label before there is an unfinished run
        return label
