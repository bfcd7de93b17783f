"""What flows through a model on a device: occupancy, messages and trajectories.

Where mass goes is gathered along the transposed rows, which are made on the CPU, once a model:
no two threads write one number, so the results are the same every time. Stages follow each
other without a word to the CPU. Checked in tests/operators/test_cuda_kernels.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._cuda import THREADS, empty, launch, upload
from mdpkit.errors import DeviceError
from mdpkit.mdp import MDP
from mdpkit.operators._device import lanes, space
from mdpkit.operators._device_chain import bicgstab


class Table(NamedTuple):
    """Compressed rows on the device; `width` lanes share one."""

    values: Any
    columns: Any
    ptr: Any
    width: int


class Flow(NamedTuple):
    """The rows of the pairs, those of the states they lead to, and whose the pairs are."""

    rows: Table
    into: Table
    pair_states: Any


def flow_of(mdp: MDP) -> Flow:
    """That of the model, made once."""
    found = mdp.__dict__.get("_flow")
    if found is None:
        from mdpkit.operators.messages import compressed
        from mdpkit.operators.occupancy import transposed

        rows = compressed(mdp.to("cpu")).rows
        pair_states = upload(mdp.pair_states, np.int32)
        found = Flow(_table(rows), _table(transposed(rows)), pair_states)
        mdp.__dict__["_flow"] = found
    return found


def _table(rows: Any) -> Table:
    parts = upload(rows.values), upload(rows.columns, np.int32), upload(rows.row_ptr, np.int64)
    return Table(*parts, lanes(rows.values.size / max(rows.row_ptr.size - 1, 1)))


def flat(x: Any) -> Any:
    """An array in pair layout, from either side, as (pairs,) on the device."""
    return upload(x).reshape(-1)


def inflow(
    mdp: MDP, x: Any, d: Any = None, scale: float = 1.0, first: Any = None, out: Any = None
) -> Any:
    """first + scale · Σ_i P(u|i) x(i) d(s_i), (S,); all of them on the device."""
    into, pair_states = flow_of(mdp)[1:]
    n = mdp.n_states
    out = empty(n) if out is None else out
    given = into.values, into.columns, into.ptr, pair_states, d, x, scale, first
    launch("operators/occupancy.cu", "inflow", n * into.width, *given, n, into.width, out)
    return out


def occupancy(mdp: MDP, pi: Any, first: np.ndarray) -> Any:
    """d with d = first + γ P_πᵀ d, (S,). pi, first : on the CPU; γ < 1."""
    if mdp.gamma >= 1:
        raise DeviceError('at γ = 1 occupancy is computed on the CPU: mdp.to("cpu").')
    pi, first = flat(pi), upload(first)
    return bicgstab(lambda d: d - inflow(mdp, pi, d, mdp.gamma), first)


# ---- messages --------------------------------------------------------------------------------

MESSAGES = "operators/messages.cu"


def backward(
    mdp: MDP, horizon: int, optimistic: bool, tau: float, prior: Any, discount: float
) -> tuple[Any, Any]:
    """q (T, pairs) and v (T + 1, S)."""
    v, q = upload(np.zeros((horizon + 1, mdp.n_states))), empty((horizon, mdp.n_pairs))
    weight = None if prior is None else flat(prior)
    rows, n = flow_of(mdp).rows, mdp.n_states
    model = rows.values, rows.columns, rows.ptr, space(mdp).action_ptr, mdp._r, mdp._stop
    how = weight, optimistic, tau, discount
    for t in reversed(range(horizon)):
        launch(MESSAGES, "backward_stage", n, *model, *how, v[t + 1], n, q[t], v[t], None)
    return q, v


def forward(mdp: MDP, alpha: np.ndarray, own: Any, tau: float) -> tuple[Any, Any]:
    """α (T + 1, S) from α[0], and what has ended (T + 1,); own : r + τ log p(a|s), (pairs,)."""
    horizon, n = len(alpha) - 1, mdp.n_states
    alpha, ended = upload(alpha), upload(np.full(horizon + 1, -np.inf))
    into, pair_states = flow_of(mdp)[1:]
    rows = into.values, into.columns, into.ptr, pair_states, own, tau
    end = mdp._stop, pair_states, own, tau
    for t in range(horizon):
        given = *rows, alpha[t], n, into.width, alpha[t + 1]
        launch(MESSAGES, "forward_stage", n * into.width, *given)
        if mdp.stops:
            given = *end, alpha[t], mdp.n_pairs, ended[t : t + 2]
            launch(MESSAGES, "forward_end", THREADS, *given)
    return alpha, ended


def flow(mdp: MDP, policies: Any, discount: float) -> Any:
    """γᵗ Pr(s_t = s), (T + 1, S). policies : (T, pairs) on the device."""
    d = empty((policies.shape[0] + 1, mdp.n_states))
    d[0] = upload(mdp.start)
    for t in range(policies.shape[0]):
        inflow(mdp, policies[t], d[t], discount, out=d[t + 1])
    return d


# ---- trajectories ----------------------------------------------------------------------------


def roll(mdp: MDP, model: Any, policy: np.ndarray, key: Any, n: int, horizon: int) -> Any:
    """states (T + 1, n), pairs, rewards, discounts and boundary (T, n)."""
    shape = horizon, n
    states, pairs = empty((horizon + 1, n), np.int64), empty(shape, np.int64)
    out = states, pairs, empty(shape), empty(shape), empty(shape, np.bool_)
    parts = (upload(x) for x in (model.upper, model.reward, model.end_reward, model.start))
    index = upload(model.row_ptr, np.int64), upload(model.columns, np.int32)
    given = space(mdp).action_ptr, *index, *parts, mdp.n_states, upload(policy), mdp.gamma
    launch("operators/rollout.cu", "roll", n, *given, key, n, horizon, *out)
    return out


def lambda_returns(
    rewards: Any, discounts: Any, boundary: Any, next_values: Any, lam: Any
) -> Any:
    """`returns.lambda_return` of (T, …) arrays of the device, or numbers."""
    kept, none = lam * (1.0 - 1.0 * boundary), 0.0 * rewards
    given = [upload(none + x) for x in (rewards, discounts, kept, next_values)]
    out = empty(rewards.shape)
    n, horizon = rewards.size // rewards.shape[0], rewards.shape[0]
    launch("operators/returns.cu", "lambda_returns", n, *given, n, horizon, out)
    return out


def trace_values(batch: Any, n_states: int, alpha: float, lam: float, replacing: bool) -> Any:
    """(n, S): the values of each chain after online TD(λ), from 0."""
    horizon, n = batch.pairs.shape
    v, z = (upload(np.zeros((n, n_states))) for _ in range(2))
    width = lanes(n_states)
    size = n, horizon, n_states, alpha, lam, replacing, width
    index = (upload(x, np.int64) for x in (batch.states, batch.pairs))
    rest = upload(batch.rewards), upload(batch.discounts), upload(batch.boundary, np.bool_)
    launch("operators/traces.cu", "td_lambda", n * width, *index, *rest, *size, v, z)
    return v


# ---- normal equations ------------------------------------------------------------------------

BLOCKS = 256
"""Blocks that add up a share of the samples each."""


def gram(batch: Any, phi: Any, phi_next: Any) -> tuple[Any, Any]:
    """Σ w φ (φ − d φ')ᵀ (K, K) and Σ w φ r (K,): the sums of a device's batch, left there."""
    n, size = int(batch.pair.size), phi.shape[1]
    share = -(-n // BLOCKS)
    blocks = -(-n // share)
    A, b = empty((blocks, size, size)), empty((blocks, size))
    index = upload(batch.pair, np.int64), upload(batch.next_state, np.int64)
    rest = (upload(x) for x in (batch.reward, batch.discount, batch.weight))
    given = upload(phi), upload(phi_next), *index, *rest, n, share, size
    launch("operators/linear.cu", "gram", blocks * THREADS, *given, A, b)
    return A.sum(axis=0), b.sum(axis=0)
