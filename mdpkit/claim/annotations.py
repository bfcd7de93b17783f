"""The annotations that most claims need: each carries its quantifier (`quantify`)."""

from typing import Annotated, Any

from mdpkit.claim.quantify import (
    action_values,
    deterministic_policies,
    discounts,
    distributions,
    integers,
    numbers,
    orders,
    policies,
    states,
    values,
)

Value = Annotated[Any, values()]
BelowImage = Annotated[Any, values(below_image=True)]
AboveImage = Annotated[Any, values(above_image=True)]
Policy = Annotated[Any, policies()]
FullPolicy = Annotated[Any, policies(full=True)]
DetPolicy = Annotated[Any, deterministic_policies()]
ActionValue = Annotated[Any, action_values()]
Distribution = Annotated[Any, distributions()]
FullDistribution = Annotated[Any, distributions(full=True)]
Constant = Annotated[Any, numbers()]
Nonnegative = Annotated[Any, numbers(low=0)]
Probability = Annotated[Any, numbers(low=0, high=1)]
State = Annotated[Any, states()]
Order = Annotated[Any, orders()]
Steps = Annotated[Any, integers(0, 8)]
Gamma = Annotated[Any, discounts()]
