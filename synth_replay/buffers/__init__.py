"""Buffers for plain Gymnasium loops, schedules of their ratios, and the engine behind every buffer."""

from synth_replay.buffers.auto_share import AutoRatio, AutoShare
from synth_replay.buffers.cfg_mixed import CFGMixedBuffer
from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.buffers.generated_share import AdaptiveRule, LinearSchedule, Moment, Ratio, ShareRule
from synth_replay.buffers.generators import RowGenerator
from synth_replay.buffers.mixing import SourceCounts
from synth_replay.buffers.options import EngineOptions, MixedOptions, SyntheticOptions, cfdg_engine, synther_engine
from synth_replay.buffers.sources import SOURCES, Mixture, four_sources, two_sources
from synth_replay.buffers.stats import SynthesisStats
from synth_replay.buffers.store import HostColumns
from synth_replay.buffers.synthetic import SyntheticReplayBuffer
from synth_replay.generator.relevance import Relevance
from synth_replay.runtime import seed_from_numpy, seed_from_torch

__all__ = [
    "SOURCES",
    "AdaptiveRule",
    "AutoRatio",
    "AutoShare",
    "CFGMixedBuffer",
    "EngineOptions",
    "HostColumns",
    "LinearSchedule",
    "MixedOptions",
    "Mixture",
    "Moment",
    "Ratio",
    "Relevance",
    "RowGenerator",
    "ShareRule",
    "SourceCounts",
    "SynthesisEngine",
    "SynthesisStats",
    "SyntheticOptions",
    "SyntheticReplayBuffer",
    "cfdg_engine",
    "four_sources",
    "seed_from_numpy",
    "seed_from_torch",
    "synther_engine",
    "two_sources",
]
