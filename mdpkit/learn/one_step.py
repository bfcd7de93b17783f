"""One-step control from samples: SARSA, expected SARSA, Q-learning and soft Q-learning.

    q(s,a) ← q(s,a) + α (r + γ ⊕_b q(s',b) − q(s,a))            γ = 0 where the episode ends

    Q-learning      ⊕ = max                                 B q
    expected SARSA  ⊕ = expectation under ε-greedy(q)       B^π q
    SARSA           q(s',a') at the action taken next       B^π q on average
    soft Q          ⊕ = τ log Σ e^{q/τ}                     B_τ q

⊕ is the reduction the exact solvers use. The expected update is α(Bq − q) with that ⊕: checked
with every transition weighted by its probability in tests/learn/test_one_step.py.
Source: Watkins (1989); Rummery & Niranjan (1994); van Seijen et al. (2009).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import inlined, njit
from mdpkit.learn._act import epsilon_greedy, rate
from mdpkit.learn._family import Family
from mdpkit.learn._following import first_values
from mdpkit.learn._world import (
    EPISODE,
    NOWHERE,
    PAIR,
    STATE,
    begin_episode,
    end_episode,
    take_step,
)
from mdpkit.operators import aggregate
from mdpkit.operators.aggregate import MAXIMUM, largest, reduce_row
from mdpkit.operators.rollout import ENDED
from mdpkit.operators.step_size import Schedule, at

TAKEN = -1
"""Beside the codes of the reductions: SARSA's ⊕, the value of the action taken."""


class Rule(NamedTuple):
    """What the kernel knows of a method.

    code, parameter  the reduction ⊕ of the next state's action values, or TAKEN
    follows          whether ⊕'s parameter is the ε that is acted by
    step_size        by visits of the pair
    epsilon          by episode
    """

    code: int
    parameter: float
    follows: bool
    step_size: Schedule
    epsilon: Schedule


class Tables(NamedTuple):
    """q and visits of each pair, (runs, pairs)."""

    q: np.ndarray
    visits: np.ndarray


@inlined
def _reduced(rule, q, begin, end, chosen, epsilon):
    """⊕ of the action values of the state whose pairs are begin … end; `chosen` is taken."""
    if rule.code == TAKEN:
        return q[chosen]
    if rule.code == MAXIMUM:
        return largest(q, begin, end)
    parameter = epsilon if rule.follows else rule.parameter
    return reduce_row(rule.code, q[begin:end], end - begin, parameter, q[:0], 0)


@njit(allocates=False)
def _advance(world, log, rule, tables, first, last, budget):
    ptr, episodes = world.model.action_ptr, log.returns.shape[1]
    for run in range(first, last):
        q, visits, pair = tables.q[run], tables.visits[run], log.clock[run, PAIR]
        for _ in range(budget):
            episode = log.clock[run, EPISODE]
            if episode == episodes:
                break
            epsilon = at(rule.epsilon, episode)
            if log.clock[run, STATE] == NOWHERE:
                s, a, b = begin_episode(world, log, run)
                pair = epsilon_greedy(q, ptr[s], ptr[s + 1], epsilon, a, b)
                continue
            reward, after, over, a, b = take_step(world, log, run, pair)
            begin, end, chosen, target = 0, 0, 0, reward
            if after != ENDED:
                begin, end = ptr[after], ptr[after + 1]
                if rule.code == TAKEN:  # what is learned from is what is done
                    chosen = epsilon_greedy(q, begin, end, epsilon, a, b)
                target += world.gamma * _reduced(rule, q, begin, end, chosen, epsilon)
            q[pair] += at(rule.step_size, visits[pair]) * (target - q[pair])
            visits[pair] += 1
            if over:
                end_episode(log, run)
                continue
            if rule.code != TAKEN:
                chosen = epsilon_greedy(q, begin, end, epsilon, a, b)
            log.clock[run, STATE], pair = after, chosen
        log.clock[run, PAIR] = pair


def _rule(method: Any, code: int, parameter: float = 0.0, follows: bool = False) -> Rule:
    rates = rate(method.step_size, "step_size"), rate(method.epsilon, "epsilon")
    return Rule(code, parameter, follows, *rates)


def _begin(method: Any, place: Any, runs: int) -> Tables:
    """Every value `initial`."""
    shape = runs, place.n_pairs
    return Tables(first_values(method.initial, *shape), np.zeros(shape, dtype=np.int64))


def _values(tables: Tables) -> np.ndarray:
    return tables.q


FAMILY = Family(_begin, _advance, _values)


@dataclass(frozen=True, eq=False)
class QLearning:
    """Off-policy control: toward r + γ max_b q(s',b), whatever is done there.

    step_size  number or Schedule, by visits of the pair; epsilon the same, by episode
    initial    action values at first, one number or (pairs,); high ones explore
    """

    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: Any = 0.0
    key = "q-learning"
    operator = "B q = r + γ P max_b q"
    family = FAMILY

    def rule(self) -> Rule:
        """⊕ = max."""
        return _rule(self, MAXIMUM)


@dataclass(frozen=True, eq=False)
class Sarsa:
    """On-policy control: toward r + γ q(s',a'), a' being the action that is taken.

    step_size, epsilon, initial   as for QLearning
    """

    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: Any = 0.0
    key = "sarsa"
    operator = "B^π q = r + γ P Σ_b π q, π = ε-greedy(q)"
    family = FAMILY

    def rule(self) -> Rule:
        """⊕ = the value of the action taken next."""
        return _rule(self, TAKEN)


@dataclass(frozen=True, eq=False)
class ExpectedSarsa:
    """SARSA without the noise of a': the average over ε-greedy(q).

    step_size, epsilon, initial   as for QLearning
    target   the ε of the policy learned about; None is that of the policy that acts, and 0 is
             Q-learning
    """

    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: Any = 0.0
    target: float | None = None
    key = "expected-sarsa"
    operator = "B^π q = r + γ P Σ_b π q, π = ε-greedy(q)"
    family = FAMILY

    def rule(self) -> Rule:
        """⊕ = expectation under the target policy."""
        if self.target is None:
            return _rule(self, aggregate.EPSILON_GREEDY, follows=True)
        over = aggregate.epsilon_greedy(self.target)
        return _rule(self, over.code, over.parameter)


@dataclass(frozen=True, eq=False)
class SoftQLearning:
    """Toward r + γ τ log Σ_b e^{q(s',b)/τ}; τ in units of reward, counting prior.

    step_size, epsilon, initial   as for QLearning
    """

    tau: float = 1.0
    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: Any = 0.0
    key = "soft-q-learning"
    operator = "B_τ q = r + γ P τ log Σ_b e^{q/τ}"
    family = FAMILY

    def rule(self) -> Rule:
        """⊕ = log-sum-exp."""
        over = aggregate.soft(self.tau)
        return _rule(self, over.code, over.parameter)
