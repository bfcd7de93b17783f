"""Words of the claims on linear value functions: features, weighted norms, small examples.

Features        Φ (S, K) with independent columns: a unit matrix above anything, which spans
                whatever Φ does whose first K rows are independent
squares(x, d)   ‖x‖_D² = Σ d x²
diagonal(x)     diag x, in x's numbers
two_weights()   v = (w, 2w): s1 and s2 lead to s2; off its frequencies A < 0 for γ > 5/6
reversible(W)   P(s,t) = W(s,t)/Σ_t W(s,t) of a symmetric W, and its frequencies d
rotating(W)     around a ring of as many states, d uniform: not reversible
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, NamedTuple

import numpy as np

from mdpkit._array import read_only, sup
from mdpkit.claim import Draw, action_values, models
from mdpkit.errors import SingularError
from mdpkit.mdp import MDP
from mdpkit.operators.linear import Chain, System, scaled, solution
from proofs_checks.instances import ending, exactly, model

Ergodic = Annotated[MDP, models(ergodic=True)]
"""Every pair's row mixes in a tenth of the uniform distribution: frequencies are positive."""


def features(draw: Draw, _: Mapping[str, Any]) -> np.ndarray:
    """Φ (S, K), 1 ≤ K ≤ min(S, 2), of full rank."""
    n = draw.size("s", 1, 4)
    K = min(n, draw.size("k", 1, 2))
    drawn = np.array(draw.numbers("sk"))[:, :K]
    for i in range(K):
        for k in range(K):
            drawn[i, k] = drawn[i, k] * 0 + int(i == k)
    return read_only(drawn)


def weighting(draw: Draw, _: Mapping[str, Any]) -> np.ndarray:
    """Symmetric W > 0 (S, S)."""
    n = draw.size("s", 1, 4)
    drawn = draw.weights("st")[:n, :n]
    return read_only(drawn + drawn.T + (drawn[0, 0] * 0 + 1) / 10)


Features = Annotated[Any, features]
Weighting = Annotated[Any, weighting]


def squares(x: Any, d: Any) -> Any:
    """‖x‖_D²."""
    return (d * x * x).sum()


def diagonal(x: Any) -> np.ndarray:
    """diag x, (n, n), exact where x is."""
    out = np.array([[y * 0 for y in x] for _ in x])
    out[np.arange(len(x)), np.arange(len(x))] = x
    return out


class Walk(NamedTuple):
    """P (S, S) and d (S,), d P = d."""

    P: np.ndarray
    d: np.ndarray


def reversible(W: Any) -> Walk:
    """Detailed balance: d(s) P(s,t) = W(s,t)/Σ W = d(t) P(t,s)."""
    total = W.sum(axis=1)
    return Walk(W / total[:, None], total / total.sum())


def rotating(W: Any) -> Walk:
    """From each state to the next, the last to the first."""
    n, one = len(W), W[0, 0] * 0 + 1
    P = np.array([[one * int(t == (s + 1) % n) for t in range(n)] for s in range(n)])
    return Walk(P, np.array([one / n for _ in range(n)]))


def chain_of(walk: Any) -> Chain:
    """The walk (P, d), in which nothing pays."""
    P, d = walk
    return Chain(P, 0 * d)


def two_weights(gamma: Any = "9/10") -> tuple[MDP, np.ndarray]:
    """The model and Φ = (1, 2)ᵀ; nothing pays."""
    mdp = model([[[0, 1]], [[0, 1]]], [[0], [0]], gamma)
    return mdp, exactly([[1], [2]])


def mixing_two_weights(gamma: Any = "99/100") -> tuple[MDP, np.ndarray]:
    """The same, but that one step in ten leads back to s1: every state is met again."""
    mdp = model([[["1/10", "9/10"]], [["1/10", "9/10"]]], [[0], [0]], gamma)
    return mdp, exactly([[1], [2]])


def uniformly(mdp: MDP, pi: Any) -> np.ndarray:
    """d uniform, whatever the policy: data that are not its own."""
    one = mdp.gamma * 0 + 1
    return np.array([one / mdp.n_states for _ in range(mdp.n_states)])


def pair_features(draw: Draw, earlier: Mapping[str, Any]) -> np.ndarray:
    """Φ (pairs, K), 1 ≤ K ≤ min(pairs, 2), of full rank, for the model drawn before."""
    mdp = earlier["mdp"]
    K = min(mdp.n_pairs, draw.size("k", 1, 2))
    table = draw.numbers("sak")[mdp.pair_states, mdp.pair_actions]
    drawn = np.array(table)[:, :K]
    for i in range(K):
        for k in range(K):
            drawn[i, k] = drawn[i, k] * 0 + int(i == k)
    return read_only(drawn)


def weights(draw: Draw, earlier: Mapping[str, Any]) -> np.ndarray:
    """w (K,) for the features drawn before."""
    return read_only(draw.numbers("k")[: earlier["phi"].shape[1]])


def descending_models(draw: Draw, earlier: Mapping[str, Any]) -> MDP:
    """Models of at most 3 states that only go down, or end."""
    mdp = models((1, 3), (1, 2), discount=(0, 1))(draw, earlier)
    down = np.arange(mdp.n_states) < mdp.pair_states[:, None]
    rows = np.asarray(mdp.rows)
    return ending(mdp, np.where(down, rows, 0 * rows), mdp.gamma)


PairFeatures = Annotated[Any, pair_features]
Weights = Annotated[Any, weights]


def well_posed(system: System) -> bool:
    """Whether A is regular; on floats, of a condition below 1e8 once it is scaled."""
    if system.A.dtype != np.dtype(object):
        return bool(np.linalg.cond(scaled(system.A)) < 1e8)
    try:
        solution(system)
    except SingularError:
        return False
    return True


def lost(mdp, w):
    """1e-6 relative on floats: the condition may reach 1e8."""
    return 0 if mdp.is_exact else 1e-6 * (1 + float(sup(w)))


Seen = Annotated[Any, action_values(low=Fraction(1, 10), high=1)]
"""How often each pair was seen."""
