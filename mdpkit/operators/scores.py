"""Scores: how the log-probability of an action moves with the parameters of the policy.

    tables      π(a|s) ∝ exp θ(s,a)         ∂ log π(a|s)/∂θ(s,b) = 1{a = b} − π(b|s)
    linear      π(a|s) ∝ exp φ(s,a)·θ       ∇ log π(a|s) = φ(s,a) − Σ_b π(b|s) φ(s,b)
    Gaussian    a ~ N(f_θ, Σ)               ∇ log π(a) = (∂f/∂θ)ᵀ Σ⁻¹ (a − f_θ)

Σ_a π(a|s) ∇ log π(a|s) = 0 whatever the parameters are: a baseline, one number for all actions
of a state, changes no expectation. With rational probabilities the first two are rational.
Checked in tests/operators/test_scores.py. Source: Williams (1992); Sutton et al. (2000).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit._array import EPS, as_float, sup
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import check_shape
from mdpkit.policy import probabilities


@dataclass(frozen=True, eq=False)
class Scores:
    """∇ log π(a|s) of every pair, K numbers each; a table's are kept without their zeros.

    pi          (pairs,) the policy
    action_ptr  (S + 1,) each state's first pair
    matrix      (pairs, K); None for tables, whose parameters are numbered as the pairs
    """

    pi: np.ndarray
    action_ptr: np.ndarray
    matrix: np.ndarray | None = None

    @property
    def size(self) -> int:
        """K, the number of parameters."""
        return self.pi.size if self.matrix is None else self.matrix.shape[1]

    def along(self, x: Any) -> np.ndarray:
        """⟨∇ log π(a|s), x⟩ of every pair, (pairs,). x : (K,), a direction of θ."""
        check_shape(x, (self.size,), "x")
        x = np.asarray(x)
        return x - self.state_sums(self.pi * x) if self.matrix is None else self.matrix @ x

    def gathered(self, weight: Any) -> np.ndarray:
        """Σ_{s,a} weight(s,a) ∇ log π(a|s), (…, K). weight : (…, pairs)."""
        weight = np.asarray(weight)
        if self.matrix is None:
            return weight - self.pi * self.state_sums(weight)
        return weight @ self.matrix

    def on_paths(self, pairs: Any, weight: Any) -> np.ndarray:
        """Σ_t weight_t ∇ log π(a_t|s_t) of each path, (n, K).

        pairs : (T, n) int, −1 after the end, where nothing is added; weight : (T, n) or less.
        """
        n = pairs.shape[1]
        weight = np.broadcast_to(weight, pairs.shape)
        out = np.zeros((n, self.size), dtype=np.result_type(self.pi, weight))
        for taken, w in zip(pairs, weight, strict=True):
            i = np.flatnonzero(taken >= 0)
            if self.matrix is None:
                out[i, taken[i]] += w[i]  # one pair a path, so no place is met twice
            else:
                out[i] += w[i, None] * self.matrix[taken[i]]
        return self.gathered(out) if self.matrix is None else out

    def table(self) -> np.ndarray:
        """All of them, (pairs, K)."""
        if self.matrix is not None:
            return self.matrix
        one = self.pi * 0 + 1
        return self.gathered(np.diag(one))

    def state_sums(self, x: np.ndarray) -> np.ndarray:
        """Σ_b x(s,b) on every pair (s,a), over the last axis. x : (…, pairs)."""
        total = np.add.reduceat(x, self.action_ptr[:-1], axis=-1)
        return np.repeat(total, np.diff(self.action_ptr), axis=-1)


def softmax_scores(mdp: MDP, policy: Any, features: Any = None) -> Scores:
    """Scores of π ∝ exp θ(s,a), or of π ∝ exp φ(s,a)·θ where features are given.

    policy : pair layout, the probabilities themselves; features : φ, (pairs, K) or pair
    layout by K. Exact on exact policies and features.
    """
    pi = probabilities(mdp, policy).reshape(-1)
    plain = Scores(pi, mdp.action_ptr)
    if features is None:
        return plain
    phi = _per_pair(mdp, features, "features")
    return Scores(pi, mdp.action_ptr, phi - plain.state_sums((pi[:, None] * phi).T).T)


def read_scores(mdp: MDP, policy: Any, scores: Any) -> Scores:
    """Scores of any other parameters, given as ∇ log π(a|s), (pairs, K) or pair layout by K.

    Raises ValueError naming the state where Σ_a π(a|s) ∇ log π(a|s) is not 0: no derivative of
    log-probabilities that sum to 1 does that.
    """
    pi = probabilities(mdp, policy).reshape(-1)
    matrix = _per_pair(mdp, scores, "scores")
    mean = np.add.reduceat(pi[:, None] * matrix, mdp.action_ptr[:-1], axis=0)
    exact = mean.dtype == np.dtype(object)
    near = 0 if exact else 1e-9 + 8 * mdp.n_actions * EPS * sup(matrix)
    bad = np.flatnonzero(~(np.abs(mean) <= near).all(axis=1))
    if bad.size:
        s = int(bad[0])
        raise ValueError(
            f"the scores of state {s} have mean {sup(mean[s])} under the policy, not 0 "
            f"({bad.size} such states). Pass ∇ log π, of the same policy."
        )
    return Scores(pi, mdp.action_ptr, matrix)


def gaussian_scores(actions: Any, mean: Any, covariance: Any, jacobian: Any) -> np.ndarray:
    """∇_θ log N(a; f_θ, Σ) = (∂f/∂θ)ᵀ Σ⁻¹ (a − f_θ), (n, K). There is no factor ½ left.

    actions : (n, m); mean : (m,) or (n, m), f_θ; covariance : (m, m), Σ; jacobian : (m, K) or
    (n, m, K), ∂f/∂θ. The same units for actions and mean; the score's are 1/θ.
    """
    apart = np.asarray(actions) - np.asarray(mean)
    scaled = np.linalg.solve(covariance, apart.T).T
    return np.einsum("...mk,...m->...k", np.asarray(jacobian), scaled)


def _per_pair(mdp: MDP, x: Any, name: str) -> np.ndarray:
    x = np.asarray(x)
    x = x if x.dtype == np.dtype(object) else as_float(x, name)
    if x.shape[:-1] not in (mdp.pair_shape, (mdp.n_pairs,)):
        raise ValueError(f"{name} have shape {x.shape}; ({mdp.n_pairs}, K) is needed.")
    return x.reshape(mdp.n_pairs, x.shape[-1])
