"""Group X, total reward at γ = 1: the weighted norm, discounting as stopping, a free loop.

    w(s) = the largest expected number of steps until the end        ‖x‖_w = max |x(s)|/w(s)

Source: Bertsekas & Tsitsiklis (1991); Bertsekas & Tsitsiklis (1996), Proposition 2.2.
"""

from typing import Annotated

import numpy as np

from mdpkit.claim import MDP, All, Eq, Leq, Nonnegative, Value, claim
from proofs_checks.instances import exactly, model, proper_models, stopping
from proofs_checks.vocabulary import horizon, optimality, v_star


def longest_way(mdp):
    """w: the most steps that can be expected of any policy, (S,)."""
    return v_star(mdp.replace(r=0 * mdp.r + 1))


def no_weight(mdp):
    """1."""
    return 0 * longest_way(mdp) + 1


def modulus(w):
    """β = max (w − 1)/w < 1."""
    return ((w - 1) / w).max()


@claim(id="X19", source="Bertsekas & Tsitsiklis (1996), Proposition 2.2", exact="Q")
def backup_contracts_in_weighted_norm(
    mdp: Annotated[MDP, proper_models()], v: Value, u: Value, *, norm=longest_way
):
    """Every policy ends ⇒ ‖Tv − Tu‖_w ≤ max (w−1)/w ‖v − u‖_w, w = 1 + max_a P_a w."""
    w = norm(mdp)
    change, before = abs(optimality(mdp, v) - optimality(mdp, u)) / w, abs(v - u) / w
    return Leq(change.max(), modulus(longest_way(mdp)) * before.max())


backup_contracts_in_weighted_norm.rejects("in the sup norm", norm=no_weight)


@backup_contracts_in_weighted_norm.attained_by
def one_state():
    """Stopping with probability 1/4: w = 4, β = 3/4."""
    return model([[["3/4"]]], [[1]], 1, stops=True), exactly([1]), exactly([0])


@claim(id="X19-discount", source="Bertsekas & Tsitsiklis (1996), §2.3", exact="Q")
def discounting_is_stopping(mdp: MDP, v: Value, *, of=stopping):
    """γ as the probability to go on, at discount 1: the same T and v*; w = H, so that β = γ."""
    other = of(mdp)
    w = longest_way(other)
    return All(
        Eq(optimality(other, v), optimality(mdp, v)),
        Eq(v_star(other), v_star(mdp)),
        Eq(w, 0 * w + horizon(mdp)),
        Eq(modulus(w), mdp.gamma),
    )


def stopping_more_often(mdp):
    """γ² for γ."""
    return stopping(mdp.replace(gamma=mdp.gamma**2))


discounting_is_stopping.rejects("γ² for γ", of=stopping_more_often)


def waiting_for(cost):
    """Wait for `cost` where one is, or end for −1."""
    zero = 0 * cost
    P, stop = np.array([[[zero + 1], [zero]]]), np.array([[zero, zero + 1]])
    return MDP(P, np.array([[cost, zero - 1]]), zero + 1, stop=stop)


@claim(
    id="X19-loop",
    source="Bertsekas & Tsitsiklis (1991), §2: improper policies",
    exact="Q",
    mutations=(),
)
def free_loops_give_many_fixed_points(c: Nonnegative, *, cost=lambda c: 0 * c):
    """Wait for 0 or end for −1: every v ≥ −1 is a fixed point of T."""
    mdp = waiting_for(cost(c))
    v = np.array([c - 1])
    return Eq(optimality(mdp, v), v)


free_loops_give_many_fixed_points.rejects("a loop that costs 1", cost=lambda c: 0 * c - 1)
