"""Group X, faster than value iteration: λ-policy iteration, anchoring, Anderson's mixing.

Source: Bertsekas & Ioffe (1996); Lee & Ryu (2023); Walker & Ni (2011).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit._array import number
from mdpkit.claim import (
    MDP,
    AboveImage,
    All,
    BelowImage,
    Eq,
    Leq,
    Policy,
    Probability,
    Rate,
    Value,
    claim,
    numbers,
)
from proofs_checks.instances import exactly, model
from proofs_checks.krylov import anderson, gmres, never_stagnates
from proofs_checks.vocabulary import (
    chain,
    evaluation,
    greedy,
    identity,
    optimality,
    solve,
    sup,
    v_pi,
    v_star,
)

STEPS = 5


def weighted_step(mdp, pi, v, weight):
    """T^λ_π v = v + (I − γλP_π)⁻¹ (T_π v − v)."""
    P, _ = chain(mdp, pi)
    change = evaluation(pi)(mdp, v) - v
    return v + solve(identity(mdp) - mdp.gamma * weight * P, change)


def modulus(gamma, weight):
    """γ(1−λ)/(1−γλ)."""
    return gamma * (1 - weight) / (1 - gamma * weight)


@claim(id="X4", source="Bertsekas & Ioffe (1996)", exact="Q")
def weighted_policy_iteration_is_monotone(
    mdp: MDP, v: BelowImage, w: Value, weight: Probability, *, step=weighted_step, rate=modulus
):
    """v_0 ≤ Tv_0, v_{k+1} = T^λ_π v_k, π ∈ G(v_k) ⇒ v_k ≤ Tv_k ≤ v_{k+1} ≤ v*.

    Hence ‖v* − v_k‖ ≤ γᵏ ‖v* − v_0‖. T^λ_π = (1−λ) Σ λᵐ T_π^{m+1} has modulus γ(1−λ)/(1−γλ),
    which is the rate once π stays; it is T_π at λ = 0 and constantly v^π at λ = 1.
    """
    pi, zero = greedy(mdp, v), mdp.gamma * 0
    apart = step(mdp, pi, v, weight) - step(mdp, pi, w, weight)
    parts = [Leq(sup(apart), rate(mdp.gamma, weight) * sup(v - w))]
    parts += [
        Eq(step(mdp, pi, w, zero), evaluation(pi)(mdp, w)),
        Eq(step(mdp, pi, w, zero + 1), v_pi(mdp, pi)),
    ]
    best, values = v_star(mdp), [v]
    for _ in range(3):
        values.append(step(mdp, greedy(mdp, values[-1]), values[-1], weight))
        image = optimality(mdp, values[-2])
        parts += [Leq(values[-2], image, ratio=False), Leq(image, values[-1], ratio=False)]
    errors = [sup(best - x) for x in values]
    bound = [mdp.gamma**k * errors[0] for k in range(4)]
    return All(*parts, Leq(values[-1], best, ratio=False), Rate(errors, bound))


weighted_policy_iteration_is_monotone.rejects(
    "modulus γ(1−λ)", rate=lambda gamma, weight: gamma * (1 - weight)
)
weighted_policy_iteration_is_monotone.rejects(
    "weights by λ alone",
    step=lambda mdp, pi, v, weight: v + (evaluation(pi)(mdp, v) - v) / (1 - weight / 2),
)


@weighted_policy_iteration_is_monotone.attained_by
def shifted_start():
    """w = v + 1: (I − γλP)⁻¹(γP − I)1 + 1 = γ(1−λ)/(1−γλ) 1."""
    mdp = model([[["1/2", "1/2"], [1, 0]], [[0, 1], [1, 0]]], [[1, 0], [0, 2]], "9/10")
    v = exactly([0, 0])
    return mdp, v, v + 1, exactly("1/2")[()]


# ---- anchoring -------------------------------------------------------------------------------


def anchored(mdp, v, steps):
    """v_k = β_k v_0 + (1 − β_k) Tv_{k−1},  β_k = 1/Σ_{i≤k} γ^{−2i} = γ²ᵏ/Σ_{i≤k} γ²ⁱ."""
    out, total, power = [v], mdp.gamma * 0 + 1, mdp.gamma * 0 + 1
    for _ in range(steps):
        power = power * mdp.gamma**2
        total = total + power
        weight = power / total
        out.append(weight * v + (1 - weight) * optimality(mdp, out[-1]))
    return out


def lowest_value(mdp):
    """The fixed point of min_a r + γP_a v."""
    return -v_star(mdp.replace(r=-mdp.r))


def both_distances(mdp, v):
    """max(‖v_0 − v*‖, ‖v_0 − v̂*‖), v̂* the fixed point with min for max."""
    return max(sup(v - v_star(mdp)), sup(v - lowest_value(mdp)))


def anchored_rate(mdp, v, factor, distance):
    """‖Tv_k − v_k‖∞, and its bound; both sides multiplied through by γ^{k+1}."""
    gamma, values = mdp.gamma, anchored(mdp, v, STEPS)
    residuals = [sup(optimality(mdp, x) - x) for x in values]
    far = distance(mdp, v)
    bound = [
        gamma**k
        * (1 - gamma**2)
        * (1 + factor * gamma - gamma ** (k + 1))
        / (1 - gamma ** (2 * k + 2))
        * far
        for k in range(STEPS + 1)
    ]
    return Rate(residuals, bound)


@claim(id="X24", source="Lee & Ryu (2023), Theorem 1, with 1 + 2γ for 1 + γ", exact="Q")
def anchored_residual_is_bounded(mdp: MDP, v: Value, *, factor=2, distance=both_distances):
    """‖Tv_k − v_k‖ ≤ (γ⁻¹−γ)(1+2γ−γᵏ⁺¹)/(γ⁻ᵏ⁻¹−γᵏ⁺¹) · max(‖v_0−v*‖, ‖v_0−v̂*‖)."""
    return anchored_rate(mdp, v, factor, distance)


@claim(id="X24-monotone", source="Lee & Ryu (2023), Theorem 1", exact="Q")
def anchored_residual_is_smaller_of_monotone_start(
    mdp: MDP, v: BelowImage, w: AboveImage, *, factor=1, distance=both_distances
):
    """From v_0 ≤ Tv_0 or v_0 ≥ Tv_0 the same with 1 + γ − γᵏ⁺¹."""
    return All(anchored_rate(mdp, v, factor, distance), anchored_rate(mdp, w, factor, distance))


def tempting_stay():
    """Stay for 3/10 or go where 1/2 is paid: from v* of that state 1.3 times ‖v_0 − v*‖."""
    P = [[[1, 0], [0, 1]], [[0, 1], [0, 1]]]
    mdp = model(P, [["3/10", 0], ["1/2", "1/2"]], "19/20")
    return mdp, exactly([0, 0]), exactly([10, 10])


anchored_residual_is_bounded.rejects("1 + γ from any start", factor=1)
anchored_residual_is_bounded.rejects("without γ", factor=0)
anchored_residual_is_smaller_of_monotone_start.rejects("without γ", factor=0)
anchored_residual_is_smaller_of_monotone_start.rejects(
    "by ‖v_0 − v*‖ alone", distance=lambda mdp, v: sup(v - v_star(mdp)), at=tempting_stay
)


# ---- Anderson's mixing -----------------------------------------------------------------------


@claim(
    id="X25",
    source="Walker & Ni (2011), Theorem 2.2 and Corollary 2.10",
    exact="Q",
    applies={"GMRES never stagnates": never_stagnates},
)
def anderson_is_gmres(mdp: MDP, v: Value, pi: Policy, *, operator=evaluation):
    """Anderson with all its memory on T^π: v_{k+1} = T^π x_k, x_k of GMRES; v_{S+1} = v^π."""
    T = operator(pi)
    mixed = anderson(lambda x: T(mdp, x), v, mdp.n_states)
    krylov = gmres(mdp, pi, v, mdp.n_states)
    parts = [
        Eq(a, evaluation(pi)(mdp, x), rounding=near(a))
        for a, x in zip(mixed[1:], krylov, strict=False)
    ]
    return All(Eq(mixed[-1], v_pi(mdp, pi), rounding=near(mixed[-1])), *parts)


def near(v):
    """1e-8 relative, on floats: least squares of nearly parallel residuals lose half of u."""
    return 1e-8 * (1 + number(sup(v)))


anderson_is_gmres.rejects("for the maximum", operator=lambda pi: optimality)


def standing_still(x):
    """Both states lead to the first and pay x and 1: f_0 is at right angles to f_1 − f_0."""
    one = x * 0 + 1
    P = np.array([[[one, 0 * one]], [[one, 0 * one]]])
    return MDP(P, np.array([[x], [one]]), (x * x + 1) / (x * x + x))


def another_discount(x):
    """The same at γ = ½, where GMRES falls in each step."""
    return standing_still(x).replace(gamma=(x * 0 + 1) / 2)


@claim(
    id="X25-stagnation", source="Walker & Ni (2011), §2: the hypothesis is needed", exact="Q"
)
def anderson_may_stand_still(
    x: Annotated[Any, numbers("", Fraction(3, 2), 9)], *, of=standing_still
):
    """r = (x, 1), P = 1e_1ᵀ, γ = (x²+1)/(x²+x) < 1: from 0, v_2 = v_1 = r ≠ v^π = r + γxH."""
    mdp, pi = of(x), np.array([0, 0])
    values = anderson(lambda v: evaluation(pi)(mdp, v), 0 * mdp.r[:, 0], 1)
    later = mdp.gamma * x / (1 - mdp.gamma)
    return All(Eq(values[2], values[1]), Eq(v_pi(mdp, pi), mdp.r[:, 0] + later))


anderson_may_stand_still.rejects("at another discount", of=another_discount)
