"""Group K, fourth part: the natural policy gradient with entropy (THEOREMS.md §2.K, K10).

    π_{k+1} ∝ π_k^{1−ητH} e^{ηH q_τ^k},    0 < η ≤ (1−γ)/τ

Source: Cen, Cheng, Chen, Wei & Chi (2022), Theorem 1.
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit._array import sup
from mdpkit.claim import MDP, All, Eq, FullPolicy, Rate, claim, integers, models, numbers
from mdpkit.improve import RegularizedMirrorAscent
from mdpkit.operators.bellman import action_values
from mdpkit.operators.projection import log_softmax
from proofs_checks.ascent_vocabulary import as_promised, followed
from proofs_checks.instances import with_numbers
from proofs_checks.soft_vocabulary import Temperature, near, soft_optimum
from proofs_checks.vocabulary import horizon

Gentle = Annotated[MDP, models(reward=(-1, 1), discount=(0, Fraction(9, 10)))]
Share = Annotated[Any, numbers(low=Fraction(1, 20), high=1)]
Length = Annotated[int, integers(1, 25)]


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
