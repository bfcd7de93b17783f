"""How good is an estimator? Its mean, its variance and its bias, as numbers.

    E ĝ = Σ_i w_i g_i        Cov ĝ = Σ_i w_i (g_i − Eĝ)(g_i − Eĝ)ᵀ        bias = E ĝ − ∇J

of one trajectory; the average of m of them has 1/m of the covariance. On an enumeration these
are exact, in fractions on exact models; on a sample of n the covariance is the plug-in one,
(n−1)/n of the unbiased.

    E[GAE(λ) | s,a] − A^π(s,a) = −e(s) + γ(1−λ) (P (I − γλP_π)⁻¹ e)(s,a),      e = V − v^π
    E[A⁽ⁿ⁾ | s,a] − A^π(s,a)   = −e(s) + γⁿ (P P_πⁿ⁻¹ e)(s,a)

are what bootstrapping from a wrong V costs; −e(s), a baseline, does not bias the gradient.
Checked in tests/improve. Source: Schulman et al. (2016); a line each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._rows import multiply
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import check_shape
from mdpkit.operators.performance import policy_values
from mdpkit.operators.resolvent import solve_chain
from mdpkit.policy import under


def mean(samples: Any, weight: Any) -> np.ndarray:
    """Σ_i w_i g_i, (K,). samples : (n, K), one row a trajectory; weight : (n,), of sum 1."""
    check_shape(weight, (np.shape(samples)[0],), "weight")
    return np.asarray(weight) @ samples


def covariance(samples: Any, weight: Any) -> np.ndarray:
    """Cov of one row, (K, K). Arguments as for `mean`."""
    apart = samples - mean(samples, weight)
    return (apart * np.asarray(weight)[:, None]).T @ apart


def variance(samples: Any, weight: Any) -> np.ndarray:
    """Variance of each parameter's entry, (K,); its sum is E‖ĝ − Eĝ‖². Arguments as there."""
    return np.asarray(weight) @ (samples - mean(samples, weight)) ** 2


def bias(samples: Any, weight: Any, gradient: Any) -> np.ndarray:
    """Σ_i w_i g_i − ∇J, (K,). gradient : (K,) or pair layout, e.g. `softmax_gradient`."""
    return mean(samples, weight) - np.asarray(gradient).reshape(-1)


def gae_bias(mdp: MDP, policy: Any, values: Any, lam: Any) -> np.ndarray:
    """E[GAE(λ) | s,a] − A^π(s,a) for values V (S,), in pair layout; exact on exact models.

    For paths without end; also for every path that ends by itself within the batch. lam in
    [0, 1]. Its part in the mean of the gradient is Σ H d π ∇ log π times this.
    """
    e = _error(mdp, policy, values)
    ahead = solve_chain(under(mdp, policy)[0], e, mdp.gamma * lam)
    return mdp.gamma * (1 - lam) * mdp.expect(ahead) - _each(mdp, e)


def n_step_bias(mdp: MDP, policy: Any, values: Any, n: int) -> np.ndarray:
    """E[A⁽ⁿ⁾ | s,a] − A^π(s,a) for values V (S,), in pair layout; n ≥ 1. As `gae_bias`."""
    e = _error(mdp, policy, values)
    ahead, rows = e, under(mdp, policy)[0]
    for _ in range(n - 1):
        ahead = mdp.gamma * multiply(rows, ahead)
    return mdp.gamma * mdp.expect(ahead) - _each(mdp, e)


def _error(mdp: MDP, policy: Any, values: Any) -> np.ndarray:
    check_shape(values, (mdp.n_states,), "values")
    return np.asarray(values) - policy_values(mdp, policy).v


def _each(mdp: MDP, x: np.ndarray) -> np.ndarray:
    """x(s), (S,), on every pair of s, in pair layout."""
    return np.repeat(x, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
