"""The command ``report``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tyro

from synth_replay import TransitionGenerator
from synth_replay.cli.messages import Usage
from synth_replay.cli.options import Input, InputOptions, Seeded, SeededOptions
from synth_replay.cli.provenance import describe_dataset, generator_folder
from synth_replay.cli.report_page import REPORT_ROWS, check_page, judge_page
from synth_replay.datasets import open_dataset
from synth_replay.errors import DatasetError

BELOW = 3
"""Exit code if the verdict is below ``--fail-below``; 1 and 2 are those of unusable input and wrong arguments."""


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
    json: Path | None = None
    """File for the verdict and all numbers as JSON."""
    fail_below: Literal["good", "fair"] | None = None
    """Exit with code 3 if the verdict is worse: good allows no warning, fair allows warnings but no failed check."""
    source: InputOptions = field(default_factory=Input)
    running: SeededOptions = field(default_factory=Seeded)

    def run(self) -> None:
        """Compares the datasets, writes the page, and prints its verdict.

        Raises:
            DatasetError: If ``json`` and ``out`` are the same file.
            SystemExit: With code 3 if the verdict is below ``fail_below``; the page is written all the same.
        """
        self.running.check()
        check_page(self.out)
        check_page(self.json)
        if self.json is not None and self.json.absolute() == self.out.absolute():
            raise DatasetError(f"--json and --out are the same file, {self.out}: give one of them another name.")
        usage, env = Usage(), self.source.make_env()
        real = self.source.open(self.real, env)
        synthetic = open_dataset(self.synthetic)
        loaded = None if self.generator is None else self._load(generator_folder(self.generator))
        provenance: dict[str, Any] = {
            "data": {"real": describe_dataset(real), "synthetic": describe_dataset(synthetic)}
        }
        provenance |= {} if loaded is None else {"config": loaded.config.to_dict(), "seed": loaded.seed}
        verdict = judge_page(
            self.out,
            real.read(),
            next(synthetic.chunks(REPORT_ROWS)),
            provenance,
            holdout=None if self.holdout is None else self.source.open(self.holdout, env).read(),
            env=env,
            history=None if loaded is None else loaded.history,
            notes=() if loaded is None else loaded.notes,
            json_path=self.json,
            title=f"{self.synthetic.name} against {self.real.name}",
            seed=self.running.seed,
            progress=self.running.progress,
        )
        print(f"{self.out}: {verdict.headline} ({usage})")
        if self.fail_below is not None and verdict.below(self.fail_below):
            raise SystemExit(BELOW)

    def _load(self, folder: Path) -> TransitionGenerator:
        return TransitionGenerator.load(folder, trusted=self.source.trusted)
