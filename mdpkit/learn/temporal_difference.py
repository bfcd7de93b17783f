"""Temporal differences: the value of a policy, learned from each step as it is made.

    δ_t = r_t + γ v(s_{t+1}) − v(s_t),       γ = 0 where the episode terminates
    TD(0)            v(s_t) ← v(s_t) + α δ_t                       T^π v on average
    TD(λ)            v ← v + δ_t z_t,  z fading by γλ               T^(λ) v on average
    true online      dutch z, and a correction: after every step v is what the online λ-return
                     algorithm would have made of the steps so far

Offline, v is held until the end of the episode, and the sum of the updates is Σ α (G^λ − v) to
the digit; online that holds to first order in α, and for true online exactly, with the λ-return
as far as it is known. λ = 0 is TD(0), λ = 1 is Monte Carlo. The step size goes by visits of the
state. Checked in tests/learn/test_temporal_difference.py.
Source: Sutton (1988); Singh & Sutton (1996); van Seijen et al. (2016).
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
    begin_episode,
    compare,
    end_episode,
    take_step,
)
from mdpkit.operators.rollout import ENDED, above
from mdpkit.operators.step_size import Schedule, at
from mdpkit.operators.traces import DUTCH, KINDS, eligible_entries, spread, visit


class Rule(NamedTuple):
    """What the kernel knows of a method: λ, the kind of its traces, when it learns, α."""

    lam: float
    kind: int
    online: bool
    step_size: Schedule


class Tables(NamedTuple):
    """v, visits, trace and pending updates, (runs, S); beside them what is remembered.

    eligible (runs, S or 0) and n_eligible (runs,): the list of entries whose trace is not 0;
    old (runs,): the state's value before the last update; policy (pairs,): accumulated
    """

    v: np.ndarray
    visits: np.ndarray
    trace: np.ndarray
    pending: np.ndarray
    eligible: np.ndarray
    n_eligible: np.ndarray
    old: np.ndarray
    policy: np.ndarray


@inlined
def learn_step(
    rule, v, target, z, eligible, n, visits, s, reward, discount, following, over, old
):  # fmt: skip
    """One step from s toward a state of value `following`; target is what the updates go to.

    discount : γ, 0 where the episode terminated; over : whether traces are cut; old : the value
    that s had before the last update. Returns n, the length of `eligible`.
    """
    alpha = at(rule.step_size, visits[s])
    visits[s] += 1
    n = visit(rule.kind, z, eligible, n, s, alpha)
    moved = v[s] - old if rule.kind == DUTCH else 0.0
    delta = reward + discount * following - v[s]
    decay = 0.0 if over else discount * rule.lam
    n = spread(target, z, eligible, n, delta + moved, decay)
    target[s] -= alpha * moved
    return n


@njit(allocates=False)
def _advance(world, log, rule, tables, first, last, budget):
    ptr, episodes = world.model.action_ptr, log.returns.shape[1]
    for run in range(first, last):
        v, z, eligible = tables.v[run], tables.trace[run], tables.eligible[run]
        visits = tables.visits[run]
        target = v if rule.online else tables.pending[run]
        n, old = tables.n_eligible[run], tables.old[run]
        for _ in range(budget):
            if log.clock[run, EPISODE] == episodes:
                break
            if log.clock[run, STATE] == NOWHERE:
                s, a, _ = begin_episode(world, log, run)
                old = v[s]
                log.clock[run, PAIR] = above(tables.policy, ptr[s], ptr[s + 1], short_unit(a))
                continue
            s = log.clock[run, STATE]
            reward, after, over, a, _ = take_step(world, log, run, log.clock[run, PAIR])
            following, discount = 0.0, 0.0
            if after != ENDED:
                following, discount = v[after], world.gamma
            n = learn_step(
                rule, v, target, z, eligible, n, visits,
                s, reward, discount, following, over, old,
            )  # fmt: skip
            old = following
            if over:
                if not rule.online:
                    settle(v, target)
                end_episode(log, run)
                compare(log, run, v)
                continue
            log.clock[run, STATE] = after
            log.clock[run, PAIR] = above(
                tables.policy, ptr[after], ptr[after + 1], short_unit(a)
            )
        tables.n_eligible[run], tables.old[run] = n, old


@inlined
def settle(v, pending):
    """Make the updates that were held until the end of the episode."""
    for s in range(v.size):
        v[s] += pending[s]
        pending[s] = 0.0


def _begin(method: Any, place: Any, runs: int) -> Tables:
    """The initial values, no traces."""
    shape = runs, place.n_states
    policy = bounds(place, given_policy(place, method.policy))
    v = first_values(method.initial, *shape)
    visits, count = np.zeros(shape, dtype=np.int64), np.zeros(runs, dtype=np.int64)
    eligible = eligible_entries(*shape)
    nothing = np.zeros(shape)
    return Tables(v, visits, nothing, nothing.copy(), eligible, count, np.zeros(runs), policy)


def _values(tables: Tables) -> np.ndarray:
    return tables.v


FAMILY = Family(_begin, _advance, _values, predicts=True)


@dataclass(frozen=True, eq=False)
class TD0:
    """TD(0): toward r + γ v(s').

    policy     (S,) int or pair layout: what is followed and evaluated
    step_size  number or Schedule, by visits of the state
    initial    values at first, one number or (S,)
    """

    policy: Any
    step_size: Any = 0.1
    initial: Any = 0.0
    key = "td0"
    operator = "T^π v = r_π + γ P_π v"
    family = FAMILY

    def rule(self) -> Rule:
        """λ = 0."""
        return Rule(0.0, KINDS["accumulating"], True, rate(self.step_size, "step_size"))


@dataclass(frozen=True, eq=False)
class TDLambda:
    """TD(λ), the backward view: each error is shared out along a trace.

    policy, step_size, initial   as for TD0
    lam      λ in [0, 1]
    traces   "accumulating" or "replacing"
    online   whether v changes at every step, or at the end of the episode
    """

    policy: Any
    lam: float = 0.8
    step_size: Any = 0.1
    traces: str = "accumulating"
    online: bool = True
    initial: Any = 0.0
    key = "td-lambda"
    operator = "T^(λ) v = v + (I − γλP_π)⁻¹ (T^π v − v), offline; to first order in α online"
    family = FAMILY

    def __post_init__(self):
        check_lambda(self.lam)
        if self.traces not in ("accumulating", "replacing"):
            raise ValueError(
                f'traces must be "accumulating" or "replacing", not {self.traces!r}; '
                "dutch traces are those of TrueOnlineTDLambda."
            )

    def rule(self) -> Rule:
        """The traces asked for."""
        step_size = rate(self.step_size, "step_size")
        return Rule(float(self.lam), KINDS[self.traces], bool(self.online), step_size)


@dataclass(frozen=True, eq=False)
class TrueOnlineTDLambda:
    """True online TD(λ): at every step what the online λ-return algorithm has.

    policy, step_size, initial as for TD0; lam : λ in [0, 1]
    """

    policy: Any
    lam: float = 0.8
    step_size: Any = 0.1
    initial: Any = 0.0
    key = "true-online-td-lambda"
    operator = "the truncated λ-returns G^λ_{t:h}, step by step as the horizon h grows"
    family = FAMILY

    def __post_init__(self):
        check_lambda(self.lam)

    def rule(self) -> Rule:
        """Dutch traces."""
        return Rule(float(self.lam), DUTCH, True, rate(self.step_size, "step_size"))


def check_lambda(lam: Any) -> None:
    """Raise ValueError unless λ lies in [0, 1]."""
    if not 0 <= lam <= 1:
        raise ValueError(f"λ must lie in [0, 1]; it is {lam}.")
