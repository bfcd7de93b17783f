"""Eligibility traces in control: one error, shared out among the pairs that led to it.

    δ_t = r_t + γ x_{t+1} − q(s_t,a_t),      q ← q + δ_t z,   z fades by d_{t+1}

    SARSA(λ)          x = q(s',a'), a' being taken           d = γλ
    Watkins' Q(λ)     x = max_b q(s',b)                      d = γλ if a' is greedy, else 0

z(s,a) is the credit of a pair, step size included (`operators/traces.py`). While q is held the
sum of the updates is Σ_t α (G_t − q(s_t,a_t)) pathwise, with the λ-return G of the x, which in
Watkins' is cut before the first action that is not greedy. λ = 0 is SARSA and Q-learning.
Only pairs whose credit is not 0 are passed over. Checked in tests/learn/test_eligibility.py.
Source: Rummery (1995); Watkins (1989); Singh & Sutton (1996); Sutton & Barto (2018), §12.7–10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import njit
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
from mdpkit.operators.aggregate import largest
from mdpkit.operators.rollout import ENDED
from mdpkit.operators.step_size import Schedule, at
from mdpkit.operators.traces import KINDS, eligible_entries, spread, visit


class Rule(NamedTuple):
    """What the kernel knows of a method.

    lam, kind  λ and the kind of the traces
    greedy     whether x is the maximum, and an action that is not greedy cuts the traces
    step_size  by visits of the pair; epsilon by episode
    """

    lam: float
    kind: int
    greedy: bool
    step_size: Schedule
    epsilon: Schedule


class Tables(NamedTuple):
    """q, visits and trace of each pair, (runs, pairs).

    eligible (runs, pairs or 0) and listed (runs,): the pairs whose trace is not 0
    """

    q: np.ndarray
    visits: np.ndarray
    trace: np.ndarray
    eligible: np.ndarray
    listed: np.ndarray


@njit(allocates=False)
def _advance(world, log, rule, tables, first, last, budget):
    ptr, episodes = world.model.action_ptr, log.returns.shape[1]
    for run in range(first, last):
        q, visits, pair = tables.q[run], tables.visits[run], log.clock[run, PAIR]
        z, eligible, n = tables.trace[run], tables.eligible[run], tables.listed[run]
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
            chosen, delta, decay = 0, reward - q[pair], 0.0
            if after != ENDED:
                begin, end = ptr[after], ptr[after + 1]
                chosen = epsilon_greedy(q, begin, end, epsilon, a, b)
                value = largest(q, begin, end) if rule.greedy else q[chosen]
                delta += world.gamma * value
                if not over and q[chosen] == value:  # SARSA's always are
                    decay = world.gamma * rule.lam
            n = visit(rule.kind, z, eligible, n, pair, at(rule.step_size, visits[pair]))
            n = spread(q, z, eligible, n, delta, decay)
            visits[pair] += 1
            pair = chosen
            if over:
                end_episode(log, run)
            else:
                log.clock[run, STATE] = after
        log.clock[run, PAIR], tables.listed[run] = pair, n


def _begin(method: Any, place: Any, runs: int) -> Tables:
    """Every value `initial`, no traces."""
    shape = runs, place.n_pairs
    visits, listed = np.zeros(shape, dtype=np.int64), np.zeros(runs, dtype=np.int64)
    q = first_values(method.initial, *shape)
    return Tables(q, visits, np.zeros(shape), eligible_entries(*shape), listed)


def _values(tables: Tables) -> np.ndarray:
    return tables.q


FAMILY = Family(_begin, _advance, _values)


def _rule(method: Any, greedy: bool) -> Rule:
    """Raises ValueError unless λ lies in [0, 1] and the traces are of a kind for control."""
    if not 0 <= method.lam <= 1:
        raise ValueError(f"λ must lie in [0, 1]; it is {method.lam}.")
    if method.traces not in ("accumulating", "replacing"):
        raise ValueError(
            f'traces must be "accumulating" or "replacing", not {method.traces!r}.'
        )
    rates = rate(method.step_size, "step_size"), rate(method.epsilon, "epsilon")
    return Rule(float(method.lam), KINDS[method.traces], greedy, *rates)


@dataclass(frozen=True, eq=False)
class SarsaLambda:
    """SARSA(λ): between SARSA (λ = 0) and Monte Carlo control (λ = 1).

    lam        λ in [0, 1]
    step_size  number or Schedule, by visits of the pair; epsilon the same, by episode
    traces     "accumulating" or "replacing"
    initial    action values at first, one number or (pairs,)
    """

    lam: float = 0.9
    step_size: Any = 0.1
    epsilon: Any = 0.1
    traces: str = "accumulating"
    initial: Any = 0.0
    key = "sarsa-lambda"
    operator = "q + (I − γλP^π)⁻¹ (B^π q − q), π = ε-greedy(q), to first order in α"
    family = FAMILY

    def rule(self) -> Rule:
        """x = q(s',a')."""
        return _rule(self, greedy=False)


@dataclass(frozen=True, eq=False)
class WatkinsQLambda:
    """Watkins' Q(λ): off-policy, so its traces end where the policy acts against q.

    lam, step_size, epsilon, traces, initial   as for SarsaLambda
    """

    lam: float = 0.9
    step_size: Any = 0.1
    epsilon: Any = 0.1
    traces: str = "accumulating"
    initial: Any = 0.0
    key = "watkins-q-lambda"
    operator = "the λ-return of B q, cut at the first action that is not greedy"
    family = FAMILY

    def rule(self) -> Rule:
        """x = max q(s',·)."""
        return _rule(self, greedy=True)
