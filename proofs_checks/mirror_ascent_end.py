"""Group I, third part: where mirror ascent ends, and how fast in the end (THEOREMS.md §2.I).

    PQA: a step with α·gap ≥ 2 is greedy, and it ends.   EQA: odds shrink by e^{−αΔ}, for ever

Source: Khodadadian et al. (2021); Liu, Li & Wei (2024).
"""

import numpy as np

from mdpkit._array import number
from mdpkit._exact import rational
from mdpkit.claim import (
    MDP,
    All,
    Eq,
    Exists,
    FullDistribution,
    FullPolicy,
    Leq,
    Policy,
    Probability,
    Rate,
    claim,
)
from mdpkit.improve import (
    Euclidean,
    ExponentiatedQAscent,
    NegativeEntropy,
    ProjectedPolicyGradient,
    ProjectedQAscent,
    rates,
)
from mdpkit.improve.divergences import each
from mdpkit.improve.mirror_ascent import ascended, begun
from mdpkit.operators.policy_gradient import visits
from mdpkit.policy import expected_under, probabilities
from proofs_checks.ascent_vocabulary import (
    Modest,
    StepSize,
    UnitModel,
    followed,
    gap_of,
    mirror,
    total,
)
from proofs_checks.instances import model
from proofs_checks.mirror_ascent import two_actions
from proofs_checks.mirror_ascent_rates import Length, bandit, falls_short
from proofs_checks.vocabulary import (
    greedy_in,
    horizon,
    over_states,
    pi_star,
    q_star,
    tol_v,
    v_star,
    vector,
)

EUCLIDEAN, ENTROPY = Euclidean(), NegativeEntropy()
PROJECTED, EXPONENTIATED = mirror(EUCLIDEAN), mirror(ENTROPY)

# ---- I8: a long step is greedy ---------------------------------------------------------------


def enough(mdp, pi, q):
    """α(s) = 2b(s)/gap(s), b the probability of all actions but the best; 1 at ties."""
    best = expected_under(mdp, greedy_in(mdp, q), probabilities(mdp, pi))
    wide = [0 if x is None else x for x in gap_of(mdp, q)]
    return np.array([
        2 * (1 - b) / w if w > 0 else 0 * b + 1 for b, w in zip(best, wide, strict=True)
    ])  # fmt: skip


def greedily(mdp, q):
    """The greedy policy, one-hot, and where it is the only one, (S,) bool."""
    sole = [x is None or bool(x > 0) for x in gap_of(mdp, q)]
    return probabilities(mdp, greedy_in(mdp, q)), np.array(sole)


@claim(id="I8", source="Liu, Li & Wei (2024); Condat (2016), the projection", exact="Q")
def long_projected_steps_are_greedy(
    mdp: Modest, pi: Policy, mu: FullDistribution, *, size=enough
):
    """α·gap ≥ 2b ⇒ PQA's π⁺ is greedy, b the probability of all actions but the best one.

    So 2 is enough from anywhere; of the projected policy gradient, α H d(s) gap ≥ 2.
    """
    old = begun(mdp, EUCLIDEAN, pi, None)
    best, sole = greedily(mdp, old.q)
    here, alpha = each(mdp, sole), size(mdp, pi, old.q)
    if number(alpha.max()) > 1e9:  # a gap that is rounding: floats know no best action
        here, alpha = here & False, np.minimum(alpha, 1)
    policies = [ascended(mdp, EUCLIDEAN, old, alpha).policy]
    if (step := (alpha / visits(mdp, pi, mu)).max()) > 0:
        policies.append(ProjectedPolicyGradient(step, mu, pi).step(mdp, old).policy)
    tol = None if mdp.is_exact else 1e-9
    return All(*(Eq(np.where(here, x, 0 * x), np.where(here, best, 0 * best), tol)
                 for x in policies))  # fmt: skip


def wrong_vertex():
    """All probability is on the worse action: Proj(π + αq) keeps 1 − α·gap/2 of it."""
    mdp = two_actions()
    return mdp, np.array([1]), vector(mdp, 1)


long_projected_steps_are_greedy.rejects(
    "α·gap = 1.9b", at=wrong_vertex,
    size=lambda mdp, pi, q: enough(mdp, pi, q) * 19 / 20,
)  # fmt: skip


def odds(mdp, pi, q, alpha):
    """Σ_{a ≠ a*} π(a)/π(a*) e^{−α(q(a*) − q(a))}, (S,)."""
    best = each(mdp, expected_under(mdp, greedy_in(mdp, q), pi))
    top = each(mdp, expected_under(mdp, greedy_in(mdp, q), q))
    others = 1 - probabilities(mdp, greedy_in(mdp, q))
    return total(mdp, others * pi / best * np.exp(-alpha * (top - q)))


@claim(id="I8-entropy", source="Khodadadian, Jhunjhunwala, Varma & Maguluri (2021)", exact="B")
def long_exponentiated_steps_are_nearly_greedy(
    mdp: Modest, pi: FullPolicy, alpha: StepSize, *, bound=odds
):
    """1 − π⁺(a*|s) ≤ Σ_{a ≠ a*} π(a|s)/π(a*|s) e^{−α gap(a)} of EQA: never 0, soon small."""
    old, new = mirror(ENTROPY)(mdp, pi, alpha)
    others = 1 - probabilities(mdp, greedy_in(mdp, old.q))
    missing = total(mdp, others * new.policy)
    return All(
        Leq(missing, bound(mdp, pi, old.q, alpha), tol_v(mdp) * (1 + alpha)),
        Exists(True if np.isfinite(new.coordinates).all() else None),
    )


@long_exponentiated_steps_are_nearly_greedy.attained_by(exact_equality=False)
def far_along():
    """Of two actions the odds are the bound: the ratio tends to 1 as α·gap grows."""
    return two_actions().rounded(), np.array([[0.5, 0.5]]), 10.0


long_exponentiated_steps_are_nearly_greedy.rejects(
    "2α for α", bound=lambda mdp, pi, q, alpha: odds(mdp, pi, q, 2 * alpha), at=far_along
)


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
