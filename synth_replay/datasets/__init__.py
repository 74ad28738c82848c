"""Datasets of transitions on disk: npz, D4RL, Minari, Stable-Baselines3, d3rlpy and Parquet.

:func:`open_dataset` streams or reads one, :func:`create_dataset` writes one, and :class:`ShardWriter` writes a
large one in shards that survive a kill. HDF5 and Parquet need the extra ``datasets``.

Frames are a kind of their own: :func:`open_pixels` streams episodes of V-D4RL and Offline Procgen, for an encoder
(:mod:`synth_replay.encoders`) to make latents of.
"""

from synth_replay.datasets.base import Dataset
from synth_replay.datasets.catalog import FORMATS, create_dataset, detect_format, guess_format, open_dataset
from synth_replay.datasets.parquet.shards import ShardWriter
from synth_replay.datasets.pixels.catalog import PIXEL_FORMATS, open_pixels
from synth_replay.datasets.pixels.changes import augment_episodes, mix_episodes, transform_episodes
from synth_replay.datasets.pixels.collect import collect_episodes
from synth_replay.datasets.pixels.dataset import PixelDataset
from synth_replay.datasets.pixels.episode import PixelEpisode, stack_transitions
from synth_replay.datasets.pixels.offline_procgen import write_offline_procgen
from synth_replay.datasets.pixels.vd4rl import write_vd4rl_npz
from synth_replay.datasets.pixels.vd4rl_hdf5 import write_vd4rl_hdf5
from synth_replay.datasets.writer import DatasetWriter

__all__ = [
    "FORMATS",
    "PIXEL_FORMATS",
    "Dataset",
    "DatasetWriter",
    "PixelDataset",
    "PixelEpisode",
    "ShardWriter",
    "augment_episodes",
    "collect_episodes",
    "create_dataset",
    "detect_format",
    "guess_format",
    "mix_episodes",
    "open_dataset",
    "open_pixels",
    "stack_transitions",
    "transform_episodes",
    "write_offline_procgen",
    "write_vd4rl_hdf5",
    "write_vd4rl_npz",
]
