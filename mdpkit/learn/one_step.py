"""One-step control from samples: SARSA, expected SARSA, Q-learning, soft and double Q-learning.

    q(s,a) ← q(s,a) + α (r + γ ⊕_b q(s',b) − q(s,a))            γ = 0 where the episode ends

    Q-learning      ⊕ = max                                 B q
    expected SARSA  ⊕ = expectation under ε-greedy(q)       B^π q
    SARSA           q(s',a') at the action taken next       B^π q on average
    soft Q          ⊕ = τ log Σ p e^{q/τ}                   B_τ q
    double Q        a coin picks A or B; A moves toward r + γ q_B(s', argmax q_A(s',·))

⊕ is the reduction the exact solvers use. The expected update is α(Bq − q) with that ⊕: checked
with every transition weighted by its probability in tests/learn/test_one_step.py.
Source: Watkins (1989); Rummery & Niranjan (1994); van Hasselt (2010); van Seijen et al. (2009).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import njit
from mdpkit._random import short_unit
from mdpkit.learn._act import epsilon_greedy, greedy_choice
from mdpkit.learn._family import Family
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
from mdpkit.operators import aggregate
from mdpkit.operators.aggregate import reduce_row
from mdpkit.operators.rollout import ENDED
from mdpkit.operators.step_size import Schedule, as_schedule, at

TAKEN, DOUBLE = -1, -2
"""Codes beside those of the reductions: SARSA's ⊕, and the double estimator's."""


class Rule(NamedTuple):
    """What the kernel knows of a method.

    code, parameter  the reduction ⊕ of the next state's action values, TAKEN or DOUBLE
    follows          whether ⊕'s parameter is the ε that is acted by
    step_size        by visits of the entry
    epsilon          by episode
    """

    code: int
    parameter: float
    follows: bool
    step_size: Schedule
    epsilon: Schedule


class Tables(NamedTuple):
    """q (runs, tables, pairs) and visits of each entry; two tables for the double estimator."""

    q: np.ndarray
    visits: np.ndarray


@njit(inline="always")
def _delta(rule, q, other, pair, reward, discount, begin, end, following, epsilon):
    """r + discount ⊕ q(s',·) − q(s,a); s' has the pairs begin … end, `following` is chosen."""
    if discount == 0.0:
        value = 0.0
    elif rule.code == TAKEN or rule.code == DOUBLE:
        value = other[following]
    else:
        parameter = epsilon if rule.follows else rule.parameter
        value = reduce_row(rule.code, q[begin:end], end - begin, parameter, q[:0], 0)
    return reward + discount * value - q[pair]


@njit
def _advance(world, log, rule, tables, first, last, budget):
    ptr, episodes = world.model.action_ptr, log.returns.shape[1]
    both = np.empty(tables.q.shape[2] if rule.code == DOUBLE else 0)
    for run in range(first, last):
        for _ in range(budget):
            episode = log.clock[run, EPISODE]
            if episode == episodes:
                break
            epsilon = at(rule.epsilon, episode)
            acting = tables.q[run, 0]
            if log.clock[run, STATE] == NOWHERE:
                s, a, b = begin_episode(world, log, run)
                if rule.code == DOUBLE:
                    acting = _sum(tables.q[run], both, ptr[s], ptr[s + 1])
                log.clock[run, PAIR] = epsilon_greedy(acting, ptr[s], ptr[s + 1], epsilon, a, b)
                continue
            pair = log.clock[run, PAIR]
            reward, after, over, a, b = take_step(world, log, run, pair)
            begin, end, chosen, discount = 0, 0, 0, 0.0
            if after != ENDED:
                begin, end, discount = ptr[after], ptr[after + 1], world.gamma
                if rule.code == TAKEN:  # what is learned from is what is done
                    chosen = epsilon_greedy(acting, begin, end, epsilon, a, b)
            table = 0
            if rule.code == DOUBLE:
                coin, tie, _, _ = more_words(log, run)
                table = 1 if coin & np.uint64(1) else 0
                chosen = greedy_choice(tables.q[run, table], begin, end, short_unit(tie))
            own = tables.q[run, table]
            other = tables.q[run, tables.q.shape[1] - 1 - table]
            delta = _delta(
                rule, own, other, pair, reward, discount, begin, end, chosen, epsilon
            )
            visits = tables.visits[run, table, pair]
            own[pair] += at(rule.step_size, visits) * delta
            tables.visits[run, table, pair] = visits + 1
            if over:
                end_episode(log, run)
                continue
            if rule.code == DOUBLE:
                acting = _sum(tables.q[run], both, begin, end)
            if rule.code != TAKEN:
                chosen = epsilon_greedy(acting, begin, end, epsilon, a, b)
            log.clock[run, STATE], log.clock[run, PAIR] = after, chosen


@njit(inline="always")
def _sum(q, both, begin, end):
    for pair in range(begin, end):
        both[pair] = q[0, pair] + q[1, pair]
    return both


def _rule(method: Any, code: int, parameter: float = 0.0, follows: bool = False) -> Rule:
    return Rule(
        code, parameter, follows, as_schedule(method.step_size), as_schedule(method.epsilon)
    )


def _begin(method: Any, place: Any, runs: int) -> Tables:
    """Every value `initial`."""
    shape = runs, 2 if method.rule().code == DOUBLE else 1, place.n_pairs
    return Tables(np.full(shape, float(method.initial)), np.zeros(shape, dtype=np.int64))


def _values(tables: Tables) -> np.ndarray:
    return tables.q.mean(axis=1)


FAMILY = Family(_begin, _advance, _values)


@dataclass(frozen=True)
class QLearning:
    """Off-policy control: toward r + γ max_b q(s',b), whatever is done there.

    step_size  number or Schedule, by visits of the pair; epsilon the same, by episode
    initial    every action value at first; high ones explore
    """

    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: float = 0.0
    key = "q-learning"
    operator = "B q = r + γ P max_b q"
    family = FAMILY

    def rule(self) -> Rule:
        """⊕ = max."""
        return _rule(self, aggregate.MAXIMUM)


@dataclass(frozen=True)
class Sarsa:
    """On-policy control: toward r + γ q(s',a'), a' being the action that is taken."""

    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: float = 0.0
    key = "sarsa"
    operator = "B^π q = r + γ P Σ_b π q, π = ε-greedy(q)"
    family = FAMILY

    def rule(self) -> Rule:
        """⊕ = the value of the action taken next."""
        return _rule(self, TAKEN)


@dataclass(frozen=True)
class ExpectedSarsa:
    """On-policy control without SARSA's noise of a': the average over ε-greedy(q)."""

    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: float = 0.0
    key = "expected-sarsa"
    operator = "B^π q = r + γ P Σ_b π q, π = ε-greedy(q)"
    family = FAMILY

    def rule(self) -> Rule:
        """⊕ = expectation under the policy that acts."""
        return _rule(self, aggregate.EPSILON_GREEDY, follows=True)


@dataclass(frozen=True)
class SoftQLearning:
    """Toward r + γ τ log Σ_b e^{q(s',b)/τ}; τ in units of reward, counting prior."""

    tau: float = 1.0
    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: float = 0.0
    key = "soft-q-learning"
    operator = "B_τ q = r + γ P τ log Σ_b e^{q/τ}"
    family = FAMILY

    def rule(self) -> Rule:
        """⊕ = log-sum-exp."""
        return _rule(self, aggregate.SOFT, aggregate.soft(self.tau).parameter)


@dataclass(frozen=True)
class DoubleQLearning:
    """Two tables, each judged by the other; acts greedily in their sum.

    The double estimator is biased down, not unbiased: E q_B(argmax q_A) ≤ max E q.
    """

    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: float = 0.0
    key = "double-q-learning"
    operator = "½ (r + γ P q_B(·, argmax q_A) − q_A) + q_A"
    family = FAMILY

    def rule(self) -> Rule:
        """Selection by one table, evaluation by the other."""
        return _rule(self, DOUBLE)
