"""The command ``convert``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import tyro

from synth_replay.cli.messages import Usage, print_notes
from synth_replay.cli.options import Input, InputOptions, Progress, ProgressOptions, WriteFormat
from synth_replay.datasets import require_outside
from synth_replay.upsampling import copy_dataset


@dataclass(frozen=True)
class Convert:
    """Write a dataset in another format."""

    data: tyro.conf.Positional[Path]
    """Dataset to read."""
    out: tyro.conf.Positional[Path]
    """Dataset to write: .npz, .hdf5 (D4RL), or a folder (Parquet)."""
    out_format: WriteFormat | None = None
    """Format to write; taken from the suffix by default."""
    source: InputOptions = field(default_factory=Input)
    running: ProgressOptions = field(default_factory=Progress)

    def run(self) -> None:
        """Copies the rows, and prints how many there are."""
        usage, dataset = Usage(), self.source.open(self.data, self.source.make_env())
        require_outside(self.out, dataset.path)
        meta = {key: value for key, value in dataset.meta.items() if key != "notes"}
        copy_dataset(dataset, self.out, self.out_format, meta, self.running.progress)
        print(f"{self.out}: {len(dataset):,} rows ({usage})")
        print_notes(dataset)
