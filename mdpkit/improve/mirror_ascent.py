"""Policy mirror ascent: move each state's policy toward larger q, at a price, a divergence.

    π_{k+1}(·|s) = argmax_p  α_k Σ_a p(a) q^{π_k}(s,a) − D(p, π_k(·|s))

    ProjectedQAscent      D Euclidean:   π_{k+1} = Proj(π_k + α q)
    ExponentiatedQAscent  D = KL:        π_{k+1} ∝ π_k e^{αq}

The gradient is H d(s) q(s,a); weighting the divergence with H d(s) as well makes d cancel, and
the step needs no start distribution. v grows at every state for *every* α > 0. As α → ∞ it is
policy iteration; the Euclidean one reaches the greedy policy once α · gap ≥ 2, and ends.
Checked in tests/improve/test_mirror_ascent.py and proofs_checks (I1–I10).
Source: Agarwal et al. (2021); Xiao (2022); Lan (2023); Liu, Li & Wei (2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mdpkit._array import number
from mdpkit._exact import rational, simplest
from mdpkit.improve import _iterates as shared
from mdpkit.improve import rates
from mdpkit.improve._iterates import State
from mdpkit.improve.divergences import Divergence, Euclidean, NegativeEntropy, each
from mdpkit.improve.step_sizes import Adaptive, Constant, Geometric, Situation, rule
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import greedy_pairs
from mdpkit.policy import probabilities


def ascended(
    mdp: MDP, divergence: Divergence, state: State, alpha: Any, step_size: Any = None
) -> State:
    """One step of mirror ascent: the only update there is. alpha : > 0, a number or (S,)."""
    x = each(mdp, alpha) if np.ndim(alpha) else alpha
    policy, at = divergence.ascend(mdp, state.coordinates, x * shared.advantages(mdp, state))
    made_by = alpha if step_size is None else step_size
    return shared.advanced(mdp, state, policy, at, step_size=made_by)


def begun(mdp: MDP, divergence: Divergence, policy: Any, start: Any) -> State:
    """The first iterate, after the model and the policy have been looked at."""
    shared.ready(mdp, start, exact=divergence.exact)
    pi = shared.first_policy(mdp, policy)
    return shared.begun(mdp, pi, divergence.coordinates(mdp, pi))


def sized(mdp: MDP, size: Any) -> Any:
    """A step size in the model's numbers: on exact models the fraction that was meant."""
    if not mdp.is_exact:
        return float(size)
    return rational(simplest(size)) if isinstance(size, float) else rational(size)


def asked(mdp: MDP, step_size: Any, divergence: Divergence, state: State, unit: Any) -> Any:
    """The size a rule gives for the next step of mirror ascent."""

    def distance() -> float:
        best = probabilities(mdp, mdp.actions_of(greedy_pairs(mdp, state.q)))
        return number(divergence.between(mdp, best, state.coordinates).max())

    last = float("nan") if state.step == 0 else state.step_size
    situation = Situation(state.step, number(mdp.gamma), last, distance=distance, unit=unit)
    return sized(mdp, rule(step_size)(situation))


def theorem(
    mdp: MDP,
    step_size: Any,
    divergence: Divergence,
    states: Sequence[State],
    v: np.ndarray,
    unit: float,
) -> rates.Bounded | None:
    """What is proven of a run with this rule, α = unit · size; None for other rules."""
    rates.require_floats(mdp)
    chosen = rule(step_size)
    if isinstance(chosen, Constant):
        return rates.sublinear(mdp, states, v, divergence, unit * float(chosen.size))
    if isinstance(chosen, Geometric):
        ratio = chosen.growth(mdp.gamma)
        return rates.geometric(mdp, states, v, divergence, unit * chosen.first, ratio)
    if isinstance(chosen, Adaptive):
        return rates.adaptive(mdp, states, v, chosen.c)
    return None


@dataclass(frozen=True, eq=False)
class PolicyMirrorAscent:
    """Mirror ascent with any Bregman divergence.

    divergence  Euclidean(), NegativeEntropy(), Tsallis(q), or an object like them
    step_size   α > 0 in 1/reward, or a rule: Constant, Geometric, Adaptive
    policy      the first one, (S,) int or pair layout; uniform if None

    On exact models it is exact if the divergence and the rule are.
    """

    divergence: Divergence = field(default_factory=NegativeEntropy)
    step_size: Any = 1.0
    policy: Any = None
    key = "pma"
    gap, certify, floor = shared.gap, shared.certify, shared.floor
    verdict = shared.verdict

    def __post_init__(self):
        rule(self.step_size)

    def init(self, mdp: MDP, start: Any = None) -> State:
        """The first policy. Raises ModelError at γ = 1, ValueError if `start` is given."""
        return begun(mdp, self.divergence, self.policy, start)

    def step(self, mdp: MDP, state: State) -> State:
        """One ascent of every state's policy, and its evaluation."""
        alpha = asked(mdp, self.step_size, self.divergence, state, 1.0)
        return ascended(mdp, self.divergence, state, alpha)

    def bounds(self, mdp: MDP, states: Sequence[State], v: np.ndarray) -> rates.Bounded | None:
        """A run's errors beside their theorem's bounds; v : (S,) v*."""
        return theorem(mdp, self.step_size, self.divergence, states, v, 1.0)


# ---- corners of mirror ascent: a class has `mirror()` and takes these by name ----------------


def _init(method: Any, mdp: MDP, start: Any = None) -> State:
    """The first policy."""
    return method.mirror().init(mdp, start)


def _step(method: Any, mdp: MDP, state: State) -> State:
    """One step of the mirror ascent that the method is, and its evaluation."""
    return method.mirror().step(mdp, state)


def _bounds(
    method: Any, mdp: MDP, states: Sequence[State], v: np.ndarray
) -> rates.Bounded | None:
    """A run's errors beside their theorem's bounds; v : (S,) v*."""
    return method.mirror().bounds(mdp, states, v)


@dataclass(frozen=True, eq=False)
class ProjectedQAscent:
    """π_{k+1} = Proj(π_k + α q): it ends after finitely many steps, in exact numbers at gap 0.

    step_size, policy   as `PolicyMirrorAscent`
    """

    step_size: Any = 1.0
    policy: Any = None
    key = "pqa"
    gap, certify, floor = shared.gap, shared.certify, shared.floor
    verdict = shared.verdict
    init, step, bounds = _init, _step, _bounds

    def __post_init__(self):
        rule(self.step_size)

    def mirror(self) -> PolicyMirrorAscent:
        """The mirror ascent that this is."""
        return PolicyMirrorAscent(Euclidean(), self.step_size, self.policy)


@dataclass(frozen=True, eq=False)
class ExponentiatedQAscent:
    """π_{k+1} ∝ π_k e^{αq}: the natural policy gradient of a softmax table, with α = ηH.

    step_size, policy   as `PolicyMirrorAscent`; the first policy takes every action
    """

    step_size: Any = 1.0
    policy: Any = None
    key = "eqa"
    gap, certify, floor = shared.gap, shared.certify, shared.floor
    verdict = shared.verdict
    init, step, bounds = _init, _step, _bounds

    def __post_init__(self):
        rule(self.step_size)

    def mirror(self) -> PolicyMirrorAscent:
        """The mirror ascent that this is."""
        return PolicyMirrorAscent(NegativeEntropy(), self.step_size, self.policy)
