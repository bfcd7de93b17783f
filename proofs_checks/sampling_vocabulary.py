"""The words of claims about samples: finite laws, of which every expectation is a sum.

Law, FullLaw, Outcomes     p(k) and f(k) over 2 to 4 outcomes; Varied: two of which differ by 1
expectation(p, f), variance(p, f), covariance(p, f, g)
Whole, Tiny                models for which every path of a few steps can be listed
paths(mdp, pi, T, s)       all of them from state s, with their probabilities
products(p, n)             every sample of n draws, and its probability
ratio(p, q)                p/q, and 0 where q is 0
rounding(*x, power=2)      what floats may lose in sums of products of so many of these
"""

from collections.abc import Iterator
from itertools import product
from typing import Annotated, Any

import numpy as np

from mdpkit._array import number
from mdpkit.batch import Trajectories
from mdpkit.claim import MDP, integers, models
from mdpkit.enumerate import trajectories


def outcomes(draw, _):
    """Numbers over 2 to 4 outcomes."""
    draw.size("k", 2, 4)
    return draw.numbers("k")


def law(draw, _):
    """Probabilities of 2 to 4 outcomes."""
    draw.size("k", 2, 4)
    return draw.distribution("k")


def full_law(draw, _):
    """Probabilities of 2 to 4 outcomes, none of them 0."""
    draw.size("k", 2, 4)
    return draw.distribution("k", full=True)


def varied(draw, _):
    """Numbers over 2 to 4 outcomes that are not nearly all the same."""
    found = outcomes(draw, _)
    return found + np.arange(found.size) if found.max() - found.min() < 1 else found


Outcomes = Annotated[Any, outcomes]
Varied = Annotated[Any, varied]
Law = Annotated[Any, law]
FullLaw = Annotated[Any, full_law]
Whole = Annotated[MDP, models(states=(1, 3), actions=(1, 2), stops="some", start="any")]
Tiny = Annotated[MDP, models(states=(1, 2), actions=(1, 2), stops="some", start="any")]
Horizon = Annotated[int, integers(1, 3)]


def expectation(p: Any, f: Any) -> Any:
    """E_p f."""
    return (p * f).sum()


def covariance(p: Any, f: Any, g: Any) -> Any:
    """Cov_p(f, g)."""
    return expectation(p, f * g) - expectation(p, f) * expectation(p, g)


def variance(p: Any, f: Any) -> Any:
    """Var_p f."""
    return covariance(p, f, f)


def rounding(*inputs: Any, power: int = 2) -> float:
    """2⁻⁴⁰ max(1, ‖inputs‖∞)^power: sums of a few hundred products lose less."""
    size = max(1.0, *(float(number(y)) for x in inputs for y in np.abs(np.ravel(x))))
    return 2.0**-40 * size**power


def ratio(p, q):
    """p/q, and 0 where q is 0."""
    return np.where(q != 0, p, 0 * p) / np.where(q != 0, q, 0 * q + 1)


def products(p: Any, n: int) -> Iterator[tuple[list[int], Any]]:
    """Every sample of n independent draws, and its probability."""
    for draws in product(range(len(p)), repeat=n):
        yield list(draws), np.prod(p[list(draws)])


def paths(mdp: MDP, pi: Any, horizon: int, s: int | None = None) -> Trajectories:
    """Every path of at most `horizon` steps from state s, or from the model's start."""
    start = None
    if s is not None:
        zero = mdp.gamma * 0
        start = np.array([zero + int(t == s) for t in range(mdp.n_states)])
    return trajectories(mdp, pi, horizon, start=start)


def along(batch: Trajectories, x: Any, empty: Any) -> Any:
    """x(s_t, a_t), (T, n), of pair layout; `empty` after the end of a path."""
    flat = np.asarray(x).reshape(-1)
    return np.where(batch.pairs >= 0, flat[np.maximum(batch.pairs, 0)], flat[0] * 0 + empty)
