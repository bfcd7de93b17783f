"""Proximal policy optimization with exact quantities, each surrogate maximized to the end.

    clip     max_{π'} E_{d,π} min(ρA, clip(ρ, 1−ε, 1+ε)A),    ρ = π'/π
    penalty  max_{π'} E_{d,π'} A − β E_d KL(π‖π')     π' = βπ/(λ_s − A), λ_s > max A, Σ π' = 1
             … − β E_d KL(π'‖π) ("reverse")           π' ∝ π e^{A/β}: exponentiated Q-ascent

All three separate into states, so the visits d cancel. The clipped surrogate has many
maximizers; the one taken changes the odds as little as it can:

    ρ = max(c, 1+ε) where A > 0,   c where A = 0,   min(c, 1−ε) where A < 0,     Σ_a π ρ = 1

and if even c = 0 leaves too much, the worst of A > 0 give way. An action may so lose all its
probability, and then never returns: exact maximization can end at a policy that is not optimal.
The KL of the penalty is the divergence *from* the old policy, E_{s~d} KL(π_old‖π_new).
Checked in tests/improve/test_proximal.py. Source: Schulman et al. (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit._array import TINY
from mdpkit.improve import _iterates as shared
from mdpkit.improve import mirror_ascent, rates
from mdpkit.improve._iterates import State
from mdpkit.improve._roots import decreasing_root
from mdpkit.improve.divergences import Euclidean, NegativeEntropy
from mdpkit.improve.step_sizes import positive
from mdpkit.mdp import MDP
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.projection import log_softmax

DIRECTIONS = ("forward", "reverse")


@dataclass(frozen=True, eq=False)
class ProximalClip:
    """PPO-clip.

    epsilon  ε in (0, 1)          policy   the first one; uniform if None
    """

    epsilon: float = 0.2
    policy: Any = None
    key = "ppo-clip"
    gap, certify, floor = shared.gap, shared.certify, shared.floor
    verdict = shared.verdict

    def __post_init__(self):
        if not 0 < self.epsilon < 1:
            raise ValueError(f"epsilon must lie in (0, 1); it is {self.epsilon}.")

    def init(self, mdp: MDP, start: Any = None) -> State:
        """The first policy. Raises ModelError at γ = 1, ValueError if `start` is given."""
        shared.ready(mdp, start)
        return mirror_ascent.begun(mdp, Euclidean(), self.policy, start)

    def step(self, mdp: MDP, state: State) -> State:
        """One maximization of the clipped surrogate, and the new policy's evaluation."""
        advantage = shared.advantages(mdp, state)
        # What rounding alone can make of A = 0.
        noise = 4 * mdp.n_actions * np.finfo(float).eps * float(np.abs(state.q).max())
        advantage = np.where(np.abs(advantage) <= noise, 0.0, advantage)
        policy = clipped_step(mdp, state.policy, advantage, self.epsilon)
        return shared.advanced(mdp, state, policy, policy, step_size=self.epsilon)

    def bounds(self, mdp: MDP, states: Sequence[State], v: np.ndarray) -> rates.Bounded | None:
        """None: no theorem bounds the error of each iterate."""
        return None


@dataclass(frozen=True, eq=False)
class ProximalPenalty:
    """PPO with a KL penalty.

    beta       β > 0, in units of reward; of the first step where `target` is given
    target     E_d KL to keep near: β doubles above 1.5 target and halves below target/1.5
    direction  "forward", KL(π_old‖π_new), or "reverse", KL(π_new‖π_old)
    start      (S,) distribution μ that E_d begins at; every state alike if None
    policy     the first one, which takes every action; uniform if None
    """

    beta: float = 1.0
    target: float | None = None
    direction: str = "forward"
    start: Any = None
    policy: Any = None
    key = "ppo-kl"
    gap, certify, floor = shared.gap, shared.certify, shared.floor
    verdict = shared.verdict

    def __post_init__(self):
        positive(self.beta, "beta")
        if self.target is not None:
            positive(self.target, "target")
        if self.direction not in DIRECTIONS:
            raise ValueError(
                f"direction must be one of {DIRECTIONS}; it is {self.direction!r}."
            )

    def init(self, mdp: MDP, start: Any = None) -> State:
        """The first policy. Raises ModelError at γ = 1, ValueError if `start` is given."""
        first = mirror_ascent.begun(mdp, NegativeEntropy(), self.policy, start)
        return first._replace(step_size=1 / self.beta)

    def step(self, mdp: MDP, state: State) -> State:
        """One maximization at the present β, the new policy's evaluation, and the next β."""
        beta, advantage = 1 / state.step_size, shared.advantages(mdp, state)
        if self.direction == "forward":
            policy, at = forward_step(mdp, state.coordinates, advantage, beta)
        else:
            policy, at = NegativeEntropy().ascend(mdp, state.coordinates, advantage / beta)
        if self.target is not None:
            d = occupancy(mdp, state.policy, shared.covering(mdp, self.start))
            forward = self.direction == "forward"
            pair = (state.policy, at) if forward else (policy, state.coordinates)
            moved = d @ NegativeEntropy().between(mdp, *pair)
            beta *= 2 if moved > 1.5 * self.target else 0.5 if moved < self.target / 1.5 else 1
        return shared.advanced(mdp, state, policy, at, step_size=1 / beta)

    def bounds(self, mdp: MDP, states: Sequence[State], v: np.ndarray) -> rates.Bounded | None:
        """Those of mirror ascent with α = 1/β in "reverse" with a fixed β; else None."""
        if self.direction == "forward" or self.target is not None:
            return None
        return rates.sublinear(mdp, states, v, NegativeEntropy(), 1 / self.beta)


def forward_step(
    mdp: MDP, log_policy: np.ndarray, advantage: np.ndarray, beta: float
) -> tuple[np.ndarray, np.ndarray]:
    """argmax_p ⟨A, p⟩ − β KL(π‖p) = βπ/(λ_s − A), and its logarithm, in pair layout.

    λ_s − max A lies between β π(argmax A) and β, and is found to the last digit.
    """
    first, counts = mdp.action_ptr[:-1], np.diff(mdp.action_ptr)
    A, log = advantage.reshape(-1), log_policy.reshape(-1)
    short = np.repeat(np.maximum.reduceat(A, first), counts) - A
    pi = np.exp(log)
    top = np.maximum.reduceat(np.where(short == 0, pi, 0.0), first)

    def excess(u: np.ndarray) -> np.ndarray:
        return np.add.reduceat(beta * pi / (np.repeat(u, counts) + short), first) - 1

    low = np.maximum(beta * top, TINY)
    u = decreasing_root(excess, low, np.maximum(low, np.full(counts.size, beta)))
    made = (log - np.log(np.repeat(u, counts) + short)).reshape(mdp.pair_shape)
    at = log_softmax(mdp, made)
    return np.exp(at), at


def clipped_step(
    mdp: MDP, policy: np.ndarray, advantage: np.ndarray, epsilon: float
) -> np.ndarray:
    """The p nearest in odds to π that maximizes Σ_a min(pA, clip(p, (1−ε)π, (1+ε)π)A).

    The marginal value of probability is A below (1+ε)π where A > 0, A above (1−ε)π where
    A < 0, and 0 elsewhere: it is filled in that order, and the ratio ρ = p/π is leveled where
    it is 0.
    """
    pi, A = mdp.table(policy, fill=0.0), mdp.table(advantage, fill=0.0)
    up, zero, down = (pi * (A > 0), pi * (A == 0), pi * (A < 0))
    good, even, bad = (x.sum(axis=1, keepdims=True) for x in (up, zero, down))
    low, high = 1 - epsilon, 1 + epsilon
    with np.errstate(divide="ignore", invalid="ignore"):
        # Leveled below 1−ε, between the two, or above 1+ε: the c for which all adds up to 1.
        under = (1 - high * good) / (even + bad)
        between = (1 - high * good - low * bad) / even
        over = (1 - low * bad) / (even + good)
    c = np.where(under < low, under, np.where(between <= high, between, over))
    c = np.where(good == 0, 1.0, np.where(even + bad > 0, np.maximum(c, 0.0), 0.0))
    c = np.where((even == 0) & (under >= low), over, c)
    p = up * np.maximum(c, high) + zero * c + down * np.minimum(c, low)
    p = np.where(good == 0, pi, np.where(high * good >= 1, _crowded(up * high, A), p))
    p = p / p.sum(axis=1, keepdims=True)
    return p[mdp.pair_states, mdp.pair_actions].reshape(mdp.pair_shape)


def _crowded(most: np.ndarray, A: np.ndarray) -> np.ndarray:
    """Probability 1 given out in the order of A, to each action up to `most`."""
    order = np.argsort(-A, axis=1, kind="stable")
    ranked = np.take_along_axis(most, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    given = np.clip(1 - before, 0.0, ranked)
    out = np.empty_like(given)
    np.put_along_axis(out, order, given, axis=1)
    return out
