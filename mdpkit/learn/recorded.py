"""Recorded trajectories: temporal differences from data that were made before, in their order.

The update is that of `temporal_difference`, step by step; nothing is drawn, so this is also the
way to a value where there is neither a model nor an environment, only a log of what was done.
Checked in tests/learn/test_recorded.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mdpkit._jit import njit
from mdpkit.batch import Trajectories
from mdpkit.learn._following import first_values
from mdpkit.learn.temporal_difference import (
    TD0,
    TDLambda,
    TrueOnlineTDLambda,
    learn_step,
    settle,
)
from mdpkit.operators.traces import eligible_entries

SHARE = 500_000
"""Steps a kernel takes before it returns to Python: 5 to 20 ms."""


def learn_recorded(
    batch: Trajectories,
    method: TD0 | TDLambda | TrueOnlineTDLambda,
    n_states: int,
    *,
    sweeps: int = 1,
) -> np.ndarray:
    """Values (S,) after the method has gone through all trajectories, `sweeps` times over.

    They are values of the policy that made the data; the method's own policy is not asked for,
    and may be None. Each trajectory counts once, whatever its weight. The last step of one
    that was not over is a cut. Raises ValueError for states outside 0 … n_states − 1.
    """
    if not isinstance(method, TD0 | TDLambda | TrueOnlineTDLambda):
        raise TypeError(f"method must be TD0, TDLambda or TrueOnlineTDLambda, not {method!r}.")
    if sweeps < 1:
        raise ValueError(f"sweeps must be ≥ 1; it is {sweeps}.")
    states, (longest, n) = np.asarray(batch.states), batch.pairs.shape
    if states.min() < 0 or states.max() >= n_states:
        raise ValueError(
            f"states lie in {states.min()} … {states.max()}, not below {n_states}."
        )
    data = _Recorded(
        states,
        np.asarray(batch.rewards, dtype=float),
        np.asarray(batch.discounts, dtype=float),
        np.asarray(batch.boundary),
        (np.asarray(batch.pairs) >= 0).sum(axis=0),
    )
    v, z, pending = first_values(method.initial, 1, n_states)[0], *np.zeros((2, n_states))
    visits, eligible = np.zeros(n_states, dtype=np.int64), eligible_entries(1, n_states)[0]
    rule, each = method.rule(), max(1, SHARE // max(1, longest))
    for _ in range(sweeps):
        for first in range(0, n, each):
            _replay(rule, data, v, z, pending, visits, eligible, first, min(first + each, n))
    return v


class _Recorded(NamedTuple):
    """The arrays of the batch, time first, and the lengths of its trajectories, (n,)."""

    states: np.ndarray
    rewards: np.ndarray
    discounts: np.ndarray
    boundary: np.ndarray
    lengths: np.ndarray


@njit(allocates=False)
def _replay(rule, data, v, z, pending, visits, eligible, first, last):
    target = v if rule.online else pending
    for i in range(first, last):
        n, old = 0, v[data.states[0, i]]
        for t in range(data.lengths[i]):
            s, over = data.states[t, i], data.boundary[t, i] or t + 1 == data.lengths[i]
            reward, discount = data.rewards[t, i], data.discounts[t, i]
            following = v[data.states[t + 1, i]]
            n = learn_step(
                rule, v, target, z, eligible, n, visits,
                s, reward, discount, following, over, old,
            )  # fmt: skip
            old = following
        if not rule.online:
            settle(v, pending)
