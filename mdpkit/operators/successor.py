"""Successor features: what a policy will see, so that it is worth something for every reward.

    M = (1−γ) (I − γP_π)⁻¹                            rows sum to 1 where no episode ends
    ψ(s,a) = (1−γ) φ(s,a) + γ Σ_t P(t|s,a) ψ(t)       ψ(s) = Σ_a π(a|s) ψ(s,a)
    r = Φw  ⇒  q^π = ψw / (1−γ)                       v^π = M r_π / (1−γ)
    π(s) ∈ argmax_a max_i q_i(s,a)  ⇒  q^π ≥ max_i q^{π_i} − 2γε/(1−γ),  |q_i − q^{π_i}| ≤ ε

φ of the step just taken counts. The weights w are the task's, the same for all policies. With
normalized=False the factors 1−γ are left out, as in Barreto et al.: ψ = φ + γPψ and q = ψw; at
γ = 1 there is no other way.
Checked in tests/operators/test_successor.py and proofs_checks/successor_features.py.
Source: Dayan (1993); Barreto et al. (2017).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mdpkit._exact import rational
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import check_shape, greedy_pairs
from mdpkit.operators.linear import best_weights
from mdpkit.operators.resolvent import solve_chain
from mdpkit.policy import probabilities, under


def successor_representation(mdp: MDP, policy: Any, *, normalized: bool = True) -> np.ndarray:
    """M, (S, S): discounted time spent in each state, from each state; exact on exact models.

    policy : (S,) int or pair layout. Raises ValueError at γ = 1 unless normalized=False.
    """
    identity = np.eye(mdp.n_states, dtype=int) + mdp.gamma * 0
    return solve_chain(under(mdp, policy)[0], scale(mdp, normalized) * identity, mdp.gamma)


def successor_features(
    mdp: MDP, policy: Any, features: Any, *, normalized: bool = True
) -> np.ndarray:
    """ψ of every pair, (pairs, K); exact on exact models.

    policy : (S,) int or pair layout; features : φ(s,a), (pairs, K) or pair layout × K.
    Raises ValueError on another shape, and at γ = 1 unless normalized=False.
    """
    phi = scale(mdp, normalized) * table(mdp, features)
    pi = probabilities(mdp, policy).reshape(-1, 1)
    followed = np.add.reduceat(pi * phi, mdp.action_ptr[:-1], axis=0)
    seen = solve_chain(under(mdp, policy)[0], followed, mdp.gamma)
    later = [mdp.expect(np.ascontiguousarray(column)).reshape(-1) for column in seen.T]
    return phi + mdp.gamma * np.stack(later, axis=1)


def reward_weights(mdp: MDP, features: Any, *, rewards: Any = None, rho: Any = None) -> Any:
    """argmin_w Σ ρ (φw − r)², (K,): exact where the reward is linear in the features.

    features : (pairs, K) or pair layout × K; rewards, rho : pair layout, the model's own and 1
    where None. Raises SingularError where features depend on each other.
    """
    r = mdp.r if rewards is None else np.asarray(rewards)
    check_shape(r, mdp.pair_shape, "rewards")
    weight = np.ones(mdp.n_pairs) if rho is None else np.asarray(rho).reshape(-1)
    if mdp.is_exact and rho is None:
        weight = np.array([rational(1)] * mdp.n_pairs, dtype=object)
    return best_weights(table(mdp, features), weight, r.reshape(-1))


def feature_values(mdp: MDP, psi: Any, w: Any, *, normalized: bool = True) -> np.ndarray:
    """q = ψw / (1−γ), or ψw, in pair layout. psi : (pairs, K) or pair layout × K; w : (K,)."""
    psi = table(mdp, psi)
    check_shape(w, psi.shape[1:], "w")
    return ((psi @ np.asarray(w)) / scale(mdp, normalized)).reshape(mdp.pair_shape)


def gpi(mdp: MDP, psis: Iterable[Any], w: Any, *, normalized: bool = True) -> np.ndarray:
    """Generalized policy improvement: argmax_a max_i ψ_i(s,a)·w, (S,) int; lowest among ties.

    psis : of each policy ψ, (pairs, K) or pair layout × K; w : (K,) of the task.
    """
    return best_of(mdp, [feature_values(mdp, psi, w, normalized=normalized) for psi in psis])


def best_of(mdp: MDP, values: Iterable[Any]) -> np.ndarray:
    """argmax_a max_i q_i(s,a), (S,) int; the lowest action among ties.

    values : action values of each policy, pair layout. Raises ValueError if there are none.
    """
    given = [np.asarray(q) for q in values]
    for i, q in enumerate(given):
        check_shape(q, mdp.pair_shape, f"values[{i}]")
    if not given:
        raise ValueError("there is nothing to improve on: pass the values of a policy or more.")
    return mdp.actions_of(greedy_pairs(mdp, np.max(np.stack(given), axis=0), 0))


def scale(mdp: MDP, normalized: bool) -> Any:
    """1 − γ, or 1. Raises ValueError at γ = 1, where nothing can be normalized."""
    if not normalized:
        return mdp.gamma * 0 + 1
    if mdp.gamma == 1:
        raise ValueError("at γ = 1 the factor 1 − γ is 0: pass normalized=False.")
    return 1 - mdp.gamma


def table(mdp: MDP, features: Any) -> np.ndarray:
    """Features of pairs as (pairs, K). Raises ValueError on another shape."""
    phi = np.asarray(features)
    phi = phi if phi.dtype == np.dtype(object) else phi.astype(float, copy=False)
    shapes = (mdp.n_pairs,), mdp.pair_shape
    if phi.ndim < 2 or phi.shape[:-1] not in shapes or phi.shape[-1] < 1:
        raise ValueError(
            f"features of pairs have shape {phi.shape}; ({mdp.n_pairs}, K) is needed."
        )
    phi = phi.reshape(mdp.n_pairs, -1)
    if phi.dtype == float and not np.isfinite(phi).all():
        pair = int(np.argmin(np.isfinite(phi).all(axis=1)))
        raise ValueError(f"features of pair {mdp.place(pair)} are {phi[pair]}, not finite.")
    return phi
