"""Datasets of generated rows on disk, made in steps that survive a kill and never visible half-done.

:func:`make_dataset` does the whole job: fit, generate shards, publish. ``upsample`` holds its steps, ``workplace`` the
folder in which they work, and ``jobs`` the comparison of two jobs.
"""

from synth_replay.upsampling.jobs import differences, digest
from synth_replay.upsampling.upsample import (
    SHARD_ROWS,
    Output,
    copy_dataset,
    finished_job,
    fit_resumably,
    generate_shards,
    make_dataset,
    split_holdout,
)
from synth_replay.upsampling.workplace import Workplace

__all__ = [
    "SHARD_ROWS",
    "Output",
    "Workplace",
    "copy_dataset",
    "differences",
    "digest",
    "finished_job",
    "fit_resumably",
    "generate_shards",
    "make_dataset",
    "split_holdout",
]
