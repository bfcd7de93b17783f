"""Stochastic approximation: a fixed point found through noise.

    x_{k+1} = x_k + α_k (h(x_k) − x_k + e_k)
    h a contraction, E[e_k | past] = 0, E[e_k² | past] ≤ K(1 + x_k²), Σ α_k = ∞, Σ α_k² < ∞
        ⇒   x_k → x* = h(x*) almost surely

For linear h, z = x − x*, of modulus ρ and noise of variance σ², the mean square is exact:

    E z_{k+1}² = (1 − α_k (1−ρ))² E z_k² + α_k² σ²
    α_k = c/k    k E z_k² → c²σ²/(2c(1−ρ) − 1)    if c(1−ρ) > ½
                 E z_k² = Θ(log k / k) at ½, and Θ(k^{−2c(1−ρ)}) below: slower than 1/k

So α = 1/k loses the rate 1/k where ρ ≥ ½, and ρ is the discount of a model. TD, Q-learning and
stochastic gradients are all of this form.
Checked in tests/learn/test_stochastic_approximation.py.
Source: Robbins & Monro (1951); Dvoretzky (1956); Kushner & Yin (2003), chapter 10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import njit
from mdpkit._random import keys, normal, philox
from mdpkit._threads import over_runs
from mdpkit.operators.step_size import Schedule, as_schedule, at


class Iterates(NamedTuple):
    """times (m,) steps made; x (m, runs, …) where each run stood then."""

    times: np.ndarray
    x: np.ndarray


def require_convergence(step_size: Schedule | float) -> Schedule:
    """The schedule, if Σ α = ∞ and Σ α² < ∞; ValueError saying which fails otherwise."""
    schedule = as_schedule(step_size)
    if not schedule.sum_diverges:
        raise ValueError(
            f"Σ α is finite for {schedule}: the iterate freezes on its way. Use power ≤ 1."
        )
    if not schedule.squares_converge:
        raise ValueError(
            f"Σ α² is infinite for {schedule}: the iterate never settles. "
            "Use ½ < power ≤ 1 and least = 0."
        )
    return schedule


def approximate(
    h: Callable[[Any], Any],
    start: Any,
    step_size: Schedule | float,
    *,
    steps: int,
    runs: int = 1,
    noise: Any = 0.0,
    rng: Any = None,
    record: Any = None,
    must_converge: bool = False,
) -> Iterates:
    """`runs` runs of x ← x + α_k (h(x) − x + e_k), k = 0 … steps − 1.

    h      from (runs, …) to the same, each run by itself
    start  x_0 of every run, any shape
    noise  standard deviation of normal e_k, one number or as `start`; or noise(x, generator)
    record steps after which x is kept; None is the last one only

    With must_converge ValueError is raised for a schedule that cannot.
    """
    schedule = require_convergence(step_size) if must_converge else as_schedule(step_size)
    times = np.atleast_1d(steps if record is None else np.unique(record))
    if runs < 1 or times[0] < 0 or times[-1] > steps:
        raise ValueError("runs must be ≥ 1, and record lie in 0 … steps.")
    generator = np.random.default_rng(rng)
    x = np.array(np.broadcast_to(np.asarray(start, dtype=float), (runs, *np.shape(start))))
    e = noise if callable(noise) else lambda y, source: noise * source.standard_normal(y.shape)
    kept, wanted = [], set(times.tolist())
    for k in range(int(times[-1]) + 1):
        if k in wanted:
            kept.append(x)
        if k < times[-1]:
            x = x + at(schedule, k) * (h(x) - x + e(x, generator))
    return Iterates(times, np.array(kept))


# ---- linear h --------------------------------------------------------------------------------


def mean_squares(
    step_sizes: Iterable[Any], *, modulus: Any, variance: Any, initial: Any
) -> np.ndarray:
    """E z_k² for k = 0 … n, (n + 1,), from n step sizes; exact on exact numbers.

    modulus : ρ < 1; variance : σ² of the noise; initial : z_0².
    """
    found = [initial]
    for alpha in step_sizes:
        found.append((1 - alpha * (1 - modulus)) ** 2 * found[-1] + alpha**2 * variance)
    return np.array(found)


def limit_of_scaled_error(scale: Any, *, modulus: Any, variance: Any) -> Any:
    """lim k E z_k² = c²σ²/(2c(1−ρ) − 1) for α_k = c/k. scale : c.

    Raises ValueError where c(1−ρ) ≤ ½: there k E z_k² has no limit.
    """
    strength = scale * (1 - modulus)
    if 2 * strength <= 1:
        raise ValueError(
            f"c(1−ρ) = {float(strength):.6g} is not above ½: the error falls slower than 1/k. "
            f"Use c > {0.5 / float(1 - modulus):.6g}."
        )
    return scale**2 * variance / (2 * strength - 1)


def linear_runs(
    step_size: Schedule | float,
    *,
    modulus: float,
    deviation: float,
    start: float,
    steps: int,
    runs: int,
    rng: Any = None,
    threads: int = 1,
) -> np.ndarray:
    """z_n = x_n − x* of independent runs, (runs,), for h(x) = x* + ρ(x − x*), normal noise.

    deviation : σ; start : z_0; steps : n. The same for any `threads`.
    """
    schedule, z = as_schedule(step_size), np.full(runs, float(start))
    streams, rho, sigma = keys(rng, runs), float(modulus), float(deviation)
    share = 200_000
    for begin in range(0, steps, share):
        end = min(begin + share, steps)

        def work(first: int, last: int, begin: int = begin, end: int = end) -> None:
            _run(streams, schedule, rho, sigma, z, first, last, begin, end)

        over_runs(work, runs, cost=end - begin, threads=threads)
    return z


@njit(allocates=False)
def _run(streams, schedule, rho, sigma, z, first, last, begin, end):
    for run in range(first, last):
        x = z[run]
        for k in range(begin, end):
            e = sigma * normal(philox(streams[run], np.uint64(0), np.uint64(k)))
            x += at(schedule, k) * (rho * x - x + e)
        z[run] = x
