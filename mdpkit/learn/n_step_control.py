"""n-step control: n rewards as they came, and then the action values of where they led.

    G_t = r_t + γ X_{t+1},            up to n rewards; at the end of the n steps X = x

    SARSA           X = G_{t+1},  x = q(s,a)                         (B^π)ⁿ q on average
    expected SARSA  X = G_{t+1},  x = Σ_b π(b|s) q(s,b)              (B^π)ⁿ q on average
    tree backup     X = Σ_b π(b|s) q(s,b) + π(a|s) (G_{t+1} − q(s,a)), the same x

a being the action taken in s. SARSA and expected SARSA follow π, ε-greedy in q; the tree's π
may be another one than that which acts, and needs no ratios. The pair of step t is updated at
time t + n; where the episode is over all that wait are, toward returns of the values as they
stood. n = 1 is SARSA and expected SARSA. Checked in tests/learn/test_n_step_control.py.
Source: Watkins (1989); Precup, Sutton & Singh (2000); Sutton & Barto (2018), §7.2 and 7.5.
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
    take_step,
)
from mdpkit.operators import aggregate
from mdpkit.operators.aggregate import EPSILON_GREEDY, reduce_row
from mdpkit.operators.rollout import ENDED
from mdpkit.operators.step_size import Schedule, at

TAKEN, AVERAGED, TREE = range(3)
"""What stands behind the last reward, and the return behind the others."""


class Rule(NamedTuple):
    """What the kernel knows of a method.

    n, kind   steps, and one of TAKEN, AVERAGED, TREE
    target    the ε of the policy learned about; negative: that of the policy that acts
    step_size by visits of the pair; epsilon by episode
    """

    n: int
    kind: int
    target: float
    step_size: Schedule
    epsilon: Schedule


class Tables(NamedTuple):
    """q and visits (runs, pairs); of the last n steps, step t at t % n, what is remembered.

    states, pairs, rewards, targets (runs, n)
    """

    q: np.ndarray
    visits: np.ndarray
    states: np.ndarray
    pairs: np.ndarray
    rewards: np.ndarray
    targets: np.ndarray


@inlined
def _average(q, begin, end, epsilon):
    """Σ_b π(b|s) q(s,b) of the policy that is ε-greedy in q."""
    return reduce_row(EPSILON_GREEDY, q[begin:end], end - begin, epsilon, q[:0], 0)


@inlined
def _look_back(world, rule, tables, run, now, begin, X, epsilon):
    """Write the returns of steps begin … now into `targets`; behind them stands X."""
    q, ptr, n = tables.q[run], world.model.action_ptr, rule.n
    for t in range(now, begin - 1, -1):
        G = tables.rewards[run, t % n] + world.gamma * X
        tables.targets[run, t % n] = X = G
        if rule.kind == TREE:
            s, pair = tables.states[run, t % n], tables.pairs[run, t % n]
            first, last = ptr[s], ptr[s + 1]
            likely = chance(q, first, last, epsilon, pair)
            X = _average(q, first, last, epsilon) + likely * (G - q[pair])


@inlined
def _learn(rule, tables, run, t):
    """Move the pair of step t toward its return."""
    pair = tables.pairs[run, t % rule.n]
    alpha = at(rule.step_size, tables.visits[run, pair])
    tables.visits[run, pair] += 1
    tables.q[run, pair] += alpha * (tables.targets[run, t % rule.n] - tables.q[run, pair])


@njit(allocates=False)
def _advance(world, log, rule, tables, first, last, budget):
    ptr, episodes, n = world.model.action_ptr, log.returns.shape[1], rule.n
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
            now = log.clock[run, TIME]
            tables.states[run, now % n] = log.clock[run, STATE]
            reward, after, over, a, b = take_step(world, log, run, pair)
            tables.pairs[run, now % n], tables.rewards[run, now % n] = pair, reward
            target = epsilon if rule.target < 0 else rule.target
            X, pair = 0.0, 0
            if after != ENDED:
                pair = epsilon_greedy(q, ptr[after], ptr[after + 1], epsilon, a, b)
                X = q[pair]
                if rule.kind != TAKEN:
                    X = _average(q, ptr[after], ptr[after + 1], target)
            begin = max(0, now + 1 - n)
            if over or now + 1 >= n:
                _look_back(world, rule, tables, run, now, begin, X, target)
            if over:
                for t in range(begin, now + 1):
                    _learn(rule, tables, run, t)
                end_episode(log, run)
                continue
            if now + 1 >= n:
                _learn(rule, tables, run, begin)
            log.clock[run, STATE] = after
        log.clock[run, PAIR] = pair


def _begin(method: Any, place: Any, runs: int) -> Tables:
    """Every value `initial`."""
    shape, recent = (runs, place.n_pairs), (runs, method.rule().n)
    states, pairs = np.zeros(recent, dtype=np.int64), np.zeros(recent, dtype=np.int64)
    q, visits = first_values(method.initial, *shape), np.zeros(shape, dtype=np.int64)
    return Tables(q, visits, states, pairs, np.zeros(recent), np.zeros(recent))


def _values(tables: Tables) -> np.ndarray:
    return tables.q


FAMILY = Family(_begin, _advance, _values)


def _rule(method: Any, kind: int, target: float | None = None) -> Rule:
    """Raises ValueError unless n is whole and ≥ 1, and the target's ε lies in [0, 1]."""
    n = method.n
    if isinstance(n, bool) or not hasattr(n, "__index__") or n < 1:
        raise ValueError(f"n must be a whole number ≥ 1; it is {n!r}.")
    other = -1.0 if target is None else aggregate.epsilon_greedy(target).parameter
    rates = rate(method.step_size, "step_size"), rate(method.epsilon, "epsilon")
    return Rule(int(n), kind, other, *rates)


@dataclass(frozen=True, eq=False)
class NStepSarsa:
    """n rewards and the value of the pair they led to.

    n          steps, ≥ 1
    step_size  number or Schedule, by visits of the pair; epsilon the same, by episode
    initial    action values at first, one number or (pairs,)
    """

    n: int = 4
    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: Any = 0.0
    key = "n-step-sarsa"
    operator = "(B^π)ⁿ q, π = ε-greedy(q)"
    family = FAMILY

    def rule(self) -> Rule:
        """The pair taken stands behind the rewards."""
        return _rule(self, TAKEN)


@dataclass(frozen=True, eq=False)
class NStepExpectedSarsa:
    """n rewards and the average over the actions of the state they led to.

    n, step_size, epsilon, initial   as for NStepSarsa
    """

    n: int = 4
    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: Any = 0.0
    key = "n-step-expected-sarsa"
    operator = "(B^π)ⁿ q, π = ε-greedy(q)"
    family = FAMILY

    def rule(self) -> Rule:
        """An average stands behind the rewards."""
        return _rule(self, AVERAGED)


@dataclass(frozen=True, eq=False)
class TreeBackup:
    """n steps off-policy without ratios: what was not taken is judged by q, all weighed by π.

    n        steps, ≥ 1
    target   the ε of the policy π learned about, 0 is greedy; None: of the policy that acts
    step_size, epsilon, initial   as for NStepSarsa
    """

    n: int = 4
    target: float | None = 0.0
    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: Any = 0.0
    key = "tree-backup"
    operator = "Y_1 = B^π q,   Y_n = B^π q + γ P Σ_b μ π (Y_{n−1} − q), μ acting, π = target"
    family = FAMILY

    def rule(self) -> Rule:
        """A tree of averages stands behind each reward."""
        return _rule(self, TREE, self.target)
