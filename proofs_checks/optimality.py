"""Group A, third part: what it is to be optimal (THEOREMS.md §2.A, A7–A10).

    v* = max_π v^π, attained by a deterministic policy        T = max_π T^π

Source: Puterman (1994), §6.2; Puterman & Brumelle (1979).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    MDP,
    All,
    Eq,
    Leq,
    Policy,
    Probability,
    Value,
    claim,
    models,
    numbers,
    policies,
    sequences,
)
from mdpkit.policy import uniform
from proofs_checks.vocabulary import (
    best,
    best_pairs,
    evaluation,
    every_policy,
    optimality,
    q_optimality,
    q_pi,
    q_star,
    repeated,
    resolvent,
    scalar,
    sup,
    tol_v,
    v_pi,
    v_star,
)

Small = Annotated[MDP, models(states=(1, 3), stops="some")]


# ---- A7, A8 ----------------------------------------------------------------------------------


def best_without(mdp, lost):
    """max_π v^π over the deterministic policies that avoid the pairs `lost`, (pairs,) bool."""
    table = np.zeros((mdp.n_states, mdp.n_actions), dtype=bool)
    table[mdp.pair_states, mdp.pair_actions] = lost
    kept = [pi for pi in every_policy(mdp) if not table[np.arange(mdp.n_states), pi].any()]
    return np.array([v_pi(mdp, pi) for pi in kept]).max(axis=0)


def optimal_pairs(mdp):
    """(pairs,) bool: which attain max_a q*; on floats to within rounding."""
    return best_pairs(mdp, q_star(mdp), tol_v(mdp))


def optimal_pairs_of_one_state(mdp):
    """Those of the first state that has another action; none, if there is no such state."""
    optimal = optimal_pairs(mdp)
    choice = np.flatnonzero(np.logical_or.reduceat(~optimal, mdp.action_ptr[:-1]))
    return optimal & (mdp.pair_states == choice[0] if choice.size else False)


@claim(id="A7", source="Puterman (1994), Theorems 6.2.5 and 6.2.7", exact="Q")
def optimal_value_is_the_best_value(mdp: Small, pi: Policy, *, value=v_star):
    """Tv* = v* = max_a q*, Bq* = q*; v* = max_π v^π, q* = max_π q^π, π deterministic.

    And no stochastic policy is better in any state: v^π ≤ v*.
    """
    v, policies = value(mdp), every_policy(mdp)
    q = mdp.r + mdp.gamma * mdp.expect(v)
    return All(
        Leq(v_pi(mdp, pi), v, ratio=False),
        Eq(optimality(mdp, v), v),
        Eq(best(mdp, q), v),
        Eq(q_optimality(mdp, q), q),
        Eq(v, np.array([v_pi(mdp, d) for d in policies]).max(axis=0)),
        Eq(q, np.array([q_pi(mdp, d) for d in policies]).max(axis=0)),
    )


optimal_value_is_the_best_value.rejects(
    "without the optimal actions of one state",
    value=lambda mdp: best_without(mdp, optimal_pairs_of_one_state(mdp)),
)
optimal_value_is_the_best_value.rejects(
    "is the uniform policy's", value=lambda mdp: v_pi(mdp, uniform(mdp))
)


@claim(id="A7-mask", source="Puterman (1994), Theorem 6.2.7", exact="Q")
def only_optimal_actions_matter(mdp: Small, *, lost=lambda mdp: ~optimal_pairs(mdp)):
    """Without suboptimal actions v* stays; without all optimal ones of a state it drops there.

    Then v(s) ≤ max q*(s, a) < v*(s) over the actions a that are left.
    """
    q, v = q_star(mdp), v_star(mdp)
    gone = optimal_pairs_of_one_state(mdp)
    hit = mdp.pair_states[gone][:1]  # no state, if none has anything but optimal actions
    left = q.reshape(-1)[(mdp.pair_states == hit[0]) & ~gone].max() if hit.size else v[0]
    state = hit[0] if hit.size else 0
    return All(
        Leq(best_without(mdp, gone)[state], left, ratio=False),
        Eq(best_without(mdp, lost(mdp)), v),
    )


only_optimal_actions_matter.rejects(
    "loses the optimal actions of one state", lost=optimal_pairs_of_one_state
)


def given(mdp, pi, allowed):
    """π given that its action is among `allowed`, (pairs,) bool; uniform where it never is."""
    zero, first = 0 * pi.reshape(-1)[0], mdp.action_ptr[:-1]
    weight = np.where(allowed, pi.reshape(-1), zero)
    never = np.add.reduceat(weight, first) == 0
    weight = np.where(never[mdp.pair_states] & allowed, zero + 1, weight)
    total = np.add.reduceat(weight, first)
    return (weight / total[mdp.pair_states]).reshape(mdp.pair_shape)


@claim(id="A8", source="Puterman (1994), Theorem 6.2.7", exact="Q")
def optimal_policies_are_those_on_best_actions(
    mdp: Small, pi: Policy, *, support=optimal_pairs
):
    """π is optimal ⇔ supp π(·|s) ⊂ argmax_a q*(s, a) for every s; some such π is deterministic.

    v* − v^π = (I − γP_π)⁻¹ g ≥ g, where g(s) = Σ_a π(a|s)(v*(s) − q*(s, a)) ≥ 0.
    """
    v = v_star(mdp)
    loss, g = v - v_pi(mdp, pi), v - evaluation(pi)(mdp, v)
    least = min(sup(v - v_pi(mdp, d)) for d in every_policy(mdp))
    return All(
        Leq(g, loss),
        Leq(0, g, ratio=False),
        Eq(v_pi(mdp, given(mdp, pi, support(mdp))), v),
        Eq(loss, resolvent(mdp, pi) @ g),
        Eq(least, 0),
    )


optimal_policies_are_those_on_best_actions.rejects(
    "mixes all actions", support=lambda mdp: np.ones(mdp.n_pairs, dtype=bool)
)


@optimal_policies_are_those_on_best_actions.example
def a_tie():
    """At γ = 4/5, waiting for 5/4 is worth 1 now."""
    mdp = gallery.make("blackwell", gamma=0.8).exact()
    return mdp, uniform(mdp)


@claim(
    id="A8-alias", source="Sutton & Barto (2018), Example 13.1", exact="Q2",
)  # fmt: skip
def aliased_states_want_a_mixture(
    p: Annotated[Any, numbers(low=Fraction(1, 20), high=Fraction(19, 20))], *, most=32
):
    """In the corridor of aliased states v^p ≤ −6 − 4√2, right with probability p = 2 − √2 best.

    As squares, 32 ≤ (v^p + 6)². Both deterministic policies never arrive.
    """
    mdp = gallery.make("short-corridor")
    mdp = mdp if isinstance(p, float) else mdp.exact()
    v = v_pi(mdp, np.array([[1 - p, p]] * mdp.n_states))[0]
    return All(Leq(most, (v + 6) ** 2, 1e-9), Leq(v, -6, 1e-9, ratio=False))


aliased_states_want_a_mixture.rejects("right with probability .95", most=38**2)


@aliased_states_want_a_mixture.attained_by
def the_best_mixture():
    """p = 2 − √2."""
    return 2 - 2**0.5


# ---- A9, A10 ---------------------------------------------------------------------------------


@claim(id="A9", source="Puterman (1994), Theorem 6.2.2", exact="Q", substochastic=True)
def changing_policies_gains_nothing(
    mdp: MDP, v: Value, plan: Annotated[Any, sequences(policies())], *, T=optimality
):
    """T^{π_1} ⋯ T^{π_n} v ≤ T^n v, whatever the policies."""
    value = v
    for pi in reversed(plan):
        value = evaluation(pi)(mdp, value)
    return Leq(value, repeated(T, mdp, v, len(plan)), ratio=False)


changing_policies_gains_nothing.rejects(
    "keeps to one policy", T=lambda mdp, v: evaluation(every_policy(mdp)[0])(mdp, v)
)


@claim(id="A10", source="Puterman & Brumelle (1979)", exact="Q")
def backup_is_a_maximum_of_affine_maps(
    mdp: Small, v: Value, w: Value, lam: Probability, *, T=optimality
):
    """Tv = max_π T^πv over deterministic π, so that T(λv + (1−λ)w) ≤ λTv + (1−λ)Tw."""
    half = scalar(mdp, "1/2")
    of_policies = np.array([evaluation(pi)(mdp, v) for pi in every_policy(mdp)])
    chords = [
        Leq(T(mdp, x * v + (1 - x) * w), x * T(mdp, v) + (1 - x) * T(mdp, w), ratio=False)
        for x in (half, lam)
    ]
    return All(Eq(T(mdp, v), of_policies.max(axis=0)), *chords)


backup_is_a_maximum_of_affine_maps.rejects(
    "takes the minimum", T=lambda mdp, v: -best(mdp, -(mdp.r + mdp.gamma * mdp.expect(v)))
)
