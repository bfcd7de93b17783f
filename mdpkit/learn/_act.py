"""How a learner acts: ε-greedily in a table, ties split evenly."""

from __future__ import annotations

import numpy as np

from mdpkit._jit import njit
from mdpkit._random import short_unit


@njit(inline="always")
def greedy_choice(q, begin, end, u):
    """A pair of begin … end whose q is largest; among equals the one that u in [0, 1) picks."""
    top, count, best = -np.inf, 0, begin
    for pair in range(begin, end):
        if q[pair] > top:
            top, count, best = q[pair], 1, pair
        elif q[pair] == top:
            count += 1
    if count == 1:
        return best
    skip = int(u * count)
    for pair in range(best, end):
        if q[pair] == top:
            if skip == 0:
                return pair
            skip -= 1
    return best


@njit(inline="always")
def epsilon_greedy(q, begin, end, epsilon, a, b):
    """A pair of begin … end: any, with probability ε; a greedy one otherwise."""
    if epsilon > 0.0 and short_unit(a) < epsilon:
        return begin + int(short_unit(b) * (end - begin))
    return greedy_choice(q, begin, end, short_unit(b))
