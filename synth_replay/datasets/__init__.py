"""Datasets of transitions on disk: npz, D4RL, Minari, Stable-Baselines3, d3rlpy and Parquet.

:func:`open_dataset` streams or reads one, :func:`create_dataset` writes one, and :class:`ShardWriter` writes a
large one in shards that survive a kill. HDF5 and Parquet need the extra ``datasets``.
"""

from synth_replay.datasets.base import Dataset
from synth_replay.datasets.catalog import FORMATS, create_dataset, detect_format, guess_format, open_dataset
from synth_replay.datasets.parquet import ShardWriter
from synth_replay.datasets.writer import DatasetWriter

__all__ = [
    "FORMATS",
    "Dataset",
    "DatasetWriter",
    "ShardWriter",
    "create_dataset",
    "detect_format",
    "guess_format",
    "open_dataset",
]
