"""Group I, second part: how fast mirror ascent converges (THEOREMS.md §2.I).

    constant α: (D_0H/α + RH²)/(k+1);  α_0ϱᵏ: linear;  α_k near greedy: γᵏ, the rate of PI

Source: Agarwal et al. (2021); Xiao (2022); Johnson, Pike-Burke & Rebeschini (2023); Khodadadian
et al. (2021); Liu, Li & Wei (2024).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit.claim import (
    MDP,
    All,
    FullDistribution,
    FullPolicy,
    Policy,
    Rate,
    claim,
    integers,
    models,
    numbers,
)
from mdpkit.improve import (
    Adaptive,
    Euclidean,
    ExponentiatedQAscent,
    Geometric,
    NegativeEntropy,
    ProjectedQAscent,
)
from mdpkit.policy import probabilities
from proofs_checks.ascent_vocabulary import (
    StepSize,
    UnitModel,
    as_promised,
    followed,
)
from proofs_checks.instances import with_numbers
from proofs_checks.vocabulary import (
    horizon,
    occupancy,
    pi_star,
    tol_v,
    v_star,
)

EUCLIDEAN, ENTROPY = Euclidean(), NegativeEntropy()
METHODS = (ProjectedQAscent, ExponentiatedQAscent)

Length = Annotated[int, integers(1, 25)]
Discounted = Annotated[MDP, models(reward=(-1, 1), discount=(Fraction(1, 10), Fraction(9, 10)))]
FirstSize = Annotated[Any, numbers(low=Fraction(1, 1000), high=1)]
Slack = Annotated[Any, numbers(low=Fraction(1, 100), high=1)]


def bandit(*rewards, gamma=0.0):
    """One state; each action pays its reward."""
    return with_numbers(np.ones((1, len(rewards), 1)), np.array([rewards]), gamma)


def falls_short(mdp, states):
    """‖v* − v_k‖∞ for each iterate."""
    return np.array([(v_star(mdp) - state.v).max() for state in states])


# ---- I5: a constant size ---------------------------------------------------------------------


def both_terms(D, H, alpha, R):
    """D_0H/α + RH²."""
    return D * H / alpha + R * H**2


@claim(
    id="I5", source="Agarwal et al. (2021), Theorem 16; Lan (2023); Xiao (2022), Theorem 8",
    exact="B",
)  # fmt: skip
def mirror_ascent_is_sublinear(
    mdp: UnitModel, alpha: StepSize, steps: Length, *, first=both_terms, power=1
):
    """v* − v_k ≤ (D_0H/α + H²)/(k+1) at every state, of PQA and EQA, uniform π_0, r ∈ [0, 1].

    D_0 is log|A| of EQA and ½(1 − 1/|A|) of PQA; neither S nor any visits are in it.
    """
    widest, H, said = np.diff(mdp.action_ptr).max(), horizon(mdp), []
    for method, D in zip(METHODS, ((1 - 1 / widest) / 2, np.log(widest)), strict=True):
        states = followed(mdp, method(alpha), steps)
        bound = first(D, H, alpha, 1) / np.arange(1, steps + 2) ** power
        said += [Rate(falls_short(mdp, states), bound, tol_v(mdp))]
        said += [as_promised(mdp, method(alpha), states, v_star(mdp), first=0)]
    return All(*said)


@mirror_ascent_is_sublinear.attained_by(exact_equality=False)
def many_arms():
    """One arm of 1000 pays, α is large: at k = 0 the bound is 1, and the gap 1 − 1/1000."""
    return bandit(1, *[0] * 999), 1e6, 2


def slow_arms():
    """Steps so short that nothing moves: only D_0H/α is left of the bound."""
    return bandit(1, 0), 1e-3, 25


mirror_ascent_is_sublinear.rejects(
    "without D_0H/α", first=lambda D, H, alpha, R: R * H**2, at=slow_arms
)
mirror_ascent_is_sublinear.rejects(
    "without H²", first=lambda D, H, alpha, R: D * H / alpha, at=many_arms
)
mirror_ascent_is_sublinear.rejects("(k+1)²", power=2)


# ---- I6: geometric sizes ---------------------------------------------------------------------


@claim(id="I6", source="Xiao (2022), Theorem 10, with the factor H that it lacks", exact="B")
def mirror_ascent_of_geometric_sizes_is_linear(
    mdp: Discounted, rho: FullDistribution, alpha: FirstSize, steps: Length,
    *, factor=horizon, slower=1
):  # fmt: skip
    """J*_ρ − J_k ≤ (1−1/ϑ)ᵏ (δ_0 + H E_{d*}D(π*, π_0)/(α_0(ϑ−1))), ϑ = H‖d*/ρ‖∞, k ≥ 1.

    α_k = α_0ϱᵏ, ϱ = ϑ/(ϑ−1), of PQA and of EQA.
    """
    ideal = occupancy(mdp, pi_star(mdp), rho)
    theta = max(horizon(mdp) * (ideal / rho).max(), 1 + 1e-9)
    sizes = Geometric(alpha, theta / (theta - 1))
    best, said, tol = probabilities(mdp, pi_star(mdp)), [], tol_v(mdp)
    for method, kind in zip(METHODS, (EUCLIDEAN, ENTROPY), strict=True):
        states = followed(mdp, method(sizes), steps)
        errors = np.array([rho @ (v_star(mdp) - state.v) for state in states])
        apart = ideal @ kind.between(mdp, best, states[0].coordinates)
        first = errors[0] + factor(mdp) * apart / (alpha * (theta - 1))
        bound = (1 - 1 / theta) ** (slower * np.arange(steps + 1)) * first
        promised = as_promised(mdp, method(sizes), states, v_star(mdp))
        said += [Rate(errors[1:], bound[1:], tol), promised]
    return All(*said)


@mirror_ascent_of_geometric_sizes_is_linear.example
def nearly_nothing_pays():
    """One state, r = (.01, 0), γ = .9: without the factor H the ratio is 4.0 at k = 91."""
    return bandit(0.01, 0, gamma=0.9), np.ones(1), 1e-3, 100


mirror_ascent_of_geometric_sizes_is_linear.rejects(
    "without the factor H", factor=lambda mdp: 1, at=nearly_nothing_pays
)
mirror_ascent_of_geometric_sizes_is_linear.rejects("at twice the pace", slower=2)


# ---- I7: sizes that follow the greedy policy -------------------------------------------------


def at_gamma(gamma, k):
    """γᵏ."""
    return gamma**k


def with_both(first, c, gamma):
    """‖v* − v_0‖∞ + cγH."""
    return first + c * gamma / (1 - gamma)


@claim(
    id="I7", source="Johnson, Pike-Burke & Rebeschini (2023), Theorem 4.1", exact="B"
)  # fmt: skip
def adaptive_ascent_has_rate_gamma(
    mdp: Discounted, pi: Policy, c: Slack, steps: Length,
    *, rule=Adaptive, pace=at_gamma, first=with_both
):  # fmt: skip
    """α_k ≥ max_s D(greedy, π_k)/(γ^{2(k+1)}c) ⇒ ‖v* − v_k‖∞ ≤ γᵏ(‖v* − v_0‖∞ + cγH), k ≥ 1."""
    return _adaptive(mdp, ProjectedQAscent(rule(c), pi), c, steps, pace, first)


def _adaptive(mdp, method, c, steps, pace, first):
    states = followed(mdp, method, steps)
    errors, k = falls_short(mdp, states), np.arange(1, steps + 1)
    bound = pace(mdp.gamma, k) * first(errors[0], c, mdp.gamma)
    said = [Rate(errors[1:], bound, tol_v(mdp))]
    if isinstance(method.step_size, Adaptive):
        said.append(as_promised(mdp, method, states, v_star(mdp)))
    return All(*said)


def stay_or_move(n=6, gamma=0.5):
    """A chain whose last state alone pays; staying is action 0."""
    P = np.zeros((n, 2, n))
    P[range(n), 0, range(n)] = P[range(n), 1, [*range(1, n), n - 1]] = 1
    r = np.zeros((n, 2))
    r[-1] = 1
    return MDP(P, r, gamma)


@adaptive_ascent_has_rate_gamma.attained_by
def news_travels_a_state_a_step():
    """All stay. In step k only the kth state from the end learns to move: γᵏ in full."""
    return stay_or_move(), np.zeros(6, dtype=int), 1e-13, 4


adaptive_ascent_has_rate_gamma.rejects("short steps", rule=lambda c: 0.01 * c)
adaptive_ascent_has_rate_gamma.rejects(
    "γ²ᵏ", pace=lambda gamma, k: gamma ** (2 * k), at=news_travels_a_state_a_step
)


@claim(
    id="I7-entropy", source="Johnson, Pike-Burke & Rebeschini (2023), Theorem 4.1", exact="B"
)
def adaptive_exponentiated_ascent_has_rate_gamma(
    mdp: Discounted, pi: FullPolicy, c: Slack, steps: Length,
    *, rule=Adaptive, pace=at_gamma, first=with_both
):  # fmt: skip
    """α_k ≥ max_s KL(greedy‖π_k)/(γ^{2(k+1)}c) ⇒ ‖v* − v_k‖∞ ≤ γᵏ(‖v* − v_0‖∞ + cγH): EQA."""
    return _adaptive(mdp, ExponentiatedQAscent(rule(c), pi), c, steps, pace, first)


adaptive_exponentiated_ascent_has_rate_gamma.rejects("short steps", rule=lambda c: 0.01 * c)
