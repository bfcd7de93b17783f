"""Group E, fourth part: stochastic approximation (THEOREMS.md §2.E, E6–E8).

    x_{k+1} = x_k + α_k (h(x_k) − x_k + e_k)       z = x − x*,   |h(x) − x*| ≤ ρ|z|
    E z_{k+1}² ≤ (1 − α_k(1−ρ))² E z_k² + α_k²σ²   with equality for h(x) − x* = ρz
    w_{k+1} = (1−α_k) w_k + β_k e_k                E[w_{k+1}²|F] ≤ (1−α_k) w_k² + β_k² K

The noise is a fair coin's ±σ, so that every path can be listed.
Source: Robbins & Monro (1951); Dvoretzky (1956); Robbins & Siegmund (1971).
"""

from fractions import Fraction
from itertools import product
from typing import Annotated, Any

import numpy as np

from mdpkit._array import number
from mdpkit.claim import All, Constant, Eq, Leq, Rate, claim, integers, numbers
from mdpkit.learn.stochastic_approximation import (
    approximate,
    limit_of_scaled_error,
    linear_runs,
    mean_squares,
)
from mdpkit.operators.step_size import at, polynomial
from proofs_checks.instances import exactly
from proofs_checks.sampling_vocabulary import rounding

Modulus = Annotated[Any, numbers(low=0, high=Fraction(9, 10))]
Slope = Annotated[Any, numbers(low=-1, high=1)]
Fraction01 = Annotated[Any, numbers("k", low=0, high=1, longest=5)]
Sizes = Annotated[Any, numbers("k", low=-2, high=2, longest=5)]
Deviation = Annotated[Any, numbers(low=0, high=4)]
Positive = Annotated[Any, numbers(low=Fraction(1, 10), high=1)]
STEPS = 40


def listed(alphas, betas, start, sigma, noise, h):
    """E w_k² for k = 0 … n, over all 2ⁿ paths of w ← (1−α)w + α h(w) + β e."""
    n, total = len(alphas), [start * start] + [0 * start] * len(alphas)
    for signs in product((1, -1), repeat=n):
        w = start
        for k, sign in enumerate(signs):
            w = (1 - alphas[k]) * w + alphas[k] * h(w) + betas[k] * noise(w, sign * sigma)
            total[k + 1] = total[k + 1] + w * w
    return np.array([total[0], *(x / 2**n for x in total[1:])])


def fair(_, e):
    """The coin as it falls."""
    return e


def leaning(w, e):
    """|e| away from 0, whatever falls."""
    return abs(e) if w >= 0 else -abs(e)


def rounded(start, sigma):
    """Rounding of squares of sums of these."""
    return rounding(np.array([start, sigma]), np.array([1]))


# ---- E6 --------------------------------------------------------------------------------------


@claim(
    id="E6", source="Robbins & Monro (1951); Bertsekas & Tsitsiklis (1996), §4.2", exact="Q",
    effort=0.5,
)  # fmt: skip
def contraction_bounds_the_mean_square(
    alphas: Fraction01,
    rho: Modulus,
    right: Slope,
    left: Slope,
    start: Constant,
    sigma: Deviation,
    *,
    steps=lambda alphas: alphas,
    noise=fair,
    squares=mean_squares,
):
    """E z_n² ≤ the recursion of the linear case, for every ρ-contraction and α_k in [0, 1].

    h has its own slope on either side of x*, both of size ≤ ρ. With Σα = ∞ and Σα² < ∞ the
    right side tends to 0.
    """

    def h(z):
        return rho * (right if z >= 0 else left) * z

    alphas = steps(alphas)
    found = listed(alphas, alphas, start, sigma, noise, h)
    bound = squares(alphas, modulus=rho, variance=sigma * sigma, initial=start * start)
    return Leq(found, bound, rounded(start, sigma))


contraction_bounds_the_mean_square.rejects(
    "step sizes up to 3", steps=lambda alphas: 3 * alphas
)
contraction_bounds_the_mean_square.rejects("noise that leans", noise=leaning)
contraction_bounds_the_mean_square.rejects(
    "noise forgotten",
    squares=lambda alphas, modulus, variance, initial: mean_squares(
        alphas, modulus=modulus, variance=0 * variance, initial=initial
    ),
)


@contraction_bounds_the_mean_square.attained_by
def linear():
    """Slope ρ on both sides."""
    return exactly(["1/2", "1/3", "1/4"]), *exactly(["4/5", 1, 1, 3, 2])


@claim(id="E6-frozen", source="elementary: Π (1 − 1/k²) = (n+1)/(2n)", exact="Q")
def finite_sum_of_steps_freezes(
    rho: Modulus,
    n: Annotated[int, integers(2, STEPS)],
    start: Constant,
    sigma: Deviation,
    *,
    power=2,
):
    """α_k = 1/k², k ≥ 2: E z_n² ≥ (½ + 1/(2n))² z_0² for ever, since Σα < ∞."""
    alphas = [(rho * 0 + 1) / k**power for k in range(2, n + 1)]
    found = mean_squares(alphas, modulus=rho, variance=sigma**2, initial=start**2)
    kept = (rho * 0 + n + 1) / (2 * n)
    return Leq(kept**2 * start**2, found[-1], rounded(start, sigma))


finite_sum_of_steps_freezes.rejects("α_k = 1/k, whose sum is infinite", power=1)


@finite_sum_of_steps_freezes.attained_by
def without_noise():
    """h = x*: each step goes a part α of the way."""
    return *exactly([0]), 7, *exactly([3, 0])


@claim(id="E6-constant", source="elementary: a geometric series", exact="Q")
def constant_step_never_settles(
    rho: Modulus,
    alpha: Positive,
    n: Annotated[int, integers(0, STEPS)],
    start: Constant,
    sigma: Deviation,
    *,
    limit=lambda alpha, rho, sigma: alpha * sigma**2 / (2 * (1 - rho) - alpha * (1 - rho) ** 2),
):
    """α constant: E z_n² − L = (1 − α(1−ρ))²ⁿ (z_0² − L), L = ασ²/(2(1−ρ) − α(1−ρ)²) > 0."""
    found = mean_squares([alpha] * n, modulus=rho, variance=sigma**2, initial=start**2)
    L = limit(alpha, rho, sigma)
    left = (1 - alpha * (1 - rho)) ** (2 * n) * (start**2 - L)
    return Eq(found[-1] - L, left, rounded(start, sigma) * 100)


constant_step_never_settles.rejects("it settles", limit=lambda alpha, rho, sigma: 0 * sigma)
constant_step_never_settles.rejects(
    "ασ²/(2(1−ρ)), the limit of small steps",
    limit=lambda alpha, rho, sigma: alpha * sigma**2 / (2 * (1 - rho)),
)

RUNS, LONG, FAR = 50, 200, 8.0
"""Normal numbers lie beyond 8 deviations with probability 1.3·10⁻¹⁵."""


def leaning_runs(schedule, *, modulus, deviation, start, steps, runs, rng):
    """Runs whose noise has the mean σ."""
    found = approximate(
        lambda x: modulus * x, start, schedule, steps=steps, runs=runs, rng=rng,
        noise=lambda x, rng: deviation * (1 + rng.standard_normal(x.shape)),
    )  # fmt: skip
    return found.x[-1]


@claim(id="E6-runs", source="Robbins & Monro (1951)", exact="B", effort=0.3)
def runs_are_where_their_law_says(
    rho: Modulus,
    start: Slope,
    power: Annotated[Any, numbers(low=Fraction(3, 5), high=1)],
    seed: Annotated[Any, integers(0, 10**6)],
    *,
    sample=linear_runs,
):
    """|z_n − E z_n| ≤ 8 √Var z_n in each of 50 runs of 200 steps with α_k = (1+k)^(−p).

    z_n of a linear h and normal noise is normal; a true claim fails with probability 10⁻¹³.
    """
    schedule = polynomial(1.0, power=float(power))
    alphas = np.array([at(schedule, k) for k in range(LONG)])
    given = {"modulus": float(rho), "deviation": 1.0, "start": float(start)}
    z = sample(schedule, **given, steps=LONG, runs=RUNS, rng=seed)
    variance = mean_squares(alphas, modulus=rho, variance=1.0, initial=0.0)[-1]
    center = np.prod(1 - alphas * (1 - rho)) * start
    return Leq(abs(z - center), FAR * np.sqrt(variance) + 0 * z)


runs_are_where_their_law_says.rejects("noise with a mean", sample=leaning_runs)


# ---- E7 --------------------------------------------------------------------------------------


@claim(id="E7", source="Kushner & Yin (2003), chapter 10", exact="Q")
def steps_c_over_k_have_the_rate_one_over_k(
    rho: Modulus,
    strength: Annotated[Any, numbers(low=1, high=2)],
    start: Constant,
    sigma: Deviation,
    *,
    scale=lambda rho, u: u / (1 - rho),
):
    """α_k = c/k, 1 ≤ u = c(1−ρ) ≤ 2: k E z_k² ≤ L(1 + (u−1)²) + (E z_1² − L)⁺, L = c²σ²/(2u−1).

    k E z_k² → L for every u > ½. The strength u is what counts: c = 1 has it only at ρ = 0.
    """
    u, c = strength, scale(rho, strength)
    alphas = [c / k for k in range(1, STEPS + 1)]
    found = mean_squares(alphas, modulus=rho, variance=sigma**2, initial=start**2)[1:]
    L = limit_of_scaled_error(u, modulus=0 * rho, variance=sigma**2) * (c / u) ** 2
    bound = L * (1 + (u - 1) ** 2) + max(found[0] - L, 0 * L)
    tol = rounded(start, sigma) * float(number(max(c, 1 + 0 * c))) ** 2
    return Rate(found, np.array([bound / k for k in range(1, STEPS + 1)]), tol)


def discount_eight_tenths():
    """ρ = .8."""
    return tuple(exactly(["4/5", 1, 3, 1]))


steps_c_over_k_have_the_rate_one_over_k.rejects(
    "c = 1, whatever ρ is", scale=lambda rho, u: u / (1 + 0 * rho), at=discount_eight_tenths
)


@steps_c_over_k_have_the_rate_one_over_k.attained_by
def unit_strength():
    """u = 1: k E z_k² = c²σ² at every k, the mean of k samples."""
    return tuple(exactly(["4/5", 1, 0, 2]))


@claim(id="E7-slow", source="Szepesvári (1998); Even-Dar & Mansour (2003)", exact="Q")
def weak_steps_lose_the_rate(
    rho: Modulus,
    strength: Annotated[Any, numbers(low=0, high=Fraction(1, 2))],
    start: Constant,
    sigma: Deviation,
    *,
    factor=1,
):
    """α_k = c/k with c(1−ρ) ≤ ½: k E z_k² ≥ c²σ² Σ_{j≤k} 1/j, which is unbounded.

    So α_k = 1/k has no rate 1/k from ρ = ½ on, and ρ is the discount of a model.
    """
    c = factor * strength / (1 - rho)
    alphas = [c / k for k in range(1, STEPS + 1)]
    found = mean_squares(alphas, modulus=rho, variance=sigma**2, initial=start**2)[1:]
    harmonic = np.cumsum([(rho * 0 + 1) / j for j in range(1, STEPS + 1)])
    tol = rounded(start, sigma) * 10**4
    return Leq(c**2 * sigma**2 * harmonic, found * np.arange(1, STEPS + 1), tol)


weak_steps_lose_the_rate.rejects("twice the strength", factor=2)


@weak_steps_lose_the_rate.attained_by
def the_first_step():
    """From x* itself the first step is all noise."""
    return tuple(exactly(["4/5", "1/5", 0, 2]))


# ---- E8 --------------------------------------------------------------------------------------


def still_to_come(betas, k, K):
    """Σ_{j≥k} β_j² K."""
    return sum(K * b * b for b in betas[k:])


@claim(id="E8", source="Dvoretzky (1956); Robbins & Siegmund (1971)", exact="Q")
def dvoretzky_has_a_supermartingale(
    alphas: Fraction01,
    betas: Sizes,
    start: Constant,
    sigma: Deviation,
    *,
    noise=fair,
    rest=still_to_come,
):
    """S_k = w_k² + Σ_{j≥k} β_j²K: E S_{k+1} ≤ E S_k − α_k E w_k², so Σ α_k E w_k² ≤ S_0.

    E w_{k+1}² = (1−α_k)² E w_k² + β_k²σ². With Σα = ∞ and Σβ² < ∞: w_k → 0.
    """
    K, n = sigma * sigma, len(alphas)
    v = listed(alphas, betas, start, sigma, noise, lambda w: 0 * w)
    S = np.array([v[k] + rest(betas, k, K) for k in range(n + 1)])
    tol = rounding(np.array([start, sigma, 2 + 0 * sigma]), power=4)
    return All(
        Leq(S[1:], S[:-1] - alphas * v[:-1], tol),
        Leq((alphas * v[:-1]).sum(), S[0], tol),
        Eq(v[1:], (1 - alphas) ** 2 * v[:-1] + betas**2 * K, tol),
    )


dvoretzky_has_a_supermartingale.rejects("noise that leans", noise=leaning)
dvoretzky_has_a_supermartingale.rejects(
    "the sum of what has been", rest=lambda betas, k, K: sum(K * b * b for b in betas[:k])
)


@dvoretzky_has_a_supermartingale.attained_by
def whole_steps():
    """α is 0 or 1."""
    return exactly([0, 1, 0]), exactly([1, "1/2", 1]), *exactly([3, 2])
