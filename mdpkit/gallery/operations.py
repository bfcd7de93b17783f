"""Stocks, queues and cars: the models operations research solves, of any size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

import numpy as np

from mdpkit._rows import CSR
from mdpkit.errors import ModelError
from mdpkit.gallery._build import always, number, pointer, whole
from mdpkit.gallery._registry import Known, model, require_memory
from mdpkit.mdp import MDP

BLOCK = 1 << 16
"""Entries filled at a time."""


@model(
    source="Puterman (1994), §3.2",
    known=[
        Known({0: 0, 1: 5, 2: 6, 3: 5}, given={"gamma": 0}),  # the largest of Table 3.2.1
        # One unit, asked for every day, earning 8: an order of 4 + 2 and holding 1 leave 1.
        Known(
            {0: 2, 1: 8},
            given={"capacity": 1, "demand": (0, 1), "gamma": 0.5},
        ),
    ],
)
def inventory(
    capacity: int = 3,
    max_order: int | None = None,
    demand: int | Sequence[float] = (0.25, 0.5, 0.25),
    *,
    price: float = 8,
    order_cost: float = 4,
    unit_cost: float = 2,
    holding: float = 1,
    gamma: float = 0.95,
) -> MDP:
    """Order a units, at most to capacity; demand D is met from s + a, what is not met is lost.

        t = max(s + a − D, 0),   r = price·E min(s + a, D) − [a > 0](order_cost + unit_cost·a)
                                     − holding·(s + a)

    demand      probabilities of D = 0, 1, …; a whole number n is the uniform law on 0 … n−1
    max_order   units, at most and by default the capacity
    price, unit_cost, holding   of a unit; order_cost of an order; in units of reward
    The benchmark's band of 40 on 2000 stocks and 50 orders: capacity=1999, max_order=49,
    demand=40.
    """
    M = whole(capacity, "capacity", 1, 2**31 - 2)
    top = M if max_order is None else whole(max_order, "max_order", 0, M)
    law = _law(demand)
    require_memory((M + 1) * (top + 1) * (12 * len(law) + 64), f"an inventory of {M} × {top}")
    tail = list(accumulate(reversed(law)))[::-1]  # P(D ≥ y)
    sales = np.cumsum([0.0] + [float(p) for p in tail[1:]])  # E min(y, D), for y up to the band
    orders = np.minimum(top, M - np.arange(M + 1))
    ptr = pointer(orders + 1)
    order = np.arange(ptr[-1]) - np.repeat(ptr[:-1], orders + 1)
    level = order + np.repeat(np.arange(M + 1), orders + 1)
    cost, fee = float(number(unit_cost, "unit_cost")), float(number(order_cost, "order_cost"))
    r = float(number(price, "price")) * sales[np.minimum(level, len(law) - 1)]
    r -= (order > 0) * (fee + cost * order) + float(number(holding, "holding")) * level
    rows = _shifted(
        level, np.array([float(p) for p in law]), np.array([float(p) for p in tail])
    )
    return MDP(rows, r, gamma, action_ptr=ptr)


def _law(demand: int | Sequence[float]) -> list[Fraction]:
    if not np.iterable(demand) or isinstance(demand, str):
        n = whole(demand, "demand", 1, 1_000_000)
        return [Fraction(1, n)] * n
    law = [number(p, "demand", 0, 1) for p in demand]  # pyright: ignore[reportGeneralTypeIssues]
    if not law or sum(law) != 1:
        raise ModelError(
            f"demand must sum to 1; it sums to {float(sum(law))}.", parameter="demand"
        )
    return law


def _shifted(level: np.ndarray, law: np.ndarray, tail: np.ndarray) -> CSR:
    """Return rows P(t | y) of t = max(y − D, 0), one for each level y, a block at a time."""
    width = np.minimum(level + 1, law.size)
    row_ptr = pointer(width)
    values = np.empty(row_ptr[-1])
    columns = np.empty(row_ptr[-1], dtype=np.int32)
    step = max(1, BLOCK // law.size)
    for first in range(0, level.size, step):
        part = slice(first, first + step)
        counts, y = width[part], np.repeat(level[part], width[part])
        begin = row_ptr[first : first + counts.size]
        lowest = np.repeat(begin + counts - level[part] - 1, counts)
        here = slice(begin[0], row_ptr[first + counts.size])
        t = np.arange(here.start, here.stop) - lowest
        columns[here] = t
        values[here] = np.where(
            t > 0, law[np.minimum(y - t, law.size - 1)], tail[np.minimum(y, law.size - 1)]
        )
    return CSR(values, columns, row_ptr, int(level.max()) + 1)


@model(
    source="tri-diagonal service control; Puterman (1994), §11.5 (uniformized)",
    known=[
        # One place, one rate: v = r + γm with r = (−1, −2) and m = ½(v(0) + v(1)) = −3/2·100.
        Known(
            {0: Fraction(-299, 2), 1: Fraction(-301, 2)},
            given={
                "capacity": 1,
                "n_rates": 1,
                "arrival": 0.5,
                "slowest": 0.5,
                "fastest": 0.5,
                "effort": 4,
            },
        ),
    ],
)
def queue(
    capacity: int = 100,
    n_rates: int = 8,
    *,
    arrival: float = 0.3,
    slowest: float = 0.1,
    fastest: float = 0.6,
    effort: float = 100,
    gamma: float = 0.99,
) -> MDP:
    """Choose how fast to serve a queue of s customers; each slot holds at most one event.

        s → s + 1 with probability `arrival` (lost when full),   s → s − 1 with probability q_a,
        r = −(s + effort·q_a²)/capacity

    n_rates   service probabilities q_a, evenly spaced from slowest to fastest
    effort    customers; what serving at rate q costs, beside one for each customer that waits
    The benchmark's 2.4·10⁶ non-zeros: capacity=99_999.
    """
    M, A = whole(capacity, "capacity", 1, 2**31 - 2), whole(n_rates, "n_rates", 1, 1000)
    up = number(arrival, "arrival", 0, 1)
    low, high = number(slowest, "slowest", 0, 1), number(fastest, "fastest", 0, 1 - up)
    if low > high:
        raise ModelError(
            f"slowest is {slowest}, above fastest, {fastest}.", parameter="slowest"
        )
    require_memory((M + 1) * A * (3 * 12 + 40), f"a queue of {M} places and {A} rates")
    rates = [low + (high - low) * Fraction(a, max(A - 1, 1)) for a in range(A)]
    work = np.array([float(number(effort, "effort") * q * q) for q in rates])
    r = np.add.outer(np.arange(M + 1), work)
    r /= -M
    return MDP(_tridiagonal(M, float(up), rates, up), r, gamma)


def _tridiagonal(M: int, p: float, rates: list[Fraction], up: Fraction) -> CSR:
    """Rows of the pairs (s, a): two entries at either end, three between."""
    A, n = len(rates), 2 * len(rates)
    down = np.array([float(q) for q in rates])
    stay = np.array([float(1 - up - q) for q in rates])
    full = np.array([float(1 - q) for q in rates])
    width = np.full((M + 1) * A, 3, dtype=np.uint8)
    width[:A] = width[-A:] = 2
    row_ptr = pointer(width)
    values, columns = np.empty(row_ptr[-1]), np.empty(row_ptr[-1], dtype=np.int32)
    inner_p, inner_t = (x[n : x.size - n].reshape(M - 1, A, 3) for x in (values, columns))
    inner_p[...] = np.stack([down, stay, np.full(A, p)], axis=1)
    inner_t[...] = np.arange(1, M, dtype=np.int32)[:, None, None] + np.array(
        [-1, 0, 1], np.int32
    )
    values[:n].reshape(A, 2)[...] = float(1 - up), p
    columns[:n].reshape(A, 2)[...] = 0, 1
    values[values.size - n :].reshape(A, 2)[...] = np.stack([down, full], axis=1)
    columns[columns.size - n :].reshape(A, 2)[...] = M - 1, M
    return CSR(values, columns, row_ptr, M + 1)


@model(
    source="Sutton & Barto (2018), Example 4.2, with demand that is not cut off",
    known=[
        Known({0: 421.414, 440: 636.990}, tol=5e-4),
        Known({440: 611.40}, policy=always(5, "move no car"), tol=5e-3),
    ],
)
def jack_car(
    capacity: int = 20,
    max_move: int = 5,
    *,
    requests: Sequence[float] = (3, 4),
    returns: Sequence[float] = (3, 2),
    rental: float = 10,
    move_cost: float = 2,
    gamma: float = 0.9,
) -> MDP:
    """Move cars overnight between two places that rent them out, requests and returns Poisson.

    State (i, j), in the order i·(capacity + 1) + j, is the cars in the evening; action a −
    max_move moves so many from the first place to the second. Cars beyond capacity leave;
    cars returned can be rented the next day. The Poisson tails are summed, not cut, so v is
    that of unbounded demand.

    requests, returns   mean cars a day at the two places, at most 100
    rental, move_cost   earned for each car rented, paid for each car moved
    """
    n = whole(capacity, "capacity", 1, 200) + 1
    reach = whole(max_move, "max_move", 0, n - 1)
    require_memory(
        8 * n**4 * (2 * reach + 1) * 2, f"car rental with {n - 1} places, moving {reach}"
    )
    out, back = (_means(x, name) for x, name in ((requests, "requests"), (returns, "returns")))
    (T1, sold1), (T2, sold2) = (_place(n - 1, *means) for means in zip(out, back, strict=True))
    i, j, a = np.indices((n, n, 2 * reach + 1)).reshape(3, -1)
    move = a - reach
    fits = (move <= i) & (-move <= j)
    i, j, a, move = (x[fits] for x in (i, j, a, move))
    left, right = np.minimum(i - move, n - 1), np.minimum(j + move, n - 1)
    P = (T1[left][:, :, None] * T2[right][:, None, :]).reshape(a.size, n * n)
    earned, paid = float(number(rental, "rental")), float(number(move_cost, "move_cost"))
    r = earned * (sold1[left] + sold2[right]) - paid * np.abs(move)
    states = [f"{x},{y}" for x in range(n) for y in range(n)]
    moves = [f"{x:+d}" for x in range(-reach, reach + 1)]
    return MDP.from_pairs(i * n + j, a, P, r, gamma, states=states, actions=moves)


def _means(x: Sequence[float], name: str) -> list[float]:
    if isinstance(x, str) or not np.iterable(x) or len(x) != 2:
        raise ModelError(f"{name} must be two means, one a place; not {x!r}.", parameter=name)
    return [float(number(mean, name, 0, 100)) for mean in x]


def _place(capacity: int, out: float, back: float) -> tuple[np.ndarray, np.ndarray]:
    """Return P(evening cars | morning cars), and the expected rentals of a morning."""
    n = capacity + 1
    p_out, tail_out = _poisson(out, n)
    p_back, tail_back = _poisson(back, n)
    kept, returned = np.zeros((n, n)), np.zeros((n, n))
    for x in range(n):
        kept[x, 1 : x + 1] = p_out[:x][::-1]
        kept[x, 0] = tail_out[x]
        returned[x, x:] = p_back[: n - x]
        returned[x, -1] = tail_back[capacity - x]
    return kept @ returned, np.arange(n) - kept @ np.arange(n)


def _poisson(mean: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """P(D = k) and P(D ≥ k) for k < n, each tail a sum of what it holds."""
    p = [math.exp(-mean)]
    while len(p) < n or p[-1] > 0.0 or len(p) < mean:
        p.append(p[-1] * mean / len(p))
    tail = np.cumsum(p[::-1])[::-1]
    tail[0] = 1.0
    return np.array(p[:n]), tail[:n]
