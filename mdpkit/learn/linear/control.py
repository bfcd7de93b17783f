"""Linear control from samples: SARSA and Q-learning with q(s,a) ≈ φ(s,a)·w.

    δ = r + γ ⊕_b q(s',b) − q(s,a),    γ = 0 where the episode ends
    w ← w + α δ φ(s,a)                 or α δ e with e ← γλ e + φ(s,a)      (SARSA)

With one weight a pair these are the tabular methods, number for number. In between they are
semi-gradients: SARSA stays near a solution, where it may chatter; Q-learning learns about one
policy from the data of another, and may diverge (`triad`).

Features are of pairs, a table (pairs, K); or of states, a table (S, K) or a function, and then
there is a block of K weights for each action. In a Gymnasium environment with continuous
observations the function is given these: `TileCoding`, `Fourier`, `RadialBasis`, `Polynomial`.
A truncated step bootstraps, and cuts the trace.
Checked in tests/learn/test_linear_control.py, on Mountain Car in test_mountain_car.py.
Source: Rummery & Niranjan (1994); Sutton (1996); Sutton & Barto (2018), §10.1.
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
from mdpkit.learn.linear._given import Blocks, Observed, add, blocks, dot
from mdpkit.learn.one_step import TAKEN
from mdpkit.learn.temporal_difference import check_lambda
from mdpkit.operators import aggregate
from mdpkit.operators.aggregate import reduce_row
from mdpkit.operators.rollout import ENDED
from mdpkit.operators.step_size import Schedule, at


class Rule(NamedTuple):
    """What the kernel knows of a method: ⊕, λ, α by steps and ε by episodes."""

    code: int
    lam: float
    step_size: Schedule
    epsilon: Schedule


class Tables(NamedTuple):
    """w and trace (runs, K); steps (runs,): updates so far."""

    w: np.ndarray
    trace: np.ndarray
    steps: np.ndarray
    given: Blocks


@njit
def _advance(world, log, rule, tables, first, last, budget):
    given, ptr, episodes = tables.given, world.model.action_ptr, log.returns.shape[1]
    q = np.empty(np.max(ptr[1:] - ptr[:-1]))
    for run in range(first, last):
        w = tables.w[run]
        for _ in range(budget):
            episode = log.clock[run, EPISODE]
            if episode == episodes:
                break
            epsilon = at(rule.epsilon, episode)
            if log.clock[run, STATE] == NOWHERE:
                s, a, b = begin_episode(world, log, run)
                n = _fill(given, w, ptr, s, q)
                log.clock[run, PAIR] = ptr[s] + epsilon_greedy(q, 0, n, epsilon, a, b)
                continue
            pair = log.clock[run, PAIR]
            # The features of a state that was observed are overwritten by the next but one.
            reward, after, over, a, b = take_step(world, log, run, pair)
            chosen, value, n = 0, 0.0, 0
            if after != ENDED:
                n = _fill(given, w, ptr, after, q)
                if rule.code == TAKEN:  # what is learned from is what is done
                    chosen = epsilon_greedy(q, 0, n, epsilon, a, b)
                    value = q[chosen]
                else:
                    value = reduce_row(rule.code, q, n, epsilon, q[:0], 0)
            _learn(world.gamma, rule, tables, run, pair, reward + world.gamma * value)
            if over:
                tables.trace[run, :] = 0.0
                end_episode(log, run)
                continue
            if rule.code != TAKEN:
                n = _fill(given, w, ptr, after, q)
                chosen = epsilon_greedy(q, 0, n, epsilon, a, b)
            log.clock[run, STATE], log.clock[run, PAIR] = after, ptr[after] + chosen


@inlined
def _fill(given, w, ptr, s, q):
    """Write the action values of a state into q; how many they are."""
    for pair in range(ptr[s], ptr[s + 1]):
        q[pair - ptr[s]] = dot(given, given.row[pair], given.shift[pair], w)
    return ptr[s + 1] - ptr[s]


@inlined
def _learn(gamma, rule, tables, run, pair, target):
    given, w, z = tables.given, tables.w[run], tables.trace[run]
    row, shift = given.row[pair], given.shift[pair]
    change = at(rule.step_size, tables.steps[run]) * (target - dot(given, row, shift, w))
    tables.steps[run] += 1
    if rule.lam == 0.0:
        add(given, row, shift, change, w)
        return
    for k in range(z.size):
        z[k] *= gamma * rule.lam
    add(given, row, shift, 1.0, z)
    for k in range(z.size):
        w[k] += change * z[k]


def _begin(method: Any, place: Any, runs: int) -> Tables:
    """The initial weights, no traces."""
    given, K = blocks(place, method.features)
    steps = np.zeros(runs, dtype=np.int64)
    return Tables(first_values(method.initial, runs, K), np.zeros((runs, K)), steps, given)


def _values(tables: Tables) -> np.ndarray:
    """(runs, pairs): Φw; of continuous observations (runs, A, K), the weights themselves."""
    given, runs = tables.given, len(tables.w)
    if given.observed:
        return tables.w.reshape(runs, given.blocks, -1)
    out = np.zeros((runs, given.row.size))
    for pair, (row, shift) in enumerate(zip(given.row, given.shift, strict=True)):
        own = slice(given.row_ptr[row], given.row_ptr[row + 1])
        out[:, pair] = tables.w[:, given.columns[own] + shift] @ given.values[own]
    return out


FAMILY = Family(_begin, _advance, _values)


def _observed(method: Any, env: Any) -> Observed | None:
    """How a continuous environment is seen; None where observations are numbered."""
    if not hasattr(env.observation_space, "low"):
        return None
    if not callable(method.features):
        raise TypeError(
            f"observations are {env.observation_space}: pass features as a function of them, "
            "such as TileCoding."
        )
    return Observed(method.features, int(env.action_space.n))


@dataclass(frozen=True, eq=False)
class SemiGradientSarsa:
    """On-policy control: toward r + γ q(s',a'), a' being the action that is taken.

    features   as above; lam: λ in [0, 1], accumulating traces
    step_size  number or Schedule, by steps; with n active binary features about 1/n is as much
               as 1 in a table. epsilon: the same, by episodes
    initial    weights at first, one number or (K,)
    """

    features: Any
    lam: float = 0.0
    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: Any = 0.0
    key = "semi-gradient-sarsa"
    operator = "Π B^π q, π = ε-greedy(q): b − A w on average while π stays"
    family = FAMILY
    observe = _observed

    def __post_init__(self):
        check_lambda(self.lam)

    def rule(self) -> Rule:
        """⊕ = the value of the action taken next."""
        return _rule(self, TAKEN, self.lam)


@dataclass(frozen=True, eq=False)
class SemiGradientExpectedSarsa:
    """The same with the average over ε-greedy(q) in place of the action taken."""

    features: Any
    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: Any = 0.0
    key = "semi-gradient-expected-sarsa"
    operator = "Π B^π q, π = ε-greedy(q)"
    family = FAMILY
    observe = _observed

    def rule(self) -> Rule:
        """⊕ = expectation under the policy that acts."""
        return _rule(self, aggregate.EPSILON_GREEDY)


@dataclass(frozen=True, eq=False)
class SemiGradientQLearning:
    """Off-policy control: toward r + γ max_b q(s',b). It may diverge."""

    features: Any
    step_size: Any = 0.1
    epsilon: Any = 0.1
    initial: Any = 0.0
    key = "semi-gradient-q-learning"
    operator = "Π B q = Π (r + γ P max_b q)"
    family = FAMILY
    observe = _observed

    def rule(self) -> Rule:
        """⊕ = max."""
        return _rule(self, aggregate.MAXIMUM)


def _rule(method: Any, code: int, lam: float = 0.0) -> Rule:
    step_size, epsilon = rate(method.step_size, "step_size"), rate(method.epsilon, "epsilon")
    return Rule(code, float(lam), step_size, epsilon)
