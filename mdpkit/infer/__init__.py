"""Inference: what reward explains this behavior? Every likelihood is exact, with its gradient.

    fit(mdp, MaxCausalEntropy(horizon=100), expert, features="state")   Ziebart et al. (2010)
    fit(mdp, MaxEntropyPaths(horizon=100), expert)                      Ziebart et al. (2008)
    apprentice(mdp, expectations, features)                             Abbeel & Ng (2004)
    max_margin(mdp, policy, features)                                   Ratliff et al. (2006)
    consistent_reward(mdp, policy)                                      Ng & Russell (2000)
    fit_sampled(mdp, demonstrations, features, …)                       Finn et al. (2016)

Control as inference itself is mdpkit.operators.messages.
"""

from mdpkit.infer.apprenticeship import apprentice, nearest_mixture
from mdpkit.infer.behavior import MaxCausalEntropy, MaxEntropyPaths
from mdpkit.infer.compare import (
    canonical,
    epic_distance,
    expected_value_difference,
    identifiable_dimension,
    occupancy_error,
    reward_correlation,
    reward_distance,
)
from mdpkit.infer.demonstrations import Demonstrations
from mdpkit.infer.features import Features, read_features
from mdpkit.infer.fit import RewardFit, fit
from mdpkit.infer.margin import max_margin
from mdpkit.infer.rational import consistent_reward
from mdpkit.infer.sampled import fit_sampled
from mdpkit.operators.importance import effective_sample_size, importance_weights

__all__ = [
    "Demonstrations",
    "Features",
    "MaxCausalEntropy",
    "MaxEntropyPaths",
    "RewardFit",
    "apprentice",
    "canonical",
    "consistent_reward",
    "effective_sample_size",
    "epic_distance",
    "expected_value_difference",
    "fit",
    "fit_sampled",
    "identifiable_dimension",
    "importance_weights",
    "max_margin",
    "nearest_mixture",
    "occupancy_error",
    "read_features",
    "reward_correlation",
    "reward_distance",
]
