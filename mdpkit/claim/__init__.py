"""Theorems as functions: what a claim may quantify over, what it may say, how it is declared.

    from mdpkit.claim import claim, Leq, Value, MDP, sup

    @claim(source="Puterman (1994), Proposition 6.2.4", exact="Q")
    def contracts(mdp: MDP, v: Value, w: Value, *, T=backup):
        '''‖Tv − Tw‖∞ ≤ γ ‖v − w‖∞.'''
        return Leq(sup(T(mdp, v) - T(mdp, w)), mdp.gamma * sup(v - w))

    contracts.rejects("forgets the discount", T=lambda mdp, v: backup(mdp.replace(gamma=1), v))

`mdpkit verify FILE.py` checks it: on exact and float instances, by an adversary, and against
its impostors. Imports no test library. How to write one: proofs_checks.
"""

from mdpkit._array import sup
from mdpkit.claim._optimum import Optimum, optimum
from mdpkit.claim.annotations import (
    AboveImage,
    ActionValue,
    BelowImage,
    Constant,
    DetPolicy,
    Distribution,
    FullDistribution,
    FullPolicy,
    Gamma,
    Nonnegative,
    Order,
    Policy,
    Probability,
    State,
    Steps,
    Value,
)
from mdpkit.claim.declare import Claim, claim, default_rounding
from mdpkit.claim.draw import Draw
from mdpkit.claim.linear import solve
from mdpkit.claim.quantify import (
    action_values,
    deterministic_policies,
    discounts,
    distributions,
    integers,
    models,
    numbers,
    orders,
    policies,
    sequences,
    states,
    values,
)
from mdpkit.claim.statement import All, Eq, Exists, InExpectation, Leq, Outcome, Rate
from mdpkit.mdp import MDP

__all__ = [
    "MDP",
    "AboveImage",
    "ActionValue",
    "All",
    "BelowImage",
    "Claim",
    "Constant",
    "DetPolicy",
    "Distribution",
    "Draw",
    "Eq",
    "Exists",
    "FullDistribution",
    "FullPolicy",
    "Gamma",
    "InExpectation",
    "Leq",
    "Nonnegative",
    "Optimum",
    "Order",
    "Outcome",
    "Policy",
    "Probability",
    "Rate",
    "State",
    "Steps",
    "Value",
    "action_values",
    "claim",
    "default_rounding",
    "deterministic_policies",
    "discounts",
    "distributions",
    "integers",
    "models",
    "numbers",
    "optimum",
    "orders",
    "policies",
    "sequences",
    "solve",
    "states",
    "sup",
    "values",
]
