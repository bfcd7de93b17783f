"""Group X, v* as a function of the model: derivatives, convexity in the reward, duality.

Between two models M_0, M_1, linear in r and γP:  ẋ = r_1 − r_0 + (γ_1P_1 − γ_0P_0) v*.

Source: Milgrom & Segal (2002); Danskin (1967); Puterman (1994), §6.9.
"""

from typing import Annotated

import numpy as np

from mdpkit.claim import (
    MDP,
    ActionValue,
    All,
    Constant,
    Distribution,
    Eq,
    Leq,
    Policy,
    Probability,
    claim,
    models,
)
from mdpkit.mdp import MDP as Model
from mdpkit.operators.occupancy import inflow
from mdpkit.policy import probabilities
from proofs_checks.instances import ending, exactly, model
from proofs_checks.soft_vocabulary import divergence, soft_optimum
from proofs_checks.vocabulary import (
    best_pairs,
    chain,
    every_policy,
    horizon,
    occupancy,
    over_actions,
    over_states,
    pi_star,
    q_star,
    resolvent,
    sup,
    tol_v,
    v_star,
)

TABLES = models(states=(1, 3), ragged=False)


# ---- the envelope theorem --------------------------------------------------------------------


def between(first, last, t):
    """The model at t from M_0 to M_1: r and γP are mixed; γ is a probability to go on."""
    rows = (1 - t) * first.gamma * first.rows + t * last.gamma * last.rows
    mixed = first.replace(r=(1 - t) * first.r + t * last.r)
    return ending(mixed, rows, first.gamma * 0 + 1)


def optimal_pairs(mdp):
    """Which pairs are optimal, (pairs,) bool."""
    return best_pairs(mdp, q_star(mdp), 0 if mdp.is_exact else tol_v(mdp))


def first_optimal_pairs(mdp):
    """Those of one optimal policy."""
    return (mdp.pair_actions == pi_star(mdp)[mdp.pair_states]) & optimal_pairs(mdp)


def derivative(first, direction, allowed):
    """max (I − γP_π)⁻¹ ẋ_π over the policies made of the pairs allowed."""
    counts = np.bincount(first.pair_states[allowed], minlength=first.n_states)
    rows = first.gamma * first.rows[allowed]
    ptr = np.concatenate([[0], np.cumsum(counts)])
    stop = np.maximum(1 - rows.sum(axis=1), 0 * first.gamma)
    one = first.gamma * 0 + 1
    return v_star(Model(rows, direction[allowed], one, action_ptr=ptr, stop=stop))


@claim(id="X20", source="Milgrom & Segal (2002); Danskin (1967)", exact="Q")
def value_has_the_derivative_of_optimal_policies(
    mdp: Annotated[MDP, TABLES], last: Annotated[MDP, TABLES], *, allowed=optimal_pairs
):
    """dv*/dt = max (I − γP_π)⁻¹ (ṙ_π + (γP)˙_π v*) over optimal π, at t = 0 from M_0 to M_1.

    With one optimal policy: ∂v*/∂r(s,a) = (I−γP_*)⁻¹e_s π*(a|s), ∂v*/∂γ = (I−γP_*)⁻¹P_*v*,
    ∂v*/∂P(t|s,a) = γ v*(t) ∂v*/∂r(s,a). Before t = gap/(8Hẋ + gap) the error is at most
    t² H_0 H ‖(γP)˙‖ ‖ẋ‖, H the larger of both horizons.
    """
    v, moved = v_star(mdp), last.gamma * last.rows - mdp.gamma * mdp.rows
    direction = (last.r - mdp.r).reshape(-1) + moved @ v
    lost = (over_states(mdp, v) - q_star(mdp)).reshape(-1)[~optimal_pairs(mdp)]
    gap = lost.min() if lost.size else mdp.gamma * 0 + 1
    H, size = max(horizon(mdp), horizon(last)), sup(last.r - mdp.r) + sup(moved @ v)
    t = gap / (8 * H * size + gap)
    error = v_star(between(mdp, last, t)) - v - t * derivative(mdp, direction, allowed(mdp))
    second = horizon(mdp) * H * abs(moved).sum(axis=1).max() * sup(direction)
    return Leq(sup(error), t * t * second)


def tie():
    """Two actions that pay the same, of which the second will pay more."""
    P = [[[1], [1]]]
    return model(P, [[0, 0]], "1/2"), model(P, [[0, 1]], "1/2")


value_has_the_derivative_of_optimal_policies.rejects(
    "one optimal policy at a tie", allowed=first_optimal_pairs, at=tie
)


# ---- convexity in the reward -----------------------------------------------------------------


def with_reward(mdp, r):
    """The same model with another reward."""
    return mdp.replace(r=r)


def slope(mdp, pi, change):
    """(I − γP_π)⁻¹ δ_π."""
    return resolvent(mdp, pi) @ chain(with_reward(mdp, change), pi)[1]


def old_then_new(old, new):
    """The policy of the lower, and of the upper slope."""
    return old, new


@claim(id="X20-convex", source="Puterman (1994), §6.9; a line each", exact="Q")
def value_is_convex_and_lipschitz_in_reward(
    mdp: MDP, change: ActionValue, *, order=old_then_new, factor=horizon
):
    """(I−γP_π)⁻¹δ_π ≤ v*(r+δ) − v*(r) ≤ (I−γP_π')⁻¹δ_π', π, π' optimal; ‖·‖ ≤ H ‖δ‖."""
    other = with_reward(mdp, mdp.r + change)
    low, high = order(pi_star(mdp), pi_star(other))
    gain = v_star(other) - v_star(mdp)
    return All(
        Leq(sup(gain), factor(mdp) * sup(change)),
        Leq(slope(mdp, low, change), gain, ratio=False),
        Leq(gain, slope(mdp, high, change), ratio=False),
    )


value_is_convex_and_lipschitz_in_reward.rejects("concave", order=lambda old, new: (new, old))
value_is_convex_and_lipschitz_in_reward.rejects("Lipschitz 1", factor=lambda mdp: 1)


@value_is_convex_and_lipschitz_in_reward.attained_by
def one_more_everywhere():
    """δ = 1: v* grows by H."""
    mdp, _ = tie()
    return mdp, exactly([[1, 1]])


@claim(id="X20-soft", source="Nachum & Dai (2020), Fenchel duality; a line each", exact="B")
def soft_value_is_convex_in_reward(
    mdp: MDP, change: ActionValue, tau: Probability, *, order=old_then_new
):
    """(I−γP_π)⁻¹δ_π ≤ v_τ(r+δ) − v_τ(r) ≤ (I−γP_π')⁻¹δ_π', π = π_τ(r), π' = π_τ(r+δ).

    So v_τ is convex and smooth, with the gradient of its own policy, without ties.
    """
    tau = 0.1 + tau
    other = with_reward(mdp, mdp.r + change)
    (v, pi), (w, new) = soft_optimum(mdp, tau), soft_optimum(other, tau)
    low, high = order(pi, new)
    near = tol_v(mdp, v, w, change)
    return All(
        Leq(slope(mdp, low, change), w - v, near, ratio=False),
        Leq(w - v, slope(mdp, high, change), near, ratio=False),
    )


soft_value_is_convex_in_reward.rejects("concave", order=lambda old, new: (new, old))


# ---- the support function of the occupancies -------------------------------------------------


@claim(id="X21", source="Puterman (1994), §6.9; Rockafellar (1970), Theorem 13.2", exact="Q")
def value_is_the_support_function_of_occupancies(
    mdp: Annotated[MDP, models(states=(1, 3), actions=(1, 2))],
    other: ActionValue,
    part: Probability,
    factor: Constant,
    start: Distribution,
    *,
    size=abs,
):
    """V_r = μ·v*_r = max_x ⟨x, r⟩: V of a mixture ≤ mixture of V; V_{λr} = λV_r for λ ≥ 0."""

    def value(r):
        return start @ v_star(with_reward(mdp, r))

    c = size(factor)
    visits = [horizon(mdp) * occupancy(mdp, pi, start) for pi in every_policy(mdp)]
    pays = [chain(mdp, pi)[1] for pi in every_policy(mdp)]
    return All(
        Leq(
            value((1 - part) * mdp.r + part * other),
            (1 - part) * value(mdp.r) + part * value(other),
        ),
        Eq(value(c * mdp.r), c * value(mdp.r)),
        Eq(value(mdp.r), max(x @ r for x, r in zip(visits, pays, strict=True))),
    )


value_is_the_support_function_of_occupancies.rejects("λ < 0", size=lambda factor: factor)


def flows_out(mdp, x):
    """Σ_a x(s,a) − γ Σ x(t,b) P(s|t,b), (S,)."""
    return over_actions(mdp, x) - mdp.gamma * inflow(mdp, x)


@claim(id="X21-conjugate", source="Rockafellar (1970), Theorem 13.2", exact="Q")
def conjugate_is_the_indicator_of_occupancies(
    mdp: MDP, x: ActionValue, pi: Policy, start: Distribution, *, flows=flows_out
):
    """⟨x^π, r⟩ ≤ V_r; φ = outflow(x) − γ inflow(x) − μ, r = φ − γPφ ⇒ ⟨x,r⟩ − V_r = ‖φ‖²."""
    phi = flows(mdp, x) - start
    r = over_states(mdp, phi) - mdp.gamma * mdp.expect(phi)
    d = horizon(mdp) * occupancy(mdp, pi, start)
    own = over_states(mdp, d) * probabilities(mdp, pi)
    return All(
        Eq((x * r).sum() - start @ v_star(with_reward(mdp, r)), phi @ phi),
        Leq((own * mdp.r).sum(), start @ v_star(mdp), ratio=False),
    )


conjugate_is_the_indicator_of_occupancies.rejects(
    "what flows out alone", flows=lambda mdp, x: over_actions(mdp, x)
).experimental("the specification lists the conjugate half as unchecked")


@claim(id="X21-soft", source="Nachum & Dai (2020)", exact="B")
def soft_value_is_the_conjugate_of_entropy(
    mdp: MDP, pi: Policy, start: Distribution, tau: Probability, *, sign=1
):
    """μ·v_τ = max ⟨x^π, r⟩ + τ Σ x^π(s) H(π(·|s)), attained by π_τ."""
    tau = 0.1 + tau
    v, _ = soft_optimum(mdp, tau)
    d = horizon(mdp) * occupancy(mdp, pi, start)
    value = d @ (chain(mdp, pi)[1] - sign * tau * divergence(mdp, pi))
    return Leq(value, start @ v, tol_v(mdp, v), ratio=False)


soft_value_is_the_conjugate_of_entropy.rejects("twice the entropy", sign=2).experimental(
    "the specification lists the conjugate half as unchecked"
)
