"""Buffers for plain Gymnasium loops, schedules of their ratios, and the engine behind every buffer."""

from synth_replay.buffers.batch_plans import SOURCES, BatchPlan
from synth_replay.buffers.cfg_mixed import CFGMixedBuffer
from synth_replay.buffers.engine import SynthesisEngine, SynthesisStats
from synth_replay.buffers.mixed_engine import MixedSynthesisEngine
from synth_replay.buffers.ratios import LinearSchedule
from synth_replay.buffers.refresh import RefreshConfig
from synth_replay.buffers.synthetic import SyntheticReplayBuffer

__all__ = [
    "SOURCES",
    "BatchPlan",
    "CFGMixedBuffer",
    "LinearSchedule",
    "MixedSynthesisEngine",
    "RefreshConfig",
    "SynthesisEngine",
    "SynthesisStats",
    "SyntheticReplayBuffer",
]
