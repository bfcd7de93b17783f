"""n-step temporal differences: n rewards as they came, and then the value of where they led.

    G = r_t + γ r_{t+1} + … + γⁿ⁻¹ r_{t+n−1} + γⁿ v(s_{t+n}),      (T^π)ⁿ v on average
    v(s_t) ← v(s_t) + α (G − v(s_t)),                              at time t + n

A return is cut short where the episode ends, and where it is truncated bootstraps from the true
last state. n = 1 is TD(0); n as long as the episode is Monte Carlo.
Checked in tests/learn/test_n_step.py. Source: Watkins (1989); Sutton & Barto (2018), §7.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import inlined, njit
from mdpkit._random import short_unit
from mdpkit.learn._act import rate
from mdpkit.learn._family import Family
from mdpkit.learn._following import bounds, first_values, given_policy
from mdpkit.learn._world import (
    EPISODE,
    NOWHERE,
    PAIR,
    STATE,
    TIME,
    begin_episode,
    compare,
    end_episode,
    take_step,
)
from mdpkit.operators.rollout import ENDED, above
from mdpkit.operators.step_size import Schedule, at


class Rule(NamedTuple):
    """What the kernel knows of the method."""

    n: int
    step_size: Schedule


class Tables(NamedTuple):
    """v and visits (runs, S); states and rewards (runs, n) of the last steps, t at t % n.

    policy (pairs,): accumulated
    """

    v: np.ndarray
    visits: np.ndarray
    states: np.ndarray
    rewards: np.ndarray
    policy: np.ndarray


@inlined
def _learn(rule, tables, run, s, G):
    """One update of v(s) toward G."""
    alpha = at(rule.step_size, tables.visits[run, s])
    tables.visits[run, s] += 1
    tables.v[run, s] += alpha * (G - tables.v[run, s])


@inlined
def _flush(world, rule, tables, run, now, G):
    """The episode is over after step `now`: update what waits, the earliest first."""
    states, rewards = tables.states[run], tables.rewards[run]
    begin = max(0, now + 1 - rule.n)
    for t in range(now, begin - 1, -1):
        G = rewards[t % rule.n] + world.gamma * G
        rewards[t % rule.n] = G
    for t in range(begin, now + 1):
        _learn(rule, tables, run, states[t % rule.n], rewards[t % rule.n])


@njit(allocates=False)
def _advance(world, log, rule, tables, first, last, budget):
    ptr, episodes, n = world.model.action_ptr, log.returns.shape[1], rule.n
    for run in range(first, last):
        v, states, rewards = tables.v[run], tables.states[run], tables.rewards[run]
        for _ in range(budget):
            if log.clock[run, EPISODE] == episodes:
                break
            if log.clock[run, STATE] == NOWHERE:
                s, a, _ = begin_episode(world, log, run)
                log.clock[run, PAIR] = above(tables.policy, ptr[s], ptr[s + 1], short_unit(a))
                continue
            reward, after, over, a, _ = take_step(world, log, run, log.clock[run, PAIR])
            now = log.clock[run, TIME] - 1
            states[now % n], rewards[now % n] = log.clock[run, STATE], reward
            G = 0.0 if after == ENDED else v[after]
            if over:
                _flush(world, rule, tables, run, now, G)
                end_episode(log, run)
                compare(log, run, v)
                continue
            if now + 1 >= n:
                for t in range(now, now - n, -1):
                    G = rewards[t % n] + world.gamma * G
                _learn(rule, tables, run, states[(now + 1) % n], G)
            log.clock[run, STATE] = after
            log.clock[run, PAIR] = above(
                tables.policy, ptr[after], ptr[after + 1], short_unit(a)
            )


def _begin(method: Any, place: Any, runs: int) -> Tables:
    """The initial values."""
    shape = runs, place.n_states
    policy = bounds(place, given_policy(place, method.policy))
    v, visits = first_values(method.initial, *shape), np.zeros(shape, dtype=np.int64)
    recent = np.zeros((runs, method.n), dtype=np.int64)
    return Tables(v, visits, recent, np.zeros((runs, method.n)), policy)


def _values(tables: Tables) -> np.ndarray:
    return tables.v


FAMILY = Family(_begin, _advance, _values, predicts=True)


@dataclass(frozen=True, eq=False)
class NStepTD:
    """n-step TD: toward n rewards and the value of the state they led to.

    policy     (S,) int or pair layout: what is followed and evaluated
    n          steps, ≥ 1
    step_size  number or Schedule, by visits of the state
    initial    values at first, one number or (S,)
    """

    policy: Any
    n: int = 4
    step_size: Any = 0.1
    initial: Any = 0.0
    key = "n-step-td"
    operator = "(T^π)ⁿ v"
    family = FAMILY

    def __post_init__(self):
        if not hasattr(self.n, "__index__") or self.n < 1:
            raise ValueError(f"n must be a whole number ≥ 1; it is {self.n!r}.")

    def rule(self) -> Rule:
        """n and α."""
        return Rule(int(self.n), rate(self.step_size, "step_size"))
