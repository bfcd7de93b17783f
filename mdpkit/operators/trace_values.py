"""TD(λ) along many chains at once, each with values of its own.

    δ_t = r_t + d_t v(s_{t+1}) − v(s_t)
    z(s_t) ← z(s_t) + α, or α;   v ← v + δ_t z;   z ← d_t λ z

A trajectory is a chain; where it ends or is cut its trace fades at once. What TD(λ) makes of
one stretch of experience is random: many chains show its law.
Checked in tests/operators/test_cuda_kernels.py. Source: Sutton (1988); Singh & Sutton (1996).
"""

from __future__ import annotations

import numpy as np

from mdpkit._array import kind
from mdpkit.batch import Trajectories
from mdpkit.operators.traces import FADED


def trace_values(
    batch: Trajectories,
    n_states: int,
    *,
    alpha: float,
    lam: float,
    replacing: bool = False,
) -> np.ndarray:
    """(n, S): the values of each chain after it was seen once, online, from 0.

    batch : n trajectories, of the CPU or of a device, where the values then are too
    alpha : step size; lam in [0, 1]; replacing : z(s) ← α instead of z(s) + α
    """
    if not 0 <= lam <= 1:
        raise ValueError(f"λ must lie in [0, 1]; it is {lam}.")
    if kind(batch.states) == "cupy":
        from mdpkit.operators import _device_flow

        return _device_flow.trace_values(batch, n_states, alpha, lam, replacing)
    v, z = np.zeros((2, batch.pairs.shape[1], n_states))
    chain = np.arange(len(v))
    for t, pairs in enumerate(batch.pairs):
        s, last = batch.states[t], pairs >= 0
        ahead = batch.discounts[t] * v[chain, batch.states[t + 1]]
        delta = np.where(last, batch.rewards[t] + ahead - v[chain, s], 0.0)
        z[chain, s] = alpha + (0.0 if replacing else z[chain, s])
        v += delta[:, None] * z
        z *= np.where(batch.boundary[t], 0.0, batch.discounts[t] * lam)[:, None]
        z[z < FADED] = 0.0
    return v
