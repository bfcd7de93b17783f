"""Random models from a seed, of any size.

Probabilities are multiples of 2⁻²⁶. Hence every row sums to exactly 1, in whatever order it is
added, and each entry is the simplest fraction near it, so that `.exact()` reads these models as
they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mdpkit.errors import ModelError
from mdpkit.gallery._build import number, whole
from mdpkit.gallery._registry import model, require_memory
from mdpkit.mdp import MDP

GRID = 1 << 26


@model(source="Archibald, McKinnon & Thomas (1995); Bhatnagar et al. (2009)")
def garnet(
    S: int = 100,
    A: int = 4,
    b: int = 3,
    *,
    seed: int = 0,
    concentration: float = 1.0,
    gamma: float = 0.95,
) -> MDP:
    """Each of A actions in each of S states leads to b different random states.

    Probabilities are Dirichlet(concentration, …), rewards uniform on [0, 1), both on a grid
    of 2⁻²⁶. The same arguments give the same model, as far as NumPy keeps its streams.

    S, A, b         numbers of states, of actions, and of successors of a pair
    seed            whole number ≥ 0
    concentration   > 0; 1 is the broken stick of the literature, near 0 all is deterministic
    """
    S, A = whole(S, "S", 1, 2**31 - 1), whole(A, "A", 1)
    b = whole(b, "b", 1, S)
    if b > GRID // 16:
        raise ModelError(f"b must be at most {GRID // 16}; it is {b}.", parameter="b")
    alpha = float(number(concentration, "concentration", 0, 1e6, open_=True))
    require_memory(
        S * A * (12 * b + 48), f"a Garnet of {S} states, {A} actions and {b} successors"
    )
    rng = np.random.default_rng(whole(seed, "seed"))
    rows, r = _garnet_rows(S, S * A, b, alpha, rng)
    return MDP(rows, r.reshape(S, A), gamma)


def _garnet_rows(S: int, n_pairs: int, b: int, alpha: float, rng: np.random.Generator) -> tuple:
    """Return (values, columns, row_ptr) and the rewards, filled a few rows at a time.

    The block is a hundredth of the model, so that building it needs no memory to speak of;
    it is part of the definition, because the order of the draws depends on it.
    """
    small = n_pairs * b < 2**31
    values = np.empty((n_pairs, b))
    columns = np.empty((n_pairs, b), dtype=np.int32)
    row_ptr = np.arange(0, n_pairs * b + 1, b, dtype=np.int32 if small else np.int64)
    r = np.empty(n_pairs)
    block = max(1, min(max(n_pairs // 100, 1024 // b), (1 << 16) // b))
    for first in range(0, n_pairs, block):
        part = slice(first, min(first + block, n_pairs))
        columns[part] = _subsets(S, b, part.stop - part.start, rng)
        values[part] = _dirichlet(part.stop - part.start, b, alpha, GRID, rng)
        r[part] = rng.integers(GRID, size=part.stop - part.start)
        r[part] /= GRID
    return (values.reshape(-1), columns.reshape(-1), row_ptr), r


def _subsets(S: int, b: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, b) uniform subsets of 0 … S−1, each sorted."""
    if b == S:
        return np.broadcast_to(np.arange(S, dtype=np.int32), (n, S))
    if b * b > S:  # most draws would repeat a state: take a random order of all instead
        picks = np.empty((n, b), dtype=np.int32)
        for i in range(n):
            picks[i] = rng.choice(S, b, replace=False, shuffle=False)
        picks.sort(axis=1)
        return picks
    picks = rng.integers(S, size=(n, b), dtype=np.int32)
    picks.sort(axis=1)
    repeated = np.flatnonzero((picks[:, 1:] == picks[:, :-1]).any(axis=1))
    while repeated.size:
        again = rng.integers(S, size=(repeated.size, b), dtype=np.int32)
        again.sort(axis=1)
        picks[repeated] = again
        repeated = repeated[(again[:, 1:] == again[:, :-1]).any(axis=1)]
    return picks


def _dirichlet(
    n: int, b: int, alpha: float, grid: int, rng: np.random.Generator, least: int = 1
) -> np.ndarray:
    """(n, b) Dirichlet rows as multiples of 1/grid, each at least `least` of them."""
    p = (
        rng.standard_gamma(alpha, size=(n, b))
        if alpha != 1
        else rng.standard_exponential((n, b))
    )
    np.maximum(p, 1e-290, out=p)  # small alphas underflow, possibly a whole row
    p *= ((grid - least * b) / p.sum(axis=1))[:, None]
    np.floor(p, out=p)
    p += least
    largest = p.argmax(axis=1)
    p[np.arange(n), largest] += grid - p.sum(axis=1)
    p /= grid
    return p


class Features(NamedTuple):
    """What makes a model linear: P(t|s,a) = Σ_k φ(s,a)_k μ_k(t), r(s,a) = Σ_k φ(s,a)_k θ_k."""

    phi: np.ndarray  # (S, A, d) rows in the simplex
    mu: np.ndarray  # (d, S) rows in the simplex
    theta: np.ndarray  # (d,) in [0, 1)


def linear_features(S: int, A: int, d: int, seed: int = 0) -> Features:
    """Return the features, next-state measures and reward weights of `linear_mdp`."""
    rng = np.random.default_rng(seed)
    # Multiples of 2⁻¹⁰ times multiples of 2⁻¹⁶ lie on the grid, and their sums are exact.
    phi = _dirichlet(S * A, d, 1.0, 1 << 10, rng, least=0).reshape(S, A, d)
    mu = _dirichlet(d, S, 1.0, 1 << 16, rng, least=0)
    return Features(phi, mu, rng.integers(1 << 16, size=d) / (1 << 16))


@model(source="Jin, Yang, Wang & Jordan (2020), Definition 1")
def linear_mdp(
    S: int = 50, A: int = 4, d: int = 5, *, seed: int = 0, gamma: float = 0.95
) -> MDP:
    """Transitions and rewards are linear in d features: P = φᵀμ, r = φᵀθ, so that q is too.

    φ(s,a) and each μ_k are uniform on their simplex, θ on [0, 1)ᵈ; `linear_features`
    returns them, in mdpkit.gallery.seeded.

    S, A   states and actions    d   features, at most 1024    seed   whole number ≥ 0
    """
    S, A, d = whole(S, "S", 1, 1 << 16), whole(A, "A", 1), whole(d, "d", 1, 1 << 10)
    require_memory(8 * S * A * (S + d + 4), f"a linear MDP of {S} states and {A} actions")
    phi, mu, theta = linear_features(S, A, d, whole(seed, "seed"))
    return MDP(phi @ mu, phi @ theta, gamma)
