"""Improving a policy step by step, exactly: gradients, mirrors, and trust regions.

    mk.solve(mdp, NaturalPolicyGradient())        mk.iterate(mdp, ProjectedQAscent(2.0))

Each method evaluates its policy exactly at every step, so its rate can be held against its
theorem; `bounds` does that for a run, and `mdpkit converge` draws it. The certified interval
begins at the policy's own value: a solve ends when the policy is as good as asked.

    mean(reward_to_go(enumerate.trajectories(mdp, pi, 3), softmax_scores(mdp, pi)), weight)

The estimators are those of practice, on weighted trajectories: one vector a trajectory, exact
mean and variance (`improve.moments`) by enumeration, estimates from samples.
"""

from mdpkit.improve.baselines import (
    constant_baseline,
    optimal_baseline,
    state_baseline,
    time_baseline,
)
from mdpkit.improve.conservative_policy_iteration import ConservativePolicyIteration
from mdpkit.improve.control_variates import control_variate
from mdpkit.improve.divergences import Euclidean, NegativeEntropy, Tsallis
from mdpkit.improve.estimators import (
    advantages,
    monte_carlo,
    n_step_advantages,
    reinforce,
    reward_to_go,
    score_gradient,
)
from mdpkit.improve.mirror_ascent import (
    ExponentiatedQAscent,
    PolicyMirrorAscent,
    ProjectedQAscent,
)
from mdpkit.improve.natural_policy_gradient import NaturalPolicyGradient
from mdpkit.improve.off_policy import (
    action_ratios,
    first_order,
    full_trajectory,
    past_only,
    per_decision,
    state_ratios,
)
from mdpkit.improve.projected_policy_gradient import ProjectedPolicyGradient
from mdpkit.improve.proximal import ProximalClip, ProximalPenalty
from mdpkit.improve.regularized_mirror_ascent import RegularizedMirrorAscent
from mdpkit.improve.sampled_surrogates import importance_surrogate, log_surrogate
from mdpkit.improve.softmax_policy_gradient import SoftmaxPolicyGradient
from mdpkit.improve.step_sizes import (
    Adaptive,
    Armijo,
    Constant,
    Geometric,
    Normalized,
    Smoothness,
)
from mdpkit.improve.trust_region import TrustRegion

IMPROVE_METHODS = {
    method.key: method
    for method in (
        ProjectedPolicyGradient,
        SoftmaxPolicyGradient,
        NaturalPolicyGradient,
        PolicyMirrorAscent,
        ProjectedQAscent,
        ExponentiatedQAscent,
        ConservativePolicyIteration,
        TrustRegion,
        ProximalClip,
        ProximalPenalty,
    )
}
"""Each method under the name the command line knows it by."""

SOFT_IMPROVE_METHODS = {RegularizedMirrorAscent.key: RegularizedMirrorAscent}
"""Methods whose answer is the optimum at temperature τ (default 1), not v*."""

__all__ = [
    "IMPROVE_METHODS",
    "SOFT_IMPROVE_METHODS",
    "Adaptive",
    "Armijo",
    "ConservativePolicyIteration",
    "Constant",
    "Euclidean",
    "ExponentiatedQAscent",
    "Geometric",
    "NaturalPolicyGradient",
    "NegativeEntropy",
    "Normalized",
    "PolicyMirrorAscent",
    "ProjectedPolicyGradient",
    "ProjectedQAscent",
    "ProximalClip",
    "ProximalPenalty",
    "RegularizedMirrorAscent",
    "Smoothness",
    "SoftmaxPolicyGradient",
    "TrustRegion",
    "Tsallis",
    "action_ratios",
    "advantages",
    "constant_baseline",
    "control_variate",
    "first_order",
    "full_trajectory",
    "importance_surrogate",
    "log_surrogate",
    "monte_carlo",
    "n_step_advantages",
    "optimal_baseline",
    "past_only",
    "per_decision",
    "reinforce",
    "reward_to_go",
    "score_gradient",
    "state_baseline",
    "state_ratios",
    "time_baseline",
]
