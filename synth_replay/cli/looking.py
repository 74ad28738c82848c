"""The commands that look at something, or write it in another way: report, convert, info."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from synth_replay.cli.making import SourceOptions, say_notes
from synth_replay.cli.options import Seeded, Showing, Source, Usage, Written
from synth_replay.cli.pages import REPORT_ROWS, check_page, generator_folder, write_page
from synth_replay.datasets import Dataset, PixelDataset, open_dataset
from synth_replay.datasets.pixels.catalog import find_pixels
from synth_replay.generator.generator import TransitionGenerator
from synth_replay.spaces import Array, as_matrix
from synth_replay.upsampling.jobs import digest
from synth_replay.upsampling.upsample import copy_dataset

WIDTH = 90

SeededOptions = Annotated[Seeded, tyro.conf.arg(name="")]
ShowingOptions = Annotated[Showing, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class Report:
    """Compare generated rows with real ones, on one HTML page that opens without a network."""

    real: tyro.conf.Positional[Path]
    """Dataset that was fitted."""
    synthetic: tyro.conf.Positional[Path]
    """Generated dataset."""
    out: Path = Path("report.html")
    """Page to write."""
    holdout: Path | None = None
    """Dataset of real rows that were not fitted; without one the figures flatter."""
    generator: Path | None = None
    """Folder of the generator, for its loss curve and settings."""
    source: SourceOptions = field(default_factory=Source)
    running: SeededOptions = field(default_factory=Seeded)

    def run(self) -> None:
        """Does it."""
        self.running.check()
        check_page(self.out)
        usage, env = Usage(), self.source.make_env()
        real = self.source.open(self.real, env)
        synthetic = open_dataset(self.synthetic)
        loaded = None if self.generator is None else TransitionGenerator.load(generator_folder(self.generator))
        provenance: dict[str, Any] = {"data": {"real": _described(real), "synthetic": _described(synthetic)}}
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


@dataclass(frozen=True)
class Convert:
    """Write a dataset in another format."""

    data: tyro.conf.Positional[Path]
    """Dataset to read."""
    out: tyro.conf.Positional[Path]
    """Dataset to write: .npz, .hdf5 (D4RL), or a folder (Parquet)."""
    out_format: Written | None = None
    """Format to write; by default the suffix tells."""
    source: SourceOptions = field(default_factory=Source)
    running: ShowingOptions = field(default_factory=Showing)

    def run(self) -> None:
        """Does it."""
        usage, dataset = Usage(), self.source.open(self.data, self.source.make_env())
        meta = {key: value for key, value in dataset.meta.items() if key != "notes"}
        copy_dataset(dataset, self.out, self.out_format, meta, self.running.progress)
        print(f"{self.out}: {len(dataset):,} rows ({usage})")
        say_notes(dataset)


@dataclass(frozen=True)
class Info:
    """Say what a dataset, or a folder with a generator, holds."""

    path: tyro.conf.Positional[Path]
    """Dataset or generator."""
    json: bool = False
    """Print JSON."""
    source: SourceOptions = field(default_factory=Source)

    def run(self) -> None:
        """Does it."""
        if (self.path / "generator.json").exists():
            found = _of_generator(TransitionGenerator.load(self.path, "cpu"))
        elif (frames := find_pixels(self.path)) is not None:
            found = _of_frames(frames)
        else:
            found = _of_dataset(self.source.open(self.path, self.source.make_env()))
        print(json.dumps(found, indent=2) if self.json else _as_text(found))


def _described(dataset: Dataset) -> dict[str, Any]:
    return {"name": dataset.path.name, "sha256": digest(dataset.path), "rows": len(dataset)}


def _of_generator(generator: TransitionGenerator) -> dict[str, Any]:
    spec = generator.spec
    found: dict[str, Any] = {"kind": "generator", "observations": str(spec.observation_space)}
    found |= {"actions": str(spec.action_space), "extra columns": list(spec.extras), "labels": generator.labels}
    if generator.history:
        found |= {"held-out loss": generator.holdout_loss, "steps": generator.history[-1]["step"]}
    return found | {"seed": generator.seed, "config": generator.config.to_dict()}


def _of_frames(dataset: PixelDataset) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": "frames", "format": dataset.format, "episodes": len(dataset.lengths)}
    found |= {"transitions": len(dataset), "frame": list(dataset.frame_shape), "actions": str(dataset.action_space)}
    return found | ({"notes": dataset.notes} if dataset.notes else {})


def _of_dataset(dataset: Dataset) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": "dataset", "format": dataset.format, "rows": len(dataset)}
    found |= {"observations": str(dataset.spec.observation_space), "actions": str(dataset.spec.action_space)}
    found["columns"] = _columns(dataset)
    notes = dataset.meta.get("notes", [])
    return found | ({"notes": notes} if notes else {}) | {k: v for k, v in dataset.meta.items() if k != "notes"}


def _columns(dataset: Dataset) -> dict[str, Any]:
    """Shape, dtype, range and mean of each column, from one pass over the chunks."""
    sums: dict[str, list[Array]] = {}
    shapes: dict[str, str] = {}
    for chunk in dataset.chunks():
        for name, array in chunk.leaves().items():
            flat = as_matrix(array)
            part = np.array([flat.min(), flat.max(), flat.mean(dtype=np.float64) * len(flat)])
            sums.setdefault(name, []).append(part)
            shapes[name] = f"{array.dtype}{list(array.shape[1:])}"
    found = {}
    for name, parts in sums.items():
        table = np.stack(parts)
        low, high, mean = table[:, 0].min(), table[:, 1].max(), table[:, 2].sum() / len(dataset)
        found[name] = {"type": shapes[name], "min": float(low), "max": float(high), "mean": float(mean)}
    return found


def _as_text(found: dict[str, Any]) -> str:
    lines = []
    for key, value in found.items():
        if key == "columns":
            lines.append("columns")
            for name, c in value.items():
                lines.append(
                    f"  {name:<20} {c['type']:<14} {c['min']:>10.4g} to {c['max']:<10.4g} mean {c['mean']:.4g}"
                )
        elif isinstance(value, (dict, list)):
            text = json.dumps(value)
            lines.append(f"{key:<14} {text if len(text) <= WIDTH else text[:WIDTH] + ' ... (all of it: --json)'}")
        else:
            lines.append(f"{key:<14} {f'{value:,}' if isinstance(value, int) else value}")
    return "\n".join(lines)
