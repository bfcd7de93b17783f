"""The second derivative of J, exactly: what a change of policy does to v, to visits, and to ∇J.

Let the policy move along u, π + εu, and write P_u(s,t) = Σ_a u(s,a) P(t|s,a), n = H d_μ^π:

    v̇ = (I − γP_π)⁻¹ Σ_a u q           q̇ = γP v̇           ṅ = γ (I − γP_πᵀ)⁻¹ P_uᵀ n
    ∇²J·u = ṅ(s) q(s,a) + n(s) q̇(s,a)                      J continued to all π ≥ 0

For π = softmax(θ) moving along x, u = π (x − Σ_a π x), and with entropy at temperature τ

    ∇²J·x = (ṅ π + n u) A_τ + n π Ȧ_τ,   Ȧ_τ = q̇ − v̇ − τ (x − Σ_a π x)

Each is one or two linear solves: the resolvent is differentiated, nothing is approximated.
Checked in tests/operators/test_curvature.py.
Source: Kakade (2001); Furmston, Lever & Barber (2016), §3; Mei et al. (2020), Lemma 7.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit.mdp import MDP
from mdpkit.operators.bellman import check_shape
from mdpkit.operators.occupancy import inflow, require_end, transposed
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import soft_policy_values, visits
from mdpkit.operators.resolvent import solve_chain
from mdpkit.operators.scores import softmax_scores
from mdpkit.policy import probabilities, under


def value_derivative(mdp: MDP, policy: Any, u: Any) -> np.ndarray:
    """v̇, (S,): d/dε v^{π+εu} at ε = 0. u : pair layout, a direction; Σ_a u = 0 stays a policy.

    policy : (S,) int or pair layout. Exact on exact models. Raises UnboundedError at γ = 1
    unless the policy ends every episode.
    """
    check_shape(u, mdp.pair_shape, "u")
    return _value_derivative(mdp, policy, u, policy_values(mdp, policy).q)


def visits_derivative(mdp: MDP, policy: Any, u: Any, start: Any = None) -> np.ndarray:
    """ṅ, (S,): d/dε of the expected discounted visits n = H d_μ^{π+εu} at ε = 0.

    Arguments and errors as for `value_derivative`; start : (S,), the model's own if None.
    Times 1−γ it is the derivative of `occupancy`.
    """
    check_shape(u, mdp.pair_shape, "u")
    return _visits_derivative(mdp, policy, u, visits(mdp, policy, start))


def hessian_product(mdp: MDP, policy: Any, u: Any, start: Any = None) -> np.ndarray:
    """∇²J(π)·u, in pair layout: the change of ∂J/∂π(a|s) = H d q along u.

    u : pair layout; start : (S,) distribution μ, the model's own if None. Exact on exact
    models; errors as for `value_derivative`.
    """
    check_shape(u, mdp.pair_shape, "u")
    q, n = policy_values(mdp, policy).q, visits(mdp, policy, start)
    moved = mdp.gamma * mdp.expect(_value_derivative(mdp, policy, u, q))
    return _each(mdp, _visits_derivative(mdp, policy, u, n)) * q + _each(mdp, n) * moved


def softmax_hessian_product(
    mdp: MDP, policy: Any, x: Any, start: Any = None, *, tau: float = 0.0
) -> np.ndarray:
    """∇²_θ J_τ·x at policy = softmax(θ), in pair layout; exact on exact models if tau = 0.

    policy : pair layout, the probabilities; x : pair layout, a direction
    of θ. The sum over the actions of a state is 0. For π ∝ exp φ(s,a)·w it is Φᵀ ∇²J Φ.
    """
    check_shape(x, mdp.pair_shape, "x")
    pi = probabilities(mdp, policy)
    values = soft_policy_values(mdp, pi, tau)
    along = softmax_scores(mdp, pi).along(np.asarray(x).reshape(-1)).reshape(mdp.pair_shape)
    u, n = pi * along, visits(mdp, pi, start)
    # −τ Σ_a u of the reward −τ log π is 0, so A_τ may stand for q − τ log π.
    advantage = np.where(pi > 0, values.advantage, 0 * pi)
    v_moved = _value_derivative(mdp, pi, u, advantage)
    moved = mdp.gamma * mdp.expect(v_moved) - _each(mdp, v_moved)
    moved = moved - tau * along if tau else moved
    flow = _each(mdp, _visits_derivative(mdp, pi, u, n)) * pi + _each(mdp, n) * u
    return flow * advantage + _each(mdp, n) * pi * moved


def _value_derivative(mdp: MDP, policy: Any, u: Any, q: np.ndarray) -> np.ndarray:
    """(I − γP_π)⁻¹ Σ_a u q."""
    pays = np.add.reduceat((u * q).reshape(-1), mdp.action_ptr[:-1])
    return solve_chain(under(mdp, policy)[0], pays, mdp.gamma)


def _visits_derivative(mdp: MDP, policy: Any, u: Any, n: np.ndarray) -> np.ndarray:
    """γ (I − γP_πᵀ)⁻¹ P_uᵀ n."""
    rows, _, stop = under(mdp, policy)
    if mdp.gamma >= 1:  # u may lead where the policy itself never goes
        require_end(rows, stop, np.arange(mdp.n_states))
    entering = mdp.gamma * inflow(mdp, _each(mdp, n) * u)
    return solve_chain(transposed(rows), entering, mdp.gamma)


def _each(mdp: MDP, x: np.ndarray) -> np.ndarray:
    """x(s), (S,), on every pair of s, in pair layout."""
    return np.repeat(x, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
