"""Scores of generated transitions, latents and agents; :func:`synth_replay.evaluate` computes the main ones at once."""

from synth_replay.evaluation.copying import Copies, NearestFitted, find_copies
from synth_replay.evaluation.correlations import CorrelationGap, correlation_matrix, largest_correlation_gaps
from synth_replay.evaluation.divergence import Divergence, latent_divergence, normalized_divergences
from synth_replay.evaluation.dynamics import DynamicsErrors, dynamics_error
from synth_replay.evaluation.fidelity import correlation_similarity, ks_complement, numeric_columns
from synth_replay.evaluation.generalization import Estimate, Returns, generalization_performance
from synth_replay.evaluation.generalization_table import GeneralizationTable, generalization_table
from synth_replay.evaluation.latent_dynamics import LatentDynamics, StateProbe, latent_dynamics
from synth_replay.evaluation.nearest import nearest_distances
from synth_replay.evaluation.simulator import StateSetter, set_env_state, state_setter

__all__ = [
    "Copies",
    "CorrelationGap",
    "Divergence",
    "DynamicsErrors",
    "Estimate",
    "GeneralizationTable",
    "LatentDynamics",
    "NearestFitted",
    "Returns",
    "StateProbe",
    "StateSetter",
    "correlation_matrix",
    "correlation_similarity",
    "dynamics_error",
    "find_copies",
    "generalization_performance",
    "generalization_table",
    "ks_complement",
    "largest_correlation_gaps",
    "latent_divergence",
    "latent_dynamics",
    "nearest_distances",
    "normalized_divergences",
    "numeric_columns",
    "set_env_state",
    "state_setter",
]
