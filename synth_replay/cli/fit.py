"""The command ``fit``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro

from synth_replay import TransitionGenerator
from synth_replay.cli.messages import Usage, print_notes
from synth_replay.cli.options import Input, InputOptions, Running, RunningOptions
from synth_replay.cli.presets import starting_config
from synth_replay.cli.provenance import describe_fit
from synth_replay.datasets import Dataset, require_outside
from synth_replay.datasets.atomic_files import followed
from synth_replay.errors import DatasetExistsError
from synth_replay.generator import GeneratorConfig
from synth_replay.upsampling import Workplace, fit_resumably


@dataclass(frozen=True)
class Fit:
    """Fit a generator on a dataset and save it to a folder. After an interruption, the same command resumes."""

    data: tyro.conf.Positional[Path]
    """Dataset: npz, D4RL, d3rlpy, Minari, Parquet or (trusted) Stable-Baselines3."""
    out: Path
    """Folder of the generator."""
    preset: str = "auto"
    """Preset that the generator options start from: paper, fast, cpu, or a YAML or JSON file; auto suits the device."""
    source: InputOptions = field(default_factory=Input)
    running: RunningOptions = field(default_factory=Running)
    generator: GeneratorConfig = field(default_factory=starting_config)

    def run(self) -> None:
        """Fits the generator, saves it, and prints its held-out loss.

        Raises:
            DatasetExistsError: If the folder exists, unless an interrupted run of the same command made it.
        """
        self.running.check()
        usage, dataset = Usage(), self.source.open(self.data, self.source.make_env())
        require_outside(self.out, dataset.path)
        out = followed(self.out)
        place = Workplace(out, {"fit": describe_fit(dataset, self.generator, self.running.seed)})
        clearing = place.trash.exists() or (place.resuming and not place.holds("generator", "fit"))
        moved = out.exists() and clearing  # the run before was killed in its last steps
        if out.exists() and not moved:
            raise DatasetExistsError(f"{self.out} already exists: choose another folder, or delete it.")
        with place.work():
            made = self._load(dataset, out) if moved else self._fit(dataset, place.folder)
            if not moved:
                (place.folder / "generator").rename(out)
            place.clear()
        print(f"{self.out}: fitted on {len(dataset):,} rows, held-out loss {made.holdout_loss:.4f} ({usage})")
        print_notes(dataset)

    def _load(self, dataset: Dataset, folder: Path) -> TransitionGenerator:
        """Returns the generator that a run moved to its place before it was killed."""
        trusted = self.generator.relabel.function is not None
        made = TransitionGenerator.load(folder, self.running.device, trusted=trusted)
        if made.config != self.generator or made.spec != dataset.spec:
            raise DatasetExistsError(f"{self.out} holds another generator: choose another folder, or delete it.")
        return made

    def _fit(self, dataset: Dataset, folder: Path) -> TransitionGenerator:
        running = self.running
        settings: dict[str, Any] = {"seed": running.seed, "device": running.device, "progress": running.progress}
        return fit_resumably(dataset.read(), dataset, folder, self.generator, **settings)
