"""Group D: the linear program of a model (THEOREMS.md §2.D).

    primal  min Σ μ(s) v(s)        s.t. v(s) ≥ r(s,a) + γ Σ P(t|s,a) v(t)
    dual    max Σ x(s,a) r(s,a)    s.t. Σ_a x(s,a) = μ(s) + γ Σ x(t,b) P(s|t,b),  x ≥ 0

Source: d'Epenoux (1963); Puterman (1994), §6.9.
"""

from itertools import combinations
from typing import Annotated

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    MDP,
    AboveImage,
    All,
    DetPolicy,
    Distribution,
    Eq,
    FullDistribution,
    Leq,
    Policy,
    Probability,
    claim,
    integers,
    models,
)
from mdpkit.operators.occupancy import inflow, pair_occupancy, policy_of
from mdpkit.plan.linear_program import optimize
from mdpkit.policy import as_pairs, probabilities, uniform
from proofs_checks.vocabulary import (
    advantage,
    best,
    horizon,
    identity,
    optimality,
    over_actions,
    over_states,
    pi_star,
    q_star,
    reward_size,
    solve,
    v_pi,
    v_star,
    vector,
)


def flow(mdp, pi, mu):
    """x^π = H d^π_μ(s) π(a|s), in pair layout: the dual's point of a policy."""
    return horizon(mdp) * pair_occupancy(mdp, pi, mu)


def entering(mdp, x, mu):
    """(S,) μ(s) + γ Σ x(t,b) P(s|t,b)."""
    return mu + mdp.gamma * inflow(mdp, x)


# ---- duality ---------------------------------------------------------------------------------


@claim(id="D1", source="d'Epenoux (1963); Puterman (1994), §6.9.1", exact="Q")
def both_programs_have_the_optimum_of_v_star(
    mdp: MDP, mu: Distribution, w: AboveImage, pi: Policy, *, point=flow
):
    """max Σ x r = Σ μ v* = min Σ μ v; v*, x^{π*} are feasible, and no point is better.

    Any feasible w has w ≥ v*, so that v* is the only optimum where μ > 0. On floats HiGHS,
    which takes μ uniform, finds the same value.
    """
    v, x = v_star(mdp), point(mdp, pi_star(mdp), mu)
    optimum = mu @ v
    return All(
        Eq((x * mdp.r).sum(), optimum),
        Eq(over_actions(mdp, x), entering(mdp, x, mu)),
        Leq(-x, 0 * x, ratio=False),
        Leq(q_star(mdp), over_states(mdp, v), ratio=False),
        Leq(v, w, ratio=False),
        Leq(optimum, mu @ w, ratio=False),
        Leq((flow(mdp, pi, mu) * mdp.r).sum(), optimum, ratio=False),
        *by_highs(mdp),
    )


def by_highs(mdp):
    """HiGHS's two optima are Σ μ v*; it is asked where its tolerance of 1e-7 says anything."""
    if mdp.is_exact or mdp.gamma > 0.99:
        return []
    found, truth = optimize(mdp), v_star(mdp).mean()
    # Off by τ in every constraint, values are off by τH, in units of the largest reward.
    tolerance = 2e-7 * horizon(mdp) * mdp.n_states * max(1.0, reward_size(mdp))
    return [Eq(x, truth, rounding=tolerance) for x in (found.primal, found.dual)]


both_programs_have_the_optimum_of_v_star.rejects(
    "occupancies that sum to 1", point=lambda mdp, pi, mu: pair_occupancy(mdp, pi, mu)
)
both_programs_have_the_optimum_of_v_star.rejects(
    "a flow from elsewhere", point=lambda mdp, pi, mu: flow(mdp, pi, mu[::-1])
)


def averaged(mdp, one, other, t, mu):
    """t x^π + (1 − t) x^π', a feasible point that is of neither policy."""
    return t * flow(mdp, one, mu) + (1 - t) * flow(mdp, other, mu)


def of_averaged_policy(mdp, one, other, t, mu):
    """x of t π + (1 − t) π'."""
    mixed = t * probabilities(mdp, one) + (1 - t) * probabilities(mdp, other)
    return flow(mdp, mixed, mu)


@claim(id="D2", source="Puterman (1994), Theorem 6.9.1", exact="Q")
def flows_are_policies(
    mdp: MDP, mu: FullDistribution, pi: Policy, other: Policy, t: Probability, *, of=averaged
):
    """μ > 0: x is feasible ⇔ x = x^π with π = x/Σ_a x, and then Σ x = H; so x^π ↔ π."""
    x, y = flow(mdp, pi, mu), averaged(mdp, pi, other, t, mu)
    return All(
        Eq(over_actions(mdp, x), entering(mdp, x, mu)),
        Eq(policy_of(mdp, x), pi),
        Eq(flow(mdp, policy_of(mdp, y), mu), of(mdp, pi, other, t, mu)),
        Eq(x.sum(), horizon(mdp)),
    )


flows_are_policies.rejects("averages the policies", of=of_averaged_policy)


@claim(id="D3", source="Puterman (1994), §6.9.3", exact="Q")
def optimal_flow_stays_where_the_constraint_is_tight(
    mdp: MDP, mu: Distribution, pi: Policy, *, policy=pi_star
):
    """x*(s,a) v*(s) = x*(s,a) (r + γPv*)(s,a); and Σ x^π (v* − r − γPv*) = Σ μ (v* − v^π)."""
    v, q = v_star(mdp), q_star(mdp)
    x, y = flow(mdp, policy(mdp), mu), flow(mdp, pi, mu)
    slack = over_states(mdp, v) - q
    return All(
        Eq(x * over_states(mdp, v), x * q),
        Eq((y * slack).sum(), mu @ (v - v_pi(mdp, pi))),
    )


optimal_flow_stays_where_the_constraint_is_tight.rejects(
    "of the uniform policy", policy=uniform
)


# ---- bases -----------------------------------------------------------------------------------


def columns(mdp):
    """(pairs, S) the dual's columns: 1{s} − γ P(·|s,a)."""
    own = identity(mdp)[mdp.pair_states]
    return own - mdp.gamma * mdp.rows


def basic(matrix, mu):
    """The weights of S columns that make μ; None where they are dependent, or one is < 0."""
    try:
        x = solve(matrix.T, mu)
    except ZeroDivisionError:
        return None
    return x if (x >= 0).all() else None


def leaves(A, basis, pair, mu):
    """The place in the basis whose weight first falls to 0 as the column of `pair` enters."""
    x, change = solve(A[basis].T, mu), solve(A[basis].T, A[pair])
    falling = np.flatnonzero(change > 0)
    return falling[np.argmin(x[falling] / change[falling])]


def flags(truths):
    """Truth values as numbers."""
    return np.array([int(x) for x in truths])


def as_given(mu):
    """μ itself."""
    return mu


@claim(id="D4", source="Puterman (1994), §6.9.2", exact="Q", mutations=())
def feasible_bases_are_deterministic_policies(
    mdp: Annotated[MDP, models(states=(1, 3), actions=(1, 2))],
    mu: FullDistribution,
    pi: DetPolicy,
    entering: Annotated[int, integers(0, 5)],
    *,
    start=as_given,
):
    """μ > 0: S columns are a feasible basis ⇔ they are one action a state; none is degenerate.

    And where (s, a) enters the basis of π, the simplex method takes (s, π(s)) out: it changes
    one state, and by the most negative reduced cost that of the largest advantage (D5).
    """
    exact = mdp.exact(dyadic=True)  # whether columns are dependent, floats cannot say
    mu, A, pair = start(vector(exact, *mu)), columns(exact), entering % mdp.n_pairs
    sets = [[*chosen] for chosen in combinations(range(mdp.n_pairs), mdp.n_states)]
    found = [basic(A[chosen], mu) for chosen in sets]
    one_each = flags(len({*mdp.pair_states[chosen]}) == mdp.n_states for chosen in sets)
    return All(
        Eq(flags(x is not None for x in found), one_each),
        Eq(flags(x is not None and (x > 0).all() for x in found), one_each),
        Eq(leaves(A, as_pairs(mdp, pi), pair, mu), mdp.pair_states[pair]),
    )


def two_states_from_one():
    """Nobody starts in the second state, and nobody who stays gets there: degenerate."""
    mdp = gallery.make("pi-chain", n=2).exact()
    return mdp, vector(mdp, "1/2", "1/2"), np.array([0, 0]), 0


feasible_bases_are_deterministic_policies.rejects(
    "nobody starts in most states",
    start=lambda mu: mu * 0 + flags(s == 0 for s in range(mu.size)),
    at=two_states_from_one,
)


@claim(id="D5", source="Puterman (1994), §6.9.3", exact="Q")
def reduced_costs_are_advantages(mdp: MDP, pi: DetPolicy, *, multipliers=None):
    """−r + A y = −A^π, where y solves A_π y = r_π; so policy iteration is a block pivot.

    A has the dual's columns as rows, y = v^π, and Tv^π lowers v^π by the least cost of a state.
    """
    A, r, basis = columns(mdp), mdp.r.reshape(-1), as_pairs(mdp, pi)
    y = solve(A[basis], r[basis]) if multipliers is None else multipliers(mdp)
    cost = (A @ y - r).reshape(mdp.pair_shape)
    own = v_pi(mdp, pi)
    return All(
        Eq(cost, -advantage(mdp, pi)),
        Eq(own + best(mdp, -cost), optimality(mdp, own)),
    )


reduced_costs_are_advantages.rejects("the multipliers of v*", multipliers=v_star)
