"""Datasets of generated rows on disk, made in steps that survive a kill."""

from synth_replay.upsampling.upsample import Output, fit_resumably, generate_shards, make_dataset

__all__ = ["Output", "fit_resumably", "generate_shards", "make_dataset"]
