"""Simulation: trajectories of a policy, drawn from the model's rows by counted random numbers.

    s_0 ~ μ,   a_t ~ π(·|s_t),   s_{t+1} ~ P(·|s_t, a_t), or the end, with probability stop

The next state is drawn by inversion: the entries of a row, accumulated in their order, cut
[0, 1) into intervals, and what is left above the last of them is the end. Step k of trajectory
i uses the words of counter (i, k) and nothing else, so a batch is the same on any number of
threads. A model stores mean rewards r(s,a) only, and they are what a step pays; unless the
reward of the step that ends the episode is given apart.

Checked in tests/operators/test_rollout.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._cuda import upload
from mdpkit._device import require_cpu
from mdpkit._jit import inlined, njit
from mdpkit._random import keys, philox, short_unit, unit
from mdpkit._rows import CSR
from mdpkit._threads import over_runs
from mdpkit.batch import Trajectories
from mdpkit.errors import ModelError
from mdpkit.mdp import MDP
from mdpkit.operators.occupancy import initial
from mdpkit.policy import probabilities

ENDED = -1
"""The next state that `draw` returns where the episode terminates."""


class Sampler(NamedTuple):
    """A model ready to be drawn from; kernels take it whole.

    action_ptr (S + 1,), row_ptr (pairs + 1,), columns (nnz,) next states, upper (nnz,) the
    accumulated probabilities of each row, reward (pairs,) of a step that goes on, end_reward
    (pairs,) of one that ends, start (S,) accumulated
    """

    action_ptr: np.ndarray
    row_ptr: np.ndarray
    columns: np.ndarray
    upper: np.ndarray
    reward: np.ndarray
    end_reward: np.ndarray
    start: np.ndarray


def sampler(mdp: MDP, start: Any = None, end_reward: Any = None) -> Sampler:
    """The accumulated rows of a model. start : (S,) distribution, the model's own if None.

    end_reward : pair layout, what a step pays that ends the episode; one that goes on then pays
    what leaves the mean at r(s,a). None: either pays r(s,a).
    """
    require_cpu(mdp, "accumulating the rows")
    if mdp.is_exact:
        raise TypeError("exact models are enumerated, not drawn from: pass mdp.rounded().")
    if isinstance(mdp.rows, CSR):
        values, columns, row_ptr, _ = mdp.rows
    else:
        pair, columns = np.nonzero(mdp.rows)
        values = mdp.rows[pair, columns]
        row_ptr = np.searchsorted(pair, np.arange(mdp.n_pairs + 1))
    stop = np.zeros(mdp.n_pairs) if mdp._stop is None else mdp._stop
    mu = initial(mdp, start)
    first = accumulated(mu, np.array([0, mu.size]), np.zeros(1))
    upper = accumulated(values, row_ptr, stop)
    ptr = mdp.action_ptr.astype(np.int64), row_ptr.astype(np.int64)
    rewards = _rewards(mdp, stop, end_reward)
    return Sampler(*ptr, columns.astype(np.int64), upper, *rewards, first)


def _rewards(mdp: MDP, stop: np.ndarray, end_reward: Any) -> tuple[np.ndarray, np.ndarray]:
    """What a step pays that goes on, and one that ends."""
    if end_reward is None:
        return np.array(mdp._r), np.array(mdp._r)
    end = np.array(np.broadcast_to(end_reward, mdp.pair_shape), dtype=float).reshape(-1)
    if not np.isfinite(end).all():
        raise ModelError("end_reward must be finite, in pair layout.")
    going = np.maximum(1 - stop, 0.0)
    on = np.divide(mdp._r - stop * end, going, out=np.array(mdp._r), where=going > 0)
    return on, np.where(stop > 0, end, mdp._r)


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
    end_reward: Any = None,
    threads: int = 1,
) -> Trajectories:
    """n trajectories of at most `horizon` steps, each of weight 1/n.

    policy : (S,) int or pair layout; start, end_reward : as for `sampler`.
    Those still running at the horizon are truncated there. The same for any `threads`, and on
    a device, where they stay.
    """
    if horizon < 1 or n < 1:
        raise ValueError(f"horizon and n must be ≥ 1; they are {horizon} and {n}.")
    model = sampler(mdp.to("cpu"), start, end_reward)
    pi, key, shape = policy_bounds(mdp, policy), keys(rng)[0], (n, horizon)
    if mdp.device == "gpu":
        from mdpkit.operators import _device_flow

        rolled = _device_flow.roll(mdp, model, pi, key, n, horizon)
        return Trajectories(*rolled, weight=upload(np.full(n, 1.0 / n)))
    states, pairs = np.empty((n, horizon + 1), dtype=np.int64), np.empty(shape, dtype=np.int64)
    rewards, discounts = np.empty(shape), np.empty(shape)
    boundary = np.empty(shape, dtype=np.bool_)
    out = states, pairs, rewards, discounts, boundary
    over_runs(
        lambda begin, end: _roll(model, pi, float(mdp.gamma), key, begin, end, *out),
        n,
        cost=horizon,
        threads=threads,
    )
    # A trajectory is written in one piece; time is the first axis of what is returned.
    weight = np.full(n, 1.0 / n)
    return Trajectories(states.T, pairs.T, rewards.T, discounts.T, boundary.T, weight)


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
    return _batch(mdp, model, states, pairs)


def _batch(mdp: MDP, model: Sampler, states: np.ndarray, pairs: np.ndarray) -> Trajectories:
    """Read the ends off the states: after a step from s that terminated stands ~s."""
    taken, over = pairs >= 0, states[1:] < 0
    at = np.maximum(pairs, 0)
    rewards = np.where(over, model.end_reward[at], model.reward[at]) * taken
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


@inlined
def above(upper, begin, end, u):
    """The first entry of upper[begin:end] that exceeds u; `end` if none does."""
    while end - begin > 8:
        middle = (begin + end) >> 1
        if upper[middle] > u:
            end = middle + 1
        else:
            begin = middle + 1
    found = begin
    for k in range(begin, end):  # counted, so that there is no branch to guess wrong
        found += 1 if upper[k] <= u else 0
    return found


@inlined
def draw(model, pair, u):
    """The state after a step from `pair`, by the number u in [0, 1); ENDED if it ends."""
    j = above(model.upper, model.row_ptr[pair], model.row_ptr[pair + 1], u)
    return ENDED if j == model.row_ptr[pair + 1] else model.columns[j]


@inlined
def first_state(model, u):
    """The state an episode begins in, by the number u in [0, 1)."""
    return above(model.start, 0, model.start.size, u)


@njit
def _roll(
    model, pi, gamma, key, begin, end, states, pairs, rewards, discounts, boundary
):  # fmt: skip
    horizon = pairs.shape[1]
    for i in range(begin, end):
        words = philox(key, np.uint64(i), np.uint64(0))
        s, running = first_state(model, unit(words[0], words[1])), True
        states[i, 0] = s
        for t in range(horizon):
            if not running:
                pairs[i, t], rewards[i, t], discounts[i, t], boundary[i, t] = -1, 0.0, 0.0, True
                states[i, t + 1] = s
                continue
            words = philox(key, np.uint64(i), np.uint64(t + 1))
            own = model.action_ptr[s], model.action_ptr[s + 1]
            pair = above(pi, own[0], own[1], short_unit(words[2]))
            after = draw(model, pair, unit(words[0], words[1]))
            pairs[i, t], running = pair, after != ENDED
            rewards[i, t] = model.reward[pair] if running else model.end_reward[pair]
            discounts[i, t] = gamma if running else 0.0
            boundary[i, t] = not running or t == horizon - 1
            s = after if running else s
            states[i, t + 1] = s
