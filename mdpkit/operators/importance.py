"""Importance sampling: what a distribution expects, from samples of another.

    E_p f = E_q[f p/q]                          if q > 0 wherever f p ≠ 0
    q* = |f| p / E_p|f|                         least Var_q(f p/q) = (E_p|f|)² − (E_p f)²
    self-normalized   Σ w f / Σ w, w = p/q      consistent, biased; needs p, q up to a factor
    ESS = (Σ w)² / Σ w² ∈ [1, n]                how many equal weights would tell as much
    paths             Π_t ρ_t,  ρ = π(a|s)/b(a|s),  E_b[Π_{t<T} ρ_t²] = (M^T 1)(s)
                      M(s,t) = Σ_a π²/b P(t|s,a), which grows as its spectral radius

Weights are made in logarithms, the largest subtracted before any exponential: products of
hundreds of ratios neither overflow nor vanish together.
Checked in tests/operators/test_importance.py. Source: Owen (2013), chapter 9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mdpkit._device import require_cpu
from mdpkit._rows import multiply
from mdpkit.errors import ModelError
from mdpkit.mdp import MDP
from mdpkit.operators.occupancy import initial
from mdpkit.policy import probabilities


class Estimate(NamedTuple):
    """A mean with what is known of its error.

    standard_error   of the mean, to first order in 1/n where weights are normalized
    effective_size   how many equal weights would tell as much
    """

    mean: float
    standard_error: float
    effective_size: float


# ---- any two distributions -------------------------------------------------------------------


def importance_weights(
    scores: Any, log_q: Any, *, tau: float = 1.0, counts: Any = None
) -> np.ndarray:
    """w ∝ e^{score/τ}/q, (n,) ≥ 0 summing to 1. scores : log p up to a constant, times τ.

    log_q : log-density of the sampler, up to a constant; counts : how often each stands for a
    draw of q (its probability, where all are listed); None is once each. Raises ValueError
    where q gave a sample that it cannot give.
    """
    log_w = np.asarray(scores, dtype=float) / tau - np.asarray(log_q, dtype=float)
    if counts is not None:
        with np.errstate(divide="ignore"):
            log_w = log_w + np.log(np.asarray(counts, dtype=float))
    top = log_w.max()
    if not np.isfinite(top):
        raise ValueError(
            "a sample has density 0 under the sampler it came from, or none has any weight."
        )
    w = np.exp(log_w - top)
    return w / w.sum()


def effective_sample_size(weights: Any) -> float:
    """1/Σ w̃², in [1, n]: how many equal weights would tell as much."""
    weights = np.asarray(weights, dtype=float)
    return float(weights.sum() ** 2 / (weights**2).sum())


def importance_mean(f: Any, log_p: Any, log_q: Any, *, normalize: bool = False) -> Estimate:
    """E_p f from n ≥ 2 samples of q. f, log_p, log_q : (n,), at the samples.

    With `normalize` the densities may lack a factor, and the estimate is biased by O(1/n);
    without it is unbiased. log_p may be −∞, where p is 0.
    """
    f, log_q = np.asarray(f, dtype=float), np.asarray(log_q, dtype=float)
    n = f.size
    if n < 2:
        raise ValueError(f"{n} samples have no standard error; pass at least 2.")
    shares = importance_weights(log_p, log_q)
    size = effective_sample_size(shares)
    if normalize:
        mean = shares @ f
        return Estimate(mean, float(np.sqrt(shares**2 @ (f - mean) ** 2)), size)
    terms = np.exp(np.asarray(log_p, dtype=float) - log_q) * f
    return Estimate(terms.mean(), float(terms.std(ddof=1) / np.sqrt(n)), size)


def optimal_proposal(p: Any, f: Any) -> np.ndarray:
    """q* = |f| p / E_p|f|, (n,); p itself where f p is 0 throughout. p, f : (n,)."""
    mass = abs(np.asarray(f)) * p
    total = mass.sum()
    return np.asarray(p) if total == 0 else mass / total


def proposal_variance(p: Any, f: Any, q: Any) -> Any:
    """Var_q(f p/q), of one sample; exact on exact numbers. p, f, q : (n,).

    Raises ModelError where q is 0 and f p is not: that part of E_p f is never seen.
    """
    terms = np.asarray(f) * p
    unseen = np.flatnonzero((np.asarray(q) == 0) & (terms != 0))
    if unseen.size:
        raise ModelError(
            f"q[{unseen[0]}] is 0 where f p is {terms[unseen[0]]}. Use a wider proposal.",
            index=int(unseen[0]),
        )
    seen = np.asarray(q) != 0
    return (terms[seen] ** 2 / np.asarray(q)[seen]).sum() - terms.sum() ** 2


# ---- policies --------------------------------------------------------------------------------


def pair_ratios(pi: Any, b: Any, place: Callable[[int], tuple[int, int]]) -> np.ndarray:
    """ρ = π(a|s)/b(a|s), (pairs,); 0 where both are. pi, b : (pairs,); place : pair → (s, a).

    Raises ModelError naming the pair where the behavior never does what the target may do.
    """
    bad = np.flatnonzero((b == 0) & (pi != 0))
    if bad.size:
        s, a = place(int(bad[0]))
        raise ModelError(
            f"behavior[{s}, {a}] is 0 where the target is {pi[bad[0]]} ({bad.size} such "
            "pairs). Use a behavior that takes every action the target takes.",
            s=s,
            a=a,
        )
    return np.where(b != 0, pi, 0 * pi) / np.where(b != 0, b, 0 * b + 1)


def squared_ratio_rows(mdp: MDP, target: Any, behavior: Any) -> np.ndarray:
    """π²/b of each pair, (pairs,): what a step multiplies the second moment of Π ρ by."""
    require_cpu(mdp, "importance sampling")
    pi, b = (probabilities(mdp, x).reshape(-1) for x in (target, behavior))
    return pi * pair_ratios(pi, b, mdp.place)


def ratio_second_moment(
    mdp: MDP, target: Any, behavior: Any, horizon: int, start: Any = None
) -> Any:
    """E_b[Π_{t<T} ρ_t²], T = horizon; steps after the end of an episode count 1.

    Exact on exact models. target, behavior : (S,) int or pair layout; start : (S,), the
    model's own if None. It is 1 + the variance of Π ρ, whose mean is 1.
    """
    if horizon < 0:
        raise ValueError(f"horizon must be ≥ 0; it is {horizon}.")
    weight, stop = squared_ratio_rows(mdp, target, behavior), mdp.stop.reshape(-1)
    m = np.full(mdp.n_states, mdp.gamma * 0 + 1)
    for _ in range(horizon):
        m = np.add.reduceat(weight * (multiply(mdp.rows, m) + stop), mdp.action_ptr[:-1])
    return initial(mdp, start) @ m


def ratio_growth(mdp: MDP, target: Any, behavior: Any) -> float:
    """log ρ(M), M(s,t) = Σ_a π²/b P(t|s,a): how fast E_b[Π ρ²] grows with the horizon.

    The growth from the worst first state; above 0 the variance of Π ρ is unbounded.
    """
    weight = np.asarray(squared_ratio_rows(mdp, target, behavior), dtype=float)
    rows = np.asarray(mdp.P.toarray() if mdp.is_sparse else mdp.rows, dtype=float)
    M = np.add.reduceat(weight[:, None] * rows, mdp.action_ptr[:-1], axis=0)
    radius = float(abs(np.linalg.eigvals(M)).max())
    return float(np.log(radius)) if radius > 0 else -np.inf
