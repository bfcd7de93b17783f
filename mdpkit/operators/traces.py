"""Multi-step evaluation: the operators of n steps and of λ, and the traces that sample them.

    (T^π)ⁿ v                                   v(s_n) after n steps, and what was earned before
    T^(λ) v = (1−λ) Σ_{n≥1} λⁿ⁻¹ (T^π)ⁿ v = v + (I − γλP_π)⁻¹ (T^π v − v)
    ‖T^(λ)v − T^(λ)w‖∞ ≤ κ ‖v − w‖∞,           κ = γ(1−λ)/(1−γλ)

A trace z(i) is the credit, step size included, that entry i has for the error δ met now:

    accumulating   z(i) ← z(i) + α             Σ_k δ_k z_k = Σ_t α_t (G^λ_t − v(s_t)) e(s_t)
    replacing      z(i) ← α
    dutch          z(i) ← z(i) + α (1 − z(i))  the true online TD(λ)

After v ← v + δ z all of z fades by γλ, the discount being that of the step just taken; where an
episode ends or is cut it fades by 0. As α is folded in, the first equality holds pathwise for
step sizes that vary. Checked in tests/operators/test_traces.py and tests/learn.
Source: Sutton (1988); Singh & Sutton (1996); van Seijen et al. (2016).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._cuda import upload
from mdpkit._device import require_cpu
from mdpkit._jit import inlined
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values, check_shape
from mdpkit.operators.resolvent import solve_chain
from mdpkit.operators.sweep import chain_sweep
from mdpkit.policy import expected_under, under

ACCUMULATING, REPLACING, DUTCH = range(3)
KINDS = {"accumulating": ACCUMULATING, "replacing": REPLACING, "dutch": DUTCH}

FADED = 1e-20
"""A trace below this is 0: times δ it is lost in the rounding of any value of its size."""

FEW = 64
"""Up to so many entries all are passed over; a list of the eligible ones is slower."""


def n_step_operator(mdp: MDP, policy: Any, v: Any, n: int) -> np.ndarray:
    """(T^π)ⁿ v, (S,); exact on exact models. policy : (S,) int or pair layout; n ≥ 0.

    Of a device model it is an array of the device, wherever v was.
    """
    if n < 0:
        raise ValueError(f"n must be ≥ 0; it is {n}.")
    if mdp.device == "gpu":
        rows, r = _device_chain().policy_chain(mdp, policy)
        v = upload(v)
        for _ in range(n):
            v = chain_sweep(rows, r, mdp.gamma, v)
        return v
    for _ in range(n):
        v = expected_under(mdp, policy, action_values(mdp, v))
    return np.asarray(v)


def lambda_operator(mdp: MDP, policy: Any, v: Any, lam: Any) -> np.ndarray:
    """T^(λ) v = v + (I − γλP_π)⁻¹ (T^π v − v), (S,); exact on exact models.

    λ = 0 is T^π, λ = 1 gives v^π whatever v is. policy : (S,) int or pair layout.
    Raises ValueError unless λ lies in [0, 1] and v is (S,). Of a device model it is an array of
    the device, and γλ = 1 raises DeviceError: only the CPU tells a chain that never ends.
    """
    check_shape(v, (mdp.n_states,), "v")
    if not 0 <= lam <= 1:
        raise ValueError(f"λ must lie in [0, 1]; it is {lam}.")
    if mdp.device == "gpu":
        if mdp.gamma * lam >= 1:
            require_cpu(mdp, "T^(λ) at γλ = 1")
        v, (rows, r) = upload(v), _device_chain().policy_chain(mdp, policy)
        residual = chain_sweep(rows, r, mdp.gamma, v) - v
    else:
        residual = n_step_operator(mdp, policy, v, 1) - v
        rows, _, _ = under(mdp, policy)
    return v + solve_chain(rows, residual, mdp.gamma * lam)


def _device_chain() -> Any:
    """The launchers of the device's kernels, only where one is used."""
    from mdpkit.operators import _device_chain

    return _device_chain


def lambda_modulus(gamma: Any, lam: Any) -> Any:
    """κ = γ(1−λ)/(1−γλ), the contraction of T^(λ) in ‖·‖∞; γ < 1 or λ < 1."""
    return gamma * (1 - lam) / (1 - gamma * lam)


# ---- traces, for kernels ---------------------------------------------------------------------


def eligible_entries(runs: int, size: int) -> np.ndarray:
    """Room for the list that `visit` and `spread` keep, (runs, size) int; (runs, 0) if few."""
    return np.zeros((runs, 0 if size <= FEW else size), dtype=np.int64)


@inlined
def visit(kind, z, eligible, n, i, alpha):
    """Entry i is visited, with step size α. Returns n, the length of `eligible`."""
    if eligible.size > 0 and z[i] == 0.0 < alpha:
        eligible[n] = i
        n += 1
    if kind == REPLACING:
        z[i] = alpha
    elif kind == DUTCH:
        z[i] += alpha * (1.0 - z[i])
    else:
        z[i] += alpha
    return n


@inlined
def spread(values, z, eligible, n, delta, decay):
    """values += δ z, then z ← decay · z. Returns n, the length of `eligible`."""
    if eligible.size == 0:
        for i in range(z.size):
            values[i] += delta * z[i]
            later = decay * z[i]
            z[i] = later if abs(later) >= FADED else 0.0
        return 0
    j = 0
    while j < n:
        i = eligible[j]
        values[i] += delta * z[i]
        z[i] *= decay
        if abs(z[i]) < FADED:
            z[i] = 0.0
            n -= 1
            eligible[j] = eligible[n]
        else:
            j += 1
    return n
