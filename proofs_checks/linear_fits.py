"""Group G, third part: LSTDQ, the residual gradient, regression on returns (THEOREMS.md §2.G).

    LSTDQ: w = (Σ φ(φ − dφ')ᵀ)⁻¹ Σ φ r      residual gradient: argmin ‖Φw − T^πΦw‖_D

Source: Lagoudakis & Parr (2003); Scherrer (2010); Sutton & Barto (2018), §9.3.
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit import enumerate as every
from mdpkit.claim import (
    MDP,
    All,
    Eq,
    FullDistribution,
    Leq,
    Policy,
    claim,
    numbers,
)
from mdpkit.learn.linear.least_squares import expected_features, lstdq, pair_system
from mdpkit.operators.linear import (
    bellman_system,
    best_weights,
    projection,
    residual_system,
    solution,
    state_chain,
)
from mdpkit.operators.returns import lambda_return
from mdpkit.operators.stationary import stationary
from mdpkit.policy import uniform
from proofs_checks.instances import exactly, model
from proofs_checks.linear_vocabulary import (
    Ergodic,
    Features,
    PairFeatures,
    Seen,
    chain_of,
    descending_models,
    lost,
    squares,
    well_posed,
)
from proofs_checks.vocabulary import evaluation, horizon, q_pi, sup, v_pi

# ---- least squares ---------------------------------------------------------------------------


def solvable(mdp, pi, rho, phi):
    """Whether LSTDQ's A is not nearly singular; fractions are only asked for a solution."""
    after = expected_features(phi, mdp.action_ptr, pi)
    return well_posed(pair_system(every.transitions(mdp, rho), phi, after))


def units(n, like):
    """One weight a pair."""
    return np.array([[like * 0 + int(i == j) for j in range(n)] for i in range(n)])


@claim(
    id="G5",
    source="Lagoudakis & Parr (2003), §5.2",
    exact="Q",
    substochastic=True,
    applies={"A is not nearly singular": solvable},
)
def least_squares_solve_the_projected_equation(
    mdp: MDP,
    pi: Policy,
    rho: Seen,
    phi: PairFeatures,
    *,
    data=every.transitions,
    follow=lambda mdp, pi: pi,
):
    """w of LSTDQ: Φw = Π(r + dΦ'w) on the data; with one weight a pair w = q^π, a' ~ π."""
    batch, ptr = data(mdp, rho), mdp.action_ptr
    w = lstdq(batch, phi, follow(mdp, pi), action_ptr=ptr).w
    after = expected_features(phi, ptr, pi) @ w
    truth = every.transitions(mdp, rho)
    y = truth.reward + truth.discount * after[truth.next_state]
    again = best_weights(phi[truth.pair], truth.weight, y)
    near = lost(mdp, w)
    table = lstdq(batch, units(mdp.n_pairs, mdp.gamma), follow(mdp, pi), action_ptr=ptr).w
    return All(Eq(w, again, near), Eq(table, q_pi(mdp, pi).reshape(-1)))


def endless(mdp, rho):
    """The data, bootstrapping through the ends."""
    batch = every.transitions(mdp, rho)
    return batch._replace(discount=0 * batch.discount + mdp.gamma)


def ends_at_once():
    """Pay 1 and end: 1, or 1/(1 − γ)."""
    mdp = model([[[0]]], [[1]], "9/10", stops=True)
    return mdp, exactly([[1]]), exactly([[1]]), exactly([[1]])


least_squares_solve_the_projected_equation.rejects(
    "features after an end that are not 0", data=endless, at=ends_at_once
)
least_squares_solve_the_projected_equation.rejects(
    "a' of the uniform policy", follow=lambda mdp, pi: uniform(mdp)
)


def isolated(x):
    """(1 + x²)/(x + x²) < 1 for x > 1."""
    return (1 + x * x) / (x + x * x)


@claim(id="G5-singular", source="Tsitsiklis & Van Roy (1996)", exact="Q", mutations=())
def least_squares_may_have_no_solution_at_one_discount(
    x: Annotated[Any, numbers("", Fraction(3, 2), 9)], *, discount=isolated
):
    """φ = (1, x), both states lead to the second, D uniform: A = 0 at γ = (1+x²)/(x+x²)."""
    one, zero = x * 0 + 1, x * 0
    P, phi = np.array([[zero, one], [zero, one]]), np.array([[one], [x]])
    d = np.array([one, one]) / 2
    A, _ = bellman_system(chain_of((P, d)), phi, d, discount(x))
    return Eq(A, 0 * A)


least_squares_may_have_no_solution_at_one_discount.rejects(
    "at another", discount=lambda x: isolated(x) / 2
)

# ---- the residual gradient -------------------------------------------------------------------


def both(mdp, pi, phi):
    """d, v^π, and the values of TD and of the residual gradient."""
    d, chain = stationary(mdp, pi), state_chain(mdp, pi)
    td = phi @ solution(bellman_system(chain, phi, d, mdp.gamma))
    rg = phi @ solution(residual_system(chain, phi, d, mdp.gamma))
    return d, v_pi(mdp, pi), td, rg


def both_told_apart(mdp, pi, phi):
    """Whether floats can tell both systems from singular."""
    d, chain = stationary(mdp, pi), state_chain(mdp, pi)
    return well_posed(bellman_system(chain, phi, d, mdp.gamma)) and well_posed(
        residual_system(chain, phi, d, mdp.gamma)
    )


@claim(
    id="G9",
    source="Scherrer (2010); the operator is T^π, not T",
    exact="Q",
    applies={"the systems are not nearly singular": both_told_apart},
    effort=0.5,
)
def small_residual_is_a_small_error(mdp: Ergodic, pi: Policy, phi: Features, *, factor=horizon):
    """v = Φw of the least ‖v − T^πv‖_D: it is least, and ‖v − v^π‖∞ ≤ H ‖v − T^πv‖∞."""
    d, v, td, rg = both(mdp, pi, phi)
    T = evaluation(pi)
    error, other = T(mdp, rg) - rg, T(mdp, td) - td
    near = lost(mdp, np.concatenate([rg, td])) * (1 + 0 * mdp.gamma)
    return All(
        Leq(sup(rg - v), factor(mdp) * sup(error), near * horizon(mdp)),
        Leq(squares(error, d), squares(other, d), near, ratio=False),
    )


small_residual_is_a_small_error.rejects("without H", factor=lambda mdp: 1)


def mixed(rows):
    """A tenth of the uniform distribution mixed in."""
    return [[Fraction(9, 10) * Fraction(x, 4) + Fraction(1, 30) for x in row] for row in rows]


def rows_where(nearer):
    """Three states and one feature at γ = 19/20, on which TD, or the other, is nearer."""
    found = {
        "td": ([[0, 2, 2], [0, 2, 2], [0, 3, 1]], [1, 2, 2], [2, 3, 3]),
        "residual": ([[2, 0, 2], [1, 3, 0], [1, 2, 1]], [1, -1, 0], [1, 2, 1]),
    }
    P, r, phi = found[nearer]
    mdp = model([[row] for row in mixed(P)], [[x] for x in r], "19/20")
    return mdp, np.zeros(3, dtype=int), exactly([[x] for x in phi])


@claim(id="G9-either", source="Scherrer (2010), §4", exact="Q2")
def either_may_be_nearer(*, order=lambda td, rg: (td, rg)):
    """‖v_TD − v^π‖_D is a sixth of ‖v_RG − v^π‖_D on one chain, and 1.6 times it on another."""
    parts = []
    for nearer, ratio in (("td", 36), ("residual", Fraction(25, 64))):
        d, v, td, rg = both(*rows_where(nearer))
        first, second = order(squares(td - v, d), squares(rg - v, d))
        small, large = (first, second) if nearer == "td" else (second, first)
        least = ratio if nearer == "td" else 1 / ratio
        parts.append(Leq(exactly(least)[()] * small, large))
    return All(*parts)


either_may_be_nearer.rejects("the other way round", order=lambda td, rg: (rg, td))

# ---- Monte Carlo -----------------------------------------------------------------------------

Descending = Annotated[MDP, descending_models]


def on_returns(mdp, pi, phi, d):
    """Least squares on the returns of every trajectory, which begin in s with weight d(s)."""
    batch = every.trajectories(mdp, pi, mdp.n_states, start=d)
    told = batch.rewards, batch.discounts, batch.boundary
    G = lambda_return(*told, 0 * batch.rewards)[0]
    return phi @ best_weights(phi[batch.states[0]], batch.weight, G)


def on_bootstraps(mdp, pi, phi, d):
    """TD's fixed point."""
    return phi @ solution(bellman_system(state_chain(mdp, pi), phi, d, mdp.gamma))


@claim(id="G10", source="Sutton & Barto (2018), §9.3", exact="Q", effort=0.5)
def regression_on_returns_is_the_projection(
    mdp: Descending, pi: Policy, phi: Features, d: FullDistribution, *, learned=on_returns
):
    """argmin E (φ(s_0)w − G_0)², s_0 ~ d, is Πv^π for every d > 0: no bootstrap, no bias."""
    return Eq(learned(mdp, pi, phi, d), projection(phi, d) @ v_pi(mdp, pi))


def down_a_step():
    """Two states, one feature, γ = 1."""
    mdp = model([[[0, 0]], [[1, 0]]], [[1], [0]], 1, stops=True)
    return mdp, exactly([[1], [1]]), exactly([[1], [2]]), exactly(["1/2", "1/2"])


regression_on_returns_is_the_projection.rejects(
    "on bootstrapped targets", learned=on_bootstraps, at=down_a_step
)
