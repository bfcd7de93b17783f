"""Simulation: trajectories of a policy, drawn from the model's rows by counted random numbers.

    s_0 ~ μ,   a_t ~ π(·|s_t),   s_{t+1} ~ P(·|s_t, a_t), or the end, with probability stop

The next state is drawn by inversion: the entries of a row, accumulated in their order, cut
[0, 1) into intervals, and what is left above the last of them is the end. Step k of trajectory
i uses the words of counter (i, k) and nothing else, so a batch is the same on any number of
threads. Rewards are the model's means r(s,a): a model stores no others.

Checked in tests/operators/test_rollout.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import njit
from mdpkit._random import keys, philox, short_unit, unit
from mdpkit._rows import CSR
from mdpkit._threads import over_runs
from mdpkit.batch import Trajectories
from mdpkit.errors import ModelError
from mdpkit.mdp import MDP
from mdpkit.policy import probabilities

ENDED = -1
"""The next state that `draw` returns where the episode terminates."""


class Sampler(NamedTuple):
    """A model ready to be drawn from; kernels take it whole.

    action_ptr (S + 1,), row_ptr (pairs + 1,), columns (nnz,) next states, upper (nnz,) the
    accumulated probabilities of each row, reward (pairs,), start (S,) accumulated
    """

    action_ptr: np.ndarray
    row_ptr: np.ndarray
    columns: np.ndarray
    upper: np.ndarray
    reward: np.ndarray
    start: np.ndarray


def sampler(mdp: MDP, start: Any = None) -> Sampler:
    """The accumulated rows of a model. start : (S,) distribution, the model's own if None."""
    if mdp.is_exact:
        raise TypeError("exact models are enumerated, not drawn from: pass mdp.rounded().")
    if isinstance(mdp.rows, CSR):
        values, columns, row_ptr, _ = mdp.rows
    else:
        pair, columns = np.nonzero(mdp.rows)
        values = mdp.rows[pair, columns]
        row_ptr = np.searchsorted(pair, np.arange(mdp.n_pairs + 1))
    stop = np.zeros(mdp.n_pairs) if mdp._stop is None else mdp._stop
    mu = mdp.start if start is None else np.asarray(start, dtype=float)
    if mu.shape != (mdp.n_states,):
        raise ModelError(f"start has shape {mu.shape}; ({mdp.n_states},) is needed.")
    first = accumulated(mu, np.array([0, mu.size]), np.zeros(1))
    upper = accumulated(values, row_ptr, stop)
    ptr = mdp.action_ptr.astype(np.int64), row_ptr.astype(np.int64)
    return Sampler(*ptr, columns.astype(np.int64), upper, np.array(mdp._r), first)


def accumulated(values: np.ndarray, row_ptr: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Cumulative sums within each row; the last is exactly 1 where the row has no rest.

    values (nnz,) ≥ 0, row_ptr (n + 1,), rest (n,) the mass that is none of the row's.
    """
    out = np.empty(values.size)
    _accumulate(values, row_ptr, rest, out)
    return out


def policy_bounds(mdp: MDP, policy: Any) -> np.ndarray:
    """(pairs,) π accumulated over the actions of each state."""
    pi = np.ascontiguousarray(probabilities(mdp, policy).reshape(-1))
    return accumulated(pi, mdp.action_ptr, np.zeros(mdp.n_states))


def rollout(
    mdp: MDP,
    policy: Any,
    horizon: int,
    *,
    n: int,
    rng: Any = None,
    start: Any = None,
    threads: int = 1,
) -> Trajectories:
    """n trajectories of at most `horizon` steps, each of weight 1/n.

    policy : (S,) int or pair layout; start : (S,) distribution, the model's own if None.
    Those still running at the horizon are truncated there. The same for any `threads`.
    """
    if horizon < 1 or n < 1:
        raise ValueError(f"horizon and n must be ≥ 1; they are {horizon} and {n}.")
    model, pi = sampler(mdp, start), policy_bounds(mdp, policy)
    states = np.empty((horizon + 1, n), dtype=np.int64)
    pairs = np.empty((horizon, n), dtype=np.int64)
    key = keys(rng)[0]
    over_runs(
        lambda begin, end: _roll(model, pi, key, begin, end, states, pairs),
        n,
        cost=horizon,
        threads=threads,
    )
    return _batch(mdp, states, pairs)


def rollout_reference(
    mdp: MDP, policy: Any, horizon: int, *, n: int, rng: Any = None, start: Any = None
) -> Trajectories:
    """`rollout` as it is defined, one draw at a time."""
    model, pi = sampler(mdp, start), policy_bounds(mdp, policy)
    states, pairs = np.empty((horizon + 1, n), dtype=int), np.full((horizon, n), -1)
    key = keys(rng)[0]
    for i in range(n):
        words = philox(key, np.uint64(i), np.uint64(0))
        s = int(np.searchsorted(model.start, unit(words[0], words[1]), side="right"))
        states[0, i] = s
        for t in range(horizon):
            words = philox(key, np.uint64(i), np.uint64(t + 1))
            own = slice(mdp.action_ptr[s], mdp.action_ptr[s + 1])
            choice = np.searchsorted(pi[own], short_unit(words[2]), side="right")
            pairs[t, i] = pair = own.start + choice
            row = slice(model.row_ptr[pair], model.row_ptr[pair + 1])
            u = unit(words[0], words[1])
            j = np.searchsorted(model.upper[row], u, side="right")
            if j == row.stop - row.start:
                states[t + 1 :, i] = ~s
                break
            states[t + 1, i] = s = model.columns[row][j]
    return _batch(mdp, states, pairs)


def _batch(mdp: MDP, states: np.ndarray, pairs: np.ndarray) -> Trajectories:
    """Read the ends off the states: after a step from s that terminated stands ~s."""
    taken, over = pairs >= 0, states[1:] < 0
    rewards = np.where(taken, mdp._r[np.maximum(pairs, 0)], 0.0)
    discounts = np.where(over, 0.0, float(mdp.gamma))
    boundary = over.copy()
    boundary[-1] = True
    states = np.where(states < 0, ~states, states)
    weight = np.full(states.shape[1], 1.0 / states.shape[1])
    return Trajectories(states, pairs, rewards, discounts, boundary, weight)


@njit
def _accumulate(values, row_ptr, rest, out):
    for i in range(row_ptr.size - 1):
        total = 0.0
        for j in range(row_ptr[i], row_ptr[i + 1]):
            total += values[j]
            out[j] = min(total, 1.0)
        if rest[i] == 0 and row_ptr[i + 1] > row_ptr[i]:
            out[row_ptr[i + 1] - 1] = 1.0


@njit(inline="always")
def above(upper, begin, end, u):
    """The first entry of upper[begin:end] that exceeds u; `end` if none does."""
    while end - begin > 8:
        middle = (begin + end) >> 1
        if upper[middle] > u:
            end = middle + 1
        else:
            begin = middle + 1
    while begin < end and upper[begin] <= u:
        begin += 1
    return begin


@njit(inline="always")
def draw(model, pair, u):
    """The state after a step from `pair`, by the number u in [0, 1); ENDED if it ends."""
    j = above(model.upper, model.row_ptr[pair], model.row_ptr[pair + 1], u)
    return ENDED if j == model.row_ptr[pair + 1] else model.columns[j]


@njit(inline="always")
def first_state(model, u):
    """The state an episode begins in, by the number u in [0, 1)."""
    return above(model.start, 0, model.start.size, u)


@njit
def _roll(model, pi, key, begin, end, states, pairs):
    horizon = pairs.shape[0]
    for i in range(begin, end):
        words = philox(key, np.uint64(i), np.uint64(0))
        s = first_state(model, unit(words[0], words[1]))
        states[0, i] = s
        for t in range(horizon):
            words = philox(key, np.uint64(i), np.uint64(t + 1))
            own = model.action_ptr[s], model.action_ptr[s + 1]
            pair = above(pi, own[0], own[1], short_unit(words[2]))
            after = draw(model, pair, unit(words[0], words[1]))
            pairs[t, i] = pair
            if after == ENDED:
                for k in range(t + 1, horizon):
                    pairs[k, i] = -1
                for k in range(t + 1, horizon + 1):
                    states[k, i] = ~s
                break
            states[t + 1, i] = s = after
