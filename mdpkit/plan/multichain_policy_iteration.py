"""Multichain policy iteration: the optimal gain of every state, and a bias that proves it.

    evaluate   (I − P_π) g = 0,   g + (I − P_π) h = r_π,   P*_π h = 0
    improve    where max_a P_a g > g take its argmax; elsewhere, among the actions with
               P_a g = g, take the argmax of r + P_a h where it exceeds g + h

A state keeps its action unless another is better. (g, h) then grows lexicographically, so it
ends, at g = g*: the optimal gain, which may differ between states. On exact models every
comparison is exact, and g* comes out in rationals. In floats ties are those of the rounding of
the evaluation; whether two gains are equal is a discontinuous question, so what floats cannot
decide ends as ROUNDING_FLOOR with honest bounds, and `mdp.exact()` decides it.
Checked in tests/plan/test_average_reward.py. Source: Howard (1960); Veinott (1966); Puterman
(1994), §9.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mdpkit._array import number, sup
from mdpkit.certify import Certificate
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values, greedy_pairs, rounding
from mdpkit.plan._multichain_bounds import ceiling
from mdpkit.plan.average_reward import Evaluation, gain_and_bias, undiscounted
from mdpkit.policy import chain
from mdpkit.solution import Status

POOR = 1e-7
"""Relative to max(1, ‖g‖∞): a floor above this is not taken as an excuse."""


class State(NamedTuple):
    """The gain and bias of a policy, its pairs, and whether no action is better.

    tie       how far a gain may be from the truth: 0 if exact
    """

    v: np.ndarray
    bias: np.ndarray
    pairs: np.ndarray
    model: MDP
    tie: float
    settled: bool = False


@dataclass(frozen=True)
class MultichainPolicyIteration:
    """Howard's policy iteration for the average reward of any model; γ is not used.

    The solution's v, lower and upper speak of the gain, state by state; bias is h.
    """

    key = "multichain"

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """The policy greedy in the rewards, or in r + P·start; exact: the one floats end at."""
        model = undiscounted(mdp)
        if model.is_exact:
            return _evaluated(model, _settled_in_floats(model.rounded(), start))
        q = model.r if start is None else action_values(model, start)
        return _evaluated(model, greedy_pairs(model, q))

    def step(self, mdp: MDP, state: State) -> State:
        """Improve the gain where that is possible, the bias elsewhere, and evaluate."""
        if state.settled:
            return state
        pairs = improved(state)
        if np.array_equal(pairs, state.pairs):
            return state._replace(settled=True)
        new = _evaluated(state.model, pairs)
        return new if _grows(state, new) else state._replace(settled=True)

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of what `certify` proves; ∞ until no action is better."""
        return number(self.certify(mdp, state).gap) if state.settled else np.inf

    def floor(self, mdp: MDP, state: State) -> float:
        """About what rounding leaves, the evaluation's error; but no answer may be POOR."""
        return min(4 * state.tie, POOR * max(1.0, number(sup(state.v))))

    def verdict(self, mdp: MDP, state: State) -> Status | None:
        """Once no action is better, rounding is all that keeps the bounds apart."""
        return Status.ROUNDING_FLOOR if state.settled else None

    def certify(self, mdp: MDP, state: State) -> Certificate:
        """Bounds on g* from above by every action, from below by the policy's own."""
        model, g, h = state.model, state.v, state.bias
        actions = mdp.actions_of(state.pairs)
        alone = chain(model, actions)
        upper = ceiling(model, g, h, 2 * state.tie)
        lower = -ceiling(alone.replace(r=-alone.r), -g, -h, 2 * state.tie)
        q = action_values(model, h)
        return Certificate(lower, upper, actions, (upper - lower).max(), q, bias=h)


def improved(state: State) -> np.ndarray:
    """The pairs that better the gain, else the bias; a state keeps its own if none does."""
    model, tie = state.model, state.tie
    ptr, state_of = model.action_ptr[:-1], model.pair_states
    ahead = model.expect(state.v).reshape(-1)
    q = action_values(model, state.bias).reshape(-1)
    least = q.min() - 1

    def best(allowed: np.ndarray) -> np.ndarray:
        return greedy_pairs(model, np.where(allowed, q, least).reshape(model.pair_shape))

    top, own = np.maximum.reduceat(ahead, ptr), ahead[state.pairs]
    higher = np.asarray(top > own + 2 * tie, dtype=bool)
    up = best(np.asarray(ahead >= (top - tie)[state_of], dtype=bool))
    level = best(np.asarray(ahead >= (own - 2 * tie)[state_of], dtype=bool))
    better = q[level] > q[state.pairs] + 2 * rounding(model, state.bias)
    return np.where(higher, up, np.where(np.asarray(better, dtype=bool), level, state.pairs))


def _settled_in_floats(model: MDP, start: np.ndarray | None) -> np.ndarray:
    """The pairs at which the method ends in floats, or those that floats can still evaluate."""
    method = MultichainPolicyIteration()
    pairs = greedy_pairs(model, model.r)
    try:
        state = method.init(model, start)
        while not state.settled:
            pairs = state.pairs
            state = method.step(model, state)
    except ArithmeticError:
        pass
    return pairs


def _evaluated(model: MDP, pairs: np.ndarray) -> State:
    found: Evaluation = gain_and_bias(model, pairs)
    tie = 0 if model.is_exact else found.error + rounding(model, found.gain)
    return State(found.gain, found.bias, pairs, model, tie)


def _grows(old: State, new: State) -> bool:
    """Whether (g, h) grew, as exactly it must: floats that do not can only cycle."""
    if new.model.is_exact:
        return True
    change, tie = new.v - old.v, old.tie + new.tie
    if change.min() < -tie:
        return False
    return bool(change.max() > tie or new.bias.sum() > old.bias.sum())
