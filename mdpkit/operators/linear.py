"""Linear value functions v = Φw of a known model: projections, and where TD and others end up.

    Π = Φ (ΦᵀDΦ)⁻¹ ΦᵀD                          the nearest Φw in ‖x‖_D² = Σ d x²
    A = ΦᵀD (I − γλP)⁻¹ (I − γP) Φ               b = ΦᵀD (I − γλP)⁻¹ r
    A w = b  ⇔  Φw = Π T^{(λ)} Φw                LSTD(λ); the mean of TD(λ) is w += α (b − A w)
    argmin ‖Φw − T Φw‖_D                         residual gradient: other equations, another w
    f = (I − γPᵀ)⁻¹ (d ∘ i)                       emphasis, under which A is positive definite

P, r and D are of states (P_π, r_π, d), or of pairs (P^π, r, ρ): then Φw is an action value.
Everything runs on floats and on exact rationals. Checked in tests/operators/test_linear.py.
Source: Tsitsiklis & Van Roy (1997); Boyan (2002); Baird (1995); Sutton, Mahmood & White (2016).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import EPS, kind
from mdpkit._cuda import failures, upload
from mdpkit._device import require_cpu
from mdpkit._exact import exact_array, rational
from mdpkit._rows import CSR, wide
from mdpkit.errors import SingularError
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import check_shape
from mdpkit.operators.features import state_features
from mdpkit.operators.stationary import pair_frequencies, stationary
from mdpkit.policy import probabilities, under


class Chain(NamedTuple):
    """P (n, n), dense, and r (n,): of the states, or of the pairs, under a policy."""

    P: np.ndarray
    r: np.ndarray


class System(NamedTuple):
    """A (K, K) and b (K,) of A w = b."""

    A: np.ndarray
    b: np.ndarray


def state_chain(mdp: MDP, policy: Any) -> Chain:
    """P_π and r_π. policy : (S,) int or pair layout. Rows that may end sum to less than 1."""
    rows, r, _ = under(mdp, policy)
    return Chain(_dense(rows), r)


def pair_chain(mdp: MDP, policy: Any) -> Chain:
    """P^π((s,a),(t,b)) = P(t|s,a) π(b|t) and r(s,a), both over the pairs."""
    require_cpu(mdp, "the chain of the pairs")
    pi = probabilities(mdp, policy).reshape(-1)
    return Chain(_dense(mdp.rows)[:, mdp.pair_states] * pi, mdp._r)


def projected_system(
    mdp: MDP, policy: Any, features: Any, *, weights: Any = None, lam: Any = 0
) -> System:
    """A and b of the projected Bellman equation, whose solution is LSTD(λ)'s limit.

    features  Φ (S, K), or a function of the states' numbers
    weights   (S,) diagonal of D ≥ 0; None is the policy's own frequencies, `stationary`.
              Others are off-policy: then A need not be positive definite, nor even regular
    """
    phi = _like(mdp, state_features(features, mdp.n_states))
    d = stationary(mdp, policy) if weights is None else _weights(weights, mdp.n_states)
    return bellman_system(state_chain(mdp, policy), phi, d, mdp.gamma, lam)


def projected_pair_system(
    mdp: MDP, policy: Any, features: np.ndarray, *, weights: Any = None, lam: Any = 0
) -> System:
    """The same for action values: LSTDQ's limit. features : Φ (pairs, K); weights : pairs."""
    check_shape(features, (mdp.n_pairs, np.shape(features)[-1]), "features")
    rho = pair_frequencies(mdp, policy) if weights is None else weights
    rho = _weights(np.asarray(rho).reshape(-1), mdp.n_pairs)
    phi = _like(mdp, np.asarray(features))
    return bellman_system(pair_chain(mdp, policy), phi, rho, mdp.gamma, lam)


def bellman_system(chain: Chain, phi: Any, d: Any, gamma: Any, lam: Any = 0) -> System:
    """ΦᵀD (I − γλP)⁻¹ (I − γP) Φ and ΦᵀD (I − γλP)⁻¹ r."""
    moved, r = phi - gamma * (chain.P @ phi), chain.r
    if lam != 0:
        ahead = _solved(_identity(chain.P) - gamma * lam * chain.P, _joined(moved, r))
        moved, r = ahead[:, :-1], ahead[:, -1]
    weighted = (d[:, None] * phi).T
    return System(weighted @ moved, weighted @ r)


def residual_system(chain: Chain, phi: Any, d: Any, gamma: Any) -> System:
    """The normal equations of min_w ‖r + γPΦw − Φw‖_D: residual gradient's fixed point."""
    moved = phi - gamma * (chain.P @ phi)
    weighted = (d[:, None] * moved).T
    return System(weighted @ moved, weighted @ chain.r)


def gram(phi: Any, d: Any) -> np.ndarray:
    """ΦᵀDΦ, (K, K)."""
    return phi.T @ (d[:, None] * phi)


def best_weights(phi: Any, d: Any, x: Any) -> np.ndarray:
    """argmin_w ‖Φw − x‖_D, (K,). x : (n,); for x = v^π the limit of gradient Monte Carlo."""
    phi, x = np.asarray(phi), np.asarray(x)
    if phi.dtype == np.dtype(object) or x.dtype == np.dtype(object):
        return solution(System(gram(phi, d), phi.T @ (d * x)))
    root = np.sqrt(d)
    w, _, rank, _ = np.linalg.lstsq(root[:, None] * phi, root * x)
    if rank < phi.shape[1]:
        raise _singular("ΦᵀDΦ", int(rank), phi.shape[1])
    return w


def projection(phi: Any, d: Any) -> np.ndarray:
    """Π = Φ (ΦᵀDΦ)⁻¹ ΦᵀD, (n, n). Raises SingularError with the rank if columns depend."""
    weighted = (d[:, None] * phi).T
    return phi @ _regular(weighted @ phi, weighted, "ΦᵀDΦ")


def solution(system: System, *, ridge: Any = 0) -> np.ndarray:
    """w of (A + ridge·I) w = b, where A and b are: on a device too.

    Raises SingularError with the rank of A where there is none.
    """
    A, b = system
    if ridge != 0:
        A = A + ridge * _identity(A)
    return _regular(A, b, "A")


def require_regular(A: np.ndarray, name: str) -> None:
    """Raise SingularError with its rank if a matrix of floats is singular to rounding.

    Rows and columns are scaled first, since the units of features are the caller's.
    """
    found = int(np.linalg.matrix_rank(scaled(A), tol=8 * len(A) * EPS))
    if found < len(A):
        raise _singular(name, found, len(A))


def scaled(A: np.ndarray) -> np.ndarray:
    """A with rows, then columns, divided by their largest entry; zeros stay."""
    for axis in (1, 0):
        largest = np.abs(A).max(axis=axis, keepdims=True)
        A = A / np.where(largest > 0, largest, 1.0)
    return A


def emphasis(chain: Chain, d: Any, gamma: Any, *, lam: Any = 0, interest: Any = 1) -> Any:
    """m, (n,): how much emphatic TD(λ) makes of each state, under data of frequencies d.

        f = d i + γ Pᵀ f        m = λ d i + (1 − λ) f

    P is the target policy's. With D = diag m the `bellman_system` is positive definite.
    """
    first = d * interest
    f = _solved((_identity(chain.P) - gamma * chain.P).T, first)
    return lam * first + (1 - lam) * f


class GradientTD(NamedTuple):
    """The mean motion of gradient TD in (u, w): d(u, w)/dt = g − G (u, w).

    G (2K, 2K), g (2K,). It converges, at small steps, iff the eigenvalues of G have positive
    real parts; its rest is then A w = b, u = 0.
    """

    G: np.ndarray
    g: np.ndarray


def gradient_td(system: System, C: Any, ratio: Any, *, corrected: bool = False) -> GradientTD:
    """GTD2's mean motion, or TDC's (`corrected`). C = ΦᵀDΦ; ratio = β/α > 0.

    u' = ratio (b − A w − C u);    w' = Aᵀ u  (GTD2),   b − A w − (C − Aᵀ) u  (TDC)
    """
    A, b = system
    K = len(b)
    G = np.zeros((2 * K, 2 * K), dtype=A.dtype)
    G[:K, :K], G[:K, K:] = ratio * C, ratio * A
    G[K:, :K], G[K:, K:] = (C - A.T, A) if corrected else (-A.T, 0 * A)
    return GradientTD(G, np.concatenate([ratio * b, b if corrected else 0 * b]))


def weighted_norm(x: Any, d: Any) -> Any:
    """‖x‖_D = √Σ d x²; of floats."""
    return np.sqrt((np.asarray(d) * np.asarray(x) ** 2).sum(axis=-1))


def _solved(A: Any, b: Any) -> np.ndarray:
    from mdpkit.claim.linear import solve

    return solve(A, b)


def _regular(A: np.ndarray, b: np.ndarray, name: str) -> np.ndarray:
    """A⁻¹ b, or SingularError."""
    if kind(A) == "cupy":
        with failures("solving on the device"):  # by cuSOLVER, which NumPy's names call
            require_regular(A, name)
            return np.linalg.solve(A, b)
    if A.dtype != np.dtype(object):
        require_regular(A, name)
        return _solved(A, b)
    try:
        return _solved(A, b)
    except ZeroDivisionError:
        import flint

        rank = int(flint.fmpq_mat(*A.shape, [rational(x) for x in A.flat]).rref()[1])
        raise _singular(name, rank, len(A)) from None


def _like(mdp: MDP, phi: np.ndarray) -> np.ndarray:
    """Features in the model's numbers."""
    exact = mdp.is_exact and phi.dtype != np.dtype(object)
    return exact_array(phi.astype(float)) if exact else phi


def _dense(rows: Any) -> np.ndarray:
    if not isinstance(rows, CSR):
        return rows
    values = wide(rows.values)
    P = np.zeros(rows.shape, dtype=values.dtype)
    P[np.repeat(np.arange(rows.shape[0]), np.diff(rows.row_ptr)), rows.columns] = values
    return P


def _identity(P: np.ndarray) -> np.ndarray:
    if kind(P) == "cupy":
        return upload(np.eye(len(P)))
    return np.eye(len(P), dtype=int if P.dtype == np.dtype(object) else float)


def _joined(moved: np.ndarray, r: np.ndarray) -> np.ndarray:
    return np.concatenate([moved, r[:, None]], axis=1)


def _weights(d: Any, n: int) -> np.ndarray:
    d = np.asarray(d)
    check_shape(d, (n,), "weights")
    if not np.all(d >= 0) or not np.any(d > 0):
        raise ValueError("weights must be ≥ 0, and not all of them 0.")
    return d


def _singular(name: str, rank: int, size: int) -> SingularError:
    return SingularError(
        f"{name} has rank {rank}, below {size}: features depend on each other where there is "
        "weight, or the data never saw some. Drop features, or pass a small ridge.",
        rank=rank,
    )
