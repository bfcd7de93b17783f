"""Group C: approximate dynamic programming (THEOREMS.md §2.C).

Source: Singh & Yee (1994); Bertsekas & Tsitsiklis (1996), chapter 6; Scherrer & Lesner (2012).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    MDP,
    ActionValue,
    All,
    Eq,
    Leq,
    Policy,
    Value,
    action_values,
    claim,
    numbers,
)
from mdpkit.policy import probabilities, uniform
from proofs_checks.vocabulary import (
    chain,
    evaluation,
    greedy,
    greedy_in,
    horizon,
    optimality,
    over_states,
    pi_star,
    q_pi,
    q_star,
    scalar,
    span,
    sup,
    v_pi,
    v_star,
    vector,
    with_rows,
)

Share = Annotated[Any, numbers(low=0, high=Fraction(9, 8))]
"""How far to go towards what a hypothesis allows; it allows 1."""


# ---- one greedy step -------------------------------------------------------------------------


@claim(
    id="C1", source="Singh & Yee (1994); Bertsekas & Tsitsiklis (1996), Prop. 6.1", exact="Q"
)
def greedy_loss_is_bounded(mdp: MDP, v: Value, *, constant=2):
    """π ∈ G(v) ⇒ 0 ≤ v* − v^π ≤ γH sp(v − v*) 1 ≤ 2γH ‖v − v*‖∞ 1."""
    top, own = v_star(mdp), v_pi(mdp, greedy(mdp, v))
    loss, error, H = sup(top - own), v - top, mdp.gamma * horizon(mdp)
    return All(
        Leq(loss, constant * H * sup(error)),
        Leq(loss, H * span(error)),
        Leq(own, top, ratio=False),
    )


greedy_loss_is_bounded.rejects("without the 2", constant=1)


@greedy_loss_is_bounded.attained_by
def two_states():
    """HARD-2state: stay for −2γε or go to rest; v = (ε, −ε) ties them."""
    mdp = gallery.make("singh-yee").exact()
    return mdp, vector(mdp, 1, -1)


@claim(id="C2", source="Singh & Yee (1994); Bertsekas & Tsitsiklis (1996), §6.1", exact="Q")
def greedy_loss_is_bounded_in_q(mdp: MDP, q: ActionValue, *, factor=lambda _: 2):
    """π ∈ G(q) ⇒ v* − v^π ≤ 2H ‖q − q*‖∞, with no γ."""
    loss = sup(v_star(mdp) - v_pi(mdp, greedy_in(mdp, q)))
    return Leq(loss, factor(mdp) * horizon(mdp) * sup(q - q_star(mdp)))


greedy_loss_is_bounded_in_q.rejects("the factor of C1, 2γH", factor=lambda mdp: 2 * mdp.gamma)


def one_state(lower, upper=0):
    """One state with two loops, which pay `lower` and `upper`."""
    mdp = gallery.make("gpi-tie").exact()
    return mdp.replace(r=vector(mdp, lower, upper).reshape(mdp.pair_shape))


@greedy_loss_is_bounded_in_q.attained_by
def two_loops():
    """Loops that pay −2ε and 0, q off by +ε and −ε: tied, and the first loses 2εH."""
    mdp = one_state(-2)
    return mdp, q_star(mdp) + vector(mdp, 1, -1)


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


@residual_bounds_error.attained_by
def shifted_value():
    """v = v^π + 1: the residual is 1 − γ everywhere."""
    mdp = gallery.make("puterman").exact()
    pi = uniform(mdp)
    return mdp, v_pi(mdp, pi) + 1, pi


@claim(id="C4", source="Williams & Baird (1993)", exact="Q")
def greedy_loss_is_bounded_of_residual(mdp: MDP, v: Value, *, factor=horizon):
    """π ∈ G(v) ⇒ v* − v^π ≤ γH sp(Tv − v) ≤ 2γH ‖Tv − v‖∞."""
    loss = sup(v_star(mdp) - v_pi(mdp, greedy(mdp, v)))
    residual, H = optimality(mdp, v) - v, mdp.gamma * factor(mdp)
    return All(
        Leq(loss, H * span(residual)),
        Leq(loss, 2 * H * sup(residual)),
        Leq(span(residual), 2 * sup(residual), ratio=False),
    )


greedy_loss_is_bounded_of_residual.rejects("without H", factor=lambda mdp: 1)


@greedy_loss_is_bounded_of_residual.attained_by
def two_states_centered():
    """HARD-2state, v shifted by −γεH: the residual is ∓ε, and both bounds are the loss."""
    mdp, v = two_states()
    return mdp, v - mdp.gamma * horizon(mdp)


# ---- gaps and softness -----------------------------------------------------------------------


def action_gap(mdp):
    """Δ = min over states of max q* − the next value below it; 1 if there is none."""
    q = q_star(mdp).reshape(-1)
    short = over_states(mdp, v_star(mdp)).reshape(-1) - q
    below = short[short > 0]
    return below.min() if below.size else scalar(mdp, 1)


@claim(
    id="C7",
    source="after Farahmand (2011), the action-gap phenomenon",
    exact="Q",
    applies={"‖q − q*‖∞ < Δ/2": lambda e, t: t * sup(e) < 1},
)
def greedy_is_optimal_of_error_below_half_the_gap(
    mdp: MDP, e: Annotated[Any, action_values(low=-1, high=1)], t: Share, *, half="1/2"
):
    """‖q − q*‖∞ < Δ/2, π ∈ G(q) ⇒ v^π = v*; here q = q* + t e Δ/2."""
    q = q_star(mdp) + e * (t * scalar(mdp, half) * action_gap(mdp))
    return Eq(v_pi(mdp, greedy_in(mdp, q)), v_star(mdp))


greedy_is_optimal_of_error_below_half_the_gap.rejects("below the whole gap", half="1")


@claim(id="C7a", source="after Farahmand (2011), the action-gap phenomenon", exact="Q")
def action_taken_is_nearly_optimal(mdp: MDP, q: ActionValue, *, constant=2):
    """π ∈ G(q) ⇒ max_a q*(s,a) − q*(s,π(s)) ≤ 2 ‖q − q*‖∞ in every state."""
    top = v_star(mdp)
    missed = top - evaluation(greedy_in(mdp, q))(mdp, top)
    return Leq(missed, constant * sup(q - q_star(mdp)))


action_taken_is_nearly_optimal.rejects("without the 2", constant=1)
action_taken_is_nearly_optimal.attained_by(two_loops)  # the error is Δ/2, and ties


def softness(mdp, pi):
    """The largest ε for which π is ε-soft: min π(a|s) |A(s)|."""
    return (probabilities(mdp, pi) / uniform(mdp)).min()


def soften(mdp, pi, epsilon):
    """(1 − ε) π + ε uniform, in pair layout."""
    return (1 - epsilon) * probabilities(mdp, pi) + epsilon * uniform(mdp)


def softened(mdp, epsilon):
    """The model whose action a is (1 − ε) a + ε any action of the state."""
    rows, r = chain(mdp, uniform(mdp))
    state, keep = mdp.pair_states, 1 - epsilon
    mixed = keep * mdp.r.reshape(-1) + epsilon * r[state]
    return with_rows(mdp, keep * mdp.rows + epsilon * rows[state], mixed)


@claim(
    id="C8",
    source="Sutton & Barto (2018), §5.4",
    exact="Q",
    applies={"π is ε-soft": lambda t: t <= 1},
)
def soft_greedy_step_improves_soft_policy(mdp: MDP, pi: Policy, t: Share, *, limit=softness):
    """π ε-soft, π' = (1 − ε) G(q^π) + ε uniform ⇒ v^{π'} ≥ v^π, for every ε ∈ [0, 1].

    The ε-soft policies have the optimum v* of the model softened by ε, which one attains.
    """
    level = t * limit(mdp, pi)
    epsilon = min(level, level * 0 + 1)
    own = v_pi(mdp, pi)
    better = soften(mdp, greedy_in(mdp, q_pi(mdp, pi)), epsilon)
    other = softened(mdp, epsilon)
    return All(
        Eq(v_pi(mdp, soften(mdp, pi_star(other), epsilon)), v_star(other)),
        Leq(own, v_pi(mdp, better), ratio=False),
        Leq(own, v_star(other), ratio=False),
    )


def optimal_and_deterministic():
    """The optimal policy itself, which ε = 1/2 can only spoil."""
    mdp = gallery.make("singh-yee").exact()
    return mdp, np.array([1, 0]), scalar(mdp, "1/2")


soft_greedy_step_improves_soft_policy.rejects(
    "whatever π is", limit=lambda mdp, pi: 1, at=optimal_and_deterministic
)
