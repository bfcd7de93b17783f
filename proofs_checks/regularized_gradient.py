"""Group K, fourth part: policy gradients with entropy (THEOREMS.md §2.K, K9, K10).

    ∂V_τ/∂θ(s,a) = H d(s) π(a|s) A_τ(s,a);    natural: π_{k+1} ∝ π_k^{1−ητH} e^{ηH q_τ^k}

Source: Mei et al. (2020); Cen, Cheng, Chen, Wei & Chi (2022), Theorem 1.
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit._array import sup
from mdpkit.claim import (
    ActionValue,
    All,
    Distribution,
    Eq,
    FullPolicy,
    Rate,
    claim,
    integers,
    numbers,
)
from mdpkit.improve import RegularizedMirrorAscent
from mdpkit.improve.divergences import each
from mdpkit.operators.bellman import action_values
from mdpkit.operators.policy_gradient import policy_gradient, softmax_gradient
from mdpkit.operators.projection import log_softmax, softmax_policy
from proofs_checks.ascent_vocabulary import as_promised, followed, total
from proofs_checks.instances import with_numbers
from proofs_checks.soft_vocabulary import (
    Gentle,
    Temperature,
    log_ratio,
    near,
    soft_optimum,
    soft_value,
)
from proofs_checks.vocabulary import (
    advantage,
    horizon,
    occupancy,
)

Share = Annotated[Any, numbers(low=Fraction(1, 20), high=1)]
Length = Annotated[int, integers(1, 25)]


# ---- K10: the natural gradient ---------------------------------------------------------------


def of_cen(mdp, first, apart, tau, eta):
    """C_1 = ‖q*_τ − q^0‖∞ + 2τ(1 − ητH) ‖log π*_τ − log π_0‖∞."""
    return first + 2 * tau * (1 - eta * tau * horizon(mdp)) * apart


def without_the_policy(mdp, first, apart, tau, eta):
    """‖q*_τ − q^0‖∞."""
    return first


@claim(id="K10", source="Cen et al. (2022), Theorem 1", exact="B")
def entropic_natural_gradient_is_linear(
    mdp: Gentle, pi: FullPolicy, tau: Temperature, share: Share, steps: Length,
    *, ascent=RegularizedMirrorAscent, constant=of_cen, power=1
):  # fmt: skip
    """‖q*_τ − q_τ^{k+1}‖∞ ≤ C_1γ(1−ητ)ᵏ and ‖log π*_τ − log π_{k+1}‖∞ ≤ 2C_1/τ (1−ητ)ᵏ.

    Here η ≤ (1−γ)/τ and C_1 = ‖q*_τ − q^0‖∞ + 2τ(1−ητH) ‖log π*_τ − log π_0‖∞. At ητH = 1 the
    step is that of soft policy iteration.
    """
    v, _ = soft_optimum(mdp, tau)
    q, eta = action_values(mdp, v), share * (1 - mdp.gamma) / tau
    best, method = log_softmax(mdp, q / tau), ascent(tau, eta, pi)
    states = followed(mdp, method, steps)
    errors = np.array([sup(q - state.q) for state in states])
    logs = np.array([sup(best - state.coordinates) for state in states])
    first = constant(mdp, errors[0], logs[0], tau, eta)
    fades, tol = (1 - eta * tau) ** (power * np.arange(steps)), near(mdp, tau)
    _, greedy = followed(mdp, ascent(tau, (1 - mdp.gamma) / tau, pi), 1)
    return All(
        Rate(errors[1:], first * mdp.gamma * fades, tol),
        Rate(logs[1:], 2 * first / tau * fades, tol / tau),
        as_promised(mdp, method, states, v, tol=tol),
        Eq(greedy.coordinates, log_softmax(mdp, states[0].q / tau), tol / tau),
    )


def far_from_uniform():
    """Nothing pays and π_0 is far from uniform; γ = ½ and ητH = ½."""
    mdp = with_numbers(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.5)
    return mdp, np.array([[1e-6, 1 - 1e-6]]), 1.0, 0.5, 25


entropic_natural_gradient_is_linear.rejects("at twice the pace", power=2)
entropic_natural_gradient_is_linear.rejects(
    "without ‖log π*_τ − log π_0‖∞", constant=without_the_policy, at=far_from_uniform
)
entropic_natural_gradient_is_linear.rejects(
    "at another temperature", ascent=lambda tau, eta, pi: RegularizedMirrorAscent(
        1.1 * tau, eta / 1.1, pi
    )
)  # fmt: skip


# ---- K9: the gradient with entropy -----------------------------------------------------------


def paid(mdp, pi, tau):
    """Q_τ − τ log π, in pair layout, of which A_τ is the excess over its mean V_τ."""
    v = soft_value(mdp, pi, tau)
    return mdp.r + mdp.gamma * mdp.expect(v).reshape(mdp.pair_shape) - tau * log_ratio(pi)


def unpaid(mdp, pi, tau):
    """Q_τ alone."""
    return paid(mdp, pi, tau) + tau * log_ratio(pi)


def in_logits(mdp, pi, mu, what):
    """H d π (x − E_π x): the gradient in the logits that x makes."""
    mean = each(mdp, total(mdp, pi * what))
    return horizon(mdp) * each(mdp, occupancy(mdp, pi, mu)) * pi * (what - mean)


def along_a_line(mdp, theta, direction, mu, tau, h=1e-4):
    """d/dt J_τ(θ + t·direction) by differences, to O(h⁴)."""
    values = [
        mu @ soft_value(mdp, softmax_policy(mdp, theta + t * h * direction), tau)
        for t in (-2, -1, 1, 2)
    ]
    return (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * h)


@claim(id="K9", source="Mei et al. (2020), Lemma 10", exact="B", substochastic=True)
def soft_policy_gradient(
    mdp: Gentle, mu: Distribution, pi: FullPolicy, x: ActionValue, tau: Temperature,
    *, weight=paid
):  # fmt: skip
    """∇_θ V_τ^π(μ) = H E_{d,π}[∇log π · (Q_τ − τ log π)] = H d π A_τ; E_π ∇log π·(−τ) = 0."""
    gradient = softmax_gradient(mdp, pi, mu, tau=tau)
    way = x / max(1.0, float(abs(x).max()))
    slope = along_a_line(mdp, np.log(pi), way, mu, tau)
    direct = policy_gradient(mdp, pi, mu, tau=tau)
    tol = near(mdp, tau) * horizon(mdp)
    return All(
        Eq(in_logits(mdp, pi, mu, weight(mdp, pi, tau)), gradient, tol),
        Eq(pi * (direct - each(mdp, total(mdp, pi * direct))), gradient, tol),
        Eq(slope, (gradient * way).sum(), 1e-7 * horizon(mdp) ** 3),
    )


soft_policy_gradient.rejects("without −τ log π", weight=unpaid)
soft_policy_gradient.rejects(
    "the advantage of π without entropy", weight=lambda mdp, pi, tau: advantage(mdp, pi)
)
