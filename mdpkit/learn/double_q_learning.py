"""Double Q-learning: one table chooses, the other judges.

    a coin picks A or B;   a* = argmax q_A(s',·)
    q_A(s,a) ← q_A(s,a) + α (r + γ q_B(s',a*) − q_A(s,a))

Q-learning judges by the table that chose, and the largest of noisy numbers is too large. Here
the noises are independent, and the error turns round: E q_B(argmax q_A) ≤ max E q_B. It is
biased down, not unbiased. Acts ε-greedily in q_A + q_B.
Checked in tests/learn/test_double_q_learning.py. Source: van Hasselt (2010).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import njit
from mdpkit._random import short_unit
from mdpkit.learn._act import epsilon_greedy, greedy_choice, rate
from mdpkit.learn._family import Family
from mdpkit.learn._following import first_values
from mdpkit.learn._world import (
    EPISODE,
    NOWHERE,
    PAIR,
    STATE,
    begin_episode,
    end_episode,
    more_words,
    take_step,
)
from mdpkit.operators.rollout import ENDED
from mdpkit.operators.step_size import Schedule, at


class Rule(NamedTuple):
    """Step size by visits of the pair in its table, ε by episode."""

    step_size: Schedule
    epsilon: Schedule


class Tables(NamedTuple):
    """q and visits (runs, 2, pairs); both (runs, pairs) is the sum of the two tables."""

    q: np.ndarray
    visits: np.ndarray
    both: np.ndarray


@njit(allocates=False)
def _advance(world, log, rule, tables, first, last, budget):
    ptr, episodes = world.model.action_ptr, log.returns.shape[1]
    for run in range(first, last):
        both, pair = tables.both[run], log.clock[run, PAIR]
        for _ in range(budget):
            episode = log.clock[run, EPISODE]
            if episode == episodes:
                break
            epsilon = at(rule.epsilon, episode)
            if log.clock[run, STATE] == NOWHERE:
                s, a, b = begin_episode(world, log, run)
                pair = epsilon_greedy(both, ptr[s], ptr[s + 1], epsilon, a, b)
                continue
            reward, after, over, a, b = take_step(world, log, run, pair)
            coin, tie, _, _ = more_words(log, run)
            own = 1 if coin & np.uint64(1) else 0
            q, judge, visits = tables.q[run, own], tables.q[run, 1 - own], tables.visits[run]
            begin, end, target = 0, 0, reward
            if after != ENDED:
                begin, end = ptr[after], ptr[after + 1]
                target += world.gamma * judge[greedy_choice(q, begin, end, short_unit(tie))]
            q[pair] += at(rule.step_size, visits[own, pair]) * (target - q[pair])
            visits[own, pair] += 1
            both[pair] = q[pair] + judge[pair]
            if over:
                end_episode(log, run)
                continue
            pair = epsilon_greedy(both, begin, end, epsilon, a, b)
            log.clock[run, STATE] = after
        log.clock[run, PAIR] = pair


def _begin(method: Any, place: Any, runs: int) -> Tables:
    """Every value `initial`, in both tables."""
    one = first_values(method.initial, runs, place.n_pairs)
    visits = np.zeros((runs, 2, place.n_pairs), dtype=np.int64)
    return Tables(np.stack([one, one], axis=1), visits, 2 * one)


def _values(tables: Tables) -> np.ndarray:
    return tables.both / 2


FAMILY = Family(_begin, _advance, _values)


@dataclass(frozen=True, eq=False)
class DoubleQLearning:
    """Two tables, each judged by the other; the values reported are their mean.

    step_size  number or Schedule, by visits of the pair in its table; epsilon by episode
    initial    action values at first, one number or (pairs,)
    """

    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: Any = 0.0
    key = "double-q-learning"
    operator = "q_A + ½ (r + γ P q_B(·, argmax q_A) − q_A), and the same for B"
    family = FAMILY

    def rule(self) -> Rule:
        """The two rates."""
        return Rule(rate(self.step_size, "step_size"), rate(self.epsilon, "epsilon"))
