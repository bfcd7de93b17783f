"""What Monte Carlo methods share: an episode is remembered, and learned from when it is over.

Backward from the last step, with ρ_t = π(a_t|s_t)/b(a_t|s_t):

    G_t = r_t + γ((1 − λ) v(s_{t+1}) + λ G_{t+1})        λ-return; λ = 1 elsewhere
    W_t = ρ_t W_{t+1}                                    ratio of what follows
    D_t = r_t + γ ρ_{t+1} D_{t+1}                        per decision

For a state the product begins with ρ_t, for a pair behind it: its action was taken, whatever
the target makes of it. Weighted means take W by its logarithm, relative to the largest so far:
products of thousands of ratios neither overflow nor vanish together. A cut episode bootstraps
from the value of its true last state.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import inlined, njit
from mdpkit._random import short_unit
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
    full,
    remember,
    take_step,
)
from mdpkit.mdp import MDP
from mdpkit.operators.importance import pair_ratios
from mdpkit.operators.rollout import ENDED, above
from mdpkit.operators.step_size import Schedule, at

ORDINARY, WEIGHTED, PER_DECISION = range(3)
"""How a return of the behavior is weighed. On policy every ratio is 1, and all are one."""


class Rule(NamedTuple):
    """What the kernel knows of a method.

    weighing     ORDINARY, WEIGHTED (its step size is W/Σ W) or PER_DECISION
    first_visit  whether an entry is learned of once an episode, at its first visit
    of_pairs     whether the entries are pairs; states otherwise
    lam, summed  λ of the return; whether all updates of an episode start from the same values
    step_size    by visits of the entry
    """

    weighing: int
    first_visit: bool
    of_pairs: bool
    lam: float
    summed: bool
    step_size: Schedule


class Tables(NamedTuple):
    """Of each entry, (runs, n): values, those before the episode, visits, first visit.

    total, top: the sum of weights relative to the largest, and the logarithm of that one.

    Of each pair, (pairs,): behavior accumulated, target π, ratio ρ, state
    """

    values: np.ndarray
    held: np.ndarray
    visits: np.ndarray
    seen: np.ndarray
    total: np.ndarray
    top: np.ndarray
    behavior: np.ndarray
    target: np.ndarray
    ratio: np.ndarray
    states: np.ndarray


@inlined
def _value(rule, tables, values, ptr, s):
    """The value of a state: of pairs the target's average."""
    if not rule.of_pairs:
        return values[s]
    total = 0.0
    for pair in range(ptr[s], ptr[s + 1]):
        total += tables.target[pair] * values[pair]
    return total


@inlined
def _look_back(rule, log, tables, run, n):
    """Hold the values that the episode began with, and mark when each entry was seen first."""
    for t in range(n - 1, -1, -1):
        pair = log.path[run, t]
        i = pair if rule.of_pairs else tables.states[pair]
        tables.held[run, i] = tables.values[run, i]
        tables.seen[run, i] = t


@njit(allocates=False)
def _learn(world, log, rule, tables, run, after):
    """Go back through the episode, which led to `after`, for the targets; then learn from it.

    The targets take the place of the rewards. Weighted ones are learned from on the way back:
    their means do not depend on the order.
    """
    values, held = tables.values[run], tables.held[run]
    n = log.clock[run, TIME]
    _look_back(rule, log, tables, run, n)
    following = 0.0
    if after != ENDED:
        following = _value(rule, tables, values, world.model.action_ptr, after)
    G, weight, log_weight = following, 1.0, 0.0  # of what comes after step t
    for t in range(n - 1, -1, -1):
        pair = log.path[run, t]
        ratio = tables.ratio[pair]
        i = pair if rule.of_pairs else tables.states[pair]
        G = log.rewards[run, t] + world.gamma * ((1.0 - rule.lam) * following + rule.lam * G)
        following = held[i]
        log.rewards[run, t] = G
        if rule.weighing == WEIGHTED:
            later = log_weight + np.log(ratio)
            own = log_weight if rule.of_pairs else later
            if _counts(rule, tables, run, i, t) and own > -np.inf:
                values[i] += _share(tables, run, i, own) * (G - values[i])
            log_weight = later
        elif rule.weighing == ORDINARY:
            if G != 0.0:  # a product that overflowed is no excuse for 0 · ∞
                log.rewards[run, t] *= weight if rule.of_pairs else weight * ratio
            weight *= ratio
        else:
            log.rewards[run, t] *= 1.0 if rule.of_pairs else ratio
            G *= ratio
    for t in range(n):
        pair = log.path[run, t]
        i = pair if rule.of_pairs else tables.states[pair]
        if _counts(rule, tables, run, i, t):
            alpha = at(rule.step_size, tables.visits[run, i])
            tables.visits[run, i] += 1
            if rule.weighing != WEIGHTED:
                base = held[i] if rule.summed else values[i]
                values[i] += alpha * (log.rewards[run, t] - base)


@inlined
def _share(tables, run, i, log_weight):
    """W/Σ W of a weight that has just come."""
    top = max(tables.top[run, i], log_weight)
    grown = np.exp(tables.top[run, i] - top)  # 0 at first, when no weight has come
    share = np.exp(log_weight - top)
    tables.top[run, i] = top
    tables.total[run, i] = tables.total[run, i] * grown + share
    return share / tables.total[run, i]


@inlined
def _counts(rule, tables, run, i, t):
    """Whether step t, a visit of entry i, is learned from."""
    return not rule.first_visit or tables.seen[run, i] == t


@njit(allocates=False)
def _advance(world, log, rule, tables, first, last, budget):
    ptr, episodes = world.model.action_ptr, log.returns.shape[1]
    for run in range(first, last):
        for _ in range(budget):
            if log.clock[run, EPISODE] == episodes or full(log, run):
                break
            if log.clock[run, STATE] == NOWHERE:
                s, a, _ = begin_episode(world, log, run)
                log.clock[run, PAIR] = above(tables.behavior, ptr[s], ptr[s + 1], short_unit(a))
                continue
            pair = log.clock[run, PAIR]
            reward, after, over, a, _ = take_step(world, log, run, pair)
            remember(log, run, pair, reward)
            if over:
                _learn(world, log, rule, tables, run, after)
                end_episode(log, run)
                if not rule.of_pairs:  # the truth is of states
                    compare(log, run, tables.values[run])
                continue
            log.clock[run, STATE] = after
            log.clock[run, PAIR] = above(
                tables.behavior, ptr[after], ptr[after + 1], short_unit(a)
            )


def _begin(method: Any, place: Any, runs: int) -> Tables:
    """The initial values; `method.policy` is evaluated, `method.behavior`, if any, followed."""
    pi = given_policy(place, method.policy)
    followed = getattr(method, "behavior", method.policy)
    b = given_policy(place, followed, "behavior")
    ptr = np.asarray(place.action_ptr)
    states = np.repeat(np.arange(place.n_states), np.diff(ptr))
    shape = runs, place.n_pairs if method.rule().of_pairs else place.n_states
    return Tables(
        first_values(method.initial, *shape),
        np.zeros(shape),
        np.zeros(shape, dtype=np.int64),
        np.zeros(shape, dtype=np.int64),
        np.zeros(shape),
        np.full(shape, -np.inf),
        bounds(place, b),
        pi,
        pair_ratios(pi, b, _place(place)),
        states,
    )


def _place(place: Any) -> Any:
    """From pairs to (s, a), for messages."""
    return place.place if isinstance(place, MDP) else lambda i: divmod(i, place.n_actions)


def _values(tables: Tables) -> np.ndarray:
    return tables.values


FAMILY = Family(_begin, _advance, _values, remembers=True, predicts=True)
