"""Group H, seventh part: the natural gradient (THEOREMS.md §2.H, H20–H22).

    w* = argmin_w E_{d,π} (⟨∇ log π, w⟩ − A)²  ⇒  ∇J = H F w*, F†∇J = H w*
    tables: F†∇J = H(A + c_s), so a step multiplies π by e^{ηHA}
    ⟨∇J, δ⟩ is largest, given ½ δᵀFδ ≤ ε, at δ = √(2ε/(gᵀF†g)) F†g

Source: Kakade (2001); Sutton et al. (2000); Agarwal, Kakade, Lee & Mahajan (2021).
"""

from typing import Annotated

import numpy as np

from mdpkit.claim import (
    MDP,
    All,
    Eq,
    FullDistribution,
    FullPolicy,
    Leq,
    claim,
    models,
    numbers,
)
from mdpkit.improve import NaturalPolicyGradient, SoftmaxPolicyGradient
from mdpkit.operators.fisher import compatible_weights, fisher_product
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import softmax_gradient, visits
from mdpkit.operators.projection import softmax_policy
from mdpkit.operators.scores import softmax_scores
from proofs_checks.gradient_vocabulary import Features, Slant, gradient, onto, weights
from proofs_checks.instances import exactly, model
from proofs_checks.vocabulary import horizon, over_actions, q_pi, reward_size, tol_v

Size = Annotated[float, numbers(low=0.1, high=2)]
Calm = Annotated[MDP, models(stops="some", reward=(-1, 1), discount=(0, 0.9))]

# ---- H20: the step ---------------------------------------------------------------------------


def natural_direction(mdp, pi, mu, g):
    """H A, one of the x with F x = g."""
    return horizon(mdp) * policy_values(mdp, pi).advantage.reshape(-1)


@claim(id="H20", source="Amari (1998), Theorem 1; Kakade (2001)", exact="Q", substochastic=True)
def natural_step_ascends_most_of_equal_divergence(
    mdp: MDP, mu: FullDistribution, pi: FullPolicy, delta: Slant, *, direction=natural_direction
):
    """⟨g, δ⟩² ≤ δᵀFδ · ⟨g, x⟩ for F x = g = ∇J, with equality at δ = x, whatever δ is.

    So max ⟨g, δ⟩ given ½ δᵀFδ ≤ ε is √(2ε ⟨g, x⟩), at δ = √(2ε/⟨g, x⟩) x.
    """
    scores, d = softmax_scores(mdp, pi), occupancy(mdp, pi, mu)
    g, delta = softmax_gradient(mdp, pi, mu).reshape(-1), delta.reshape(-1)
    x, tol = direction(mdp, pi, mu, g), tol_v(mdp, reward_size(mdp) ** 2, powers=6)
    moved = delta @ fisher_product(scores, d, delta)
    own = x @ fisher_product(scores, d, x)
    return All(
        Leq((g @ delta) ** 2, moved * (g @ x), tol),
        Eq((g @ x) ** 2, own * (g @ x), tol * (1 + abs(g @ x))),
    )


natural_step_ascends_most_of_equal_divergence.rejects(
    "the gradient, the steepest of equal length", direction=lambda mdp, pi, mu, g: g
)


@natural_step_ascends_most_of_equal_divergence.attained_by
def along_the_advantage():
    """Two states in a row, and δ along A."""
    mdp = model([[[0, 1]] * 2, [[0, 0]] * 2], [[3, 0], [0, 4]], "1/2", stops=True)
    pi, mu = exactly([["1/3", "2/3"]] * 2), exactly(["1/2", "1/2"])
    return mdp, mu, pi, policy_values(mdp, pi).advantage / 4


# ---- H21: the compatible critic --------------------------------------------------------------


def visited(mdp, pi, mu):
    """d^π_μ, (S,)."""
    return occupancy(mdp, pi, mu)


def all_alike(mdp, pi, mu):
    """Every state with the same weight, (S,)."""
    return 0 * mu + occupancy(mdp, pi, mu).sum() / mdp.n_states


@claim(id="H21", source="Sutton et al. (2000), Theorem 2; Kakade (2001), Theorem 1", exact="B")
def compatible_critic_leaves_the_gradient(
    mdp: Calm, mu: FullDistribution, pi: FullPolicy, phi: Features,
    *, fitted_to=visited, factor=horizon
):  # fmt: skip
    """∇J = H F w*, and H E_{d,π}[∇ log π ⟨∇ log π, w*⟩] = ∇J: the critic w* stands for A.

    For π ∝ exp φ(s,a)·θ, however badly ⟨∇ log π, w*⟩ fits A.
    """
    scores, d = softmax_scores(mdp, pi, phi), occupancy(mdp, pi, mu)
    A = policy_values(mdp, pi).advantage
    w, true = compatible_weights(scores, fitted_to(mdp, pi, mu), A), gradient(mdp, scores, mu)
    critic = scores.table() @ w
    tol = 64 * tol_v(mdp, powers=3)
    return All(
        Eq(factor(mdp) * fisher_product(scores, d, w), true, tol),
        Eq(scores.gathered(weights(mdp, pi, visits(mdp, pi, mu)) * critic), true, tol),
    )


compatible_critic_leaves_the_gradient.rejects("fitted to all states alike", fitted_to=all_alike)
compatible_critic_leaves_the_gradient.rejects("without H", factor=lambda mdp: 1.0)


# ---- H22: tables -----------------------------------------------------------------------------


def natural(mdp, pi, mu):
    """w*, (pairs,)."""
    d, A = occupancy(mdp, pi, mu), policy_values(mdp, pi).advantage
    return compatible_weights(softmax_scores(mdp, pi), d, A)


@claim(
    id="H22", source="Kakade (2001); Agarwal et al. (2021), Lemma 15", exact="Q",
    substochastic=True,
)  # fmt: skip
def natural_gradient_of_a_table_is_its_advantage(
    mdp: MDP, mu: FullDistribution, pi: FullPolicy, *, direction=natural, factor=horizon
):
    """F†∇J = H(A + c_s), c_s = −Σ_a A(s,a)/|A(s)|: F x = ∇J, and x ⊥ ker F."""
    scores, d = softmax_scores(mdp, pi), occupancy(mdp, pi, mu)
    x, tol = factor(mdp) * direction(mdp, pi, mu), tol_v(mdp, powers=4)
    A = policy_values(mdp, pi).advantage
    center = over_actions(mdp, A) / np.diff(mdp.action_ptr)
    return All(
        Eq(fisher_product(scores, d, x), gradient(mdp, scores, mu), tol),
        Eq(over_actions(mdp, x), 0, tol),
        Eq(x, horizon(mdp) * (A.reshape(-1) - onto(mdp, center)), tol),
    )


natural_gradient_of_a_table_is_its_advantage.rejects(
    "the gradient itself",
    direction=lambda mdp, pi, mu: softmax_gradient(mdp, pi, mu).reshape(-1),
)
natural_gradient_of_a_table_is_its_advantage.rejects("without H", factor=lambda mdp: 1)
natural_gradient_of_a_table_is_its_advantage.rejects(
    "A, which is not the shortest",
    direction=lambda mdp, pi, mu: policy_values(mdp, pi).advantage.reshape(-1),
)


def stepped(method):
    """The policy after one step from π."""

    def new(mdp, pi, eta):
        chosen = method(mdp, eta, pi)
        return chosen.step(mdp, chosen.init(mdp)).policy

    return new


def by_compatible_critic(mdp, eta, pi):
    """The natural gradient from w*."""
    return NaturalPolicyGradient(eta, solver="compatible", policy=pi)


BY_CRITIC = stepped(by_compatible_critic)


@claim(id="H22-step", source="Agarwal et al. (2021), Lemma 15", exact="B")
def natural_step_of_a_table_is_exponentiated(
    mdp: Calm, pi: FullPolicy, eta: Size, *, new=BY_CRITIC
):
    """θ + ηF†∇J ⇒ π' = π e^{ηHA}/Z = π e^{ηHq}/Z'."""
    q, A = q_pi(mdp, pi), policy_values(mdp, pi).advantage
    alpha, found = eta * horizon(mdp), new(mdp, pi, eta)
    tol = alpha * tol_v(mdp)
    return All(*(Eq(found, softmax_policy(mdp, np.log(pi) + alpha * x), tol) for x in (A, q)))


natural_step_of_a_table_is_exponentiated.rejects(
    "the plain gradient",
    new=stepped(lambda mdp, eta, pi: SoftmaxPolicyGradient(eta, policy=pi)),
)
natural_step_of_a_table_is_exponentiated.rejects(
    "η for ηH",
    new=stepped(lambda mdp, eta, pi: NaturalPolicyGradient(eta / horizon(mdp), policy=pi)),
)
