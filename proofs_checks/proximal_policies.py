"""Group J, second part: clipped, penalized and constrained surrogates (THEOREMS.md §2.J).

    clip     E_{d,π} min(ρA, clip(ρ, 1−ε, 1+ε)A), ρ = π'/π       a lower bound of L, not of J
    penalty  ⟨A, p⟩ − βKL(p‖π): p ∝ πe^{A/β};   ⟨A, p⟩ − βKL(π‖p): p = βπ/(λ − A)

Source: Schulman et al. (2015, 2017); Kakade (2001); Peters, Mülling & Altün (2010).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit.claim import (
    ActionValue,
    All,
    Distribution,
    Eq,
    FullDistribution,
    FullPolicy,
    Leq,
    Policy,
    Probability,
    action_values,
    claim,
    numbers,
)
from mdpkit.improve import (
    NaturalPolicyGradient,
    NegativeEntropy,
    SoftmaxPolicyGradient,
    TrustRegion,
)
from mdpkit.improve.divergences import each
from mdpkit.improve.proximal import forward_step
from mdpkit.operators.aggregate import soft
from mdpkit.operators.bellman import aggregate
from mdpkit.operators.fisher import fisher_product
from mdpkit.operators.performance import performance
from mdpkit.operators.policy_gradient import softmax_gradient, visits
from mdpkit.operators.scores import softmax_scores
from mdpkit.operators.surrogate import clipped_surrogate, surrogate
from mdpkit.policy import probabilities
from proofs_checks.ascent_vocabulary import Modest, followed, total
from proofs_checks.instances import model
from proofs_checks.vocabulary import (
    advantage,
    best,
    greedy_in,
    horizon,
    occupancy,
    over_states,
    q_pi,
    scalar,
    tol_v,
    vector,
)

ENTROPY = NegativeEntropy()
Width = Annotated[Any, numbers(low=Fraction(1, 10), high=Fraction(9, 10))]
Penalty = Annotated[Any, numbers(low=Fraction(1, 4), high=4)]
SmallValue = Annotated[Any, action_values(low=-3, high=3)]


# ---- J5: the clip ----------------------------------------------------------------------------


def clipped_term(ratio, A, low, high):
    """A min(ρ, 1+ε) where A ≥ 0, A max(ρ, 1−ε) where A < 0: flat beyond that edge alone."""
    return np.where(A >= 0, A * np.minimum(ratio, high), A * np.maximum(ratio, low))


def without_the_minimum(ratio, A, low, high):
    """clip(ρ, 1−ε, 1+ε)A: flat on both sides, also where A < 0 and ρ > 1+ε."""
    return A * np.minimum(np.maximum(ratio, low), high)


@claim(id="J5", source="Schulman et al. (2017), equation 7", exact="Q")
def clipped_surrogate_is_pessimistic(
    mdp: Modest, pi: FullPolicy, other: Policy, t: Probability, width: Width, mu: Distribution,
    *, above=surrogate, term=clipped_term
):  # fmt: skip
    """L^CLIP ≤ L, and L^CLIP = L while |ρ − 1| ≤ ε: so value and slope are L's at ρ = 1.

    A term is flat in ρ iff A = 0, or A > 0 and ρ > 1+ε, or A < 0 and ρ < 1−ε.
    """
    other, H, d = probabilities(mdp, other), horizon(mdp), occupancy(mdp, pi, mu)
    ratio, A = other / pi, advantage(mdp, pi)
    clipped = clipped_surrogate(mdp, pi, other, width, start=mu)
    terms = total(mdp, pi * term(ratio, A, 1 - width, 1 + width))
    farthest = max(abs(ratio - 1).max(), width)
    near = pi + t * width / farthest * (other - pi)
    tol = tol_v(mdp, powers=4)
    return All(
        Leq(clipped, above(mdp, pi, other, mu), tol, ratio=False),
        Eq(clipped, performance(mdp, pi, mu) + H * (d @ terms), tol),
        Eq(
            clipped_surrogate(mdp, pi, near, width, start=mu), surrogate(mdp, pi, near, mu), tol
        ),
    )


def hope_that_turns_to_loss():
    """State 0: π' moves on, where π' does what is bad; within 1 ± ε nothing is clipped."""
    mdp = model([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[0, 0], [1, 0]], "1/2")
    half, bad = vector(mdp, "1/2", "1/2"), vector(mdp, "1/10", "9/10")
    third = scalar(mdp, "1/3")
    return mdp, np.array([half, half]), np.array([half, bad]), third, third, vector(mdp, 1, 0)


clipped_surrogate_is_pessimistic.rejects(
    "it bounds J", above=lambda mdp, old, new, mu: performance(mdp, new, mu)
)
clipped_surrogate_is_pessimistic.rejects(
    "clip(ρ)A without the minimum", term=without_the_minimum
)


# ---- J6: what trust regions are related to ---------------------------------------------------


def fisher_model(mdp, pi, mu, x):
    """xᵀFx."""
    scores = softmax_scores(mdp, pi)
    flat = x.reshape(-1)
    return flat @ fisher_product(scores, occupancy(mdp, pi, mu), flat)


def euclidean_model(mdp, pi, mu, x):
    """‖x‖₂²."""
    return (x * x).sum()


def natural(mdp, pi, mu, eta):
    """The step of the natural policy gradient in the logits."""
    method = NaturalPolicyGradient(eta, "compatible", start=mu, policy=pi)
    return eta * method.direction(mdp, method.init(mdp))


def vanilla(mdp, pi, mu, eta):
    """The step of the policy gradient in the logits."""
    old, new = followed(mdp, SoftmaxPolicyGradient(eta, start=mu, policy=pi), 1)
    return new.coordinates - old.coordinates


@claim(id="J6", source="Kakade (2001); Schulman et al. (2015), §7", exact="B")
def penalized_linear_models_give_the_gradients(
    mdp: Modest, pi: FullPolicy, mu: FullDistribution, x: ActionValue, eta: Penalty,
    *, step=natural, plain=vanilla
):  # fmt: skip
    """max_x ⟨∇J, x⟩ − xᵀFx/(2η): the natural gradient's step; with ‖x‖² for xᵀFx, η∇J."""
    g, tol = softmax_gradient(mdp, pi, mu), tol_v(mdp, powers=3) * (1 + abs(x).max()) ** 2
    said = []
    for quadratic, taken in ((fisher_model, step), (euclidean_model, plain)):
        y = taken(mdp, pi, mu, eta)
        values = [(g * z).sum() - quadratic(mdp, pi, mu, z) / (2 * eta) for z in (x, y)]
        short = quadratic(mdp, pi, mu, x - y) / (2 * eta)
        said.append(Eq(values[0] + short, values[1], 10 * tol))
    return All(*said)


penalized_linear_models_give_the_gradients.rejects("of each other's metric", step=vanilla)
penalized_linear_models_give_the_gradients.rejects("a natural step as plain", plain=natural)


def greedy_policy(mdp, pi):
    """Policy iteration's step, one-hot."""
    return probabilities(mdp, greedy_in(mdp, q_pi(mdp, pi)))


@claim(id="J6-greedy", source="Kakade & Langford (2002); Schulman et al. (2015)", exact="Q")
def unconstrained_surrogate_is_greedy(
    mdp: Modest, pi: Policy, p: Policy, mu: Distribution, *, step=greedy_policy
):
    """max_{π'} L_π(π') = J(π) + H E_{d^π} max_a A^π: policy iteration's step attains it."""
    met = visits(mdp, pi, mu)
    top = performance(mdp, pi, mu) + met @ best(mdp, advantage(mdp, pi))
    tol = tol_v(mdp, powers=3)
    return All(
        Eq(surrogate(mdp, pi, step(mdp, pi), mu), top, tol),
        Leq(surrogate(mdp, pi, probabilities(mdp, p), mu), top, tol, ratio=False),
    )


unconstrained_surrogate_is_greedy.rejects(
    "greedy in the rewards", step=lambda mdp, pi: probabilities(mdp, greedy_in(mdp, mdp.r))
)


def lagrangian(mdp, pi, mu, radius):
    """The exact maximizer in the ball."""
    method = TrustRegion(radius, "lagrangian", start=mu, policy=pi)
    return followed(mdp, method, 1)


Radius = Annotated[Any, numbers(low=Fraction(1, 100), high=1)]


@claim(id="J6-ball", source="Schulman et al. (2015), equation 12", exact="B", effort=0.25)
def trust_region_steps_are_best_in_the_ball(
    mdp: Modest, pi: FullPolicy, p: FullPolicy, mu: FullDistribution, radius: Radius,
    *, step=lagrangian
):  # fmt: skip
    """TRPO's exact step is in {E_d KL(π‖π') ≤ δ}, and no p there has a larger L_π(p)."""
    _, new = step(mdp, pi, mu, radius)
    d = occupancy(mdp, pi, mu)

    def moved(at):
        return float(d @ ENTROPY.between(mdp, pi, at))

    other = pi + min(1.0, radius / max(moved(np.log(p)), 1e-12)) * (p - pi)  # KL is convex
    reached = [surrogate(mdp, pi, x, mu) for x in (other, new.policy)]
    tol = 1e-7 * horizon(mdp) ** 2
    return All(
        Leq(moved(new.coordinates), radius, 1e-9),
        Leq(reached[0], reached[1], tol, ratio=False),
    )


trust_region_steps_are_best_in_the_ball.rejects(
    "twice the radius", step=lambda mdp, pi, mu, radius: lagrangian(mdp, pi, mu, 2 * radius)
)
trust_region_steps_are_best_in_the_ball.rejects(
    "a hundredth of it", step=lambda mdp, pi, mu, radius: lagrangian(mdp, pi, mu, radius / 100)
)


# ---- J7: penalties in closed form ------------------------------------------------------------


def exponential(mdp, log, A, beta):
    """π e^{A/β}/Z, and its logarithm."""
    return ENTROPY.ascend(mdp, log, A / beta)


@claim(id="J7", source="Peters, Mülling & Altün (2010); Schulman et al. (2017), §4", exact="B")
def penalized_surrogates_have_closed_maximizers(
    mdp: Modest, x: SmallValue, pi: FullPolicy, p: FullPolicy, beta: Penalty,
    *, reverse=exponential, forward=forward_step
):  # fmt: skip
    """max_p ⟨A, p⟩ − βKL(p‖π) = β log E_π e^{A/β} at p ∝ πe^{A/β}; of KL(π‖p): p = βπ/(λ − A).

    Any p falls short by βKL(p‖πe^{A/β}/Z); the other p has one λ = A + βπ/p in each state.
    """
    log = np.log(pi)
    _, at = reverse(mdp, log, x, beta)
    value = beta * aggregate(mdp, log + x / beta, soft(1.0))
    reached = total(mdp, x * p) - beta * ENTROPY.between(mdp, p, log)
    far, there = forward(mdp, log, x, beta)
    level = x + beta * np.exp(log - there)
    mean = over_states(mdp, total(mdp, far * level))
    objective = [
        total(mdp, x * y) - beta * ENTROPY.between(mdp, pi, z)
        for y, z in ((p, np.log(p)), (far, there))
    ]
    return All(
        Eq(reached + beta * ENTROPY.between(mdp, p, at), value, 1e-11),
        Eq(level, each(mdp, mean.reshape(-1)[mdp.action_ptr[:-1]]), 1e-8),
        Leq(objective[0], objective[1], 1e-9, ratio=False),
    )


penalized_surrogates_have_closed_maximizers.rejects(
    "p = βπ/(λ − A) of both", reverse=forward_step
)
penalized_surrogates_have_closed_maximizers.rejects("πe^{A/β} of both", forward=exponential)
