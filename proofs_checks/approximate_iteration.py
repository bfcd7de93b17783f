"""Group C: errors in every step of value and policy iteration (THEOREMS.md §2.C).

Source: Bertsekas & Tsitsiklis (1996), chapter 6; Scherrer & Lesner (2012).
"""

from typing import Annotated, Any

import numpy as np

from mdpkit import gallery
from mdpkit.claim import MDP, All, Rate, Value, claim, numbers
from mdpkit.plan.approximate import (
    ApproximatePolicyIteration,
    ApproximateValueIteration,
    api_bound,
    api_step_bound,
    avi_bound,
    avi_value_bound,
)
from proofs_checks.vocabulary import horizon, sup, v_pi, v_star, vector

Errors = Annotated[Any, numbers("ks")]
"""An error of every state in each of a few steps, (K, S)."""


def states_of(mdp, method, start, steps):
    """The states 0 … steps of a method."""
    out = [method.init(mdp, start)]
    for _ in range(steps):
        out.append(method.step(mdp, out[-1]))
    return out


def losses_of(mdp, states):
    """‖v* − v^π‖∞ for the policy of each state."""
    return [sup(v_star(mdp) - v_pi(mdp, state.policy)) for state in states]


@claim(
    id="C5", source="Bertsekas & Tsitsiklis (1996), Lemma 6.1 and Proposition 6.2", exact="Q"
)
def policy_iteration_survives_errors(
    mdp: MDP, v: Value, noise: Errors, slips: Errors, *, step=api_step_bound, limit=api_bound
):
    """‖v_k − v^{π_k}‖∞ ≤ δ, ‖T^{π_{k+1}} v_k − T v_k‖∞ ≤ ε ⇒ l_{k+1} ≤ γ l_k + (ε + 2γδ)H.

    Here l_k = ‖v* − v^{π_k}‖∞; hence l_k ≤ γᵏ l_0 + (1 − γᵏ)(ε + 2γδ)H², and the limsup.
    """
    K, gamma = len(noise), mdp.gamma
    method = ApproximatePolicyIteration(
        lambda k, _: noise[k % K], lambda k, _: slips[k % K] if k < len(slips) else 0 * v
    )
    states = states_of(mdp, method, v, K)
    delta = max(state.noise_size for state in states[:-1])
    epsilon = max(state.loss_size for state in states)
    first, *later = losses = losses_of(mdp, states)
    far = limit(gamma, delta, epsilon)
    return All(
        Rate(later, [step(gamma, loss, delta, epsilon) for loss in losses[:-1]]),
        Rate(later, [gamma**k * (first - far) + far for k in range(1, K + 1)]),
    )


policy_iteration_survives_errors.rejects(
    "one power of H in the limit",
    limit=lambda gamma, delta, epsilon: (epsilon + 2 * gamma * delta) / (1 - gamma),
)
policy_iteration_survives_errors.rejects(
    "δ counted once",
    step=lambda g, loss, delta, epsilon: g * loss + (epsilon + delta) / (1 - g),
)


def ladder(n, epsilon=1):
    """HARD-ScherrerLesner in fractions: `scherrer-lesner` with γᵏ in full."""
    mdp = gallery.make("scherrer-lesner", n=n).exact()
    g, H = mdp.gamma, horizon(mdp)
    rows = [[-2 * (g - g**i) * H * epsilon, g * 0] for i in range(1, n + 1)]
    return mdp.replace(r=np.array(rows))


def alternating(mdp, steps):
    """−1 on state k, +1 on the next, in step k = 0, 1, …"""
    signs = [[int(s == k + 1) - int(s == k) for s in range(mdp.n_states)] for k in range(steps)]
    return np.array([vector(mdp, *row) for row in signs])


@policy_iteration_survives_errors.attained_by
def ladder_of_policies():
    """δ = 1 ties state k + 1 but for ε = 2γ, and staying there is chosen: every l_k in full."""
    mdp = ladder(5, epsilon=2)
    noise = alternating(mdp, 4)
    slips = np.where(noise > 0, 2 * mdp.gamma * noise, 0 * noise)
    return mdp, noise[0] * 0, noise, slips


@claim(id="C6", source="Scherrer & Lesner (2012), Theorem 1", exact="Q")
def value_iteration_survives_errors(mdp: MDP, v: Value, noise: Errors, *, bound=avi_bound):
    """‖v_k − T v_{k−1}‖∞ ≤ ε, π_k ∈ G(v_{k−1}) ⇒ ‖v* − v^{π_k}‖∞ ≤ 2(γ − γᵏ)H²ε + 2γᵏH D.

    Here D = ‖v* − v_0‖∞, and k ≥ 1; also ‖v* − v_k‖∞ ≤ γᵏ D + (1 − γᵏ)Hε.
    """
    _, *states = states_of(
        mdp, ApproximateValueIteration(lambda k, _: noise[k - 1]), v, len(noise)
    )
    top, epsilon = v_star(mdp), sup(noise)
    errors = [sup(top - state.v) for state in states]
    steps, given = range(1, len(noise) + 1), (mdp.gamma, epsilon)
    return All(
        Rate(losses_of(mdp, states), [bound(*given, k, sup(top - v)) for k in steps]),
        Rate(errors, [avi_value_bound(*given, k, sup(top - v)) for k in steps]),
    )


value_iteration_survives_errors.rejects(
    "one power of H, 2γεH",
    bound=lambda g, epsilon, k, D: (2 * g * epsilon + 2 * g**k * D) / (1 - g),
)


@value_iteration_survives_errors.attained_by
def ladder_of_values():
    """Errors of 1 tie state k in step k, and staying there loses 2(γ − γᵏ)H²."""
    mdp = ladder(6)
    noise = alternating(mdp, 6)
    return mdp, noise[0] * 0, noise
