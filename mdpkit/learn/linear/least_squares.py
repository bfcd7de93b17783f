"""Least squares from batches: LSTD(λ) and LSTDQ solve for w what temporal differences approach.

    LSTD(λ)   A = Σ z_t (φ_t − d_t φ_{t+1})ᵀ, b = Σ z_t r_t, z_t = d_{t−1} λ z_{t−1} + φ_t
    LSTDQ     A = Σ φ_i (φ_i − d_i φ'_i)ᵀ, b = Σ φ_i r_i, φ'_i = Σ_b π(b|s'_i) φ(s'_i,b)

d = γ(1 − terminated), so that nothing follows an end; a boundary sets z to 0. Sums are
weighted; of every transition of a model with its weight they are `operators.linear`'s A and b.
They and w stay where the batch is, on the CPU or on a device; Φ is given on the CPU.
Checked in tests/learn/test_least_squares.py.
Source: Bradtke & Barto (1996); Boyan (2002); Lagoudakis & Parr (2003).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import kind
from mdpkit._cuda import upload
from mdpkit.batch import Trajectories, Transitions
from mdpkit.errors import DeviceError
from mdpkit.operators.features import state_features
from mdpkit.operators.linear import System, solution


class Solved(NamedTuple):
    """w (K,) with (A + ridge·I) w = b; the system, and the ridge that was added."""

    w: np.ndarray
    system: System
    ridge: float


def lstd(batch: Trajectories, features: Any, *, lam: Any = 0, ridge: Any = 0) -> Solved:
    """LSTD(λ) of the states' values, along trajectories of the policy itself.

    features  Φ (S, K); exact where features and batch are
    ridge     what is added to the diagonal of A; without one a singular A raises SingularError
              with its rank
    """
    system = trajectory_system(batch, state_features(features, len(features)), lam)
    return Solved(solution(system, ridge=ridge), system, ridge)


def lstdq(
    batch: Transitions,
    features: Any,
    policy: Any,
    *,
    action_ptr: Any,
    ridge: Any = 0,
) -> Solved:
    """The action values of a policy from the data of any other.

    features    Φ (pairs, K)
    policy      (S,) int, or probabilities in pair layout
    action_ptr  (S + 1,) each state's first pair
    """
    phi = state_features(features, len(features))
    system = pair_system(batch, phi, expected_features(phi, action_ptr, policy))
    return Solved(solution(system, ridge=ridge), system, ridge)


def trajectory_system(batch: Trajectories, phi: np.ndarray, lam: Any = 0) -> System:
    """A and b of LSTD(λ), where the batch is. phi : Φ (S, K)."""
    K, (T, n) = phi.shape[1], batch.pairs.shape
    A, b, z = (np.zeros(shape, dtype=phi.dtype) for shape in ((K, K), K, (n, K)))
    if kind(batch.pairs) == "cupy":
        phi, A, b, z = (upload(x) for x in (phi, A, b, z))
    for t in range(T):
        lasts = (batch.pairs[t] >= 0)[:, None]
        now, after = phi[batch.states[t]], phi[batch.states[t + 1]]
        z = z + now * lasts
        change = (now - batch.discounts[t][:, None] * after) * batch.weight[:, None]
        A = A + (z * lasts).T @ change
        b = b + (z * lasts).T @ (batch.rewards[t] * batch.weight)
        z = z * (lam * batch.discounts[t] * ~batch.boundary[t])[:, None]
    return System(A, b)


def pair_system(batch: Transitions, phi: np.ndarray, phi_next: np.ndarray) -> System:
    """A and b of LSTDQ. phi : Φ (pairs, K); phi_next : (S, K), the policy's mean features.

    With Φ of the states at each pair, and Φ itself, those of LSTD(0).
    """
    if kind(batch.pair) == "cupy":
        from mdpkit.operators import _device_flow

        return System(*_device_flow.gram(batch, phi, phi_next))
    now, after = phi[batch.pair], phi_next[batch.next_state]
    weighted = (now * batch.weight[:, None]).T
    return System(weighted @ (now - batch.discount[:, None] * after), weighted @ batch.reward)


def expected_features(phi: np.ndarray, action_ptr: Any, policy: Any) -> np.ndarray:
    """Σ_b π(b|s) φ(s,b), (S, K). policy : (S,) int, or probabilities in pair layout."""
    ptr, policy = np.asarray(action_ptr), np.asarray(policy)
    if policy.shape == (ptr.size - 1,) and policy.dtype.kind in "iu":
        return phi[ptr[:-1] + policy]
    if policy.size != len(phi):
        raise ValueError(f"policy has shape {policy.shape}; {len(phi)} pairs are needed.")
    return np.add.reduceat(policy.reshape(-1, 1) * phi, ptr[:-1], axis=0)


def merged(batch: Transitions) -> Transitions:
    """The counts: steps with the same pair, next state and discount as one of their weight.

    Rewards are averaged, which changes neither A nor b of any policy. Next states are taken as
    they stand, moot ones too. In order of the pairs. Raises DeviceError for a device's batch,
    of which `lspi` and `lstdq` sum every sample instead.
    """
    if kind(batch.pair) == "cupy":
        raise DeviceError("samples are merged on the CPU: pass each array's .get(), or do not.")
    columns = np.stack([batch.pair, batch.next_state], axis=1)
    discounts, step = np.unique(batch.discount, return_inverse=True)
    key = (columns[:, 0] * (columns[:, 1].max(initial=0) + 1) + columns[:, 1]) * discounts.size
    _, first, group = np.unique(key + step, return_index=True, return_inverse=True)
    weight = np.bincount(group, batch.weight)
    total = np.bincount(group, batch.weight * batch.reward)
    reward = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    return Transitions(
        batch.pair[first], reward, batch.discount[first], batch.next_state[first], weight
    )
