"""d3rlpy adapter. This version reads d3rlpy episodes; its replay buffer is yet to come."""

from synth_replay.plugins import require_extra

require_extra("d3rlpy", "d3rlpy")

from synth_replay_d3rlpy.conversion import to_transitions  # noqa: E402

__all__ = ["to_transitions"]
