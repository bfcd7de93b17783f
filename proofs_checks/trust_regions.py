"""Group J: a surrogate of J near a policy, and how far to trust it (THEOREMS.md §2.J).

    L_π(π') = J(π) + H E_{d^π,π'} A^π,    TV(s) = ½ Σ_a |π'(a|s) − π(a|s)| ≤ √(½ KL(π‖π'))

Source: Kakade & Langford (2002); Schulman et al. (2015); Achiam et al. (2017).
"""

import numpy as np

from mdpkit.claim import (
    MDP,
    All,
    Distribution,
    Eq,
    FullPolicy,
    Leq,
    Policy,
    Probability,
    claim,
)
from mdpkit.improve import NegativeEntropy
from mdpkit.operators.fisher import divergence
from mdpkit.operators.performance import performance
from mdpkit.operators.policy_gradient import policy_gradient
from mdpkit.operators.surrogate import lower_bound, surrogate, total_variation
from mdpkit.policy import expected_under, probabilities
from proofs_checks.ascent_vocabulary import Modest, total
from proofs_checks.instances import model
from proofs_checks.vocabulary import (
    advantage,
    horizon,
    occupancy,
    resolvent,
    scalar,
    span,
    sup,
    tol_v,
    vector,
)

ENTROPY = NegativeEntropy()


def better_here_worse_there(alpha="1/2"):
    """γ = ½. State 0 pays 0; π stays, π' moves to 1 for good, where π earns 1 and π' nothing.

    A(0, move) = γH = 1 and A(1, nothing) = −1: as visits move, what is hoped for turns to loss.
    """
    mdp = model([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[0, 0], [1, 0]], "1/2")
    pi = np.array([vector(mdp, 1, 0)] * 2)
    return mdp, pi, 1 - pi, scalar(mdp, alpha), vector(mdp, 1, 0)


def promised_too_much(mdp, old, new, mu):
    """L_π(π') − J(π')."""
    return surrogate(mdp, old, new, mu) - performance(mdp, new, mu)


# ---- J1: to first order it is J --------------------------------------------------------------


def slope_of_j(mdp, pi, way, mu):
    """⟨∇J(π), way⟩."""
    return (policy_gradient(mdp, pi, mu) * way).sum()


def curvature_of_j(mdp, pi, way, mu):
    """½ d²J(π + t·way)/dt² at t = 0: γ H dᵀ P_way (I − γP_π)⁻¹ A_way."""
    P = _matrix(mdp, way)
    met = horizon(mdp) * occupancy(mdp, pi, mu) @ P
    return mdp.gamma * met @ resolvent(mdp, pi) @ total(mdp, way * _q(mdp, pi))


def _matrix(mdp, way):
    """Σ_a way(s,a) P(t|s,a), (S, S), for a way that is no policy."""
    weighted = np.asarray(way).reshape(-1)[:, None] * np.asarray(mdp.rows)
    return np.add.reduceat(weighted, mdp.action_ptr[:-1], axis=0)


def _q(mdp, pi):
    """q^π up to a constant of each state, which a way from policy to policy does not see."""
    return advantage(mdp, pi)


def second_order(mdp, pi, other, t, mu):
    """What J gains beyond the surrogate, to second order in t."""
    way = probabilities(mdp, other) - probabilities(mdp, pi)
    return t * t * curvature_of_j(mdp, pi, way, mu)


@claim(id="J1", source="Kakade & Langford (2002), §4; Schulman et al. (2015)", exact="Q")
def surrogate_is_the_first_order(
    mdp: Modest, pi: Policy, other: Policy, t: Probability, mu: Distribution,
    *, promise=surrogate, beyond=second_order
):  # fmt: skip
    """L_π(π) = J(π), ∇L_π = ∇J at π: J(π_t) = L_π(π_t) + t²C + O(t³), π_t = (1−t)π + tπ'.

    L is linear in t. |J(π_t) − L_π(π_t) − t²C| ≤ 16t³RH⁴, so its slope is that of J, and its
    second derivative, 0, is not.
    """
    pi, other = probabilities(mdp, pi), probabilities(mdp, other)
    way = other - pi
    mixed = pi + t * way
    rise = promise(mdp, pi, mixed, mu) - promise(mdp, pi, pi, mu)
    rest = performance(mdp, mixed, mu) - promise(mdp, pi, mixed, mu)
    third = 16 * t**3 * horizon(mdp) ** 4 * sup(mdp.r)
    tol = tol_v(mdp, powers=4)
    return All(
        Eq(promise(mdp, pi, pi, mu), performance(mdp, pi, mu), tol),
        Eq(rise, t * slope_of_j(mdp, pi, way, mu), tol),
        Leq(abs(rest - beyond(mdp, pi, other, t, mu)), third, tol, ratio=False),
    )


surrogate_is_the_first_order.rejects(
    "the second derivatives agree too", beyond=lambda mdp, pi, other, t, mu: 0 * t,
    at=lambda: better_here_worse_there("1/1000"),
)  # fmt: skip
surrogate_is_the_first_order.rejects(
    "the visits of the new policy",
    promise=lambda mdp, old, new, mu: performance(mdp, new, mu),
)


# ---- J2, J3: how much it may promise too much ------------------------------------------------


def largest_divergence(mdp, old, new, mu):
    """max_s KL(π‖π')."""
    return ENTROPY.between(mdp, old, ENTROPY.coordinates(mdp, new)).max()


def mean_divergence(mdp, old, new, mu):
    """E_{d^π} KL(π‖π')."""
    return divergence(mdp, old, new, occupancy(mdp, old, mu))


@claim(id="J2", source="Schulman et al. (2015), Theorem 1", exact="Q")
def surrogate_errs_by_the_largest_distance(
    mdp: Modest, pi: Policy, other: Policy, mu: Distribution, *, least=lower_bound
):
    """J(π') ≥ L_π(π') − 4εγH² max_s TV², ε = max |A^π|."""
    below = surrogate(mdp, pi, other, mu) - least(mdp, pi, other, start=mu, form="largest")
    return Leq(promised_too_much(mdp, pi, other, mu), below, tol_v(mdp, powers=4))


surrogate_errs_by_the_largest_distance.rejects(
    "nothing is lost", least=lambda mdp, old, new, start, form: surrogate(mdp, old, new, start)
)


@claim(id="J2-kl", source="Schulman et al. (2015), Theorem 1; Pinsker (1964)", exact="B")
def surrogate_errs_by_the_largest_divergence(
    mdp: Modest, pi: FullPolicy, other: FullPolicy, mu: Distribution,
    *, size=largest_divergence
):  # fmt: skip
    """J(π') ≥ L_π(π') − 2εγH² max_s KL(π‖π'), ε = max |A^π|; a mean of KL is too small."""
    epsilon = sup(advantage(mdp, pi))
    error = 2 * epsilon * mdp.gamma * horizon(mdp) ** 2 * size(mdp, pi, other, mu)
    return Leq(promised_too_much(mdp, pi, other, mu), error, tol_v(mdp, powers=4))


def bad_where_it_hardly_gets():
    """Half of the time 0 goes on to 1, and π' a bit more often; there it does what is bad.

    State 1 is met a thousandth of the time (γ), so what π' does there costs the mean nothing.
    """
    P = np.zeros((3, 2, 3))
    P[0, 0, 2] = P[0, 1, 1] = P[1:, :, 2] = 1
    r = np.array([[0.0, 0], [0, -1], [0, 0]])
    pi = np.array([[0.5, 0.5], [0.9, 0.1], [0.5, 0.5]])
    other = np.array([[0.48, 0.52], [0.05, 0.95], [0.5, 0.5]])
    return MDP(P, r, 1e-3), pi, other, np.array([1.0, 0, 0])


surrogate_errs_by_the_largest_divergence.rejects(
    "the mean divergence", size=mean_divergence, at=bad_where_it_hardly_gets
)


@claim(id="J3", source="Achiam et al. (2017), Corollary 1", exact="Q")
def surrogate_errs_by_the_mean_distance(
    mdp: Modest, pi: Policy, other: Policy, mu: Distribution,
    *, least=lower_bound, spread=span, power=2
):  # fmt: skip
    """|J(π') − L_π(π')| ≤ γH² sp(f) E_{d^π} TV ≤ 2γH² ‖f‖∞ E_{d^π} TV, f = E_{π'} A^π."""
    f = expected_under(mdp, other, advantage(mdp, pi))
    mean = occupancy(mdp, pi, mu) @ total_variation(mdp, pi, other)
    sharp = mdp.gamma * horizon(mdp) ** power * spread(f) * mean
    below = surrogate(mdp, pi, other, mu) - least(mdp, pi, other, start=mu)
    tol = tol_v(mdp, powers=4)
    return All(
        Leq(abs(promised_too_much(mdp, pi, other, mu)), sharp, tol),
        Leq(abs(promised_too_much(mdp, pi, other, mu)), below, tol),
        Leq(mdp.gamma * horizon(mdp) ** 2 * span(f) * mean, below, tol, ratio=False),
    )


@surrogate_errs_by_the_mean_distance.attained_by
def leaking_policy():
    """π stays but leaves for good with probability 1/10, π' stays: as visits move (H2)."""
    mdp = model([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[0, 0], [1, 1]], "1/2")
    leaks = np.array([vector(mdp, "9/10", "1/10"), vector(mdp, 1, 0)])
    return mdp, leaks, np.array([0, 0]), vector(mdp, 1, 0)


surrogate_errs_by_the_mean_distance.rejects("H for H²", power=1, at=leaking_policy)
surrogate_errs_by_the_mean_distance.rejects(
    "nothing is lost", least=lambda mdp, old, new, start: surrogate(mdp, old, new, start)
)


@claim(id="J3-kl", source="Achiam et al. (2017), Corollaries 1–2", exact="B")
def surrogate_errs_by_the_mean_divergence(
    mdp: Modest, pi: FullPolicy, other: FullPolicy, mu: Distribution, *, root=np.sqrt
):
    """|J(π') − L_π(π')| ≤ 2γε'H² √(½ E_{d^π} KL(π‖π')), ε' = max_s |E_{π'} A^π|."""
    size = sup(expected_under(mdp, other, advantage(mdp, pi)))
    mean = max(mean_divergence(mdp, pi, other, mu), 0.0)
    error = 2 * mdp.gamma * size * horizon(mdp) ** 2 * root(mean / 2)
    return Leq(abs(promised_too_much(mdp, pi, other, mu)), error, tol_v(mdp, powers=4) + 1e-9)


surrogate_errs_by_the_mean_divergence.rejects(
    "without the root", root=lambda x: x, at=bad_where_it_hardly_gets
)


# ---- J8: distances of policies ---------------------------------------------------------------


@claim(id="J8", source="Pinsker (1964); Bretagnolle & Huber (1979)", exact="B")
def distance_is_at_most_a_divergence(
    mdp: Modest, p: Policy, q: FullPolicy, *, root=np.sqrt, half=0.5
):
    """TV² ≤ ½ KL(p‖q) and TV ≤ √(1 − e^{−KL(p‖q)}), state by state."""
    tv = total_variation(mdp, p, q)
    kl = ENTROPY.between(mdp, p, ENTROPY.coordinates(mdp, q))
    return All(Leq(tv**2, half * kl, 1e-15), Leq(tv, root(-np.expm1(-kl)), 1e-7))


def one_state_apart(p, q):
    """Two policies of two actions in one state."""
    mdp = MDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.5)
    return mdp, np.array([[p, 1 - p]]), np.array([[q, 1 - q]])


@distance_is_at_most_a_divergence.attained_by(exact_equality=False)
def near_one_half():
    """p = ½ + 10⁻³, q = ½ − 10⁻³: Pinsker's ratio tends to 1."""
    return one_state_apart(0.501, 0.499)


@distance_is_at_most_a_divergence.attained_by(exact_equality=False)
def nearly_disjoint():
    """p = 1, q = 10⁻³: TV and its bound tend to 1."""
    return one_state_apart(1.0, 1e-3)


distance_is_at_most_a_divergence.rejects("¼ KL", half=0.25, at=near_one_half)
distance_is_at_most_a_divergence.rejects(
    "1 − e^{−KL} without the root", root=lambda x: x, at=near_one_half
)
