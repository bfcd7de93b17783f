"""Group K, fifth part: what the losses of a soft actor–critic expect (THEOREMS.md §2.K).

    critic       E[r + γ(q(t,ã) − τ log π(ã|t))] = (B^π_τ q)(s,a),  ã ~ π(·|t)           K13
    actor        E_π ∇[½τ(log π)² − q log π] = ∇ E_π[τ log π − q],  0 at π ∝ e^{q/τ}     K12
    temperature  d/dτ E_π[−τ(log π + H̄)] = H(π) − H̄                                      K13

A score function weighs with φ'(log π), so that ½(log π)² has the gradient of E log π = −H: it
is added to what is minimized. log π by itself has the expected gradient 0, and e^{−q/τ} is no
maximizer. Source: Haarnoja et al. (2018); Haarnoja et al. (2018b), §5.
"""

from typing import Annotated, Any

import numpy as np

from mdpkit.claim import (
    MDP,
    ActionValue,
    All,
    Eq,
    FullPolicy,
    Leq,
    claim,
    distributions,
    numbers,
)
from mdpkit.enumerate import transitions
from mdpkit.operators.aggregate import soft
from mdpkit.operators.bellman import action_values, backup_q
from mdpkit.policy import expected_under
from mdpkit.targets import Expected, OneStep, Sampled, Twin
from proofs_checks.soft_operators import at_scale
from proofs_checks.soft_vocabulary import Temperature, divergence, near, soft_policy
from proofs_checks.target_vocabulary import allowed, at_next, each_action, expectation

# ---- K12: the actor --------------------------------------------------------------------------

Logits = Annotated[Any, numbers("a", -3, 3)]


def cost(theta, q, tau):
    """E_π[τ log π − q], π ∝ e^θ; real or complex."""
    e = np.exp(theta - theta.real.max())
    pi = e / e.sum()
    return (pi * (tau * np.log(pi) - q)).sum()


def gradient(f, theta):
    """∇f: the imaginary part of f(θ + ih) is h ∂f up to h³."""
    steps = 1e-30j * np.eye(theta.size)
    return np.array([f(theta + step).imag for step in steps]) / 1e-30


def score_gradient(theta, slope):
    """E_π[φ' ∇ log π] = π (φ' − E_π φ'), φ' of each action."""
    pi = np.exp(theta - theta.max())
    pi = pi / pi.sum()
    weight = slope(np.log(pi))
    return pi * (weight - pi @ weight)


def half_square(log_pi, q, tau):
    """The derivative of ½τ(log π)² − q log π in log π."""
    return tau * log_pi - q


@claim(id="K12", source="Haarnoja et al. (2018), §4.2; a line", exact="B", effort=0.5)
def half_square_of_log_probability_has_the_gradient_of_entropy(
    theta: Logits, q: Logits, tau: Temperature, *, slope=half_square
):
    """E_π ∇[½τ(log π)² − q log π] = ∇ E_π[τ log π − q]; q = 0: −τ∇H. 0 at π ∝ e^{q/τ}."""

    def entropy_alone(x):
        return cost(x, 0 * q, tau)

    return All(
        Eq(
            score_gradient(theta, lambda log_pi: slope(log_pi, q, tau)),
            gradient(lambda x: cost(x, q, tau), theta),
        ),
        Eq(
            score_gradient(theta, lambda log_pi: slope(log_pi, 0 * q, tau)),
            gradient(entropy_alone, theta),
        ),
        Eq(score_gradient(q / tau, lambda log_pi: slope(log_pi, q, tau)), 0),
    )


half_square_of_log_probability_has_the_gradient_of_entropy.rejects(
    "maximized: −½(log π)²", slope=lambda log_pi, q, tau: -tau * log_pi - q
)
half_square_of_log_probability_has_the_gradient_of_entropy.rejects(
    "log π by itself", slope=lambda log_pi, q, tau: tau - q
)
half_square_of_log_probability_has_the_gradient_of_entropy.rejects(
    "without the half", slope=lambda log_pi, q, tau: 2 * tau * log_pi - q
)


# ---- K13: the critic -------------------------------------------------------------------------


@claim(
    id="K13", source="Haarnoja et al. (2018), (2) and Lemma 1", exact="B", substochastic=True,
    effort=0.5,
)  # fmt: skip
def soft_target_expects_the_soft_evaluation(
    mdp: MDP, q: ActionValue, other: ActionValue, pi: FullPolicy, tau: Temperature,
    *, drawn=Sampled, summed=Expected
):  # fmt: skip
    """E[r + d(q(t,ã) − τ log π(ã|t))] = B^π_τ q = r + γP Σ_a π(q − τ log π); B^π_τ(min q_i).

    By every t and every ã ~ π(·|t), and with the sum over ã in the target.
    """
    rows, log_pi, tol = transitions(mdp), np.log(pi), near(mdp, tau, q, other)
    more, pair = each_action(mdp, rows, pi)
    given = more.reward, more.discount
    target, least = drawn(log_pi.reshape(-1)[pair], tau), np.minimum(q, other)
    both = np.stack([x.reshape(-1)[pair] for x in (q, other)])
    wanted, clipped = (
        action_values(mdp, expected_under(mdp, pi, x - tau * log_pi)) for x in (q, least)
    )
    whole = summed(at_next(mdp, rows, pi), tau)
    y = whole(rows.reward, rows.discount, at_next(mdp, rows, q), mask=allowed(mdp, rows))
    return All(
        Eq(expectation(mdp, more, target(*given, both[0])), wanted, tol),
        Eq(expectation(mdp, more, Twin(target)(*given, both)), clipped, tol),
        Eq(expectation(mdp, rows, y), wanted, tol),
    )


soft_target_expects_the_soft_evaluation.rejects(
    "+ τ log π", drawn=lambda log_pi, tau: Sampled(-log_pi, tau)
)
soft_target_expects_the_soft_evaluation.rejects(
    "entropy twice", drawn=lambda log_pi, tau: Sampled(2 * log_pi, tau)
)
soft_target_expects_the_soft_evaluation.rejects(
    "without entropy", summed=lambda p, tau: Expected(p)
)


def soft_greedy(mdp, q, tau):
    """π ∝ e^{q/τ}."""
    return soft_policy(mdp, q, tau)


@claim(
    id="K13-greedy", source="Haarnoja et al. (2018), Lemma 2", exact="B", substochastic=True,
    effort=0.5,
)  # fmt: skip
def soft_target_is_largest_at_the_soft_greedy_policy(
    mdp: MDP, q: ActionValue, pi: FullPolicy, share: Temperature, *, best=soft_greedy
):
    """B^π_τ q at π ∝ e^{q/τ} is B_τ q, row by row; any other loses γ E τ KL(π‖e^{q/τ}/Z)."""
    rows, tau = transitions(mdp), at_scale(share, q)
    top, tol = best(mdp, q, tau), near(mdp, tau, q)

    def y(target):
        values = at_next(mdp, rows, q)
        return target(rows.reward, rows.discount, values, mask=allowed(mdp, rows))

    largest = y(OneStep(soft(tau)))
    less = y(Expected(at_next(mdp, rows, pi), tau))
    lost = rows.discount * tau * divergence(mdp, pi, top)[rows.next_state]
    return All(
        Eq(y(Expected(at_next(mdp, rows, top), tau)), largest, tol),
        Eq(expectation(mdp, rows, largest), backup_q(mdp, q, soft(tau)), tol),
        Eq(largest - less, lost, tol),
        Leq(less, largest, tol, ratio=False),
    )


soft_target_is_largest_at_the_soft_greedy_policy.rejects(
    "π ∝ e^{−q/τ}", best=lambda mdp, q, tau: soft_policy(mdp, -q, tau)
)
soft_target_is_largest_at_the_soft_greedy_policy.rejects(
    "twice the temperature", best=lambda mdp, q, tau: soft_policy(mdp, q, 2 * tau)
)


# ---- K13: the temperature --------------------------------------------------------------------


def temperature_loss(pi, tau, wanted):
    """E_π[−τ(log π + H̄)]."""
    return (pi * -tau * (np.log(pi) + wanted)).sum()


@claim(id="K13-temperature", source="Haarnoja et al. (2018b), (18)", exact="B", effort=0.5)
def temperature_falls_where_entropy_exceeds_its_target(
    pi: Annotated[Any, distributions("a", full=True)],
    tau: Temperature,
    other: Temperature,
    wanted: Annotated[Any, numbers(low=-2, high=2)],
    *,
    loss=temperature_loss,
):
    """L(τ) = E_π[−τ(log π + H̄)]: L(τ) − L(τ') = (τ − τ')(H(π) − H̄); −dL/dτ < 0 iff H > H̄."""
    entropy = -(pi * np.log(pi)).sum()
    return Eq(
        loss(pi, tau, wanted) - loss(pi, other, wanted), (tau - other) * (entropy - wanted)
    )


temperature_falls_where_entropy_exceeds_its_target.rejects(
    "the target's sign", loss=lambda pi, tau, wanted: temperature_loss(pi, tau, -wanted)
)
temperature_falls_where_entropy_exceeds_its_target.rejects(
    "the other direction", loss=lambda pi, tau, wanted: -temperature_loss(pi, tau, wanted)
)
