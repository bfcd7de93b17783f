"""Policies: (S,) int, one action a state; or pair layout, a distribution over its actions."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._array import EPS, as_float, kind, sup
from mdpkit._device import require_cpu
from mdpkit._rows import CSR, Rows, wide
from mdpkit.errors import ModelError
from mdpkit.mdp import MDP


def is_deterministic(policy: Any) -> bool:
    """Whether a policy is given as one action a state."""
    return np.ndim(policy) == 1 and np.asarray(policy).dtype.kind in "iu"


def as_pairs(mdp: MDP, policy: Any) -> np.ndarray:
    """The pairs chosen, (S,) int. policy : (S,) int. Raises ModelError naming the state."""
    policy = np.asarray(policy)
    policy = policy.astype(np.int64) if policy.dtype.kind == "u" else policy
    if policy.shape != (mdp.n_states,) or policy.dtype.kind not in "iu":
        raise ModelError(
            f"a deterministic policy is ({mdp.n_states},) int; "
            f"this one is {policy.shape} {policy.dtype}."
        )
    pairs = mdp.action_ptr[:-1] + policy
    if mdp._pair_actions is not None:
        table = np.full((mdp.n_states, mdp.n_actions), -1)
        table[mdp.pair_states, mdp.pair_actions] = np.arange(mdp.n_pairs)
        inside = (policy >= 0) & (policy < mdp.n_actions)
        pairs = np.where(
            inside, table[np.arange(mdp.n_states), np.where(inside, policy, 0)], -1
        )
    bad = np.flatnonzero((policy < 0) | (pairs < 0) | (pairs >= mdp.action_ptr[1:]))
    if bad.size:
        s = int(bad[0])
        raise ModelError(
            f"policy[{s}] = {policy[s]}: state {s} has no such action "
            f"({bad.size} such states).",
            s=s,
        )
    return pairs


def probabilities(mdp: MDP, policy: Any) -> np.ndarray:
    """π(a|s) in pair layout, from either form of policy. Raises ModelError naming the state."""
    if is_deterministic(policy):
        one_hot = np.zeros(mdp.n_pairs, dtype=mdp.r.dtype)
        one_hot[as_pairs(mdp, policy)] = 1
        return one_hot.reshape(mdp.pair_shape)
    exact = kind(policy) == "exact"
    pi = np.asarray(policy) if exact else as_float(policy, "policy")
    if pi.shape == (mdp.n_states, mdp.n_actions) != mdp.pair_shape:
        pi = pi[mdp.pair_states, mdp.pair_actions]
    if pi.shape != mdp.pair_shape:
        raise ModelError(
            f"policy has shape {pi.shape}; {mdp.pair_shape} or ({mdp.n_states},) is needed."
        )
    sums = np.add.reduceat(pi.reshape(-1), mdp.action_ptr[:-1])
    near = 0 if exact else 1e-9
    bad = np.flatnonzero(~(np.abs(sums - 1) <= near))
    if bad.size:
        s = int(bad[0])
        raise ModelError(f"policy[{s}] sums to {sums[s]}, not 1 ({bad.size} such states).", s=s)
    if not (pi >= 0).all():
        pair = int(np.argmin(pi.reshape(-1) >= 0))
        s, a = mdp.place(pair)
        raise ModelError(
            f"policy[{s}, {a}] is {pi.reshape(-1)[pair]}, not a probability.", s=s, a=a
        )
    return pi


def expected_under(mdp: MDP, policy: Any, q: Any) -> np.ndarray:
    """Σ_a π(a|s) q(s,a), (S,). q : pair layout."""
    if is_deterministic(policy):
        return q.reshape(-1)[as_pairs(mdp, policy)]
    weighted = (probabilities(mdp, policy) * q).reshape(-1)
    return np.add.reduceat(weighted, mdp.action_ptr[:-1])


def mixing_error(mdp: MDP, policy: Any, q: Any) -> float:
    """Bound |computed − true| of `expected_under`, for weights that were meant to sum to 1."""
    if mdp.is_exact or is_deterministic(policy):
        return 0
    sums = np.add.reduceat(probabilities(mdp, policy).reshape(-1), mdp.action_ptr[:-1])
    return float((np.abs(sums - 1).max() + (2 * mdp.n_actions + 4) * EPS) * sup(q))


def uniform(mdp: MDP) -> np.ndarray:
    """The policy that takes every action of a state equally often, in pair layout."""
    counts = np.diff(mdp.action_ptr)
    share = np.repeat(1 / counts, counts)
    if mdp.is_exact:
        from mdpkit._exact import rational

        share = np.array([rational(1) / int(n) for n in counts for _ in range(n)], dtype=object)
    return share.reshape(mdp.pair_shape)


def under(mdp: MDP, policy: Any) -> tuple[Rows, np.ndarray, np.ndarray | None]:
    """P_π (S rows), r_π (S,), stop_π (S,) or None: the chain a policy makes of the model."""
    require_cpu(mdp, "the chain of a policy")
    if is_deterministic(policy):
        pairs = as_pairs(mdp, policy)
        stop = None if mdp._stop is None else mdp._stop[pairs]
        return take_rows(mdp.rows, pairs), mdp._r[pairs], stop
    pi = probabilities(mdp, policy).reshape(-1)
    ptr = mdp.action_ptr[:-1]
    stop = None if mdp._stop is None else np.add.reduceat(pi * mdp._stop, ptr)
    r = np.add.reduceat(pi * mdp._r, ptr)
    if not isinstance(mdp.rows, CSR):
        return np.add.reduceat(pi[:, None] * mdp.rows, ptr, axis=0), r, stop
    if mdp.is_exact:
        dense = np.zeros((mdp.n_states, mdp.n_states), dtype=object)
        row = np.repeat(mdp.pair_states, np.diff(mdp.rows.row_ptr))
        weight = np.repeat(pi, np.diff(mdp.rows.row_ptr))
        np.add.at(dense, (row, mdp.rows.columns), weight * mdp.rows.values)
        return dense, r, stop
    from scipy.sparse import csr_array

    average = csr_array(
        (pi, np.arange(mdp.n_pairs), mdp.action_ptr), (mdp.n_states, mdp.n_pairs)
    )
    mixed = (average @ mdp.P).tocsr()
    return CSR(mixed.data, mixed.indices, mixed.indptr, mdp.n_states), r, stop


def chain(mdp: MDP, policy: Any) -> MDP:
    """The model with one action a state that `policy` makes of `mdp`.

    policy : (S,) int, or pair layout, rows summing to 1 within 1e-9 (divided by their sum).
    Of a device model it is made on the CPU, once, and moved there.
    """
    if mdp.device == "gpu":
        return chain(mdp.to("cpu"), policy).to("gpu")
    if not is_deterministic(policy) and not mdp.is_exact:
        pi = probabilities(mdp, policy)
        sums = np.add.reduceat(pi.reshape(-1), mdp.action_ptr[:-1])
        policy = pi / np.repeat(sums, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
    rows, r, stop = under(mdp, policy)
    one_each = np.arange(mdp.n_states + 1)
    P = rows if isinstance(rows, CSR) else rows[:, None, :]
    stop = stop if stop is None or isinstance(rows, CSR) else stop[:, None]
    r = r if isinstance(rows, CSR) else r[:, None]
    ptr = one_each if isinstance(rows, CSR) else None
    start, names = mdp._start, mdp.states
    made = MDP(P, r, mdp.gamma, action_ptr=ptr, stop=stop, start=start, states=names)
    if mdp.is_exact:
        return made
    # Averaging over actions rounds what the model's own bounds do not count.
    mixing = 0.0 if is_deterministic(policy) else (2 * mdp.n_actions + 4) * EPS
    error = mdp.reward_error + mixing * mdp.reward_size
    made = made._with(defect=max(made.defect, mdp.defect) + mixing, reward_error=error)
    made.__dict__["widest_row"] = max(made.widest_row, mdp.widest_row)
    return made


def take_rows(rows: Rows, index: np.ndarray) -> Rows:
    """The rows of the given indices, in that order, in the same storage."""
    if not isinstance(rows, CSR):
        return rows[index]
    counts = (rows.row_ptr[1:] - rows.row_ptr[:-1])[index]
    ptr = np.concatenate([[0], np.cumsum(counts)]).astype(rows.row_ptr.dtype)
    entries = np.arange(ptr[-1]) - np.repeat(ptr[:-1] - rows.row_ptr[index], counts)
    return CSR(wide(rows.values[entries]), rows.columns[entries], ptr, rows.n_columns)
