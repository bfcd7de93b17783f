"""The theorems that bound a run at every step: the measured error and its bound, side by side.

    sublinear     V* − V^k ≤ (D_0H/α + RH²)/(k+1)                    mirror ascent, constant α
    geometric     J* − J_k ≤ (1−1/ϑ)ᵏ (δ_0 + H D_0/(α_0(ϑ−1)))       α_{k+1} = ϱ α_k
    adaptive      ‖V* − V^k‖∞ ≤ γᵏ (‖V* − V^0‖∞ + cγH)               α_k ≥ D_k/(γ^{2(k+1)}c)
    projected     J* − J_k ≤ max(32 S L C², δ_0)/k                   C = H‖d*/μ‖∞, α = 1/L
    softmax       1/(J* − J_k) ≥ 1/δ_0 + c²/(SC²) Σ (η − Lη²/2)      c = min_k,s π_k(a*(s)|s)
    entropic      J*_τ − J_k ≤ δ_0 Π (1 − (η − Lη²/2) 2τc²/(C‖1/μ‖∞))    c = min_k,s,a π_k(a|s)
    conservative  1/(J* − J_k) ≥ 1/δ_0 + k/(8RH³C²)
    regularized   ‖Q*_τ − Q^{k+1}‖∞ ≤ C_1 γ (1−ητ)ᵏ

H = 1/(1−γ), δ_0 the first error, R = max r − min r (with 0 among the rewards if episodes stop):
a constant added to all rewards changes no policy's error, a factor R is a factor of the errors
and of L. D_0 is the divergence of an optimal policy from the first one, at its worst state for
`sublinear`, under d* for `geometric`. c is measured over the run. Checked in tests/improve.
Source: Agarwal et al. (2021); Xiao (2022); Johnson, Pike-Burke & Rebeschini (2023); Mei et al.
(2020); Kakade & Langford (2002); Cen et al. (2022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import number, sup
from mdpkit._exact import fraction
from mdpkit.improve._iterates import State
from mdpkit.improve.divergences import Divergence, sums
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values, greedy
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.projection import log_softmax
from mdpkit.policy import as_pairs, probabilities

VALUES = "‖v_k − v*‖∞"
START = "J* − J_k"
PAIRS = "‖q_k − q*_τ‖∞"


class Bounded(NamedTuple):
    """A run held against its theorem.

    quantity  what is measured, in symbols
    errors    its value at each iterate, from k = 0 on; units: reward
    bounds    what the theorem allows there
    """

    quantity: str
    errors: np.ndarray
    bounds: np.ndarray


# ---- what the theorems are made of -----------------------------------------------------------


def require_floats(mdp: MDP) -> None:
    """Raise TypeError on an exact model: the constants of the theorems are floats."""
    if mdp.is_exact:
        raise TypeError("bounds are computed in floats: run the method on mdp.rounded().")


def reward_range(mdp: MDP) -> Any:
    """R = max r − min r, 0 among the rewards where episodes may stop: values differ by ≤ RH."""
    r = mdp.r.reshape(-1)
    high, low = r.max(), r.min()
    if mdp.stops:
        high, low = max(high, 0 * high), min(low, 0 * low)
    return high - low


def direct_smoothness(mdp: MDP) -> float:
    """L = 2γ|A|H³R: ‖∇J(π) − ∇J(π')‖₂ ≤ L‖π − π'‖₂; at γ = 0, where it is 0, R serves."""
    R, gamma = number(reward_range(mdp)) or 1.0, number(mdp.gamma)
    return 2 * gamma * mdp.n_actions * R / (1 - gamma) ** 3 or R


def softmax_smoothness(mdp: MDP, tau: float = 0.0) -> float:
    """L = (8R + τ(4 + 8 log|A|))H³, of J_τ in the logits."""
    R = number(reward_range(mdp))
    entropy = tau * (4 + 8 * float(np.log(mdp.n_actions)))
    return ((8 * R + entropy) or 1.0) / (1 - number(mdp.gamma)) ** 3


def mismatch(mdp: MDP, best: Any, mu: np.ndarray) -> float:
    """‖d^{π*}_μ/μ‖∞ ≥ 1; ∞ where μ misses a state that an optimal policy visits."""
    d = occupancy(mdp, best, mu)
    seen = d > 0
    with np.errstate(divide="ignore"):
        return float((d[seen] / mu[seen]).max())


def _values(states: Sequence[State], v: np.ndarray) -> np.ndarray:
    return np.array([np.abs(v - state.v).max() for state in states])


def _starts(states: Sequence[State], v: np.ndarray, mu: np.ndarray) -> np.ndarray:
    return np.array([mu @ (v - state.v) for state in states])


def _reciprocal(first: float, gained: np.ndarray) -> np.ndarray:
    """1/(1/δ_0 + Σ gained), (n + 1,), of the gains at steps 1 … n."""
    total = np.concatenate([[0.0], np.cumsum(gained)])
    return first / (1 + first * total) if first > 0 else np.zeros(total.size)


# ---- mirror ascent ---------------------------------------------------------------------------


def sublinear(
    mdp: MDP, states: Sequence[State], v: np.ndarray, divergence: Divergence, alpha: float
) -> Bounded:
    """A constant size α, at every state: (D_0H/α + RH²)/(k + 1). Agarwal et al., Theorem 16."""
    H, k = 1 / (1 - mdp.gamma), np.arange(len(states))
    best = probabilities(mdp, greedy(mdp, v))
    distance = divergence.between(mdp, best, states[0].coordinates).max()
    bounds = (distance * H / alpha + reward_range(mdp) * H**2) / (k + 1)
    return Bounded(VALUES, _values(states, v), bounds)


def geometric(
    mdp: MDP,
    states: Sequence[State],
    v: np.ndarray,
    divergence: Divergence,
    first: float,
    ratio: float,
) -> Bounded:
    """Sizes α_0 ϱᵏ, under the uniform μ: (1−1/ϑ)ᵏ (δ_0 + H E_{d*}D(π*, π_0)/(α_0(ϑ−1))).

    ϑ is H‖d*/μ‖∞ or ϱ/(ϱ−1), whichever is larger: the theorem asks for α_{k+1}/α_k ≥ ϑ/(ϑ−1).
    Xiao (2022), Theorem 10, whose normalization of D_0 lacks the factor H.
    """
    H, mu = 1 / (1 - mdp.gamma), np.full(mdp.n_states, 1 / mdp.n_states)
    best = greedy(mdp, v)
    theta = max(H * mismatch(mdp, best, mu), ratio / (ratio - 1))
    apart = divergence.between(mdp, probabilities(mdp, best), states[0].coordinates)
    distance = float(occupancy(mdp, best, mu) @ apart)
    errors, k = _starts(states, v, mu), np.arange(len(states))
    if theta <= 1:  # γ = 0: the first step leaves what D_0 costs, the second, α = ∞, nothing
        bounds = np.where(k == 0, errors[0], np.where(k == 1, H * distance / first, 0.0))
        return Bounded(START, errors, bounds)
    bounds = (1 - 1 / theta) ** k * (errors[0] + H * distance / (first * (theta - 1)))
    return Bounded(START, errors, bounds)


def adaptive(mdp: MDP, states: Sequence[State], v: np.ndarray, c: float) -> Bounded:
    """Sizes that follow the greedy policy: γᵏ (‖V* − V^0‖∞ + cγH), the rate of PI."""
    errors, gamma = _values(states, v), number(mdp.gamma)
    bounds = gamma ** np.arange(len(states)) * (errors[0] + c * gamma / (1 - gamma))
    return Bounded(VALUES, errors, bounds)


def regularized(
    mdp: MDP, states: Sequence[State], v: np.ndarray, tau: float, eta: float
) -> Bounded:
    """NPG with entropy: ‖Q*_τ − Q^{k+1}‖∞ ≤ C_1 γ(1−ητ)ᵏ. Cen et al. (2022), Theorem 1.

    C_1 = ‖Q*_τ − Q^0‖∞ + 2τ(1 − ητH) ‖log π*_τ − log π_0‖∞; v : (S,) v*_τ.
    """
    q = action_values(mdp, v)
    errors = np.array([float(sup(q - state.q)) for state in states])
    apart = float(sup(log_softmax(mdp, q / tau) - states[0].coordinates))
    first = errors[0] + 2 * tau * (1 - eta * tau / (1 - mdp.gamma)) * apart
    k = np.arange(len(states) - 1)
    later = first * mdp.gamma * max(1 - eta * tau, 0.0) ** k
    return Bounded(PAIRS, errors, np.concatenate([errors[:1], later]))


# ---- gradients -------------------------------------------------------------------------------


def projected(
    mdp: MDP, states: Sequence[State], v: np.ndarray, mu: np.ndarray, alpha: float
) -> Bounded:
    """Projected gradient, α ≤ 1/L: max(32 S C²/α, δ_0)/k and ≤ δ_0, C = H‖d*/μ‖∞.

    δ_{k+1} ≤ 2C√(2S)‖G_k‖ and δ_k − δ_{k+1} ≥ (α/2)‖G_k‖² for G_k = (π_{k+1} − π_k)/α.
    """
    errors, C = _starts(states, v, mu), mismatch(mdp, greedy(mdp, v), mu) / (1 - mdp.gamma)
    k = np.arange(1, len(states))
    later = np.minimum(max(32 * mdp.n_states * C**2 / alpha, errors[0]) / k, errors[0])
    return Bounded(START, errors, np.concatenate([errors[:1], later]))


def softmax(
    mdp: MDP, states: Sequence[State], v: np.ndarray, mu: np.ndarray, gains: np.ndarray
) -> Bounded:
    """Softmax gradient: 1/δ_k ≥ 1/δ_0 + c²/(SC²) Σ_{i<k} gains_i, C = H‖d*/μ‖∞.

    gains : (n,) what each step gained for sure, over ‖∇J‖². As ‖∇J‖ ≥ c δ/(√S C), δ falls by
    gains · c²δ²/(SC²) at least. Of several optimal actions the one with the largest c serves.
    """
    errors = _starts(states, v, mu)
    C = mismatch(mdp, greedy(mdp, v), mu) / (1 - mdp.gamma)
    least = np.min([state.policy.reshape(-1) for state in states], axis=0)
    q = action_values(mdp, v).reshape(-1)
    near = q >= np.repeat(np.maximum.reduceat(q, mdp.action_ptr[:-1]), np.diff(mdp.action_ptr))
    near[as_pairs(mdp, greedy(mdp, v))] = True
    c = np.maximum.reduceat(np.where(near, least, 0.0), mdp.action_ptr[:-1]).min()
    return Bounded(START, errors, _reciprocal(errors[0], c**2 / (mdp.n_states * C**2) * gains))


def entropic(
    mdp: MDP,
    states: Sequence[State],
    v: np.ndarray,
    mu: np.ndarray,
    gains: np.ndarray,
    tau: float,
) -> Bounded:
    """Softmax gradient with entropy: δ_k ≤ δ_0 Π (1 − gains_i · 2τc²/(C‖1/μ‖∞)); v : v*_τ.

    δ ≤ H E_{d*} τ log E_π e^{A_τ/τ} ≤ H Σ_s d*(s) max_a A_τ²/(2τ), and ∂J_τ/∂θ = H d π A_τ.
    """
    errors, q = _starts(states, v, mu), action_values(mdp, v)
    best = np.exp(log_softmax(mdp, q / tau))
    C = mismatch(mdp, best, mu) / (1 - mdp.gamma)
    c = min(float(state.policy.min()) for state in states)
    with np.errstate(divide="ignore"):
        share = 2 * tau * c**2 / (C * float((1 / mu).max()))
    kept = np.concatenate([[1.0], np.cumprod(np.maximum(1 - share * gains, 0.0))])
    return Bounded(START, errors, errors[0] * kept)


def conservative(mdp: MDP, states: Sequence[State], v: np.ndarray, mu: np.ndarray) -> Bounded:
    """Conservative policy iteration: 1/δ_k ≥ 1/δ_0 + k/(8RH³C²), C = H‖d*/μ‖∞.

    A step gains 𝔸²/(8ε') at least, ε' ≤ RH, and δ ≤ H C 𝔸.
    """
    errors = _starts(states, v, mu)
    H, C = 1 / (1 - mdp.gamma), mismatch(mdp, greedy(mdp, v), mu) / (1 - mdp.gamma)
    R = reward_range(mdp) or 1.0
    gained = np.full(len(states) - 1, 1 / (8 * R * H * (H * C) ** 2))
    return Bounded(START, errors, _reciprocal(errors[0], gained))


def finite_termination(mdp: MDP, v: np.ndarray, alpha: Any, distance: Any) -> Any:
    """⌈(D_0H/α + RH²)(2 + αγΔ)/(αΔ²)⌉: steps after which projected Q-ascent is optimal.

    Δ = min_s (max q* − the best q* that is less), ∞ where every action is optimal; v : (S,) v*,
    exact on exact models; distance: D_0, ½(1 − 1/|A|) from the uniform policy. Once ‖V* − V^k‖∞
    ≤ αΔ²/(2 + αγΔ) the next policy is supported on optimal actions. Returns an int.
    """
    delta = action_gap(mdp, v)
    if delta is None:
        return 0
    H = 1 / (1 - mdp.gamma)
    needed = (distance * H / alpha + reward_range(mdp) * H**2) * (2 + alpha * mdp.gamma * delta)
    return math.ceil(fraction(needed / (alpha * delta**2)))


def action_gap(mdp: MDP, v: np.ndarray, slack: Any = 0) -> Any:
    """Δ = min_s (max_a q* − the largest q* below it by more than slack), None if there is none.

    v : (S,) v*; exact on exact models.
    """
    q = action_values(mdp, v).reshape(-1)
    top = np.repeat(np.maximum.reduceat(q, mdp.action_ptr[:-1]), np.diff(mdp.action_ptr))
    missing = (top - q)[top - q > slack]
    return missing.min() if missing.size else None


def optimal_mass(mdp: MDP, v: np.ndarray, policy: np.ndarray, slack: Any = 0) -> np.ndarray:
    """Σ π(a|s) over the optimal actions, (S,); v : (S,) v*, policy : pair layout."""
    q = action_values(mdp, v).reshape(-1)
    top = np.repeat(np.maximum.reduceat(q, mdp.action_ptr[:-1]), np.diff(mdp.action_ptr))
    flat = np.asarray(policy).reshape(-1)
    return sums(mdp, np.where(q >= top - slack, flat, 0 * flat))
