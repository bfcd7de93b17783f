"""Fitted iteration: every round a regression on targets that were computed before it began.

    fitted Q        q_{k+1} = argmin Σ weight (q(x_i) − y_i)²,
                    y_i = r_i + d_i max_b q_k(s'_i,b)
    fitted V        v_{k+1} = argmin Σ weight ((v(s_i) − y_i)² + λ (v(s_i) − v_k(s_i))²),
                    y_i = r_i + d_i v_k(s'_i)

Linear least squares on the whole distribution makes this Π B and Π T^π, which need not contract
(`triad`); an averager, whose predictions are averages of its targets, does (Gordon 1995). With
one weight a pair each round is one of Q-iteration. λ → ∞ leaves v where it was.
Checked in tests/learn/test_fitted.py. Source: Gordon (1995); Ernst, Geurts & Wehenkel (2005).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mdpkit.batch import Transitions
from mdpkit.errors import NonFiniteError
from mdpkit.learn.linear.least_squares import expected_features
from mdpkit.operators.features import state_features
from mdpkit.operators.linear import best_weights


class Regressor(Protocol):
    """What can be fitted; scikit-learn's regressors are."""

    def fit(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return something that can predict: X (n, K), y and sample_weight (n,)."""
        ...


class Predictor(Protocol):
    """What `fit` returns; that may be the regressor itself."""

    def predict(self, X: Any) -> np.ndarray:
        """(m,) values at the rows of X (m, K)."""
        ...


@dataclass(frozen=True)
class LeastSquares:
    """Linear regression, weighted, without an intercept; SingularError with the rank."""

    def fit(self, X: Any, y: Any, sample_weight: Any) -> LinearFunction:
        """The best weights."""
        return LinearFunction(best_weights(np.asarray(X), sample_weight, y))


@dataclass(frozen=True, eq=False)
class LinearFunction:
    """x ↦ x·w."""

    w: np.ndarray

    def predict(self, X: Any) -> np.ndarray:
        """X w."""
        return np.asarray(X) @ self.w


def fitted_q_iteration(
    batch: Transitions,
    features: Any,
    *,
    action_ptr: Any,
    regressor: Regressor | None = None,
    policy: Any = None,
    steps: int = 100,
    initial: Any = None,
) -> np.ndarray:
    """q_0, …, q_steps at every pair, (steps + 1, pairs).

    features    (pairs, K): what the regressor sees of a pair
    action_ptr  (S + 1,) each state's first pair
    regressor   fitted anew each round; linear least squares if None
    policy      (S,) int or pair layout: evaluate it, fitted Q evaluation; None: maximize
    initial     q_0 (pairs,); 0 if None

    Raises NonFiniteError once the iterates have diverged beyond the floats.
    """
    X = state_features(features, len(features))
    tool, ptr = regressor or LeastSquares(), np.asarray(action_ptr)
    q = np.zeros(len(X)) if initial is None else np.asarray(initial).reshape(-1)
    out = [q]
    for k in range(steps):
        after = (
            np.maximum.reduceat(q, ptr[:-1])
            if policy is None
            else expected_features(q[:, None], ptr, policy)[:, 0]
        )
        y = batch.reward + batch.discount * after[batch.next_state]
        with np.errstate(over="ignore", invalid="ignore"):  # said below, once
            q = np.asarray(tool.fit(X[batch.pair], y, batch.weight).predict(X))
        _require_finite(q, k)
        out.append(q)
    return np.array(out)


def fitted_value_iteration(
    batch: Transitions,
    features: Any,
    *,
    pair_states: Any,
    steps: int = 100,
    proximal: Any = 0,
    initial: Any = None,
) -> np.ndarray:
    """w_0, …, w_steps, (steps + 1, K): values of the policy that the batch was made by.

    features     Φ (S, K); pair_states (pairs,) the state of each pair
    proximal     λ ≥ 0, what moving away from v_k costs
    """
    phi = state_features(features, len(features))
    X = phi[np.asarray(pair_states)[batch.pair]]
    w = np.zeros(phi.shape[1], dtype=phi.dtype) if initial is None else np.asarray(initial)
    if not proximal >= 0:
        raise ValueError(f"proximal must be ≥ 0; it is {proximal}.")
    out = [w]
    for k in range(steps):
        y = batch.reward + batch.discount * (phi @ w)[batch.next_state]
        # Two squares of one function are a square about their weighted mean.
        w = best_weights(X, batch.weight, (y + proximal * (X @ w)) / (1 + proximal))
        _require_finite(w, k)
        out.append(w)
    return np.array(out)


def _require_finite(x: np.ndarray, k: int) -> None:
    if x.dtype == float and not np.isfinite(x).all():
        where = int(np.argmin(np.isfinite(x)))
        raise NonFiniteError(
            f"fitted iteration diverged: round {k + 1} has {x[where]} at {where}. Use features "
            "that average, or data of the policy's own frequencies.",
            step=k + 1,
            state=where,
        )
