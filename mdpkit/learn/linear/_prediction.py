"""The kernel of linear prediction: what each of the methods of `prediction` does in a step.

Updates touch the nonzero features only, but for what fades with every step: traces at λ > 0,
and the discounted features of Monte Carlo.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import inlined, njit
from mdpkit._random import short_unit, unit
from mdpkit.learn._family import Family
from mdpkit.learn._following import first_values
from mdpkit.learn._world import (
    EPISODE,
    NOWHERE,
    PAIR,
    STATE,
    begin_episode,
    compare,
    end_episode,
    more_words,
    take_step,
)
from mdpkit.learn.linear._given import Followed, add, dot, followed
from mdpkit.mdp import MDP
from mdpkit.operators.rollout import ENDED, above, draw
from mdpkit.operators.step_size import Schedule, at

TD, EMPHATIC, GTD2_CODE, TDC_CODE, RESIDUAL, SINGLE, MONTE_CARLO = range(7)


class Rule(NamedTuple):
    """What the kernel knows of a method; `second` is β."""

    code: int
    lam: float
    step_size: Schedule
    second: Schedule


class Tables(NamedTuple):
    """w, u (GTD2, TDC; Monte Carlo's Σ v φ), trace and total (its Σ r e): (runs, K).

    follow (runs, 2): F and the ratio before; steps (runs,): updates so far
    """

    w: np.ndarray
    u: np.ndarray
    trace: np.ndarray
    total: np.ndarray
    follow: np.ndarray
    steps: np.ndarray
    given: Followed


@njit
def _advance(world, log, rule, tables, first, last, budget):
    given, ptr, episodes = tables.given, world.model.action_ptr, log.returns.shape[1]
    values = np.empty(log.truth.size)
    for run in range(first, last):
        for _ in range(budget):
            episode = log.clock[run, EPISODE]
            if episode == episodes:
                break
            if log.clock[run, STATE] == NOWHERE:
                s, a, _ = begin_episode(world, log, run)
                log.clock[run, PAIR] = above(given.behavior, ptr[s], ptr[s + 1], short_unit(a))
                continue
            s, pair = log.clock[run, STATE], log.clock[run, PAIR]
            reward, after, over, a, _ = take_step(world, log, run, pair)
            if rule.code == MONTE_CARLO:
                _gather(world.gamma, tables, run, s, reward, after, over)
            elif rule.code == TD or rule.code == EMPHATIC:
                _trace(world.gamma, rule, tables, run, s, pair, reward, after)
            else:
                _correct(world, log, rule, tables, run, s, pair, reward, after)
            tables.steps[run] += 1
            if over:
                if rule.code == MONTE_CARLO:
                    _settle(tables, run, at(rule.step_size, episode))
                tables.trace[run, :] = 0.0
                tables.follow[run, :] = 0.0
                end_episode(log, run)
                for state in range(values.size):
                    values[state] = dot(given, state, 0, tables.w[run])
                compare(log, run, values)
                continue
            log.clock[run, STATE] = after
            log.clock[run, PAIR] = above(
                given.behavior, ptr[after], ptr[after + 1], short_unit(a)
            )


@inlined
def _delta(given, w, gamma, s, reward, after):
    following = dot(given, after, 0, w) if after != ENDED else 0.0
    return reward + gamma * following - dot(given, s, 0, w)


@inlined
def _trace(gamma, rule, tables, run, s, pair, reward, after):
    """One step of TD(λ), or of emphatic TD(λ)."""
    given, w, z = tables.given, tables.w[run], tables.trace[run]
    rho, weight = given.ratio[pair], 1.0
    if rule.code == EMPHATIC:
        F = given.interest[s] + gamma * tables.follow[run, 1] * tables.follow[run, 0]
        tables.follow[run, 0], tables.follow[run, 1] = F, rho
        weight = rule.lam * given.interest[s] + (1.0 - rule.lam) * F
    change = at(rule.step_size, tables.steps[run]) * _delta(given, w, gamma, s, reward, after)
    if rule.lam == 0.0:
        add(given, s, 0, change * rho * weight, w)
        return
    for k in range(z.size):
        z[k] *= rho * gamma * rule.lam
    add(given, s, 0, rho * weight, z)
    for k in range(z.size):
        w[k] += change * z[k]


@inlined
def _correct(world, log, rule, tables, run, s, pair, reward, after):
    """One step of GTD2, TDC or the residual gradient."""
    given, w, u, gamma = tables.given, tables.w[run], tables.u[run], world.gamma
    rho = given.ratio[pair]
    delta = _delta(given, w, gamma, s, reward, after)
    alpha = at(rule.step_size, tables.steps[run]) * rho
    if rule.code == RESIDUAL or rule.code == SINGLE:
        other = after
        if rule.code == RESIDUAL:
            ptr = world.model.action_ptr
            c, d, a, _ = more_words(log, run)
            again = above(given.target, ptr[s], ptr[s + 1], short_unit(a))
            other = draw(world.model, again, unit(c, d))
        add(given, s, 0, alpha * delta, w)
        if other != ENDED:
            add(given, other, 0, -alpha * gamma * delta, w)
        return
    seen = dot(given, s, 0, u)
    add(given, s, 0, alpha * (seen if rule.code == GTD2_CODE else delta), w)
    if after != ENDED:
        add(given, after, 0, -alpha * gamma * seen, w)
    add(given, s, 0, at(rule.second, tables.steps[run]) * (rho * delta - seen), u)


@inlined
def _gather(gamma, tables, run, s, reward, after, over):
    """Σ_t G_t φ_t = Σ_t r_t e_t with e_t = γ e_{t−1} + φ_t, and Σ_t v(s_t) φ_t."""
    given, w, z = tables.given, tables.w[run], tables.trace[run]
    if gamma != 1.0:
        for k in range(z.size):
            z[k] *= gamma
    add(given, s, 0, 1.0, z)
    add(given, s, 0, dot(given, s, 0, w), tables.u[run])
    if over and after != ENDED:
        reward += gamma * dot(given, after, 0, w)
    if reward != 0.0:
        for k in range(z.size):
            tables.total[run, k] += reward * z[k]


@inlined
def _settle(tables, run, alpha):
    for k in range(tables.w.shape[1]):
        tables.w[run, k] += alpha * (tables.total[run, k] - tables.u[run, k])
        tables.total[run, k] = tables.u[run, k] = 0.0


def _begin(method: Any, place: Any, runs: int) -> Tables:
    """The initial weights, no traces."""
    if method.rule().code == RESIDUAL and not isinstance(place, MDP):
        raise TypeError(
            "a second next state can only be drawn in a model. Pass an MDP, or "
            "double_sampling=False, which also minimizes the variance of the target."
        )
    given, K = followed(place, method)
    w = first_values(method.initial, runs, K)
    u, trace, total = np.zeros((3, runs, K))
    steps = np.zeros(runs, dtype=np.int64)
    return Tables(w, u, trace, total, np.zeros((runs, 2)), steps, given)


def _values(tables: Tables) -> np.ndarray:
    """(runs, S): Φw."""
    from scipy.sparse import csr_array

    given = tables.given
    shape = given.row_ptr.size - 1, tables.w.shape[1]
    phi = csr_array((given.values, given.columns, given.row_ptr), shape)
    return (phi @ tables.w.T).T


FAMILY = Family(_begin, _advance, _values, predicts=True)
