"""Group E, first part: means of samples, and of returns (THEOREMS.md §2.E, E1, E4, E5, E12).

    Var(f + c(g − Eg)) = Var f + 2c Cov + c² Var g            least at c* = −Cov/Var g
    first visit    E[G 1{s met}] = v(s) P(s met)
    every visit    E V̂_n = V n/(n+1) on the chain that stays with probability p

Laws and paths are finite and listed whole, so that every expectation is exact.
Source: Owen (2013); Singh & Sutton (1996); Sutton & Barto (2018), chapter 5.
"""

import math
from itertools import combinations
from typing import Annotated

import numpy as np

from mdpkit.claim import (
    MDP,
    All,
    Constant,
    Eq,
    InExpectation,
    Leq,
    Policy,
    claim,
    integers,
)
from mdpkit.learn import MonteCarloControl, learn
from mdpkit.operators.control_variates import optimal_coefficient
from mdpkit.operators.returns import lambda_return
from mdpkit.operators.step_size import polynomial
from proofs_checks.instances import exactly
from proofs_checks.sampling_vocabulary import (
    FullLaw,
    Law,
    Outcomes,
    Varied,
    Whole,
    covariance,
    expectation,
    paths,
    products,
    rounding,
    variance,
)
from proofs_checks.vocabulary import tol_v, v_pi

# ---- E1 --------------------------------------------------------------------------------------


def corrected(p, f, g, c):
    """f + c (g − E g)."""
    return f + c * (g - expectation(p, g))


@claim(
    id="E1", source="Owen (2013), §8.9", exact="Q",
    applies={"g varies": lambda p, g: variance(p, g) * 1000 > 1},
)  # fmt: skip
def control_variate_is_best_at_the_regression(
    p: FullLaw, f: Outcomes, g: Varied, c: Constant, *, best=optimal_coefficient
):
    """Var(f + c*(g − Eg)) ≤ Var(f + c(g − Eg)) for every c, at c* = −Cov(f,g)/Var g.

    The least variance is Var f (1 − ρ²), that is (Var f Var g − Cov²)/Var g; the mean is E f
    for every c.
    """
    own = corrected(p, f, g, best(f, g, p))
    least, any_c = variance(p, own), variance(p, corrected(p, f, g, c))
    left = variance(p, f) * variance(p, g) - covariance(p, f, g) ** 2
    tol = rounding(f, g, own, corrected(p, f, g, c), power=4)
    return All(
        Leq(least, any_c, tol),
        Eq(least * variance(p, g), left, tol),
        Eq(expectation(p, own), expectation(p, f), tol),
    )


control_variate_is_best_at_the_regression.rejects(
    "+Cov/Var", best=lambda f, g, p: -optimal_coefficient(f, g, p)
)
control_variate_is_best_at_the_regression.rejects(
    "Cov/Var f: the regression of g on f",
    best=lambda f, g, p: -covariance(p, f, g) / (variance(p, f) + 1),
)


@control_variate_is_best_at_the_regression.attained_by
def the_regression_itself():
    """c = c*: f = (0, 2), g = (0, 1), a coin; with a third outcome that g does not explain."""
    p, f, g = exactly(["1/4", "1/4", "1/2"]), exactly([0, 2, 1]), exactly([0, 1, 1])
    return p, f, g, optimal_coefficient(f, g, p)


# ---- E4 --------------------------------------------------------------------------------------


def mean(x):
    """The average of a sample."""
    return x.sum() / x.size


@claim(id="E4", source="elementary", exact="Q", effort=0.5)
def mean_is_unbiased(p: Law, f: Outcomes, n: Annotated[int, integers(1, 3)], *, estimate=mean):
    """E X̄ = μ and Var X̄ = σ²/n, over every sample of n draws."""
    found = [(estimate(f[draws]), weight) for draws, weight in products(p, n)]
    first = sum(weight * x for x, weight in found)
    second = sum(weight * x * x for x, weight in found)
    return All(
        Eq(first, expectation(p, f), rounding(f)),
        Eq((second - first * first) * n, variance(p, f), rounding(f)),
    )


mean_is_unbiased.rejects("the largest", estimate=lambda x: x.max())
mean_is_unbiased.rejects("the first draw", estimate=lambda x: x[0])
mean_is_unbiased.rejects("divides by n + 1", estimate=lambda x: x.sum() / (x.size + 1))


# ---- E5 --------------------------------------------------------------------------------------


def first_visits(met):
    """(T, n, S) bool: the step at which a path meets a state, the first of them."""
    return met & (met.cumsum(axis=0) == 1)


def last_visits(met):
    """The last of them: what a test made on the way back finds."""
    return first_visits(met[::-1])[::-1]


@claim(id="E5", source="Singh & Sutton (1996), Theorem 6", exact="Q", effort=0.5)
def first_visit_is_unbiased(mdp: Whole, pi: Policy, *, visits=first_visits):
    """E[G_τ 1{s is met}] = v^π(s) P(s is met), τ the first time that s is met.

    Paths are cut after three steps and go on with v^π, which leaves the mean as it is.
    """
    batch, v = paths(mdp, pi, 3), v_pi(mdp, pi)
    G = lambda_return(batch.rewards, batch.discounts, batch.boundary, v[batch.states[1:]])
    met = (batch.states[:-1, :, None] == np.arange(mdp.n_states)) & (batch.pairs >= 0)[
        ..., None
    ]
    once = visits(met) * 1
    weight = batch.weight[:, None]
    seen = (once * weight).sum(axis=(0, 1))
    return Eq((once * G[..., None] * weight).sum(axis=(0, 1)), seen * v, tol_v(mdp, powers=3))


first_visit_is_unbiased.rejects("the last visit", visits=last_visits)


def compositions(total, parts):
    """All ways to write `total` as so many whole numbers ≥ 0: equally likely loops."""
    for bars in combinations(range(total + parts - 1), parts - 1):
        edges = [-1, *bars, total + parts - 1]
        yield np.diff(edges) - 1


def every_visit(loops):
    """Mean of all returns of episodes that loop so often: Σ (1 + … + k) / Σ (k + 1)."""
    return exactly([int((loops * (loops + 1)).sum()) // 2])[0] / int((loops + 1).sum())


def first_visit(loops):
    """Mean of the returns of first visits, Σ k / n."""
    return exactly([int(loops.sum())])[0] / loops.size


@claim(id="E5-every", source="Singh & Sutton (1996), Theorem 7", exact="Q", mutations=())
def every_visit_shrinks_by_n_over_n_plus_one(
    n: Annotated[int, integers(1, 4)],
    total: Annotated[int, integers(0, 6)],
    *,
    every=every_visit,
    first=first_visit,
):
    """Given K loops in n episodes, every visit estimates K/(n+1), first visit K/n, on average.

    Staying with probability p pays 1, and E K = nV, V = p/(1−p): hence E V̂_n = V n/(n+1) and
    the bias is −V/(n+1). Given K, all ways to share the loops out are equally likely.
    """
    shares = list(compositions(total, n))
    return All(
        Eq(sum(every(k) for k in shares) * (n + 1), total * len(shares)),
        Eq(sum(first(k) for k in shares) * n, total * len(shares)),
    )


every_visit_shrinks_by_n_over_n_plus_one.rejects("every visit is unbiased", every=first_visit)
every_visit_shrinks_by_n_over_n_plus_one.rejects("first visit is biased", first=every_visit)
every_visit_shrinks_by_n_over_n_plus_one.rejects(
    "the last visit, which is worth nothing", first=lambda loops: exactly([0])[0]
)


# ---- E12 -------------------------------------------------------------------------------------

RUNS, GLIE = 2000, polynomial(1.0)


def two_arms():
    """Pulled once an episode; the first pays ½, the second 1."""
    return MDP(np.zeros((1, 2, 1)), np.array([[0.5, 1.0]]), 1.0, stop=np.ones((1, 2)))


@claim(
    id="E12", source="Singh, Jaakkola, Littman & Szepesvári (2000)", exact="B", effort=0.1,
)  # fmt: skip
def monte_carlo_control_finds_the_better_arm_by_exploring(
    n: Annotated[int, integers(20, 60)],
    seed: Annotated[int, integers(0, 10**6)],
    *,
    epsilon=GLIE,
):
    """ε_k = 1/(1+k): the better arm is unseen after n pulls with chance p_n = ½ Π (1 − ε_k/2).

    p_n ≤ 1/√(2(n+1)) → 0: greedy in the limit with infinite exploration. Without exploration
    the arm pulled first, the worse one with probability ½, is pulled for ever.
    """
    method = MonteCarloControl(epsilon=epsilon)
    q = learn(two_arms(), method, episodes=n, runs=RUNS, rng=seed).values[:, 0]
    stuck = (q[:, 0] > q[:, 1]) * 1.0
    chance = np.prod([1 - 1 / (2 * (1 + k)) for k in range(n)])
    return All(
        InExpectation(stuck, chance, bounds=(0, 1)),
        Leq(chance, 1 / math.sqrt(2 * (n + 1)), ratio=False),
    )


monte_carlo_control_finds_the_better_arm_by_exploring.rejects(
    "greedy from the start", epsilon=0.0
)
