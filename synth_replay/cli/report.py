"""The command ``report``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro

from synth_replay import TransitionGenerator
from synth_replay.cli.messages import Usage
from synth_replay.cli.options import Input, InputOptions, Seeded, SeededOptions
from synth_replay.cli.provenance import describe_dataset, generator_folder
from synth_replay.cli.report_page import REPORT_ROWS, check_page, write_page
from synth_replay.datasets import open_dataset


@dataclass(frozen=True)
class Report:
    """Compare generated rows with real ones on one self-contained HTML page."""

    real: tyro.conf.Positional[Path]
    """Dataset of the real rows that were fitted."""
    synthetic: tyro.conf.Positional[Path]
    """Dataset of the generated rows."""
    out: Path = Path("report.html")
    """Page to write."""
    holdout: Path | None = None
    """Dataset of real rows that were not fitted; without it, scores are optimistic."""
    generator: Path | None = None
    """Folder of the generator, to show its loss curve and settings."""
    source: InputOptions = field(default_factory=Input)
    running: SeededOptions = field(default_factory=Seeded)

    def run(self) -> None:
        """Compares the datasets, writes the page, and prints its verdict."""
        self.running.check()
        check_page(self.out)
        usage, env = Usage(), self.source.make_env()
        real = self.source.open(self.real, env)
        synthetic = open_dataset(self.synthetic)
        loaded = None if self.generator is None else self._load(generator_folder(self.generator))
        provenance: dict[str, Any] = {
            "data": {"real": describe_dataset(real), "synthetic": describe_dataset(synthetic)}
        }
        provenance |= {} if loaded is None else {"config": loaded.config.to_dict(), "seed": loaded.seed}
        line = write_page(
            self.out,
            real.read(),
            next(synthetic.chunks(REPORT_ROWS)),
            provenance,
            holdout=None if self.holdout is None else self.source.open(self.holdout, env).read(),
            env=env,
            history=None if loaded is None else loaded.history,
            title=f"{self.synthetic.name} against {self.real.name}",
            seed=self.running.seed,
            progress=self.running.progress,
        )
        print(f"{line} ({usage})")

    def _load(self, folder: Path) -> TransitionGenerator:
        return TransitionGenerator.load(folder, trusted=self.source.trusted)
