"""Group K, second part: what a soft policy is worth (THEOREMS.md §2.K, K3–K5, K7).

    v^π_τ = Σ γᵗ E[r − τ log(π/p)]     A^π_τ = q^π_τ − v^π_τ − τ log(π/p),  Σ_a π A^π_τ = 0

Soft policy iteration is Newton's method on T_τ v − v, which is smooth: it is quadratic from
everywhere. Source: Nachum et al. (2017); Mei et al. (2020); Cen et al. (2022).
"""

import math

import numpy as np

from mdpkit.claim import (
    MDP,
    All,
    Distribution,
    Eq,
    FullPolicy,
    Leq,
    Policy,
    Rate,
    Value,
    claim,
)
from mdpkit.operators.bellman import action_values
from mdpkit.policy import expected_under, probabilities
from proofs_checks.soft_vocabulary import (
    Gentle,
    Prior,
    Temperature,
    divergence,
    near,
    soft_advantage,
    soft_improved,
    soft_optimum,
    soft_policy,
    soft_value,
)
from proofs_checks.vocabulary import (
    greedy,
    horizon,
    occupancy,
    scalar,
    soft_optimality,
    span,
    sup,
)

# ---- K3, K7: what changing the policy changes ------------------------------------------------


def of_the_new(new, old):
    """The first of two policies."""
    return new


def of_the_old(new, old):
    """The second of two policies."""
    return old


@claim(
    id="K3", source="Mei et al. (2020); after Kakade & Langford (2002)", exact="B",
    substochastic=True,
)  # fmt: skip
def soft_performance_difference(
    mdp: MDP, new: Policy, old: FullPolicy, start: Distribution, prior: Prior, tau: Temperature,
    *, advantage_of=of_the_old, visited_by=of_the_new
):  # fmt: skip
    """V_τ^{π'}(μ) − V_τ^π(μ) = H E_{d^{π'}}[E_{π'} A_τ^π − τ KL(π'‖π)], and E_π A_τ^π = 0."""
    gain = soft_value(mdp, new, tau, prior) - soft_value(mdp, old, tau, prior)
    visits = horizon(mdp) * occupancy(mdp, visited_by(new, old), start)
    A = soft_advantage(mdp, advantage_of(new, old), tau, prior)
    inside = expected_under(mdp, new, A) - tau * divergence(mdp, new, old)
    own = expected_under(mdp, old, soft_advantage(mdp, old, tau, prior))
    tol = near(mdp, tau)
    return All(Eq(start @ gain, visits @ inside, tol), Eq(own, 0, tol))


soft_performance_difference.rejects("the new policy's advantage", advantage_of=of_the_new)
soft_performance_difference.rejects("the old policy's visits", visited_by=of_the_old)


def to_optimal(mdp, pi, best):
    """KL(π‖π*), (S,)."""
    return divergence(mdp, pi, best)


@claim(id="K7", source="Mei et al. (2020), Lemma 26", exact="B")
def soft_loss_is_a_divergence(
    mdp: Gentle, pi: Policy, start: Distribution, prior: Prior, tau: Temperature,
    *, cost=to_optimal, visited_by=of_the_old
):  # fmt: skip
    """V*_τ(μ) − V_τ^π(μ) = τ H E_{d^π} KL(π‖π*_τ)."""
    top, best = soft_optimum(mdp, tau, prior)
    visits = horizon(mdp) * occupancy(mdp, visited_by(best, pi), start)
    lost = start @ (top - soft_value(mdp, pi, tau, prior))
    return Eq(lost, tau * visits @ cost(mdp, pi, best), near(mdp, tau))


soft_loss_is_a_divergence.rejects(
    "KL(π*‖π)", cost=lambda mdp, pi, best: divergence(mdp, best, np.maximum(pi, 1e-300))
)
soft_loss_is_a_divergence.rejects("the visits of π*", visited_by=of_the_new)


# ---- K4, K5: soft policy iteration -----------------------------------------------------------


def improved_by(policy):
    """v^π_τ for another π than the soft-greedy one."""
    return lambda mdp, v, tau, prior: soft_value(mdp, policy(mdp, v, tau, prior), tau, prior)


@claim(
    id="K4", source="Haarnoja et al. (2018), Lemma 2; Cen et al. (2022)", exact="B",
    substochastic=True,
)  # fmt: skip
def soft_greedy_step_improves(
    mdp: MDP, pi: Policy, prior: Prior, tau: Temperature, *, improved=soft_improved
):
    """π' ∝ p e^{q_τ^π/τ} ⇒ v_τ^{π'} ≥ T_τ v_τ^π ≥ v_τ^π; so ‖v*_τ − v_k‖ ≤ γᵏ ‖v*_τ − v_0‖."""
    top, _ = soft_optimum(mdp, tau, prior)
    T, values = soft_optimality(tau, prior), [soft_value(mdp, pi, tau, prior)]
    for _ in range(4):
        values.append(improved(mdp, values[-1], tau, prior))
    errors, tol = [sup(top - v) for v in values], near(mdp, tau)
    image = T(mdp, values[0])
    return All(
        Rate(errors[1:], [mdp.gamma**k * errors[0] for k in range(1, 5)], tol),
        Leq(image, values[1], tol, ratio=False),
        Leq(values[0], image, tol, ratio=False),
    )


soft_greedy_step_improves.rejects(
    "twice the temperature",
    improved=improved_by(
        lambda mdp, v, tau, prior: soft_policy(mdp, action_values(mdp, v), 2 * tau, prior)
    ),
)
soft_greedy_step_improves.rejects(
    "without the prior",
    improved=improved_by(
        lambda mdp, v, tau, prior: soft_policy(mdp, action_values(mdp, v), tau)
    ),
)
soft_greedy_step_improves.rejects(
    "improves on −v", improved=lambda mdp, v, tau, prior: soft_improved(mdp, -v, tau, prior)
)


@claim(
    id="K5", source="Hoeffding (1963), the lemma; after Cen et al. (2022), Theorem 3", exact="B"
)
def soft_greedy_policy_loses_a_square(
    mdp: MDP, v: Value, prior: Prior, tau: Temperature,
    *, constant="1/8", size=span, factor=horizon
):  # fmt: skip
    """π ∝ p e^{(r+γPv)/τ} ⇒ 0 ≤ v*_τ − v_τ^π ≤ γ²H/(8τ) sp(v − v*_τ)², and ≤ γH sp(v − v*_τ).

    T_τv* − T_τ^π v* = τ KL(π‖π*), where π is π* tilted by γP(v − v*)/τ: at most the square of
    its span over 8, by Hoeffding's lemma.
    """
    top, _ = soft_optimum(mdp, tau, prior)
    lost = top - soft_improved(mdp, v, tau, prior)
    far, tol = mdp.gamma * size(v - top), near(mdp, tau, v)
    return All(
        Leq(sup(lost), scalar(mdp, constant) * factor(mdp) * far**2 / tau, tol),
        Leq(sup(lost), factor(mdp) * far, tol),
        Leq(0, lost, tol, ratio=False),
    )


@soft_greedy_policy_loses_a_square.attained_by(exact_equality=False)
def a_choice_of_states(epsilon=1e-2):
    """Action a leads to state a and nothing pays; v is ε too high there, and too low here.

    The ratio is .7033, .99596, .99996 for ε = 1, .1, .01 and tends to 1.
    """
    P = [[[1, 0], [0, 1]]] * 2
    mdp = MDP(P, np.zeros((2, 2)), 0.9)
    top = math.log(2) / (1 - mdp.gamma)
    return mdp, top + epsilon * np.array([1, -1]), np.ones((2, 2)), 1.0


soft_greedy_policy_loses_a_square.rejects("a ninth", constant="1/9", at=a_choice_of_states)
soft_greedy_policy_loses_a_square.rejects("the norm of v − v*", size=sup, at=a_choice_of_states)
soft_greedy_policy_loses_a_square.rejects(
    "without H", factor=lambda mdp: 1.0, at=a_choice_of_states
)


@claim(
    id="K5-step",
    source="Hoeffding (1963), the lemma; after Cen et al. (2022), Theorem 3",
    exact="B",
)
def soft_policy_iteration_is_quadratic(
    mdp: MDP, pi: Policy, prior: Prior, tau: Temperature, *, improved=soft_improved
):
    """‖v*_τ − v_{k+1}‖ ≤ γ²H/(8τ) ‖v*_τ − v_k‖² of soft policy iteration, from any policy."""
    top, _ = soft_optimum(mdp, tau, prior)
    v, tol = soft_value(mdp, pi, tau, prior), near(mdp, tau)
    far, constant = mdp.gamma * sup(top - v), horizon(mdp) / (8 * tau)
    return Leq(sup(top - improved(mdp, v, tau, prior)), constant * far**2, tol)


soft_policy_iteration_is_quadratic.rejects(
    "the greedy policy",
    improved=improved_by(lambda mdp, v, *_: probabilities(mdp, greedy(mdp, v))),
)
soft_policy_iteration_is_quadratic.rejects(
    "a sweep of soft value iteration",
    improved=lambda mdp, v, tau, prior: soft_optimality(tau, prior)(mdp, v),
)
