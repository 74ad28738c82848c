"""What generators and rows are made from, as JSON values, and where a generator lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synth_replay.datasets import Dataset
from synth_replay.generator import GeneratorConfig
from synth_replay.upsampling import digest


def describe_dataset(dataset: Dataset) -> dict[str, Any]:
    """Returns the name, hash and number of rows of a dataset."""
    return {"name": dataset.path.name, "sha256": digest(dataset.path), "rows": len(dataset)}


def describe_fit(dataset: Dataset, config: GeneratorConfig, seed: int) -> dict[str, Any]:
    """Returns what determines a fitted generator: the dataset, its spaces, the configuration and the seed."""
    data = describe_dataset(dataset) | {"spec": dataset.spec.to_dict()}
    return {"data": data, "config": config.to_dict(), "seed": seed}


def generator_folder(path: Path) -> Path:
    """Returns the folder of a generator, given that folder or the folder of a dataset that keeps its generator."""
    inner = path / "generator"
    return inner if (inner / "generator.json").exists() and not (path / "generator.json").exists() else path
