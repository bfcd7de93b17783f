"""How a learner acts: ε-greedily in a table, ties split evenly.

    π(a|s) = ε/|A(s)| + (1 − ε) 1{a ∈ argmax q(s,·)} / |argmax q(s,·)|

Checked in tests/learn/test_one_step.py.
"""

from __future__ import annotations

from typing import Any

from mdpkit._jit import inlined
from mdpkit._random import short_unit
from mdpkit.operators.step_size import Schedule, as_schedule


def rate(x: Any, name: str) -> Schedule:
    """A step size or exploration rate in [0, 1] as a Schedule; ValueError that says which."""
    try:  # four floats, so that kernels are compiled for one type
        return Schedule(*(float(number) for number in as_schedule(x)))
    except (TypeError, ValueError) as reason:
        message = f"{name} must be a number in [0, 1] or a Schedule; it is {x!r}: {reason}"
        raise type(reason)(message) from None


@inlined
def greedy_choice(q, begin, end, u):
    """A pair of begin … end whose q is largest; among equals the one that u in [0, 1) picks."""
    top, count, best = q[begin], 1, begin
    for pair in range(begin + 1, end):  # selections, so that there is no branch to guess wrong
        x = q[pair]
        count = 1 if x > top else count + (1 if x == top else 0)
        best = pair if x > top else best
        top = x if x > top else top
    if count == 1:
        return best
    skip = int(u * count)
    for pair in range(best, end):
        if q[pair] == top:
            if skip == 0:
                return pair
            skip -= 1
    return best


@inlined
def epsilon_greedy(q, begin, end, epsilon, a, b):
    """A pair of begin … end: any, with probability ε; a greedy one otherwise. Words a, b."""
    if short_unit(a) < epsilon:
        return begin + int(short_unit(b) * (end - begin))
    return greedy_choice(q, begin, end, short_unit(b))


@inlined
def chance(q, begin, end, epsilon, pair):
    """π(pair) of the policy that is ε-greedy in q, which has the pairs begin … end."""
    top, count = q[begin], 0
    for other in range(begin, end):
        count = 1 if q[other] > top else count + (1 if q[other] == top else 0)
        top = max(top, q[other])
    greedy = (1.0 - epsilon) / count if q[pair] == top else 0.0
    return greedy + epsilon / (end - begin)
