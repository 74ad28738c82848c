"""How close generated transitions are to real ones."""

from synth_replay.evaluation.copying import Copying, NearestFitted, find_copies
from synth_replay.evaluation.correlations import PairGap, correlation_matrix, largest_gaps
from synth_replay.evaluation.dynamics import DynamicsError, dynamics_error
from synth_replay.evaluation.fidelity import correlation_similarity, ks_complement
from synth_replay.evaluation.nearest import nearest_distances
from synth_replay.evaluation.scores import FidelityScores, evaluate
from synth_replay.evaluation.simulator import set_env_state

__all__ = [
    "Copying",
    "DynamicsError",
    "FidelityScores",
    "NearestFitted",
    "PairGap",
    "correlation_matrix",
    "correlation_similarity",
    "dynamics_error",
    "evaluate",
    "find_copies",
    "ks_complement",
    "largest_gaps",
    "nearest_distances",
    "set_env_state",
]
