"""Dyna: between two steps in the world, many in a model of it that is learned on the way.

    in the world    q(s,a) ← q(s,a) + α (r + γ max q(s',·) − q(s,a)),  (s,a) → r, s' is learned
    in the model    n times, from a pair that was tried before, toward
                    sample        r + γ max q(s',·), r and s' from the model
                    expectation   r̂ + γ Σ_t P̂(t|s,a) max q(t,·), over all that was counted

The model is the last outcome of each pair ("last", right where nothing is random), or how often
each came ("counts"): r̂ is the mean reward and P̂ the frequencies, an end being one of them. With
many expectations q is value iteration's answer to the counted model, q*(P̂, r̂); with n = 0 it is
Q-learning to the bit. Dyna-Q+ adds κ√τ to a modeled reward, τ the steps since the pair was last
taken in the world, and lets untried pairs of a state once visited lead back to it for nothing.
Checked in tests/learn/test_dyna.py and proofs_checks/planning.py.
Source: Sutton (1990); Sutton & Barto (2018), §8.2–8.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import inlined, njit
from mdpkit._random import philox, short_unit, unit
from mdpkit.learn._act import epsilon_greedy, rate
from mdpkit.learn._family import Family
from mdpkit.learn._following import first_values
from mdpkit.learn._world import (
    COUNT,
    EPISODE,
    NOWHERE,
    PAIR,
    STATE,
    begin_episode,
    end_episode,
    take_step,
)
from mdpkit.operators.aggregate import largest
from mdpkit.operators.rollout import ENDED
from mdpkit.operators.step_size import Schedule, at

MODELS = ("last", "counts")
BACKUPS = ("sample", "expectation")

UNKNOWN = -2
"""Beside ENDED and the states: what comes after a pair that is not in the model."""

LARGEST = 2**31
"""Bytes that the counts of all runs may take."""


class Rule(NamedTuple):
    """What the kernel knows of a method.

    planning, counts, expected   updates after each step; of which model, and how
    bonus      κ, in units of reward
    step_size  by updates of the pair; epsilon by episode
    """

    planning: int
    counts: bool
    expected: bool
    bonus: float
    step_size: Schedule
    epsilon: Schedule


class Tables(NamedTuple):
    """Of each pair, (runs, pairs): q, updates, times tried, mean reward, last next state.

    when     (runs, pairs) words used when it was last taken
    tried    (runs, pairs) the pairs that planning may begin with, in the order they came;
             listed (runs,) of them
    counts   (runs, pairs, S + 1 or 0), the end counted last
    owners   (pairs,) the state of each pair
    """

    q: np.ndarray
    updates: np.ndarray
    visits: np.ndarray
    reward: np.ndarray
    after: np.ndarray
    when: np.ndarray
    tried: np.ndarray
    listed: np.ndarray
    counts: np.ndarray
    owners: np.ndarray


@inlined
def _value(world, q, s):
    """max_b q(s,b), and 0 after the end."""
    if s == ENDED:
        return 0.0
    return largest(q, world.model.action_ptr[s], world.model.action_ptr[s + 1])


@inlined
def _update(rule, tables, run, pair, target):
    """Move q(s,a) toward a target."""
    alpha = at(rule.step_size, tables.updates[run, pair])
    tables.q[run, pair] += alpha * (target - tables.q[run, pair])
    tables.updates[run, pair] += 1


@inlined
def _note(world, log, rule, tables, run, pair, reward, after):
    """Teach the model one step; a pair seen first is listed, for a bonus all of its state."""
    s = tables.owners[pair]
    begin, end = pair, pair + 1
    if rule.bonus > 0.0:
        begin, end = world.model.action_ptr[s], world.model.action_ptr[s + 1]
    for other in range(begin, end):
        if tables.after[run, other] == UNKNOWN:
            tables.tried[run, tables.listed[run]] = other
            tables.listed[run] += 1
            tables.after[run, other] = s
    tables.visits[run, pair] += 1
    tables.when[run, pair] = log.clock[run, COUNT]
    tables.after[run, pair] = after
    if rule.counts:
        change = (reward - tables.reward[run, pair]) / tables.visits[run, pair]
        tables.reward[run, pair] += change
        tables.counts[run, pair, after] += 1  # ENDED = −1 is the last
    else:
        tables.reward[run, pair] = reward


@inlined
def _modeled(world, rule, tables, run, pair, u):
    """γ max q(s',·) of the model: of the s' drawn by u in [0, 1), or the average over all."""
    q, counts, n = tables.q[run], tables.counts[run, pair], tables.visits[run, pair]
    if not rule.counts or n == 0:
        return world.gamma * _value(world, q, tables.after[run, pair])
    total, passed = 0.0, u * n
    for s in range(counts.size - 1):
        if counts[s] == 0:
            continue
        if rule.expected:
            total += counts[s] / n * _value(world, q, s)
        elif passed < counts[s]:
            return world.gamma * _value(world, q, s)
        else:
            passed -= counts[s]
    return world.gamma * total


@inlined
def _plan(world, log, rule, tables, run):
    """Updates from the model, each of a pair drawn from those listed."""
    now = log.clock[run, COUNT]
    for i in range(rule.planning):
        words = philox(log.keys[run], np.uint64(3 + i), np.uint64(now))
        pair = tables.tried[run, int(short_unit(words[0]) * tables.listed[run])]
        value = _modeled(world, rule, tables, run, pair, unit(words[2], words[3]))
        bonus = rule.bonus * np.sqrt(float(now - tables.when[run, pair]))
        _update(rule, tables, run, pair, tables.reward[run, pair] + bonus + value)


@njit(allocates=False)
def _advance(world, log, rule, tables, first, last, budget):
    ptr, episodes = world.model.action_ptr, log.returns.shape[1]
    for run in range(first, last):
        q, pair = tables.q[run], log.clock[run, PAIR]
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
            _update(rule, tables, run, pair, reward + world.gamma * _value(world, q, after))
            if rule.planning > 0:
                _note(world, log, rule, tables, run, pair, reward, after)
                _plan(world, log, rule, tables, run)
            if over:
                end_episode(log, run)
                continue
            pair = epsilon_greedy(q, ptr[after], ptr[after + 1], epsilon, a, b)
            log.clock[run, STATE] = after
        log.clock[run, PAIR] = pair


def _begin(method: Any, place: Any, runs: int) -> Tables:
    """Every value `initial`, an empty model. Raises ValueError if its counts are too many."""
    rule, shape = method.rule(), (runs, place.n_pairs)
    width = place.n_states + 1 if rule.counts else 0
    if 4 * runs * place.n_pairs * width > LARGEST:
        raise ValueError(
            f"counts of {runs} runs × {place.n_pairs} pairs × {width} outcomes take more than "
            f'{LARGEST >> 30} GiB. Use model="last", or fewer runs at a time.'
        )
    q, zeros = first_values(method.initial, *shape), np.zeros(shape, dtype=np.int64)
    return Tables(
        q,
        zeros,
        zeros.copy(),
        np.zeros(shape),
        np.full(shape, UNKNOWN),
        zeros.copy(),
        zeros.copy(),
        np.zeros(runs, dtype=np.int64),
        np.zeros((*shape, width), dtype=np.int32),
        np.repeat(np.arange(place.n_states), np.diff(place.action_ptr)),
    )


def _values(tables: Tables) -> np.ndarray:
    return tables.q


FAMILY = Family(_begin, _advance, _values)


@dataclass(frozen=True, eq=False)
class DynaQ:
    """Q-learning that also learns a model, and updates n times from it after each step.

    planning   n ≥ 0
    model      "last", each pair's last outcome; or "counts", how often each came
    backup     "sample" from the model; or "expectation" over all its counts
    bonus      κ ≥ 0 of Dyna-Q+, in units of reward
    step_size  number or Schedule, by updates of the pair, real and modeled
    epsilon    number or Schedule, by episode
    initial    action values at first, one number or (pairs,)
    """

    planning: int = 10
    model: str = "last"
    backup: str = "sample"
    bonus: float = 0.0
    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: Any = 0.0
    key = "dyna-q"
    operator = "B̂ q = r̂ + γ P̂ max_b q, of the learned model; B q of the world"
    family = FAMILY

    def rule(self) -> Rule:
        """Raises ValueError on what is none of the choices, or out of range."""
        n, counts = self.planning, self.model == "counts"
        if isinstance(n, bool) or not hasattr(n, "__index__") or n < 0:
            raise ValueError(f"planning must be a whole number ≥ 0; it is {n!r}.")
        if self.model not in MODELS or self.backup not in BACKUPS:
            raise ValueError(
                f"model is one of {MODELS} and backup of {BACKUPS}; they are {self.model!r} "
                f"and {self.backup!r}."
            )
        expected = self.backup == "expectation"
        if expected and not counts:
            raise ValueError('an expectation needs all outcomes: pass model="counts".')
        if not 0 <= self.bonus < np.inf:
            raise ValueError(f"bonus must be finite and ≥ 0; it is {self.bonus}.")
        rates = rate(self.step_size, "step_size"), rate(self.epsilon, "epsilon")
        return Rule(int(n), counts, expected, float(self.bonus), *rates)
