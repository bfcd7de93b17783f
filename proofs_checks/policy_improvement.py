"""Group B, second part: one step of policy iteration (THEOREMS.md §2.B, B7, B9, B10).

    π' ∈ G(v^π)        v^{π'} = v^π − (γP_{π'} − I)⁻¹ (Tv^π − v^π) ≥ Tv^π ≥ v^π

Source: Howard (1960); Puterman & Brumelle (1979); Puterman (1994), §6.4.
"""

from fractions import Fraction

import numpy as np

from mdpkit.claim import MDP, All, Eq, Leq, Policy, Value, claim
from proofs_checks.dynamic_programming import loss
from proofs_checks.instances import model
from proofs_checks.optimality import given, optimal_pairs
from proofs_checks.vocabulary import (
    advantage,
    best_pairs,
    chain,
    evaluation,
    every_policy,
    greedy,
    horizon,
    identity,
    optimality,
    q_pi,
    resolvent,
    scalar,
    solve,
    sup,
    v_pi,
    v_star,
)


@claim(id="B7", source="Puterman (1994), Proposition 6.4.1", exact="Q", substochastic=True)
def greedy_step_improves(mdp: MDP, pi: Policy, *, improve=greedy):
    """π' ∈ G(v^π) ⇒ v^{π'} ≥ Tv^π ≥ v^π, and v^{π'} − v^π = (I − γP_{π'})⁻¹ (Tv^π − v^π).

    And v^{π'} = v^π only at the optimum: ‖v* − v^π‖∞ ≤ H ‖v^{π'} − v^π‖∞.
    """
    v = v_pi(mdp, pi)
    better = improve(mdp, v)
    own, image = v_pi(mdp, better), optimality(mdp, v)
    return All(
        Leq(sup(v_star(mdp) - v), horizon(mdp) * sup(own - v)),
        Eq(own - v, resolvent(mdp, better) @ (image - v)),
        Leq(image, own, ratio=False),
        Leq(v, image, ratio=False),
    )


greedy_step_improves.rejects("improves on −v", improve=lambda mdp, v: greedy(mdp, -v))
greedy_step_improves.rejects(
    "improves on another policy",
    improve=lambda mdp, v: greedy(mdp, v_pi(mdp, every_policy(mdp)[0])),
)
greedy_step_improves.rejects(
    "values one state wrongly", improve=lambda mdp, v: greedy(mdp, v + 10 * identity(mdp)[0])
)


@claim(id="B7-any", source="Puterman (1994), §6.4", exact="Q", substochastic=True)
def policies_of_positive_advantage_improve(
    mdp: MDP, pi: Policy, weights: Policy, *, allowed=lambda A: A >= 0
):
    """Σ_a π'(a|s) (q^π − v^π)(s, a) ≥ 0 for every s ⇒ v^{π'} ≥ v^π."""
    q, v = q_pi(mdp, pi), v_pi(mdp, pi)
    # In floats all of a state's advantages may be < 0 by rounding.
    good = np.asarray(allowed(advantage(mdp, pi))).reshape(-1).astype(bool)
    other = given(mdp, weights, good | best_pairs(mdp, q))
    gain = evaluation(other)(mdp, v) - v
    return All(
        Leq(0, gain, ratio=False),
        Leq(gain, v_pi(mdp, other) - v, ratio=False),
        Eq(v_pi(mdp, other) - v, resolvent(mdp, other) @ gain),
    )


policies_of_positive_advantage_improve.rejects(
    "with any advantage", allowed=lambda A: np.ones(A.shape, dtype=bool)
)


@claim(id="B9", source="Puterman & Brumelle (1979)", exact="Q", substochastic=True)
def policy_iteration_is_newtons_method(
    mdp: MDP, v: Value, *, F=lambda mdp, v: optimality(mdp, v) - v, improve=greedy
):
    """π ∈ G(v) ⇒ v^π = v − (γP_π − I)⁻¹ (Tv − v), from any v; v^π ≤ v*, and then it rises."""
    pi = improve(mdp, v)
    P, _ = chain(mdp, pi)
    step, own = solve(mdp.gamma * P - identity(mdp), F(mdp, v)), v_pi(mdp, pi)
    return All(
        Eq(own, v - step),
        Leq(own, v_star(mdp), ratio=False),
        Leq(own, v_pi(mdp, improve(mdp, own)), ratio=False),
    )


policy_iteration_is_newtons_method.rejects(
    "F with the sign turned", F=lambda mdp, v: v - optimality(mdp, v)
)
policy_iteration_is_newtons_method.rejects(
    "at a policy that is not greedy", improve=lambda mdp, v: greedy(mdp, -v)
)


def distance_to_optimal(mdp, pi):
    """min ‖P_π − P_{π*}‖∞ over the optimal π*: state by state the nearest optimal action."""
    P, _ = chain(mdp, pi)
    far = abs(mdp.rows - P[mdp.pair_states]).sum(axis=1)
    chosen = optimal_pairs(mdp)
    return max(min(far[chosen & (mdp.pair_states == s)]) for s in range(mdp.n_states))


@claim(id="B10", source="after Puterman (1994), Corollary 6.4.9", exact="Q")
def policy_iteration_is_superlinear(mdp: MDP, pi: Policy, *, constant="1/2"):
    """‖v* − v^{π'}‖∞ ≤ ½γH ‖P_{π'} − P_{π*}‖∞ ‖v* − v^π‖∞ for π' ∈ G(v^π) and any optimal π*.

    It is the nearest π* that counts. In the books without the ½; but x = v* − v^π ≥ 0, and
    rows p, p* that sum to 1 have (p* − p)x ≤ ½‖p* − p‖₁ max x.
    """
    better = greedy(mdp, v_pi(mdp, pi))
    factor = scalar(mdp, constant) * mdp.gamma * horizon(mdp) * distance_to_optimal(mdp, better)
    return Leq(loss(mdp, better), factor * loss(mdp, pi))


@policy_iteration_is_superlinear.attained_by(exact_equality=False)
def a_slow_fork(step="1/1000", gamma="1/2"):
    """State 0 moves with probability ε, to 2 for nothing or to 1 for γε; π wastes 1 in state 1.

    Under v^π the two are tied; then π' loses γε/(1 − γ(1−ε)), the bound is γεH.
    """
    e, g = Fraction(step), Fraction(gamma)
    P = [[[1 - e, 0, e], [1 - e, e, 0]], [[0, 1, 0]] * 2, [[0, 0, 1]] * 2]
    mdp = model(P, [[0, g * e], [0, g - 1], [0, 0]], g)
    return mdp, np.array([0, 1, 0])


policy_iteration_is_superlinear.rejects("with a third", constant="1/3", at=a_slow_fork)
