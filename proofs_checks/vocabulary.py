"""The words that claims are written in; every one of them works on floats and on fractions.

optimality(mdp, v)        T v            evaluation(pi)(mdp, v)    T^π v
v_star(mdp), q_star(mdp)  v*, q*         v_pi(mdp, pi), q_pi(…)    v^π, q^π
horizon(mdp)              H = 1/(1−γ)    span(x)                   max x − min x
greedy(mdp, v)            G(v)           resolvent(mdp, pi)        (I − γP_π)⁻¹
chain(mdp, pi)            P_π, r_π       occupancy(mdp, pi, mu)    d^π_μ, sums to 1
scalar(mdp, "1/10")       a constant in the model's numbers, fmpq or float
solve(matrix, right)      matrix⁻¹ right
tol_v(mdp, …)             64·u·S·H²·max(1, R, ‖…‖∞), 0 on exact models
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from mdpkit._array import EPS, number, sup
from mdpkit._exact import rational
from mdpkit.claim import optimum, solve
from mdpkit.mdp import MDP
from mdpkit.operators.aggregate import expected
from mdpkit.operators.bellman import action_values, aggregate, backup, greedy_pairs
from mdpkit.operators.resolvent import policy_value
from mdpkit.policy import expected_under, probabilities, under

Operator = Callable[[MDP, Any], Any]


def optimality(mdp: MDP, v: Any) -> Any:
    """T v."""
    return backup(mdp, v)


def evaluation(pi: Any) -> Operator:
    """T^π, for a policy of either form."""
    return lambda mdp, v: expected_under(mdp, pi, action_values(mdp, v))


def mixed(mdp: MDP, pi: Any) -> Any:
    """⊕ = expectation under π, for `backup` and `aggregate`."""
    return expected(probabilities(mdp, pi))


def repeated(T: Operator, mdp: MDP, v: Any, k: int) -> Any:
    """T applied k times."""
    for _ in range(k):
        v = T(mdp, v)
    return v


def iterates(T: Operator, mdp: MDP, v: Any, k: int) -> list[Any]:
    """v, Tv, …, T^k v."""
    out = [v]
    for _ in range(k):
        out.append(T(mdp, out[-1]))
    return out


def v_star(mdp: MDP) -> Any:
    """v*, (S,)."""
    return optimum(mdp).v


def q_star(mdp: MDP) -> Any:
    """q*, pair layout."""
    return optimum(mdp).q


def pi_star(mdp: MDP) -> Any:
    """An optimal policy, (S,) int."""
    return optimum(mdp).policy


def v_pi(mdp: MDP, pi: Any) -> Any:
    """v^π, (S,)."""
    return policy_value(mdp, pi)


def q_pi(mdp: MDP, pi: Any) -> Any:
    """q^π, pair layout."""
    return action_values(mdp, v_pi(mdp, pi))


def over_states(mdp: MDP, v: Any) -> Any:
    """v(s) at every pair (s, a), in pair layout."""
    return np.asarray(v)[mdp.pair_states].reshape(mdp.pair_shape)


def advantage(mdp: MDP, pi: Any) -> Any:
    """q^π − v^π, pair layout."""
    return q_pi(mdp, pi) - over_states(mdp, v_pi(mdp, pi))


def greedy(mdp: MDP, v: Any) -> Any:
    """The policy greedy in v, (S,) int; the lowest index among exact ties."""
    return greedy_in(mdp, action_values(mdp, v))


def greedy_in(mdp: MDP, q: Any) -> Any:
    """The policy greedy in q, (S,) int; the lowest index among exact ties."""
    return mdp.pair_actions[greedy_pairs(mdp, q, 0)]


def best(mdp: MDP, q: Any) -> Any:
    """max_a q(s, a), (S,)."""
    return aggregate(mdp, q)


def chain(mdp: MDP, pi: Any) -> tuple[Any, Any]:
    """P_π (S, S) and r_π (S,)."""
    rows, r, _ = under(mdp, pi)
    return rows, r


def identity(mdp: MDP) -> Any:
    """I, (S, S), in the model's numbers."""
    zero, n = mdp.gamma * 0, mdp.n_states
    return np.array([[zero + int(s == t) for t in range(n)] for s in range(n)])


def resolvent(mdp: MDP, pi: Any) -> Any:
    """(I − γP_π)⁻¹, (S, S)."""
    P, _ = chain(mdp, pi)
    return solve(identity(mdp) - mdp.gamma * P, identity(mdp))


def occupancy(mdp: MDP, pi: Any, mu: Any) -> Any:
    """d^π_μ = (1−γ) μᵀ(I − γP_π)⁻¹, (S,); sums to 1 where no episode stops."""
    P, _ = chain(mdp, pi)
    return (1 - mdp.gamma) * solve((identity(mdp) - mdp.gamma * P).T, mu)


def horizon(mdp: MDP) -> Any:
    """H = 1/(1 − γ)."""
    return 1 / (1 - mdp.gamma)


def scalar(mdp: MDP, x: Any) -> Any:
    """A constant in the model's numbers: an int, a Fraction or "p/q"."""
    return rational(x) if mdp.is_exact else float(Fraction(x))


def span(x: Any) -> Any:
    """max x − min x."""
    return x.max() - x.min()


def reward_size(mdp: MDP) -> Any:
    """max |r|."""
    return sup(mdp.r)


def tol_v(mdp: MDP, *inputs: Any, powers: int = 2) -> float:
    """Rounding of v, q, J from a solve: 64·u·S·H^powers·max(1, R, ‖inputs‖∞); exact: 0."""
    if mdp.is_exact:
        return 0.0
    h = 1 / (1 - number(mdp.gamma)) if mdp.gamma < 1 else 1.0
    size = max(1.0, float(reward_size(mdp)), *(float(sup(np.asarray(x))) for x in inputs))
    return 64 * EPS * mdp.n_states * h**powers * size


__all__ = [
    "advantage",
    "best",
    "chain",
    "evaluation",
    "greedy",
    "greedy_in",
    "horizon",
    "identity",
    "iterates",
    "mixed",
    "occupancy",
    "optimality",
    "over_states",
    "pi_star",
    "q_pi",
    "q_star",
    "repeated",
    "resolvent",
    "reward_size",
    "scalar",
    "solve",
    "span",
    "sup",
    "tol_v",
    "v_pi",
    "v_star",
]
