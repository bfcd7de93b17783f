"""Planning: the model is known, what is the best policy? `mdpkit.solve` runs every method."""

from mdpkit.plan.action_elimination import ActionElimination
from mdpkit.plan.approximate import ApproximatePolicyIteration, ApproximateValueIteration
from mdpkit.plan.auto import auto
from mdpkit.plan.backward_induction import BackwardInduction
from mdpkit.plan.batch import BatchSolution, solve_batch
from mdpkit.plan.exact_policy_iteration import ExactPolicyIteration
from mdpkit.plan.gauss_seidel import GaussSeidel
from mdpkit.plan.inexact_policy_iteration import InexactPolicyIteration
from mdpkit.plan.linear_program import LinearProgram
from mdpkit.plan.mirror_descent_value_iteration import (
    MirrorDescentValueIteration,
    MunchausenValueIteration,
)
from mdpkit.plan.modified_policy_iteration import ModifiedPolicyIteration
from mdpkit.plan.multichain_policy_iteration import MultichainPolicyIteration
from mdpkit.plan.policy_iteration import PolicyIteration
from mdpkit.plan.prioritized_sweeping import PrioritizedSweeping
from mdpkit.plan.regularized import (
    RegularizedModifiedPolicyIteration,
    RegularizedValueIteration,
)
from mdpkit.plan.relative_value_iteration import RelativeValueIteration
from mdpkit.plan.soft_policy_iteration import SoftPolicyIteration
from mdpkit.plan.soft_value_iteration import SoftValueIteration
from mdpkit.plan.topological_value_iteration import TopologicalValueIteration
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
        ActionElimination,
        TopologicalValueIteration,
        InexactPolicyIteration,
        MirrorDescentValueIteration,
    )
}
"""Each method under the name the command line knows it by."""

SOFT_METHODS = {
    method.key: method
    for method in (SoftValueIteration, SoftPolicyIteration, MunchausenValueIteration)
}
"""Methods whose answer is the optimum at temperature τ (default 1), not v*."""

AVERAGE_METHODS = {
    method.key: method for method in (RelativeValueIteration, MultichainPolicyIteration)
}
"""Methods whose answer is the optimal gain, the average reward of a step, not v*."""

__all__ = [
    "AVERAGE_METHODS",
    "METHODS",
    "SOFT_METHODS",
    "ActionElimination",
    "ApproximatePolicyIteration",
    "ApproximateValueIteration",
    "BackwardInduction",
    "BatchSolution",
    "ExactPolicyIteration",
    "GaussSeidel",
    "InexactPolicyIteration",
    "LinearProgram",
    "MirrorDescentValueIteration",
    "ModifiedPolicyIteration",
    "MultichainPolicyIteration",
    "MunchausenValueIteration",
    "PolicyIteration",
    "PrioritizedSweeping",
    "QIteration",
    "RegularizedModifiedPolicyIteration",
    "RegularizedValueIteration",
    "RelativeValueIteration",
    "SoftPolicyIteration",
    "SoftValueIteration",
    "TopologicalValueIteration",
    "ValueIteration",
    "auto",
    "solve_batch",
]
