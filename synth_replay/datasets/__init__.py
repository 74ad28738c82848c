"""Datasets of transitions on disk: npz, D4RL, Minari, Stable-Baselines3, d3rlpy and Parquet.

:func:`open_dataset` streams or reads a dataset, :func:`create_dataset` writes one, and :class:`ShardWriter` writes a
large one in shards that survive a kill. Each format has a module of its name (``minari`` and ``parquet`` are packages).
HDF5 and Parquet need the extra ``datasets``.

Datasets of frames have their own functions: :func:`open_pixels` streams episodes of V-D4RL and Offline Procgen, which
an encoder (:mod:`synth_replay.encoders`) turns into latent vectors.
"""

from synth_replay.datasets.atomic_files import require_free, require_outside
from synth_replay.datasets.dataset import Dataset
from synth_replay.datasets.formats import FORMATS, create_dataset, detect_format, guess_format, open_dataset
from synth_replay.datasets.parquet.shards import ShardWriter
from synth_replay.datasets.pixels.collect import collect_episodes
from synth_replay.datasets.pixels.dataset import PixelDataset
from synth_replay.datasets.pixels.episode import PixelEpisode, stack_transitions
from synth_replay.datasets.pixels.formats import PIXEL_FORMATS, find_pixels, open_pixels
from synth_replay.datasets.pixels.mixing import MixedPixelDataset, PixelSubset, mix_episodes
from synth_replay.datasets.pixels.offline_procgen import write_offline_procgen
from synth_replay.datasets.pixels.transforms import augment_episodes, transform_episodes
from synth_replay.datasets.pixels.vd4rl_hdf5 import write_vd4rl_hdf5
from synth_replay.datasets.pixels.vd4rl_npz import write_vd4rl_npz
from synth_replay.datasets.table import open_table
from synth_replay.datasets.writer import DatasetWriter

__all__ = [
    "FORMATS",
    "PIXEL_FORMATS",
    "Dataset",
    "DatasetWriter",
    "MixedPixelDataset",
    "PixelDataset",
    "PixelEpisode",
    "PixelSubset",
    "ShardWriter",
    "augment_episodes",
    "collect_episodes",
    "create_dataset",
    "detect_format",
    "find_pixels",
    "guess_format",
    "mix_episodes",
    "open_dataset",
    "open_pixels",
    "open_table",
    "require_free",
    "require_outside",
    "stack_transitions",
    "transform_episodes",
    "write_offline_procgen",
    "write_vd4rl_hdf5",
    "write_vd4rl_npz",
]
