"""How close generated transitions are to real ones."""

from synth_replay.evaluation.dynamics import DynamicsError, dynamics_error
from synth_replay.evaluation.fidelity import correlation_similarity, ks_complement
from synth_replay.evaluation.nearest import nearest_distances
from synth_replay.evaluation.scores import FidelityScores, evaluate
from synth_replay.evaluation.simulator import set_env_state

__all__ = [
    "DynamicsError",
    "FidelityScores",
    "correlation_similarity",
    "dynamics_error",
    "evaluate",
    "ks_complement",
    "nearest_distances",
    "set_env_state",
]
