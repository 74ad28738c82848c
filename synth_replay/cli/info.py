"""The command ``info``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from synth_replay import TransitionGenerator
from synth_replay.buffers.auto_share import advice
from synth_replay.buffers.counts import whole_number
from synth_replay.cli.options import Input, InputOptions
from synth_replay.cli.wording import word_notes
from synth_replay.datasets import Dataset, PixelDataset, find_pixels
from synth_replay.errors import ConfigError
from synth_replay.spaces import Array, as_matrix

WIDTH = 90


@dataclass(frozen=True)
class Info:
    """Describe what a dataset or the folder of a generator holds."""

    path: tyro.conf.Positional[Path]
    """Dataset or generator."""
    json: bool = False
    """Print JSON."""
    updates: int | None = None
    """Gradient steps of a planned training: says how often each row would be drawn, and whether generated rows pay."""
    batch_size: int = 256
    """Rows of a batch of that training."""
    source: InputOptions = field(default_factory=Input)

    def run(self) -> None:
        """Prints what the path holds, as text or as JSON.

        Raises:
            ConfigError: If ``updates`` or ``batch_size`` is below 1, or ``updates`` is given for a generator.
        """
        if self.updates is not None:
            whole_number("--updates", self.updates, "the gradient steps of a training")
            whole_number("--batch-size", self.batch_size, "the rows of a batch")
        if (self.path / "generator.json").exists():
            found = _describe_generator(TransitionGenerator.load(self.path, "cpu", trusted=self.source.trusted))
        elif (frames := find_pixels(self.path)) is not None:
            found = _describe_frames(frames)
        else:
            found = _describe_dataset(self.source.open(self.path, self.source.make_env()))
        found |= self._plan(found)
        print(json.dumps(found, indent=2) if self.json else _as_text(found))

    def _plan(self, found: dict[str, Any]) -> dict[str, Any]:
        """Returns the draws per row of the planned training, and advice."""
        if self.updates is None:
            return {}
        rows = found.get("rows", found.get("transitions"))
        if not rows:
            raise ConfigError(f"--updates is for datasets with rows; {self.path} holds none.")
        draws = self.updates * self.batch_size / rows
        return {"draws per row": round(draws, 1), "advice": advice(draws)}


@dataclass(frozen=True)
class Column:
    """What ``info`` says about a column.

    Attributes:
        type: Dtype and shape of one row, such as ``float32[3]``.
        min: Smallest value.
        max: Largest value.
        mean: Mean over all values.
    """

    type: str
    min: float
    max: float
    mean: float

    def __str__(self) -> str:
        return f"{self.type:<14} {self.min:>10.4g} to {self.max:<10.4g} mean {self.mean:.4g}"


def _describe_generator(generator: TransitionGenerator) -> dict[str, Any]:
    spec = generator.spec
    found: dict[str, Any] = {"kind": "generator", "observations": str(spec.observation_space)}
    found |= {"actions": str(spec.action_space), "extra columns": list(spec.extras), "labels": generator.labels}
    if generator.history:
        found |= {"held-out loss": generator.holdout_loss, "steps": generator.history[-1]["step"]}
    return found | {"seed": generator.seed, "config": generator.config.to_dict()}


def _describe_frames(dataset: PixelDataset) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": "frames", "format": dataset.format, "episodes": len(dataset.lengths)}
    found |= {"transitions": len(dataset), "frame": list(dataset.frame_shape), "actions": str(dataset.action_space)}
    return found | ({"notes": dataset.notes} if dataset.notes else {})


def _describe_dataset(dataset: Dataset) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": "dataset", "format": dataset.format, "rows": len(dataset)}
    found |= {"observations": str(dataset.spec.observation_space), "actions": str(dataset.spec.action_space)}
    found["columns"] = {name: asdict(column) for name, column in _columns(dataset).items()}
    notes = word_notes(dataset.meta.get("notes", []))
    found |= {"notes": notes} if notes else {}
    return {k: v for k, v in dataset.meta.items() if k not in (*found, "notes")} | found  # a file cannot hide its rows


def _columns(dataset: Dataset) -> dict[str, Column]:
    """Type, range and mean of each column by its name, from one pass over the chunks."""
    parts: dict[str, list[Array]] = {}
    types: dict[str, str] = {}
    for chunk in dataset.chunks():
        for name, array in chunk.leaves().items():
            flat = as_matrix(array)
            part = np.array([flat.min(), flat.max(), flat.mean(dtype=np.float64) * len(flat)])
            parts.setdefault(name, []).append(part)
            types[name] = f"{array.dtype}{list(array.shape[1:])}"
    return {name: _summarize(types[name], np.stack(part), len(dataset)) for name, part in parts.items()}


def _summarize(type_: str, parts: Array, rows: int) -> Column:
    """A column's summary from the minimum, maximum and sum of its chunks, ``[chunks, 3]``."""
    low, high, mean = parts[:, 0].min(), parts[:, 1].max(), parts[:, 2].sum() / rows
    return Column(type_, float(low), float(high), float(mean))


def _as_text(found: dict[str, Any]) -> str:
    lines = []
    for key, value in found.items():
        key = key if key.isprintable() else repr(key)
        if key == "notes":
            lines += [f"{'note':<14} {note if note.isprintable() else repr(note)}" for note in value]
        elif key == "columns":
            lines.append("columns")
            lines += [f"  {name:<20} {Column(**column)}" for name, column in value.items()]
        elif isinstance(value, (dict, list)):
            text = json.dumps(value)
            lines.append(f"{key:<14} {text if len(text) <= WIDTH else text[:WIDTH] + ' ... (all of it: --json)'}")
        else:
            shown = f"{value:,}" if isinstance(value, int) else str(value)
            lines.append(f"{key:<14} {shown if shown.isprintable() else repr(shown)}")
    return "\n".join(lines)
