"""Planning: the model is known, what is the best policy? `mdpkit.solve` runs every method."""

from mdpkit.plan.approximate import ApproximatePolicyIteration, ApproximateValueIteration
from mdpkit.plan.auto import auto
from mdpkit.plan.exact_policy_iteration import ExactPolicyIteration
from mdpkit.plan.gauss_seidel import GaussSeidel
from mdpkit.plan.linear_program import LinearProgram
from mdpkit.plan.modified_policy_iteration import ModifiedPolicyIteration
from mdpkit.plan.policy_iteration import PolicyIteration
from mdpkit.plan.prioritized_sweeping import PrioritizedSweeping
from mdpkit.plan.regularized import (
    RegularizedModifiedPolicyIteration,
    RegularizedValueIteration,
)
from mdpkit.plan.soft_policy_iteration import SoftPolicyIteration
from mdpkit.plan.soft_value_iteration import SoftValueIteration
from mdpkit.plan.value_iteration import QIteration, ValueIteration

METHODS = {
    method.key: method
    for method in (
        ValueIteration,
        QIteration,
        GaussSeidel,
        PolicyIteration,
        ModifiedPolicyIteration,
        LinearProgram,
        PrioritizedSweeping,
    )
}
"""Each method under the name the command line knows it by."""

SOFT_METHODS = {method.key: method for method in (SoftValueIteration, SoftPolicyIteration)}
"""Methods whose answer is the optimum at temperature τ (default 1), not v*."""

__all__ = [
    "METHODS",
    "SOFT_METHODS",
    "ApproximatePolicyIteration",
    "ApproximateValueIteration",
    "ExactPolicyIteration",
    "GaussSeidel",
    "LinearProgram",
    "ModifiedPolicyIteration",
    "PolicyIteration",
    "PrioritizedSweeping",
    "QIteration",
    "RegularizedModifiedPolicyIteration",
    "RegularizedValueIteration",
    "SoftPolicyIteration",
    "SoftValueIteration",
    "ValueIteration",
    "auto",
]
