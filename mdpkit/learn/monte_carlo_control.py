"""Monte Carlo control: whole returns, and a policy that is greedy, or nearly, in their means.

    G_t = r_t + γ G_{t+1},        q(s_t,a_t) ← q(s_t,a_t) + α (G_t − q(s_t,a_t))

    on-policy            acts ε-greedily in q, whose values it learns
    exploring starts     the first action is any, the others are greedy
    off-policy           acts ε-greedily, learns of the greedy policy; with the ratio of what
                         comes after t, W = Π_{k>t} π(a_k|s_k)/b(a_k|s_k),
                         C ← C + W,  q ← q + (W/C) (G − q),  as far back as W > 0

An episode is learned from when it is over, from its last step backward; behind one that was cut
stands the value of its true last state. π(a|s) is 1 over the number of greedy actions: ties are
split, as they are in acting. Checked in tests/learn/test_monte_carlo_control.py.
Source: Singh & Sutton (1996); Sutton & Barto (2018), §5.3–5.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import inlined, njit
from mdpkit.learn._act import chance, epsilon_greedy, rate
from mdpkit.learn._family import Family
from mdpkit.learn._following import first_values
from mdpkit.learn._world import (
    EPISODE,
    NOWHERE,
    PAIR,
    STATE,
    TIME,
    begin_episode,
    end_episode,
    full,
    remember,
    take_step,
)
from mdpkit.operators.aggregate import EPSILON_GREEDY, reduce_row
from mdpkit.operators.rollout import ENDED
from mdpkit.operators.step_size import Schedule, at, polynomial

MEAN = polynomial(1.0)
"""α_k = 1/(1 + k): the mean of the returns."""


class Rule(NamedTuple):
    """What the kernel knows of a method.

    off_policy, first_visit, exploring   whether it learns of the greedy policy by ratios; of a
                    pair once an episode, at its first visit; and begins with any action
    step_size       by visits of the pair; epsilon by episode
    """

    off_policy: bool
    first_visit: bool
    exploring: bool
    step_size: Schedule
    epsilon: Schedule


class Tables(NamedTuple):
    """Of each pair, (runs, pairs): q, the q that acted, visits, weight C, first time seen.

    owners (pairs,): the state of each pair
    """

    q: np.ndarray
    acting: np.ndarray
    visits: np.ndarray
    total: np.ndarray
    seen: np.ndarray
    owners: np.ndarray


@inlined
def _look_back(world, rule, log, tables, run):
    """Mark when each pair was seen first; off-policy, keep the values that chose."""
    ptr = world.model.action_ptr
    for t in range(log.clock[run, TIME] - 1, -1, -1):
        pair = log.path[run, t]
        tables.seen[run, pair] = t
        if rule.off_policy:
            s = tables.owners[pair]
            for other in range(ptr[s], ptr[s + 1]):
                tables.acting[run, other] = tables.q[run, other]


@njit(allocates=False)
def _learn(world, log, rule, tables, run, G, epsilon):
    """Go back through the episode, behind which stands G."""
    q, acting, ptr = tables.q[run], tables.acting[run], world.model.action_ptr
    _look_back(world, rule, log, tables, run)
    weight = 1.0
    for t in range(log.clock[run, TIME] - 1, -1, -1):
        pair = log.path[run, t]
        G = log.rewards[run, t] + world.gamma * G
        if not rule.first_visit or tables.seen[run, pair] == t:
            alpha = at(rule.step_size, tables.visits[run, pair])
            if rule.off_policy:
                tables.total[run, pair] += weight
                alpha = weight / tables.total[run, pair]
            q[pair] += alpha * (G - q[pair])
            tables.visits[run, pair] += 1
        if rule.off_policy:
            s = tables.owners[pair]
            begin, end = ptr[s], ptr[s + 1]
            weight *= chance(q, begin, end, 0.0, pair) / chance(
                acting, begin, end, epsilon, pair
            )
            if weight == 0.0:
                break


@njit(allocates=False)
def _advance(world, log, rule, tables, first, last, budget):
    ptr, episodes = world.model.action_ptr, log.returns.shape[1]
    for run in range(first, last):
        q, pair = tables.q[run], log.clock[run, PAIR]
        for _ in range(budget):
            episode = log.clock[run, EPISODE]
            if episode == episodes or full(log, run):
                break
            epsilon = at(rule.epsilon, episode)
            if log.clock[run, STATE] == NOWHERE:
                s, a, b = begin_episode(world, log, run)
                free = 1.0 if rule.exploring else epsilon
                pair = epsilon_greedy(q, ptr[s], ptr[s + 1], free, a, b)
                continue
            reward, after, over, a, b = take_step(world, log, run, pair)
            remember(log, run, pair, reward)
            if over:
                G = 0.0
                if after != ENDED:
                    own, n = q[ptr[after] : ptr[after + 1]], ptr[after + 1] - ptr[after]
                    err = 0.0 if rule.off_policy else epsilon
                    G = reduce_row(EPSILON_GREEDY, own, n, err, q[:0], 0)
                _learn(world, log, rule, tables, run, G, epsilon)
                end_episode(log, run)
                continue
            pair = epsilon_greedy(q, ptr[after], ptr[after + 1], epsilon, a, b)
            log.clock[run, STATE] = after
        log.clock[run, PAIR] = pair


def _begin(method: Any, place: Any, runs: int) -> Tables:
    """Every value `initial`."""
    shape = runs, place.n_pairs
    q, none = first_values(method.initial, *shape), np.zeros(shape, dtype=np.int64)
    owners = np.repeat(np.arange(place.n_states), np.diff(place.action_ptr))
    return Tables(q, q.copy(), none, np.zeros(shape), none.copy(), owners)


def _values(tables: Tables) -> np.ndarray:
    return tables.q


FAMILY = Family(_begin, _advance, _values, remembers=True)


@dataclass(frozen=True, eq=False)
class MonteCarloControl:
    """On-policy: acts ε-greedily in the means of its own returns.

    epsilon      number or Schedule, by episode
    first_visit  whether a pair is learned of once an episode, at its first visit; or at each
    step_size    number or Schedule, by visits of the pair; the mean of the returns by itself
    initial      action values at first, one number or (pairs,)
    """

    epsilon: Any = 0.1
    first_visit: bool = True
    step_size: Any = MEAN
    initial: Any = 0.0
    key = "monte-carlo-control"
    operator = "q^π, π = ε-greedy(q)"
    family = FAMILY

    def rule(self) -> Rule:
        """The two rates; every ratio is 1."""
        rates = rate(self.step_size, "step_size"), rate(self.epsilon, "epsilon")
        return Rule(False, bool(self.first_visit), False, *rates)


@dataclass(frozen=True, eq=False)
class ExploringStarts:
    """The first action is any, with equal probability; the others are greedy.

    Every state must be one that episodes begin in, or that others lead to: `learn(start=…)`.
    A greedy policy may go round in circles: then `max_steps` cuts.
    first_visit, step_size, initial   as for MonteCarloControl
    """

    first_visit: bool = True
    step_size: Any = MEAN
    initial: Any = 0.0
    key = "exploring-starts"
    operator = "q^π, π = greedy(q)"
    family = FAMILY

    def rule(self) -> Rule:
        """ε = 0 but for the first action."""
        rates = rate(self.step_size, "step_size"), rate(0.0, "epsilon")
        return Rule(False, bool(self.first_visit), True, *rates)


@dataclass(frozen=True, eq=False)
class OffPolicyMonteCarloControl:
    """Learns of the greedy policy from ε-greedy episodes, by weighted importance sampling.

    It learns only from the tail of an episode behind the last action that was not greedy.
    epsilon   number or Schedule > 0, by episode: the behavior has to be soft
    initial   as for MonteCarloControl
    """

    epsilon: Any = 0.1
    initial: Any = 0.0
    key = "off-policy-monte-carlo-control"
    operator = "q^π, π = greedy(q), weighed by Π π/b"
    family = FAMILY

    def rule(self) -> Rule:
        """Every visit; the step size is W/C."""
        return Rule(True, False, False, MEAN, rate(self.epsilon, "epsilon"))
