"""Relative value iteration: v ← T v grows by the gain a step; subtract it at a reference state.

    h ← T̃h − (T̃h)(ref),   T̃h = h + (1−τ)(Th − h),   Th = max_a r + P_a h
    min_s (Th − h) ≤ g*(s) ≤ max_s (Th − h)   for every h and every s

T̃ is T of the model that stays where it is with probability τ (aperiodicity), its rewards and so
its gain scaled by 1−τ: no chain of it is periodic, so Th − h converges for every τ in (0, 1).
The interval never widens; it closes where the optimal gain is the same in every state. The rate
is the mixing of the best policy's chain.
Checked in tests/plan/test_average_reward.py. Source: White (1963); Odoni (1969); Schweitzer
(1971); Puterman (1994), §8.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mdpkit._array import EPS, sup
from mdpkit.certify import Certificate
from mdpkit.errors import ModelError
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values, backup, greedy_pairs, rounding
from mdpkit.plan.average_reward import slack, undiscounted
from mdpkit.solution import Status

PATIENCE = 1000
"""Sweeps without a narrower interval after which, and two for each state, none is expected."""


class State(NamedTuple):
    """The gain's midpoint, relative values h, and what the last sweep says.

    change    T h_before − h_before
    drift     how much the change changed, in any state
    narrowest, since   the narrowest interval so far, and the sweeps since
    mark, age, wait    an earlier h, how many sweeps ago, and after how many it is replaced
    recurs    whether h is back at the mark: it repeats for ever
    """

    v: np.ndarray
    h: np.ndarray
    model: MDP
    change: np.ndarray
    drift: float = np.inf
    narrowest: float = np.inf
    since: int = 0
    mark: np.ndarray | None = None
    age: int = 0
    wait: int = 1
    recurs: bool = False


@dataclass(frozen=True)
class RelativeValueIteration:
    """The optimal gain of a model whose gain is the same in every state; γ is not used.

    aperiodicity : τ in [0, 1), the probability of staying put that is mixed in
    reference : the state whose relative value is kept at 0
    The solution's v, lower and upper speak of the gain; bias is h, 0 at the reference.
    """

    aperiodicity: float = 0.5
    reference: int = 0
    key = "rvi"

    def __post_init__(self):
        if not 0 <= self.aperiodicity < 1:
            raise ValueError(f"aperiodicity must lie in [0, 1); it is {self.aperiodicity}.")

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Relative values 0, or those given."""
        if mdp.is_exact:
            raise ModelError(
                "relative value iteration converges but never arrives, so it is for floats. "
                "MultichainPolicyIteration is exact."
            )
        if not 0 <= self.reference < mdp.n_states:
            raise ValueError(
                f"reference must be one of the {mdp.n_states} states; it is {self.reference}."
            )
        h = np.zeros(mdp.n_states) if start is None else start - start[self.reference]
        return State(
            np.zeros(mdp.n_states), h, undiscounted(mdp), np.full(mdp.n_states, np.inf)
        )

    def step(self, mdp: MDP, state: State) -> State:
        """One sweep."""
        h, old = state.h, state.change
        change = backup(state.model, h) - h
        low, high = float(change.min()), float(change.max())
        new = h + (1 - self.aperiodicity) * change
        new = new - new[self.reference]
        drift = float(np.abs(change - old).max())
        better = high - low < state.narrowest
        return State(
            np.full(mdp.n_states, (low + high) / 2),
            new,
            state.model,
            change,
            drift,
            min(high - low, state.narrowest),
            0 if better else state.since + 1,
            *_watch(state, new, 8 * EPS * float(sup(new))),
        )

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the interval that Th − h proves, rounding included."""
        return _width(state) + self.floor(mdp, state)

    def floor(self, mdp: MDP, state: State) -> float:
        """The width that rounding leaves where Th − h is constant: its own, and that of h."""
        return 8 * slack(state.model, state.h)

    def verdict(self, mdp: MDP, state: State) -> Status | None:
        """Whether no narrower interval is to come. Raises ModelError where gains differ."""
        width, floor = _width(state), self.floor(mdp, state)
        if width <= floor:
            return Status.ROUNDING_FLOOR
        if state.drift <= floor and width > 4 * floor:
            _refuse_different_gains(state.model, state.change, floor)
        if state.recurs or (self.aperiodicity == 0 and state.since > _patience(mdp)):
            return Status.OSCILLATING
        return Status.STAGNATED if state.since > _patience(mdp) else None

    def certify(self, mdp: MDP, state: State) -> Certificate:
        """min and max of Th − h from a fresh sweep, and what its greedy policy loses."""
        model, h = state.model, state.h
        q = action_values(model, h)
        change = np.maximum.reduceat(q.reshape(-1), mdp.action_ptr[:-1]) - h
        chosen = greedy_pairs(model, q, 2 * rounding(model, h))
        error = slack(model, h)
        lower, upper = float(change.min()) - error, float(change.max()) + error
        own = float((q.reshape(-1)[chosen] - h).min()) - error
        low, high = np.full(mdp.n_states, lower), np.full(mdp.n_states, upper)
        return Certificate(low, high, mdp.actions_of(chosen), upper - own, q, bias=h)


def _width(state: State) -> float:
    """The span of the last change; ∞ before the first sweep."""
    low, high = float(state.change.min()), float(state.change.max())
    return high - low if low < np.inf else np.inf


def _watch(state: State, h: np.ndarray, near: float) -> tuple[np.ndarray, int, int, bool]:
    """Brent's search for a cycle: compare with a mark renewed after 1, 2, 4 … sweeps."""
    if state.mark is None:
        return h, 0, 1, False
    recurs = float(sup(h - state.mark)) <= near
    if state.age + 1 >= state.wait:
        return h, 0, 2 * state.wait, recurs
    return state.mark, state.age + 1, state.wait, recurs


def _patience(mdp: MDP) -> int:
    """A reward at the far end of a chain takes a sweep a state to be heard of."""
    return PATIENCE + 2 * mdp.n_states


def _refuse_different_gains(model: MDP, change: np.ndarray, near: float) -> None:
    """Raise if Th − h, which has come to rest, is a gain that no action can better.

    Where an action leads to a larger gain, h has yet to grow until the greedy policy takes it.
    """
    ahead = np.maximum.reduceat(model.expect(change).reshape(-1), model.action_ptr[:-1])
    if (ahead > change + near).any():
        return
    worst, best = (
        np.flatnonzero(np.abs(change - extreme) <= near)
        for extreme in (change.min(), change.max())
    )
    raise ModelError(
        f"the optimal gain differs between states, to rounding: {change.min():.6g} in "
        f"{_listed(worst)}, {change.max():.6g} in {_listed(best)}. "
        "Use MultichainPolicyIteration(), which finds it state by state.",
        states=best.tolist(),
        worst=worst.tolist(),
        gains=(float(change.min()), float(change.max())),
    )


def _listed(states: np.ndarray, most: int = 10) -> str:
    more = f" … ({states.size} in all)" if states.size > most else ""
    return "states {" + ", ".join(str(s) for s in states[:most]) + "}" + more
