"""Group H, eighth part: the Fisher information of a policy (THEOREMS.md §2.H, H19, H25).

    F = E_{s~d, a~π} [∇ log π ∇ log πᵀ]          KL(π_θ‖π_{θ+δ}) = ½ δᵀFδ + O(‖δ‖³)
    E Σ_t γᵗ ∇ log π_t ∇ log π_tᵀ = H F,         E[(Σ ∇ log π_t)(Σ ∇ log π_t)ᵀ] = Σ_s n_1(s) F_s

The expectation over states and the ½ belong there. At its second order either direction of the
divergence is the same. Source: Kakade (2001); Peters & Schaal (2008).
"""

from typing import Annotated

import numpy as np

from mdpkit.claim import (
    MDP,
    All,
    Distribution,
    Eq,
    FullPolicy,
    Leq,
    Rate,
    claim,
    models,
)
from mdpkit.improve.estimators import path_weight, step_weight
from mdpkit.improve.moments import mean
from mdpkit.operators.fisher import (
    divergence,
    divergence_product,
    fisher_matrix,
    fisher_product,
)
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.policy_gradient import visits
from mdpkit.operators.projection import softmax_policy
from mdpkit.operators.scores import softmax_scores
from mdpkit.operators.stationary import stationary
from proofs_checks.gradient_vocabulary import Ending, Features, Slant, near, paths
from proofs_checks.vocabulary import chain, sup, vector

Ergodic = Annotated[MDP, models(ergodic=True)]

# ---- H19 -------------------------------------------------------------------------------------


def span_of(mdp, delta):
    """(S,) max_a δ(s,a) − min_a δ(s,a)."""
    flat, first = delta.reshape(-1), mdp.action_ptr[:-1]
    return np.maximum.reduceat(flat, first) - np.minimum.reduceat(flat, first)


def curved(mdp, pi, d, delta):
    """½ δᵀFδ."""
    flat = delta.reshape(-1)
    return flat @ fisher_product(softmax_scores(mdp, pi), d, flat) / 2


@claim(
    id="H19", source="Kakade (2001), §3; the third cumulant of a bounded variable", exact="B"
)
def divergence_is_half_the_fisher_form(
    mdp: MDP, mu: Distribution, pi: FullPolicy, delta: Slant,
    *, quadratic=curved, apart=divergence
):  # fmt: skip
    """|E_d KL(π_θ‖π_{θ+δ}) − ½ δᵀFδ| ≤ E_d sp(δ)³/(36√3), and sp(δ)³/(18√3) the other way.

    The remainder is a third cumulant of δ(s,·) over 6, or over 3, under a policy between the
    two: a variable of range w has at most w³/(6√3).
    """
    d, new = occupancy(mdp, pi, mu), softmax_policy(mdp, np.log(pi) + delta)
    form, third = quadratic(mdp, pi, d, delta), d @ span_of(mdp, delta) ** 3 / (36 * np.sqrt(3))
    one, other = apart(mdp, pi, new, d), apart(mdp, new, pi, d)
    return All(
        Leq(abs(one - form), third, 1e-13),
        Leq(abs(other - form), 2 * third, 1e-13),
        Leq(0, [one, other], 1e-13, ratio=False),
    )


divergence_is_half_the_fisher_form.rejects(
    "without the ½", quadratic=lambda *instance: 2 * curved(*instance)
)
divergence_is_half_the_fisher_form.rejects(
    "without the mean over states",
    quadratic=lambda mdp, pi, d, delta: curved(mdp, pi, 0 * d + 1, delta),
)
divergence_is_half_the_fisher_form.rejects(
    "E_{π'}[log π − log π']", apart=lambda mdp, p, q, d: -divergence(mdp, q, p, d)
)


@divergence_is_half_the_fisher_form.attained_by(exact_equality=False)
def lopsided_choice(size=0.03):
    """One state, p = (3 − √3)/6: its third cumulant is the largest; attained as δ → 0."""
    p = (3 - np.sqrt(3)) / 6
    mdp = MDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.5)
    return mdp, vector(mdp, 1), np.array([[p, 1 - p]]), np.array([[size, 0.0]])


@claim(id="H19-tables", source="Amari (1998); the log-partition of a table", exact="B")
def curvature_of_the_divergence_is_the_fisher_matrix(
    mdp: MDP, mu: Distribution, pi: FullPolicy, old: FullPolicy, x: Slant,
    *, product=divergence_product, of=lambda new, old: new
):  # fmt: skip
    """∇²_θ E_d KL(old‖π_θ) = F(π_θ) for every old policy; ∇²_θ E_d KL(π_θ‖old) at π_θ = old.

    Five-point differences of ⟨∇KL, x⟩ = Σ d (π_θ − old) x say so of the first.
    """
    d = occupancy(mdp, pi, mu)
    weight, flat, h = d[mdp.pair_states], x.reshape(-1), 1e-3
    F = fisher_product(softmax_scores(mdp, of(pi, old)), d, flat)

    def along(step):
        moved = softmax_policy(mdp, np.log(pi) + step * x)
        return weight * (moved - old).reshape(-1)

    near_by, far = (along(k * h) - along(-k * h) for k in (1, 2))
    own = softmax_scores(mdp, old)
    return All(
        Eq(product(mdp, old, pi, d, x).reshape(-1), F, 1e-12),
        Eq((8 * near_by - far) / (12 * h), F, 1e-9),
        Eq(
            product(mdp, old, old, d, x, reverse=True).reshape(-1),
            fisher_product(own, d, flat),
            1e-12,
        ),
    )


curvature_of_the_divergence_is_the_fisher_matrix.rejects(
    "of the old policy", of=lambda new, old: old
)
curvature_of_the_divergence_is_the_fisher_matrix.rejects(
    "half of it", product=lambda *instance, **which: divergence_product(*instance, **which) / 2
)


# ---- H25 -------------------------------------------------------------------------------------


def undiscounted(mdp, pi, mu):
    """Σ_t Pr(s_t = s), (S,)."""
    return visits(mdp.replace(gamma=mdp.gamma * 0 + 1), pi, mu)


@claim(id="H25", source="Kakade (2001); Peters & Schaal (2008), Appendix", exact="Q")
def information_of_paths_is_the_sum_of_steps(
    mdp: Ending, mu: Distribution, pi: FullPolicy, phi: Features,
    *, of_steps=visits, of_paths=undiscounted
):  # fmt: skip
    """E Σ γᵗ ∇log π_t ∇log π_tᵀ = H F;  E g gᵀ = Σ_t E ∇log π_t ∇log π_tᵀ, g = Σ ∇log π_t.

    The cross terms vanish: given the past, the mean of a later score is 0. There is no γ in
    the second, which is the information of undiscounted visits.
    """
    scores, batch = softmax_scores(mdp, pi, phi), paths(mdp, pi, mu)
    one, tol, size = path_weight(batch)[:1], near(mdp), scores.size
    steps = np.full((size, size), 0 * mdp.gamma)
    for pairs, factor in zip(batch.pairs, step_weight(batch), strict=True):
        g = scores.on_paths(pairs[None], one)
        steps = steps + (g * (batch.weight * factor)[:, None]).T @ g
    g = scores.on_paths(batch.pairs, path_weight(batch))
    whole = (g * batch.weight[:, None]).T @ g
    return All(
        Eq(steps, fisher_matrix(scores, of_steps(mdp, pi, mu)), tol),
        Eq(whole, fisher_matrix(scores, of_paths(mdp, pi, mu)), tol),
        Eq(mean(g, batch.weight), 0, tol),
    )


information_of_paths_is_the_sum_of_steps.rejects("without H", of_steps=occupancy)
information_of_paths_is_the_sum_of_steps.rejects("discounted paths", of_paths=visits)


def average_visits(mdp, pi, mu, T):
    """(1/T) Σ_{t<T} Pr(s_t = s), (S,)."""
    P, _ = chain(mdp, pi)
    now, total = mu, 0 * mu
    for _ in range(T):
        now, total = now @ P, total + now
    return total / T


LENGTHS = (1, 2, 4, 8, 16, 32)


@claim(id="H25-average", source="Kakade (2001), §3; Dobrushin's coefficient", exact="B")
def average_information_tends_to_that_of_the_stationary_chain(
    mdp: Ergodic, mu: Distribution, pi: FullPolicy, *, power=1
):
    """‖(1/T) E Σ_{t<T} ∇log π_t ∇log π_tᵀ − F‖ ≤ 20(1 − .9ᵀ)/T · ‖∇log π‖², F under d = dP_π.

    In sup norms. A tenth of every row is uniform: the chains from two starts come nearer by a
    factor .9 a step.
    """
    scores = softmax_scores(mdp, pi)
    limit, size = fisher_matrix(scores, stationary(mdp, pi)), sup(scores.table()) ** 2
    off = [sup(fisher_matrix(scores, average_visits(mdp, pi, mu, T)) - limit) for T in LENGTHS]
    bound = [20 * (1 - 0.9**T) / T**power * size for T in LENGTHS]
    return Rate(off, bound, 1e-12)


average_information_tends_to_that_of_the_stationary_chain.rejects("1/T³", power=3)
