"""Planning: the model is known, what is the best policy? `mdpkit.solve` runs every method."""

from mdpkit.plan.auto import auto
from mdpkit.plan.gauss_seidel import GaussSeidel
from mdpkit.plan.linear_program import LinearProgram
from mdpkit.plan.modified_policy_iteration import ModifiedPolicyIteration
from mdpkit.plan.policy_iteration import PolicyIteration
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
    )
}
"""Each method under the name the command line knows it by."""

__all__ = [
    "METHODS",
    "GaussSeidel",
    "LinearProgram",
    "ModifiedPolicyIteration",
    "PolicyIteration",
    "QIteration",
    "ValueIteration",
    "auto",
]
