"""Bregman divergences on the simplex, and the one update of mirror ascent.

    π⁺ = argmax_p ⟨x, p⟩ − D_h(p, π),     D_h(p, π) = h(p) − h(π) − ⟨∇h(π), p − π⟩

    Euclidean        h = ½ Σ p²                      π⁺ = Proj(π + x)
    NegativeEntropy  h = Σ p log p                   π⁺ ∝ π eˣ,  D = KL(p‖π)
    Tsallis(q)       h = Σ (p^q − p)/(q(q−1))        q = 2 is Euclidean, q → 1 the entropy

Three points: ⟨x, p − π⁺⟩ ≤ D(p, π) − D(p, π⁺) − D(π⁺, π), with equality for the entropy.
A policy is kept in the coordinates its divergence needs: log π for the entropy, which knows
probabilities smaller than any float; π for the others. Adding a number to all of x(s,·) changes
nothing. Checked in tests/improve/test_divergences.py.
Source: Bregman (1967); Beck & Teboulle (2003); Tsallis (1988).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mdpkit._array import kind
from mdpkit.improve._roots import decreasing_root
from mdpkit.mdp import MDP
from mdpkit.operators.projection import log_softmax, simplex_projection, softmax_policy


class Divergence(Protocol):
    """What mirror ascent asks of a divergence; arrays are in pair layout, D is (S,)."""

    @property
    def exact(self) -> bool:
        """Whether it works on exact rationals."""
        ...

    def coordinates(self, mdp: MDP, policy: np.ndarray) -> np.ndarray:
        """The policy as this divergence keeps it."""
        ...

    def ascend(self, mdp: MDP, at: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """π⁺ and its coordinates; at: those of π."""
        ...

    def between(self, mdp: MDP, p: np.ndarray, at: np.ndarray) -> np.ndarray:
        """D(p, π) of each state, (S,) ≥ 0; at: coordinates of π."""
        ...


@dataclass(frozen=True)
class Euclidean:
    """½‖p − π‖₂²; a finite step reaches the greedy policy."""

    exact = True

    def coordinates(self, mdp: MDP, policy: np.ndarray) -> np.ndarray:
        """π itself."""
        return policy

    def ascend(self, mdp: MDP, at: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Proj(π + x), twice."""
        policy = simplex_projection(mdp, at + x)
        return policy, policy

    def between(self, mdp: MDP, p: np.ndarray, at: np.ndarray) -> np.ndarray:
        """½‖p − π‖₂²."""
        return sums(mdp, (p - at) ** 2) / 2


@dataclass(frozen=True)
class NegativeEntropy:
    """KL(p‖π); every action keeps some probability for ever."""

    exact = False

    def coordinates(self, mdp: MDP, policy: np.ndarray) -> np.ndarray:
        """Log π. Raises ValueError where an action has no probability."""
        return np.log(supported(mdp, policy))

    def ascend(self, mdp: MDP, at: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """π eˣ / Σ π eˣ, and its logarithm."""
        logits = at + x
        return softmax_policy(mdp, logits), log_softmax(mdp, logits)

    def between(self, mdp: MDP, p: np.ndarray, at: np.ndarray) -> np.ndarray:
        """KL(p‖π)."""
        log = np.log(p, where=p > 0, out=np.zeros(p.shape))
        with np.errstate(invalid="ignore"):  # what is nowhere taken may be −∞ times 0
            terms = np.where(p > 0, p * (log - at), 0.0)
        return np.maximum(sums(mdp, terms), 0.0)


@dataclass(frozen=True)
class Tsallis:
    """Σ [p^q − π^q − qπ^{q−1}(p − π)] / (q(q−1)), order q ≥ 0, q ≠ 1.

    For q ≤ 1 every action keeps some probability; for q > 1 a large step can end that.
    """

    order: float = 0.5
    exact = False

    def __post_init__(self):
        if not 0 <= self.order < np.inf or self.order == 1:
            raise ValueError(
                f"order must be ≥ 0 and not 1; it is {self.order}. "
                "At order 1 use NegativeEntropy()."
            )

    def coordinates(self, mdp: MDP, policy: np.ndarray) -> np.ndarray:
        """π. Raises ValueError where an action has no probability and q < 1."""
        return supported(mdp, policy) if self.order < 1 else policy

    def ascend(self, mdp: MDP, at: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """π⁺ with ∇h(π⁺) = ∇h(π) + x − λ, λ by bisection; twice."""
        power = float(self.order) - 1
        with np.errstate(divide="ignore"):
            slope = (at**power + power * x).reshape(-1)  # (q − 1)∇h, up to a constant
        counts, first = np.diff(mdp.action_ptr), mdp.action_ptr[:-1]
        sign = 1.0 if power > 0 else -1.0
        below = np.repeat(np.maximum.reduceat(sign * slope, first), counts) - sign * slope

        def weight(level: np.ndarray) -> np.ndarray:
            base = np.repeat(level, counts) - sign * below
            return np.maximum(base, 0.0) ** (1 / power)

        # At level 1 the likeliest action has all there is; at n^(1−q) they share it at most.
        even, one = counts ** (-power), np.ones(mdp.n_states)
        policy = weight(
            decreasing_root(
                lambda level: sign * (1 - np.add.reduceat(weight(level), first)),
                np.minimum(even, one),
                np.maximum(even, one),
            )
        )
        total = np.repeat(np.add.reduceat(policy, first), counts)
        policy = (policy / total).reshape(mdp.pair_shape)
        return policy, policy

    def between(self, mdp: MDP, p: np.ndarray, at: np.ndarray) -> np.ndarray:
        """D(p, π); +∞ where the barrier says so."""
        q = self.order
        with np.errstate(divide="ignore", invalid="ignore"):
            if q == 0:
                terms = p / at - np.log(p / at) - 1
            else:
                terms = (p**q - at**q - q * at ** (q - 1) * (p - at)) / (q * (q - 1))
        same = np.where(p == at, 0.0, terms)
        return np.maximum(sums(mdp, same), 0.0)


def sums(mdp: MDP, x: Any) -> np.ndarray:
    """Σ_a x(s,a), (S,). x : pair layout."""
    return np.add.reduceat(np.asarray(x).reshape(-1), mdp.action_ptr[:-1])


def each(mdp: MDP, x: Any) -> np.ndarray:
    """x(s), (S,), on every pair of s, in pair layout."""
    return np.repeat(x, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)


def supported(mdp: MDP, policy: np.ndarray) -> np.ndarray:
    """The policy, if it takes every action with some probability; else ValueError."""
    if kind(policy) == "exact" or not (policy > 0).all():
        pair = int(np.argmin(np.asarray(policy).reshape(-1) > 0))
        s, a = mdp.place(pair)
        raise ValueError(
            f"policy[{s}, {a}] is {policy.reshape(-1)[pair]}: in floats > 0 is needed, since "
            "an action without probability would never get any."
        )
    return policy
