"""The policy-gradient theorem, and every quantity in it exactly.

    ∂J/∂π(a|s) = H d_μ^π(s) q^π(s,a)             J(π) = Σ_s μ(s) v^π(s),  H = 1/(1−γ)
    ∂J/∂θ(s,a) = H d_μ^π(s) π(a|s) A^π(s,a)      π = softmax(θ), row by row

The first is the gradient of J continued to all π ≥ 0; along the simplex A may stand for q. With
entropy at temperature τ (counting prior) the policy pays itself −τ log π(a|s) besides:

    V_τ^π = Σ_a π (Q_τ^π − τ log π),   Q_τ^π = r + γPV_τ^π,   A_τ^π = Q_τ^π − V_τ^π − τ log π
    ∂J_τ/∂π(a|s) = H d (Q_τ^π − τ log π − τ),        ∂J_τ/∂θ(s,a) = H d π A_τ^π

At γ = 1 H d counts visits. Checked in tests/operators/test_policy_gradient.py.
Source: Sutton et al. (2000); Agarwal et al. (2021), Lemma C.1; Mei et al. (2020), Lemma 10.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit.mdp import MDP
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.performance import Values, policy_values
from mdpkit.operators.projection import softmax_policy
from mdpkit.policy import probabilities

__all__ = [
    "policy_gradient",
    "soft_policy_values",
    "softmax_gradient",
    "softmax_policy",
    "visits",
]


def visits(mdp: MDP, policy: Any, start: Any = None) -> np.ndarray:
    """H d_μ^π, (S,): expected discounted visits, Σ_t γᵗ Pr(s_t = s). Arguments as there."""
    d = occupancy(mdp, policy, start)
    return d / (1 - mdp.gamma) if mdp.gamma < 1 else d


def soft_policy_values(mdp: MDP, policy: Any, tau: float = 0.0) -> Values:
    """V_τ^π, Q_τ^π and A_τ^π of a policy that is paid −τ log π(a|s) besides; tau ≥ 0.

    policy : (S,) int or pair layout. Σ_a π A_τ = 0; where π(a|s) = 0, A_τ is +∞ (0 · ∞ = 0).
    With tau = 0 it is `policy_values`, on exact models too. Raises TypeError on exact models
    with tau > 0, UnboundedError at γ = 1 unless the policy ends every episode.
    """
    if not 0 <= tau < np.inf:
        raise ValueError(f"tau must be finite and ≥ 0; it is {tau}.")
    if tau == 0:
        return policy_values(mdp, policy)
    if mdp.is_exact:
        raise TypeError("entropy is not rational; pass mdp.rounded().")
    pi = probabilities(mdp, policy)
    log = np.log(pi, where=pi > 0, out=np.zeros(mdp.pair_shape))
    paid = mdp.replace(r=mdp.r - tau * log)
    v, q, advantage = policy_values(paid, pi)
    return Values(v, q + tau * log, np.where(pi > 0, advantage, np.inf))


def policy_gradient(
    mdp: MDP, policy: Any, start: Any = None, *, tau: float = 0.0
) -> np.ndarray:
    """∂J_τ/∂π(a|s) = H d_μ(s) (Q_τ^π − τ log π − τ)(s,a), in pair layout; exact if tau = 0.

    policy : (S,) int or pair layout; start : (S,) distribution μ, the model's own if None.
    With tau > 0 it is +∞ where π(a|s) = 0 and s is visited. Errors: `soft_policy_values`.
    """
    v, q, advantage = soft_policy_values(mdp, policy, tau)
    d = visits(mdp, policy, start)
    if tau == 0:
        return _each(mdp, d) * q
    d, slope = _each(mdp, d), advantage + _each(mdp, v) - tau
    return np.where(d > 0, d * np.where(d > 0, slope, 0.0), 0.0)


def softmax_gradient(
    mdp: MDP, policy: Any, start: Any = None, *, tau: float = 0.0
) -> np.ndarray:
    """∂J_τ/∂θ(s,a) = H d_μ(s) π(a|s) A_τ^π(s,a) at π = softmax(θ), in pair layout.

    Arguments and errors as for `policy_gradient`. The sum over the actions of a state is 0.
    """
    pi = probabilities(mdp, policy)
    advantage = soft_policy_values(mdp, policy, tau).advantage
    weighted = pi * np.where(pi > 0, advantage, 0 * pi)
    return _each(mdp, visits(mdp, policy, start)) * weighted


def _each(mdp: MDP, x: np.ndarray) -> np.ndarray:
    """x(s), (S,), on every pair of s, in pair layout."""
    return np.repeat(x, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
