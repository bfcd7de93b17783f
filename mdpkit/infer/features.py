"""Rewards linear in features: r(s,a) = Σ_k φ_k(s,a) w_k, and tables as a case of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit._device import require_cpu
from mdpkit.mdp import MDP

PAIR, STATE = "pair", "state"


@dataclass(frozen=True, eq=False)
class Features:
    """Φ, (pairs, K), kept as the table that it is where it is one.

    kind    "linear" with `matrix`; "state", one weight a state; "pair", one weight a pair
    """

    kind: str
    size: int
    pair_states: np.ndarray
    pair_shape: tuple[int, ...]
    matrix: np.ndarray | None = None

    def reward(self, weights: Any) -> np.ndarray:
        """Φ w, in pair layout. weights : (K,), in units of reward."""
        weights = np.asarray(weights, dtype=float)
        if weights.shape != (self.size,):
            raise ValueError(f"weights have shape {weights.shape}; ({self.size},) is needed.")
        if self.matrix is not None:
            return (self.matrix @ weights).reshape(self.pair_shape)
        r = weights[self.pair_states] if self.kind == STATE else weights
        return r.reshape(self.pair_shape)

    def expectations(self, x: Any) -> np.ndarray:
        """Φᵀ x, (K,): Σ_{s,a} x(s,a) φ(s,a). x : visits in pair layout."""
        x = np.asarray(x, dtype=float).reshape(-1)
        if self.matrix is not None:
            return x @ self.matrix
        if self.kind == STATE:
            return np.bincount(self.pair_states, x, minlength=self.size)
        return x

    def dense(self) -> np.ndarray:
        """Φ itself, (pairs, K)."""
        if self.matrix is not None:
            return self.matrix
        hot = self.pair_states if self.kind == STATE else np.arange(self.size)
        return (hot[:, None] == np.arange(self.size)).astype(float)


def read_features(mdp: MDP, features: Any = PAIR) -> Features:
    """Features from "pair", "state", or an array (S, K) over states or (pairs, K) over pairs.

    A dense model also takes (S, A, K). Raises ValueError on other shapes and on numbers that
    are not finite.
    """
    require_cpu(mdp, "inference of rewards")
    if isinstance(features, Features):
        return features
    own = (mdp.pair_states, mdp.pair_shape)
    if isinstance(features, str):
        if features not in (PAIR, STATE):
            raise ValueError(f'features must be "pair", "state" or an array; not {features!r}.')
        size = mdp.n_pairs if features == PAIR else mdp.n_states
        return Features(features, size, *own)
    matrix = np.asarray(features, dtype=float)
    if matrix.ndim == 3 and matrix.shape[:2] == mdp.pair_shape:
        matrix = matrix.reshape(mdp.n_pairs, -1)
    if matrix.ndim != 2 or matrix.shape[0] not in (mdp.n_states, mdp.n_pairs):
        raise ValueError(
            f"features have shape {matrix.shape}; ({mdp.n_states}, K) or ({mdp.n_pairs}, K) is "
            "needed."
        )
    if not np.isfinite(matrix).all():
        raise ValueError("features must be finite.")
    if matrix.shape[0] == mdp.n_states != mdp.n_pairs:
        matrix = matrix[mdp.pair_states]
    return Features("linear", matrix.shape[1], *own, matrix)
