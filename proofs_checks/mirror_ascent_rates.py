"""Group I, second part: how fast mirror ascent converges, and where it ends (THEOREMS.md §2.I).

    constant α: (D_0H/α + RH²)/(k+1);  α_0ϱᵏ: linear;  α_k near greedy: γᵏ, the rate of PI

Projected Q-ascent ends after finitely many steps, exponentiated Q-ascent never does.
Source: Agarwal et al. (2021); Xiao (2022); Johnson, Pike-Burke & Rebeschini (2023); Khodadadian
et al. (2021); Liu, Li & Wei (2024).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit._array import number
from mdpkit._exact import rational
from mdpkit.claim import (
    MDP,
    All,
    Eq,
    FullDistribution,
    FullPolicy,
    Leq,
    Policy,
    Probability,
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
    rates,
)
from mdpkit.policy import expected_under, probabilities
from proofs_checks.ascent_vocabulary import (
    StepSize,
    UnitModel,
    as_promised,
    followed,
    mirror,
    total,
)
from proofs_checks.instances import model, with_numbers
from proofs_checks.vocabulary import (
    horizon,
    occupancy,
    over_states,
    pi_star,
    q_star,
    tol_v,
    v_star,
    vector,
)

EUCLIDEAN, ENTROPY = Euclidean(), NegativeEntropy()
PROJECTED, EXPONENTIATED = mirror(EUCLIDEAN), mirror(ENTROPY)
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


# ---- I9: projected ascent ends ---------------------------------------------------------------


def least_size(delta, gap, gamma):
    """The α with αΔ²/(2 + αγΔ) = δ: 2δ/(Δ(Δ − γδ))."""
    return 2 * delta / (gap * (gap - gamma * delta))


def near_optimal(mdp, pi, gap, share):
    """(1−t)π* + tπ, t so small that it loses at most share·Δ/2 in any state."""
    best = probabilities(mdp, pi_star(mdp))
    cost = v_star(mdp) - expected_under(mdp, pi, q_star(mdp))
    most = max(horizon(mdp) * cost.max(), gap)
    return best + share * gap / (2 * most) * (probabilities(mdp, pi) - best)


@claim(id="I9", source="Liu, Li & Wei (2024); the constant is derived here", exact="Q")
def projected_ascent_ends_near_the_optimum(
    mdp: UnitModel, pi: Policy, share: Probability, *, size=least_size, step=PROJECTED
):
    """‖v* − v^π‖∞ ≤ αΔ²/(2 + αγΔ) ⇒ PQA's π⁺ takes optimal actions only, so v⁺ = v*.

    Δ is the least gap of q* between the best action and another. The mass off the optimal
    actions is b ≤ ‖v* − v^π‖∞/Δ, and q^π tells them apart by Δ − γ‖v* − v^π‖∞ at least.
    """
    slack = 0 if mdp.is_exact else 1e-6  # floats know no smaller gap
    gap = rates.action_gap(mdp, v_star(mdp), slack)
    near = probabilities(mdp, pi_star(mdp))
    alpha = 0 * mdp.gamma + 1
    if gap is not None:
        near = near_optimal(mdp, pi, gap, share)
        old, _ = PROJECTED(mdp, near, alpha)
        alpha = max(size((v_star(mdp) - old.v).max(), gap, mdp.gamma), 0 * alpha)
    _, new = step(mdp, near, alpha)
    tol = tol_v(mdp, powers=3) * (1 + alpha) and 1e-9 * (1 + alpha)
    mass = rates.optimal_mass(mdp, v_star(mdp), new.policy, slack)
    return All(Eq(mass, 1, tol), Eq(new.v, v_star(mdp), tol))


def a_vertex_away():
    """One state, γ = 0, π the worse of two actions: b = 1, Δ = δ = 1, and α = 2 is needed."""
    mdp = model([[[1], [1]]], [[1, 0]], 0)
    return mdp, np.array([1]), vector(mdp, 1)[0]


def halfway():
    """The same from a policy of both actions, in floats."""
    return bandit(1, 0), np.array([[0.5, 0.5]]), 1.0


projected_ascent_ends_near_the_optimum.rejects(
    "α shorter by a tenth", at=a_vertex_away,
    size=lambda *given: least_size(*given) * 9 / 10,
)  # fmt: skip
projected_ascent_ends_near_the_optimum.rejects(
    "exponentiated ascent", step=EXPONENTIATED, at=halfway
)


def counted(mdp, method, wrong, most):
    """Steps until no probability is on wrong pairs; most + 1 if there still is some."""
    state = method.init(mdp)
    for k in range(most + 1):
        if not (state.policy[wrong] > 0).any():
            return k
        state = method.step(mdp, state)
    return most + 1


@claim(
    id="I9-count", source="Liu, Li & Wei (2024); the constant is derived here", exact="Q",
    effort=0.5,
)  # fmt: skip
def projected_ascent_ends_in_time(
    mdp: UnitModel, alpha: StepSize, *, ascent=ProjectedQAscent, bound=rates.finite_termination
):
    """PQA from the uniform π_0 is optimal within ⌈(D_0H/α + RH²)(2+αγΔ)/(αΔ²)⌉ steps.

    Run in floats, whose projection has zeros that are exact; nobody waits beyond 40 steps.
    """
    known = mdp if mdp.is_exact else mdp.exact()
    widest = int(np.diff(mdp.action_ptr).max())
    apart = (known.gamma * 0 + widest - 1) / (2 * widest)
    limit = bound(known, v_star(known), rational(alpha), apart)
    wrong = (q_star(known) < over_states(known, v_star(known))).astype(bool)
    steps = counted(known.rounded(), ascent(number(alpha)), wrong, min(limit, 40))
    return Leq(steps, limit)


def one_small_step():
    """r = (1/10, 0), γ = 0: at α = 1 it takes 1/(αΔ) = 10 steps."""
    mdp = model([[[1], [1]]], [["1/10", 0]], 0)
    return mdp, vector(mdp, 1)[0]


def without_the_square(mdp, v, alpha, apart):
    """The bound with Δ for Δ²."""
    gap = rates.action_gap(mdp, v)
    return 0 if gap is None else int(rates.finite_termination(mdp, v, alpha, apart) * gap)


projected_ascent_ends_in_time.rejects("exponentiated ascent", ascent=ExponentiatedQAscent)
projected_ascent_ends_in_time.rejects("Δ for Δ²", bound=without_the_square, at=one_small_step)


# ---- I10: exponentiated ascent is linear in the end ------------------------------------------


def slowed(gamma, errors):
    """γ Σ_{i<k} ‖v* − v_i‖∞, which converges."""
    return gamma * (np.cumsum(errors) - errors)


@claim(id="I10", source="Khodadadian et al. (2021), Theorem 3.1; the constant is derived here",
       exact="B")  # fmt: skip
def exponentiated_ascent_is_linear_in_the_end(
    mdp: UnitModel, alpha: StepSize, steps: Length, *, delay=slowed, pace=1
):
    """‖v* − v_k‖∞ ≤ H max_s Σ_a Δ_a exp(−α(kΔ_a − γ Σ_{i<k} ‖v* − v_i‖∞)), EQA, uniform π_0.

    Δ_a = v* − q*(·, a). In step i the odds of a against an optimal action shrink by
    e^{−α(Δ_a − γ‖v* − v_i‖∞)} at least. The sum converges, so the rate is e^{−αΔ} in the end.
    """
    states = followed(mdp, ExponentiatedQAscent(alpha), steps)
    errors = falls_short(mdp, states)
    gaps = over_states(mdp, v_star(mdp)) - q_star(mdp)
    bound = [
        horizon(mdp) * total(mdp, gaps * np.exp(-alpha * (pace * k * gaps - late))).max()
        for k, late in enumerate(delay(mdp.gamma, errors))
    ]
    return Rate(errors, bound, tol_v(mdp))


@exponentiated_ascent_is_linear_in_the_end.attained_by(exact_equality=False)
def two_arms():
    """π_k(worse) is e^{−αkΔ}/(1 + e^{−αkΔ}): the ratio tends to 1."""
    return bandit(1, 0), 1.0, 20


exponentiated_ascent_is_linear_in_the_end.rejects("at e^{−1.1αΔ}", pace=1.1, at=two_arms)


def misled():
    """Action 0 pays at once and ends where nothing does; looking ahead is learned late."""
    P = np.zeros((3, 2, 3))
    P[0, 0, 1] = P[0, 1, 2] = P[1, :, 1] = 1
    P[2, 0, 1] = P[2, 1, 2] = 1
    return MDP(P, np.array([[1.0, 0], [0, 0], [0, 0.3]]), 0.9), 2.0, 20


exponentiated_ascent_is_linear_in_the_end.rejects(
    "from the first step on", delay=lambda gamma, errors: 0 * errors, at=misled
)
