"""The words that claims are written in; every one of them works on floats and on fractions.

optimality(mdp, v)        T v            evaluation(pi)(mdp, v)    T^π v
v_star(mdp), q_star(mdp)  v*, q*         v_pi(mdp, pi), q_pi(…)    v^π, q^π
horizon(mdp)              H = 1/(1−γ)    span(x)                   max x − min x
greedy(mdp, v)            G(v)           resolvent(mdp, pi)        (I − γP_π)⁻¹
chain(mdp, pi)            P_π, r_π       occupancy(mdp, pi, mu)    d^π_μ, sums to 1
scalar(mdp, "1/10")       a constant in the model's numbers, fmpq or float
solve(matrix, right)      matrix⁻¹ right         over_actions(mdp, x)      Σ_a x(s,a), (S,)
with_rows(mdp, rows, r)   another P and r           vector(mdp, 1, "1/2")     the same, (n,)
tol_v(mdp, …)             64·u·S·H²·max(1, R, ‖…‖∞), 0 on exact models
q_optimality(mdp, q)      B q            q_evaluation(pi)(mdp, q)  B^π q
soft_optimality(tau)(…)   T_τ v          soft_evaluation(pi, tau)  T^π_τ v
every_policy(mdp)         all deterministic policies
best_pairs(mdp, q)        which pairs attain max_a q(s, a), (pairs,) bool
swept(mdp, v, order)      v backed up in place, state by state
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from mdpkit._array import EPS, number, read_only, sup
from mdpkit._exact import rational
from mdpkit._rows import CSR
from mdpkit.claim import optimum, solve
from mdpkit.enumerate import policies as every_policy
from mdpkit.mdp import MDP
from mdpkit.operators.aggregate import expected, soft
from mdpkit.operators.bellman import action_values, aggregate, backup, backup_q, greedy_pairs
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
    """P_π (S, S), dense, and r_π (S,)."""
    rows, r, _ = under(mdp, pi)
    if isinstance(rows, CSR):
        values, columns, row_ptr, n = rows
        rows = np.zeros((n, n), dtype=values.dtype) + 0 * mdp.gamma
        rows[np.repeat(np.arange(n), np.diff(row_ptr)), columns] = values
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


def with_rows(mdp: MDP, rows: Any, r: Any) -> MDP:
    """The model with other transitions (pairs, S) and rewards (pairs,), both dense."""
    return mdp._with(rows=read_only(np.asarray(rows)), _r=read_only(np.asarray(r)))


def over_actions(mdp: MDP, x: Any) -> Any:
    """Σ_a x(s, a), (S,)."""
    return np.add.reduceat(np.asarray(x).reshape(-1), mdp.action_ptr[:-1])


def horizon(mdp: MDP) -> Any:
    """H = 1/(1 − γ)."""
    return 1 / (1 - mdp.gamma)


def scalar(mdp: MDP, x: Any) -> Any:
    """A constant in the model's numbers: an int, a Fraction or "p/q"."""
    return rational(x) if mdp.is_exact else float(Fraction(x))


def vector(mdp: MDP, *entries: Any) -> Any:
    """(n,) constants in the model's numbers."""
    return np.array([scalar(mdp, x) for x in entries])


def span(x: Any) -> Any:
    """max x − min x."""
    return x.max() - x.min()


def reward_size(mdp: MDP) -> Any:
    """max |r|."""
    return sup(mdp.r)


def tol_v(mdp: MDP, *inputs: Any, powers: int = 2) -> float:
    """Rounding of v, q, J from a solve: 64·u·S·H^powers·max(1, R, ‖inputs‖∞); exact: 0."""
    if mdp.is_exact:
        return 0
    h = 1 / (1 - number(mdp.gamma)) if mdp.gamma < 1 else 1.0
    size = max(1.0, float(reward_size(mdp)), *(float(sup(np.asarray(x))) for x in inputs))
    return 64 * EPS * mdp.n_states * h**powers * size


def q_optimality(mdp: MDP, q: Any) -> Any:
    """B q, in pair layout."""
    return backup_q(mdp, q)


def q_evaluation(pi: Any) -> Operator:
    """B^π, for a policy of either form."""
    return lambda mdp, q: action_values(mdp, expected_under(mdp, pi, q))


def soft_optimality(tau: float, prior: Any = None) -> Operator:
    """T_τ v = τ log Σ_a p exp((r + γPv)/τ); p = 1 where no prior is given. Floats only."""
    return lambda mdp, v: backup(mdp, v, soft(tau, prior))


def soft_evaluation(pi: Any, tau: float, prior: Any = 1.0) -> Operator:
    """T^π_τ v = Σ_a π (r − τ log(π/p) + γPv). Floats only."""

    def F(mdp: MDP, v: Any) -> Any:
        p = probabilities(mdp, pi)
        cost = tau * np.log(np.where(p > 0, p, prior) / prior)
        return expected_under(mdp, pi, action_values(mdp, v) - cost)

    return F


def best_pairs(mdp: MDP, q: Any, slack: Any = 0) -> np.ndarray:
    """Which pairs attain max_a q(s, a), to within `slack`; (pairs,) bool."""
    return (
        np.asarray(q + scalar(mdp, slack) >= over_states(mdp, best(mdp, q)))
        .reshape(-1)
        .astype(bool)
    )


def swept(mdp: MDP, v: Any, order: Any) -> Any:
    """v after its states were backed up in place, in that order."""
    v = np.array(v)
    for s in order:
        v[s] = backup(mdp, v)[s]
    return v


__all__ = [
    "advantage",
    "best",
    "best_pairs",
    "chain",
    "evaluation",
    "every_policy",
    "greedy",
    "greedy_in",
    "horizon",
    "identity",
    "iterates",
    "mixed",
    "occupancy",
    "optimality",
    "over_actions",
    "over_states",
    "pi_star",
    "q_evaluation",
    "q_optimality",
    "q_pi",
    "q_star",
    "repeated",
    "resolvent",
    "reward_size",
    "scalar",
    "soft_evaluation",
    "soft_optimality",
    "solve",
    "span",
    "sup",
    "swept",
    "tol_v",
    "v_pi",
    "v_star",
    "vector",
    "with_rows",
]
