"""Baselines: what is subtracted from a return, so that the estimate varies less.

    constant          b = E R                               one number
    optimal constant  b_i = E[g_i² R] / E[g_i²]             one a parameter, g = ∇ log P(τ)
    of time           b_t = E[G_t | still running]          one a step
    of the state      b(s) = V(s), given or fitted          one a state
    best of the state b(s) = E_a[‖∇ log π‖² q] / E_a ‖∇ log π‖²

    Var_i(b) − Var_i(b*) = E[g_i²] (b − b*_i)²              of g_i (R − b): the second is best
    E ‖∇ log π (q − b)‖² is least, given s, at the last: v is not the best baseline

A baseline fitted to the trajectory it is subtracted from is biased: the mean of n returns
shrinks the gradient by (n−1)/n. `leave_one_out` fits it to the others, which are independent of
it, and leaves no bias; that is for samples. In an enumeration the paths are not a sample but
the distribution: leave nothing out there. Checked in tests/improve/test_baselines.py.
Source: Greensmith, Bartlett & Baxter (2004); Kool, van Hoof & Welling (2019).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit.batch import Trajectories
from mdpkit.improve.estimators import monte_carlo, path_weight
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import check_shape
from mdpkit.operators.scores import Scores


def constant_baseline(batch: Trajectories, *, leave_one_out: bool = False) -> Any:
    """E R, for `reinforce`: one number, or (n, 1) where one is left out."""
    R, w = monte_carlo(batch)[0], batch.weight
    if not leave_one_out:
        return (w @ R) / w.sum()
    return _others(batch, (w * R)[:, None], w[:, None])


def optimal_baseline(
    batch: Trajectories, scores: Scores, *, leave_one_out: bool = False
) -> np.ndarray:
    """E[g_i² R] / E[g_i²], for `reinforce`: (K,), or (n, K) where one is left out.

    A parameter whose score is always 0 has the baseline 0.
    """
    g = scores.on_paths(batch.pairs, path_weight(batch))
    weight = batch.weight[:, None] * g**2
    total = weight * monte_carlo(batch)[0][:, None]
    if leave_one_out:
        return _others(batch, total, weight)
    return _ratio(total.sum(axis=0), weight.sum(axis=0))


def time_baseline(batch: Trajectories, *, leave_one_out: bool = False) -> np.ndarray:
    """E[G_t | running at t], for `reward_to_go`: (T, 1), or (T, n) where one is left out."""
    weight = (path_weight(batch) * batch.weight).T
    total = weight * monte_carlo(batch).T
    if leave_one_out:
        return _others(batch, total, weight).T
    return _ratio(total.sum(axis=0), weight.sum(axis=0))[:, None]


def state_baseline(
    batch: Trajectories, values: Any = None, *, leave_one_out: bool = False
) -> np.ndarray:
    """b(s_t), for `reward_to_go`, (T, n): of values V (S,), or fitted to the returns.

    The fit is least squares of one number a state, the mean of G over its visits; a state that
    no other trajectory visits has 0 where one is left out.
    """
    states = batch.states[:-1]
    if values is not None:
        return np.asarray(values)[states]
    n_states = int(batch.states.max()) + 1
    running = path_weight(batch) * batch.weight
    weight = _by_state(states, running, n_states)
    total = _by_state(states, running * monte_carlo(batch), n_states)
    if leave_one_out:
        return _others(batch, total, weight)[np.arange(states.shape[1]), states]
    return _ratio(total.sum(axis=0), weight.sum(axis=0))[states]


def optimal_state_values(mdp: MDP, scores: Scores, q: Any) -> np.ndarray:
    """E_a[‖∇ log π‖² q] / E_a ‖∇ log π‖², (S,), for `state_baseline`. q : pair layout.

    It minimizes the trace of the variance of ∇ log π(a|s) (q(s,a) − b), given s; 0 where the
    score is always 0.
    """
    check_shape(q, mdp.pair_shape, "q")
    weight = scores.pi * (scores.table() ** 2).sum(axis=1)
    ptr = mdp.action_ptr[:-1]
    total = np.add.reduceat(weight * np.asarray(q).reshape(-1), ptr)
    return _ratio(total, np.add.reduceat(weight, ptr))


def _by_state(states: np.ndarray, weight: np.ndarray, n_states: int) -> np.ndarray:
    """Σ_t weight_t 1{s_t = s} of each trajectory, (n, S)."""
    out = np.zeros((states.shape[1], n_states), dtype=weight.dtype)
    for s, w in zip(states, weight, strict=True):
        out[np.arange(s.size), s] += w
    return out


def _others(batch: Trajectories, total: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Σ_{j≠i} total_j / Σ_{j≠i} weight_j for every trajectory i."""
    if batch.weight.size < 2:
        raise ValueError("one trajectory leaves none when it is left out; pass at least two.")
    # Where no other has any weight the sum is that one number, and the difference an exact 0.
    return _ratio(total.sum(axis=0) - total, weight.sum(axis=0) - weight)


def _ratio(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x/y, and 0 where y is."""
    empty = y == 0
    return np.where(empty, 0 * x, x) / np.where(empty, 0 * y + 1, y)
