"""Group C: approximate dynamic programming (THEOREMS.md §2.C)."""

from mdpkit import gallery
from mdpkit.claim import MDP, All, Leq, Policy, Value, claim
from proofs_checks.vocabulary import (
    evaluation,
    greedy,
    horizon,
    optimality,
    span,
    sup,
    v_pi,
    v_star,
)


@claim(
    id="C1", source="Singh & Yee (1994); Bertsekas & Tsitsiklis (1996), Prop. 6.1", exact="Q"
)
def greedy_loss_is_bounded(mdp: MDP, v: Value, *, constant=2):
    """π ∈ G(v) ⇒ 0 ≤ v* − v^π ≤ 2γH ‖v − v*‖∞ 1."""
    best, own = v_star(mdp), v_pi(mdp, greedy(mdp, v))
    bound = constant * mdp.gamma * horizon(mdp) * sup(v - best)
    return All(Leq(sup(best - own), bound), Leq(own, best, ratio=False))


greedy_loss_is_bounded.rejects("without the 2", constant=1)


@greedy_loss_is_bounded.attained_by
def two_states():
    """HARD-2state: stay for −2γε or go to rest; v = (ε, −ε) ties them."""
    mdp = gallery.make("singh-yee").exact()
    one = mdp.gamma * 0 + 1
    import numpy as np

    return mdp, np.array([one, -one], dtype=object)


@claim(id="C3", source="Puterman (1994), Theorem 6.3.1", exact="Q")
def residual_bounds_error(mdp: MDP, v: Value, pi: Policy, *, factor=horizon):
    """‖v − v^π‖∞ ≤ H ‖v − T^π v‖∞, and ‖v − v*‖∞ ≤ H ‖v − Tv‖∞."""
    H = factor(mdp)
    F = evaluation(pi)
    return All(
        Leq(sup(v - v_pi(mdp, pi)), H * sup(v - F(mdp, v))),
        Leq(sup(v - v_star(mdp)), H * sup(v - optimality(mdp, v))),
    )


residual_bounds_error.rejects("without H", factor=lambda mdp: 1)


@claim(id="C4", source="Williams & Baird (1993)", exact="Q")
def greedy_loss_is_bounded_of_residual(mdp: MDP, v: Value, *, constant=1):
    """π ∈ G(v) ⇒ v* − v^π ≤ γH sp(Tv − v) ≤ 2γH ‖Tv − v‖∞."""
    loss = sup(v_star(mdp) - v_pi(mdp, greedy(mdp, v)))
    residual = optimality(mdp, v) - v
    H = mdp.gamma * horizon(mdp)
    return All(
        Leq(loss, constant * H * span(residual)),
        Leq(span(residual), 2 * sup(residual), ratio=False),
    )


greedy_loss_is_bounded_of_residual.rejects("half of it", constant=0.5)
