"""Group X, return laws: what contracts is the distance of laws, not of means (THEOREMS.md §3).

    T^π η(s) = law of r(s,a) + γX(t),  a ~ π, t ~ P, X ~ η(t)
    W_p(F, G)^p = ∫₀¹ |F⁻¹ − G⁻¹|^p du          ℓ(F, G)² = ∫ (F − G)² dx        (Cramér)

A law is given by its atoms and their probabilities. Source: Bellemare, Dabney & Munos (2017);
Rowland, Bellemare, Dabney, Munos & Teh (2018).
"""

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, NamedTuple

import numpy as np

from mdpkit.claim import MDP, All, Draw, Leq, Policy, claim, integers, models, numbers
from mdpkit.policy import probabilities
from proofs_checks.instances import exactly, model


class Laws(NamedTuple):
    """One law a state: atoms (S, n) and probabilities (S, n)."""

    atoms: Any
    p: Any


def laws(draw: Draw, _: Mapping[str, Any]) -> Laws:
    """Laws of at most three atoms for the states drawn before."""
    draw.size("n", 1, 3)
    return Laws(draw.numbers("sn"), draw.distribution("sn"))


Law = Annotated[Any, laws]
SmallModels = Annotated[MDP, models((1, 3), (1, 2))]


def pushed(mdp, pi, eta):
    """T^π η: of each state, all (a, t, atom) with their probabilities."""
    weight = probabilities(mdp, pi).reshape(-1)
    reward, ptr, out = mdp.r.reshape(-1), mdp.action_ptr, []
    for s in range(mdp.n_states):
        pairs = range(ptr[s], ptr[s + 1])
        atoms = [(reward[i] + mdp.gamma * eta.atoms).reshape(-1) for i in pairs]
        p = [(weight[i] * mdp.rows[i][:, None] * eta.p).reshape(-1) for i in pairs]
        out.append((np.concatenate(atoms), np.concatenate(p)))
    return out


def each(eta):
    """The laws one by one."""
    return list(zip(eta.atoms, eta.p, strict=True))


def wasserstein(one, other, power):
    """W_p^p: quantiles side by side."""
    total, zero = 0 * one[0][0], 0 * one[0][0]
    left, right = (sorted(zip(*law, strict=True), key=lambda x: x[0]) for law in (one, other))
    i = j = 0
    a, b = left[0][1], right[0][1]
    while True:
        step = min(a, b)
        total = total + step * abs(left[i][0] - right[j][0]) ** power
        a, b = a - step, b - step
        while a <= zero:
            i += 1
            if i == len(left):
                return total
            a = left[i][1]
        while b <= zero:
            j += 1
            if j == len(right):
                return total
            b = right[j][1]


def cramer(one, other):
    """ℓ²: the squared difference of the distribution functions, between atoms."""
    points = sorted([*one[0], *other[0]])
    total = 0 * points[0]
    for x, y in pairwise(points):
        F, G = (
            sum((p for z, p in zip(*law, strict=True) if z <= x), 0 * x) for law in (one, other)
        )
        total = total + (F - G) ** 2 * (y - x)
    return total


Power = Annotated[Any, integers(1, 3)]


def discounted(gamma, power):
    """γ^p."""
    return gamma**power


@claim(
    id="X29",
    source="Bellemare, Dabney & Munos (2017), Lemma 3",
    exact="Q",
    effort=0.5,
)
def return_laws_contract(
    mdp: SmallModels, pi: Policy, eta: Law, mu: Law, power: Power, *, factor=discounted
):
    """max_s W_p(T^πη(s), T^πμ(s))^p ≤ γ^p max_s W_p(η(s), μ(s))^p."""
    before = [wasserstein(a, b, power) for a, b in zip(each(eta), each(mu), strict=True)]
    images = zip(pushed(mdp, pi, eta), pushed(mdp, pi, mu), strict=True)
    after = [wasserstein(a, b, power) for a, b in images]
    return Leq(max(after), factor(mdp.gamma, power) * max(before))


return_laws_contract.rejects("γ^{p+1}", factor=lambda gamma, power: gamma ** (power + 1))


@return_laws_contract.attained_by
def moved_by_one():
    """The same law, 1 further on."""
    mdp = model([[["1/2", "1/2"]], [[0, 1]]], [[1], [0]], "9/10")
    eta = Laws(exactly([[0, 1], [2, 3]]), exactly([["1/2", "1/2"], ["1/4", "3/4"]]))
    return mdp, np.zeros(2, dtype=int), eta, Laws(eta.atoms + 1, eta.p), 2


# ---- the categorical projection --------------------------------------------------------------


def categorical(law, grid):
    """Every atom shared between its neighbors on the grid, as the mean asks; ends gather."""
    p = [0 * grid[0] for _ in grid]
    for x, weight in zip(*law, strict=True):
        x = min(max(x, grid[0]), grid[-1])
        k = max(i for i in range(len(grid) - 1) if grid[i] <= x)
        share = (x - grid[k]) / (grid[k + 1] - grid[k])
        p[k], p[k + 1] = p[k] + weight * (1 - share), p[k + 1] + weight * share
    return np.array(list(grid)), np.array(p)


def to_the_left(law, grid):
    """Every atom on the grid point below it: no projection in any distance."""
    p = [0 * grid[0] for _ in grid]
    for x, weight in zip(*law, strict=True):
        x = min(max(x, grid[0]), grid[-1])
        k = max(i for i in range(len(grid)) if grid[i] <= x)
        p[k] = p[k] + weight
    return np.array(list(grid)), np.array(p)


Width = Annotated[Any, numbers("", 1, 2)]


@claim(
    id="X29-categorical",
    source="Rowland et al. (2018), Propositions 1 and 2",
    exact="Q",
    effort=0.5,
)
def categorical_laws_contract(
    mdp: SmallModels,
    pi: Policy,
    eta: Law,
    mu: Law,
    width: Width,
    *,
    project=categorical,
    factor=lambda gamma: gamma,
):
    """max_s ℓ(ΠT^πη, ΠT^πμ)² ≤ γ max_s ℓ(η, μ)², and ℓ(Πη, Πμ) ≤ ℓ(η, μ): modulus √γ."""
    grid = [width * k for k in range(-2, 3)]
    before = [cramer(a, b) for a, b in zip(each(eta), each(mu), strict=True)]
    images = zip(pushed(mdp, pi, eta), pushed(mdp, pi, mu), strict=True)
    after = [cramer(project(a, grid), project(b, grid)) for a, b in images]
    placed = [
        (project(a, grid), project(b, grid)) for a, b in zip(each(eta), each(mu), strict=True)
    ]
    return All(
        Leq(max(after), factor(mdp.gamma) * max(before)),
        Leq([cramer(a, b) for a, b in placed], before),
    )


categorical_laws_contract.rejects("atoms moved to the left", project=to_the_left)
categorical_laws_contract.rejects("modulus γ", factor=lambda gamma: gamma**2)


@categorical_laws_contract.attained_by
def on_the_grid():
    """Two constants that are a step apart before and after: (F − G)² = 1 on a length γ."""
    mdp = model([[[1]]], [[0]], 1 - exactly("1/2")[()])
    one = exactly([[1]])
    return mdp, np.zeros(1, dtype=int), Laws(0 * one, one), Laws(2 * one, one), one[0, 0]


# ---- control ---------------------------------------------------------------------------------


def chosen_law(edge, gamma):
    """Laws of both actions, 0 for sure and ±1 with mean `edge`; γ times the one preferred."""
    half = (edge * 0 + 1) / 2
    sure = np.array([0 * edge]), np.array([2 * half])
    risky = np.array([edge - 1, edge + 1]), np.array([half, half])
    best = risky if edge > 0 else sure
    return (sure, risky), (gamma * best[0], best[1])


def preferred(edge, gamma):
    """The law of the greedy action."""
    return chosen_law(edge, gamma)


def risky_anyway(edge, gamma):
    """The law of the same action, whatever is better: evaluation."""
    both, _ = chosen_law(edge, gamma)
    return both, (gamma * both[1][0], both[1][1])


@claim(
    id="X29-control",
    source="Bellemare, Dabney & Munos (2017), Proposition 1",
    exact="Q",
)
def greedy_laws_do_not_contract(
    edge: Annotated[Any, numbers("", Fraction(1, 1000), Fraction(1, 5))], *, choose=preferred
):
    """Laws at distance 2ε whose greedy images are γ(1 − ε)-apart at least; their means are not.

    0 for sure against ±1 with mean ε, or −ε: what is preferred changes, and with it the law.
    """
    gamma = (edge * 0 + 9) / 10
    (one, first), (other, second) = choose(edge, gamma), choose(-edge, gamma)
    before = max(wasserstein(a, b, 1) for a, b in zip(one, other, strict=True))
    after = wasserstein(first, second, 1)
    return Leq(gamma * before * (1 - edge) / (2 * edge), after)


greedy_laws_do_not_contract.rejects("of a fixed action", choose=risky_anyway)
