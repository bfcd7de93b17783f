"""Implicit differentiation: what v^π and v* do when the model moves.

Let (r, P, γ) move along (ṙ, Ṗ, γ̇). Differentiating v = r_π + γP_π v, and turning it around,

    forward    v̇ = (I − γP_π)⁻¹ ẋ_π,      ẋ = ṙ + (γ̇P + γṖ) v            one solve a direction
    adjoint    n = (I − γP_πᵀ)⁻¹ w        ∂(w·v)/∂r(s,a) = n(s) π(a|s)    one solve for all
               ∂(w·v)/∂P(t|s,a) = γ n(s) π(a|s) v(t),   ∂(w·v)/∂γ = Σ n π Pv

v* has the derivative of its greedy policy where that is unique (envelope theorem). At a tie it
has one-sided derivatives only: v̇ is the best of the tied policies', itself the optimum of a
model, `tied_model`. Mass that Ṗ takes from a row goes to its stop.
Checked in tests/operators/test_implicit.py. Source: Danskin (1967); Milgrom & Segal (2002).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import sup
from mdpkit._rows import CSR, multiply
from mdpkit.errors import ModelError, NotDifferentiableError
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import check_shape, rounding
from mdpkit.operators.occupancy import transposed
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import soft_policy_values
from mdpkit.operators.resolvent import solve_chain
from mdpkit.policy import as_pairs, probabilities, take_rows, under


class Change(NamedTuple):
    """A direction in which the model moves; None and 0 stay as they are.

    r      pair layout, in units of reward
    P      the shape of mdp.P; for CSR rows (nnz,), entry by entry as they are stored
    gamma  a number
    """

    r: Any = None
    P: Any = None
    gamma: Any = 0


class Sensitivity(NamedTuple):
    """The gradient of a number with respect to the model, in the shapes of `Change`."""

    r: np.ndarray
    P: np.ndarray
    gamma: Any


# ---- the value of a policy -------------------------------------------------------------------


def value_change(mdp: MDP, policy: Any, change: Change, *, tau: float = 0.0) -> np.ndarray:
    """v̇^π, (S,), along a direction of the model; exact on exact models if tau = 0.

    policy : (S,) int or pair layout. With tau > 0 it is V_τ^π that moves; at the policy that is
    optimal at temperature τ that is the derivative of V_τ* as well, which has no ties. Raises
    UnboundedError at γ = 1 unless the policy ends every episode.
    """
    v = soft_policy_values(mdp, policy, tau).v
    pays = probabilities(mdp, policy) * _moved(mdp, v, change)
    total = np.add.reduceat(pays.reshape(-1), mdp.action_ptr[:-1])
    return solve_chain(under(mdp, policy)[0], total, mdp.gamma)


def value_gradient(
    mdp: MDP, policy: Any, weight: Any = None, *, tau: float = 0.0
) -> Sensitivity:
    """The gradient of Σ_s weight(s) v^π(s) with respect to r, P and γ; exact as `value_change`.

    weight : (S,), any numbers; None is the model's start, and the sum is J(π). The gradient in
    r is the visits of the pairs, H x. Errors and tau as for `value_change`.
    """
    weight = mdp.start if weight is None else np.asarray(weight)
    check_shape(weight, (mdp.n_states,), "weight")
    v = soft_policy_values(mdp, policy, tau).v
    n = solve_chain(transposed(under(mdp, policy)[0]), weight, mdp.gamma)
    x = np.repeat(n, np.diff(mdp.action_ptr)) * probabilities(mdp, policy).reshape(-1)
    along_gamma = x @ mdp.expect(v).reshape(-1)
    return Sensitivity(x.reshape(mdp.pair_shape), _outer(mdp, mdp.gamma * x, v), along_gamma)


# ---- the optimal value -----------------------------------------------------------------------


def optimal_change(mdp: MDP, policy: Any, change: Change) -> np.ndarray:
    """v̇*, (S,), along a direction of the model, where the optimal policy is unique.

    policy : (S,) int, optimal. Raises NotDifferentiableError naming the tied actions where some
    state has two that are optimal within rounding; ValueError where the policy is not optimal.
    """
    _require_unique(mdp, policy)
    return value_change(mdp, policy, change)


def optimal_gradient(mdp: MDP, policy: Any, weight: Any = None) -> Sensitivity:
    """The gradient of Σ_s weight(s) v*(s), where the optimal policy is unique.

    Arguments as for `value_gradient`, errors as for `optimal_change`. ∂(w·v*)/∂r is 0 on every
    pair that is not optimal.
    """
    _require_unique(mdp, policy)
    return value_gradient(mdp, policy, weight)


def tied_model(mdp: MDP, policy: Any, change: Change) -> MDP:
    """The model whose optimal value is the one-sided derivative of v* along a direction.

        lim_{ε↓0} (v*(M + εṀ) − v*(M))/ε  =  max_π (I − γP_π)⁻¹ ẋ_π,   π optimal for M

    Its pairs are those that are optimal within rounding, its rewards ẋ. Minus the optimum along
    −Ṁ is the derivative from the other side; in r, the slopes between are Clarke's. `policy`
    and ValueError as for `optimal_change`; γ < 1, or ties that all end.
    """
    slack, q_minus_v = _optimality(mdp, policy)
    kept = np.flatnonzero(q_minus_v >= -slack)
    v = policy_values(mdp, policy).v
    counts = np.bincount(mdp.pair_states[kept], minlength=mdp.n_states)
    ptr = np.concatenate([[0], np.cumsum(counts)])
    rewards = _moved(mdp, v, change).reshape(-1)[kept]
    stop = None if mdp._stop is None else mdp._stop[kept]
    rows = take_rows(mdp.rows, kept)
    made = MDP(rows, rewards, mdp.gamma, action_ptr=ptr, stop=stop, start=mdp._start)
    return made._with(_pair_actions=mdp.pair_actions[kept], states=mdp.states)


def _optimality(mdp: MDP, policy: Any) -> tuple[Any, np.ndarray]:
    """A bound on the rounding of q^π − v^π, and q^π − v^π, (pairs,), if nothing exceeds it."""
    own = as_pairs(mdp, policy)
    v, _, advantage = policy_values(mdp, policy)
    advantage, slack = advantage.reshape(-1).copy(), 0
    if not mdp.is_exact:
        # ‖v − v^π‖ ≤ ‖(I − γP_π)⁻¹‖ (residual + rounding), and q − v doubles it.
        steps = sup(solve_chain(under(mdp, policy)[0], np.ones(mdp.n_states), mdp.gamma))
        slack = 2 * (1 + steps) * (sup(advantage[own]) + 2 * rounding(mdp, v))
    advantage[own] = 0 * slack
    best = int(np.argmax(advantage))
    if advantage[best] > slack:
        s, a = mdp.place(best)
        raise ValueError(
            f"the policy is not optimal: action {a} in state {s} gains {advantage[best]}. "
            "Pass the policy of a solution."
        )
    return slack, advantage


def _require_unique(mdp: MDP, policy: Any) -> None:
    slack, advantage = _optimality(mdp, policy)
    own = as_pairs(mdp, policy)
    advantage[own] = -1 - slack
    tied = np.flatnonzero(advantage >= -slack)
    if tied.size:
        s, a = mdp.place(int(tied[0]))
        chosen = int(mdp.pair_actions[own[s]])
        raise NotDifferentiableError(
            f"in state {s} the actions {chosen} and {a} are both optimal ({tied.size} such "
            "pairs): v* has one-sided derivatives only. Solve tied_model(…) for them, or use "
            "value_change with tau > 0.",
            s=s,
            actions=[chosen, a],
        )


# ---- the model's own arrays ------------------------------------------------------------------


def _moved(mdp: MDP, v: np.ndarray, change: Change) -> np.ndarray:
    """ẋ = ṙ + (γ̇P + γṖ) v, in pair layout."""
    total = 0 * mdp.r
    if change.r is not None:
        check_shape(change.r, mdp.pair_shape, "change.r")
        total = total + np.asarray(change.r)
    if change.P is not None:
        total = total + mdp.gamma * _times(mdp, change.P, v).reshape(mdp.pair_shape)
    return total + change.gamma * mdp.expect(v) if change.gamma != 0 else total


def _times(mdp: MDP, entries: Any, v: np.ndarray) -> np.ndarray:
    """Σ_t entries(t|s,a) v(t), (pairs,), of numbers laid out as the model's rows."""
    entries = np.asarray(entries)
    if isinstance(mdp.rows, CSR):
        check_shape(entries, mdp.rows.values.shape, "change.P")
        return multiply(mdp.rows._replace(values=entries), v)
    if entries.size != mdp.rows.size or entries.shape[-1] != mdp.n_states:
        raise ModelError(
            f"change.P has shape {entries.shape}; {mdp.P.shape} is needed, as mdp.P."
        )
    return multiply(entries.reshape(mdp.n_pairs, mdp.n_states), v)


def _outer(mdp: MDP, x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """x(s,a) v(t), laid out as the model's rows."""
    if isinstance(mdp.rows, CSR):
        return np.repeat(x, np.diff(mdp.rows.row_ptr)) * v[mdp.rows.columns]
    return np.multiply.outer(x, v).reshape(mdp.P.shape)
