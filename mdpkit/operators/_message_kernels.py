"""The numba twins of `messages`, on compressed rows, a range of stages at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mdpkit._jit import BLOCK, njit


def stages(first: int, last: int, entries: int) -> Iterator[tuple[int, int]]:
    """Cut stages first … last into ranges of about BLOCK entries each, one at least."""
    size = max(1, BLOCK // max(entries, 1))
    return ((begin, min(begin + size, last)) for begin in range(first, last, size))


@njit
def _optimistic(values, columns, begin, end, v, stop, tau):
    """τ log(Σ P e^{v/τ} + stop) of one row."""
    if end == begin + 1 and stop == 0.0:
        return v[columns[begin]] + tau * np.log(values[begin])
    top = 0.0 if stop > 0 else -np.inf
    for j in range(begin, end):
        top = max(top, v[columns[j]])
    total = stop * np.exp(-top / tau) if stop > 0 else 0.0
    for j in range(begin, end):
        total += values[j] * np.exp((v[columns[j]] - top) / tau)
    return top + tau * np.log(total)


LOG2_E, ROUND = 1.4426950408889634, 1.5 * 2.0**52
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
ONE = 1023 << 52
"""The bits of 1.0; adding ROUND leaves the nearest integer in the low bits of a number."""


@njit
def exponentials(x, power):
    """x ← eˣ for x ≤ 0, within 2 ulp and 3e-308, in loops that the compiler vectorizes.

    x = k log 2 + y, |y| ≤ ½ log 2: eʸ by its Taylor polynomial, 2ᵏ by its bits. `power` is
    scratch of the same size.
    """
    bits = power.view(np.int64)
    for i in range(x.size):
        z = max(x[i], -708.0)
        shifted = z * LOG2_E + ROUND
        k = shifted - ROUND
        power[i] = shifted
        y = (z - k * LN2_HIGH) - k * LN2_LOW
        p = 1.6059043836821613e-10
        p = p * y + 2.08767569878681e-09
        p = p * y + 2.505210838544172e-08
        p = p * y + 2.755731922398589e-07
        p = p * y + 2.7557319223985893e-06
        p = p * y + 2.48015873015873e-05
        p = p * y + 1.984126984126984e-04
        p = p * y + 1.388888888888889e-03
        p = p * y + 8.333333333333333e-03
        p = p * y + 4.1666666666666664e-02
        p = p * y + 1.6666666666666666e-01
        p = p * y + 0.5
        x[i] = (p * y + 1.0) * y + 1.0
    for i in range(x.size):
        bits[i] = (bits[i] << 52) + ONE
    for i in range(x.size):
        x[i] *= power[i]


@njit
def _stage_values(
    values, columns, row_ptr, action_ptr, r, stop, optimistic, tau, discount, ahead, row
):  # fmt: skip
    """row ← r + γ ⊗ ahead, (pairs,)."""
    for pair in range(row.size):
        total = 0.0
        if optimistic:
            end_here = stop[pair] if stop.size else 0.0
            total = _optimistic(
                values, columns, row_ptr[pair], row_ptr[pair + 1], ahead, end_here, tau
            )
        else:
            for j in range(row_ptr[pair], row_ptr[pair + 1]):
                total += values[j] * ahead[columns[j]]
            total *= discount
        row[pair] = r[pair] + total


@njit
def backward_csr(
    values, columns, row_ptr, action_ptr, r, stop, weight, optimistic, tau, discount,
    q, v, policy, first, last,
):  # fmt: skip
    """Stages last−1 … first: q (T, pairs) and policy (T, pairs) are written unless empty."""
    row, scratch = np.empty(r.size), np.empty(r.size)
    for t in range(last - 1, first - 1, -1):
        _stage_values(
            values, columns, row_ptr, action_ptr, r, stop, optimistic, tau, discount, v[t + 1],
            row,
        )  # fmt: skip
        if q.size:
            q[t, :] = row
        for s in range(action_ptr.size - 1):
            begin, end, top = action_ptr[s], action_ptr[s + 1], -np.inf
            for pair in range(begin, end):
                if weight.size == 0 or weight[pair] > 0:
                    top = max(top, row[pair])
            v[t, s] = top
            for pair in range(begin, end):
                row[pair] = min((row[pair] - top) / tau, 0.0)
        exponentials(row, scratch)
        for s in range(action_ptr.size - 1):
            begin, end, mass = action_ptr[s], action_ptr[s + 1], 0.0
            for pair in range(begin, end):
                if weight.size:
                    row[pair] *= weight[pair]
                mass += row[pair]
            v[t, s] += tau * np.log(mass)
            if policy.size:
                for pair in range(begin, end):
                    policy[t, pair] = row[pair] / mass


@njit
def forward_csr(
    values, columns, row_ptr, action_ptr, own, stop, tau, alpha, ended, first, last
):  # fmt: skip
    """Stages first … last−1 of α, in log space; `own` is r + τ log p(a|s)."""
    n_states = action_ptr.size - 1
    top, total = np.empty(n_states), np.empty(n_states)
    for t in range(first, last):
        top[:], total[:] = -np.inf, 0.0
        gone_top, gone = ended[t], 1.0 if ended[t] > -np.inf else 0.0
        for s in range(n_states):
            for pair in range(action_ptr[s], action_ptr[s + 1]):
                x = alpha[t, s] + own[pair]
                for j in range(row_ptr[pair], row_ptr[pair + 1]):
                    top[columns[j]] = max(top[columns[j]], x)
        for s in range(n_states):
            for pair in range(action_ptr[s], action_ptr[s + 1]):
                x = alpha[t, s] + own[pair]
                if x == -np.inf:
                    continue
                for j in range(row_ptr[pair], row_ptr[pair + 1]):
                    u = columns[j]
                    total[u] += values[j] * np.exp((x - top[u]) / tau)
                if stop.size and stop[pair] > 0:
                    if x > gone_top:
                        gone, gone_top = gone * np.exp((gone_top - x) / tau), x
                    gone += stop[pair] * np.exp((x - gone_top) / tau)
        for u in range(n_states):
            alpha[t + 1, u] = top[u] + tau * np.log(total[u]) if total[u] > 0 else -np.inf
        ended[t + 1] = gone_top + tau * np.log(gone) if gone > 0 else -np.inf


@njit
def flow_csr(
    values, columns, row_ptr, action_ptr, policy, discount, d, sources, sinks, total,
    first, last,
):  # fmt: skip
    """Stages first … last−1 of d, and in `total` what flows through each pair."""
    for t in range(first, last):
        d[t + 1, :] = 0.0
        for s in range(action_ptr.size - 1):
            here = d[t, s]
            for pair in range(action_ptr[s], action_ptr[s + 1]):
                x = here * policy[t, pair]
                if sources.size:
                    x += sources[t, pair]
                if x == 0.0:
                    continue
                total[pair] += x
                x *= discount
                for j in range(row_ptr[pair], row_ptr[pair + 1]):
                    d[t + 1, columns[j]] += x * values[j]
        if sinks.size:
            for s in range(action_ptr.size - 1):
                d[t + 1, s] -= sinks[t + 1, s]
