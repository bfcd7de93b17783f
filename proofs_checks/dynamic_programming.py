"""Group B: exact dynamic programming (THEOREMS.md §2.B).

Source: Puterman (1994), chapter 6.
"""

from typing import Annotated

from mdpkit import gallery
from mdpkit.claim import MDP, All, Eq, Leq, Policy, Rate, Value, claim, integers
from proofs_checks.vocabulary import (
    evaluation,
    greedy,
    horizon,
    iterates,
    optimality,
    resolvent,
    sup,
    v_pi,
    v_star,
)

STEPS = 12


@claim(id="B1", source="Puterman (1994), Theorem 6.3.3", exact="Q")
def value_iteration_has_rate_gamma(mdp: MDP, v: Value, *, T=optimality, power=1):
    """‖v_k − v*‖∞ ≤ γᵏ ‖v_0 − v*‖∞ for every k."""
    best = v_star(mdp)
    errors = [sup(x - best) for x in iterates(T, mdp, v, STEPS)]
    return Rate(errors, [mdp.gamma ** (power * k) * errors[0] for k in range(STEPS + 1)])


value_iteration_has_rate_gamma.rejects("twice as fast", power=2)


@value_iteration_has_rate_gamma.attained_by
def nothing_moves():
    """P = I and v_0 = v* + 1: the error is exactly γᵏ."""
    mdp = gallery.make("identity").exact()
    return mdp, v_star(mdp) + 1


@claim(id="B3", source="Puterman (1994), Theorem 6.3.1", exact="Q")
def stopping_rule_bounds_error(
    mdp: MDP, v: Value, k: Annotated[int, integers(0, 4)], *, factor=horizon
):
    """‖v_{k+1} − v*‖∞ ≤ γH ‖v_{k+1} − v_k‖∞."""
    *_, before, after = iterates(optimality, mdp, v, k + 1)
    return Leq(sup(after - v_star(mdp)), mdp.gamma * factor(mdp) * sup(after - before))


stopping_rule_bounds_error.rejects("without H", factor=lambda mdp: 1)


@claim(id="B7", source="Puterman (1994), Proposition 6.4.1", exact="Q")
def greedy_step_improves(mdp: MDP, pi: Policy, *, improve=greedy):
    """π' ∈ G(v^π) ⇒ v^{π'} ≥ Tv^π ≥ v^π, and v^{π'} − v^π = (I − γP_{π'})⁻¹ (Tv^π − v^π)."""
    v = v_pi(mdp, pi)
    better = improve(mdp, v)
    own, image = v_pi(mdp, better), evaluation(better)(mdp, v)
    return All(
        Eq(own - v, resolvent(mdp, better) @ (image - v)),
        Leq(optimality(mdp, v), own, ratio=False),
        Leq(v, image, ratio=False),
    )


greedy_step_improves.rejects("improves on −v", improve=lambda mdp, v: greedy(mdp, -v))
