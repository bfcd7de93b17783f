"""Group A, second part: v^π and the inverse it comes from (THEOREMS.md §2.A, A4–A6).

    v^π = (I − γP_π)⁻¹ r_π        (I − γP_π)⁻¹ = Σ_k γᵏP_πᵏ ≥ I

Source: Puterman (1994), §6.1.
"""

from typing import Annotated, Any

from mdpkit import gallery
from mdpkit.claim import MDP, All, Eq, Leq, Policy, Steps, Value, claim, models, values
from proofs_checks.vocabulary import (
    chain,
    evaluation,
    every_policy,
    horizon,
    identity,
    q_evaluation,
    resolvent,
    scalar,
    solve,
    v_pi,
)

MayStop = Annotated[MDP, models(stops="some")]
AtLeastZero = Annotated[Any, values(low=0)]

never_stops = {"no episode ends": lambda mdp: not mdp.stops}


def first_state(mdp):
    """(S,) 1 in state 0, else 0."""
    return identity(mdp)[0]


# ---- A4 --------------------------------------------------------------------------------------


@claim(id="A4", source="Puterman (1994), Theorem 6.2.5", exact="Q", substochastic=True)
def policy_value_is_fixed(mdp: MDP, pi: Policy, v: Value, *, value=v_pi):
    """T^π v^π = v^π, B^π q^π = q^π and v^π = Σ_a π q^π; no other v is fixed.

    v − v^π = (I − γP_π)⁻¹ (v − T^π v) for every v, so that v = T^π v leaves v = v^π only.
    """
    own = value(mdp, pi)
    q = mdp.r + mdp.gamma * mdp.expect(own)
    F = evaluation(pi)
    return All(
        Eq(F(mdp, own), own),
        Eq(q_evaluation(pi)(mdp, q), q),
        Eq(F(mdp, own), v_pi(mdp, pi)),
        Eq(v - own, resolvent(mdp, pi) @ (v - F(mdp, v))),
    )


policy_value_is_fixed.rejects(
    "is off by 1 in one state", value=lambda mdp, pi: v_pi(mdp, pi) + first_state(mdp)
)
policy_value_is_fixed.rejects(
    "is paid γ a step: γ^π + P^π v as a lecture has it",
    value=lambda mdp, pi: mdp.gamma * resolvent(mdp, pi).sum(axis=1),
)


# ---- A5, A6 ----------------------------------------------------------------------------------


def norm(matrix):
    """‖·‖∞ of a matrix: its largest row sum."""
    return abs(matrix).sum(axis=1).max()


def at_discount(gamma):
    """(I − γP_π)⁻¹ for a γ of its own."""

    def inverse(mdp, pi):
        P, _ = chain(mdp, pi)
        return solve(identity(mdp) - scalar(mdp, gamma) * P, identity(mdp))

    return inverse


def powers(mdp, pi, k):
    """γʲP_πʲ for j = 0 … k."""
    P, _ = chain(mdp, pi)
    out = [identity(mdp)]
    for _ in range(k):
        out.append(mdp.gamma * (out[-1] @ P))
    return out


@claim(
    id="A5-tail", source="Puterman (1994), Theorem 6.1.1 and Corollary C.4", exact="Q",
    substochastic=True,
)  # fmt: skip
def resolvent_is_a_neumann_series(mdp: MDP, pi: Policy, k: Steps, *, inverse=resolvent):
    """‖(I − γP_π)⁻¹‖∞ ≤ H, I ≤ (I − γP_π)⁻¹ = Σ_j γʲP_πʲ; beyond k it sums to ≤ γ^{k+1}H."""
    R, H = inverse(mdp, pi), horizon(mdp)
    *terms, following = powers(mdp, pi, k + 1)
    tail = R - sum(terms)
    return All(
        Leq(norm(R), H),
        Leq(norm(tail), mdp.gamma ** (k + 1) * H),
        Leq(identity(mdp), R, ratio=False),
        Eq(tail, following @ R),
    )


resolvent_is_a_neumann_series.rejects("γ = 3/2", inverse=at_discount("3/2"))


@resolvent_is_a_neumann_series.attained_by
def nothing_stops():
    """Rows that sum to 1."""
    mdp = gallery.make("puterman").exact()
    return mdp, every_policy(mdp)[0], 3


@claim(
    id="A5", source="Puterman (1994), Theorem 6.1.1 and Corollary C.4", exact="Q",
    applies=never_stops,
)  # fmt: skip
def resolvent_rows_sum_to_the_horizon(mdp: MayStop, pi: Policy, k: Steps, *, inverse=resolvent):
    """(I − γP_π)⁻¹1 = H1, ‖Σ_{j>k} γʲP_πʲ‖∞ = γ^{k+1}H, (I − γP_π)1 = (1 − γ)1.

    The last says why γ = 1 has no inverse: I − P_π sends 1 to 0.
    """
    R, H = inverse(mdp, pi), horizon(mdp)
    P, _ = chain(mdp, pi)
    one = identity(mdp).sum(axis=1)
    tail = R - sum(powers(mdp, pi, k))
    return All(
        Eq(R @ one, H * one),
        Eq(norm(tail), mdp.gamma ** (k + 1) * H),
        Eq(one - mdp.gamma * (P @ one), (1 - mdp.gamma) * one),
    )


resolvent_rows_sum_to_the_horizon.rejects(
    "normalized like an occupancy",
    inverse=lambda mdp, pi: (1 - mdp.gamma) * resolvent(mdp, pi),
)


@claim(id="A6", source="Puterman (1994), Lemma 6.1.2", exact="Q", substochastic=True)
def inverse_is_positive(
    mdp: MDP, pi: Policy, y: AtLeastZero, z: AtLeastZero, *, inverse=resolvent
):
    """(I − γP_π)x ≥ y ≥ 0 ⇒ x ≥ y ≥ 0.

    Every such x is (I − γP_π)⁻¹(y + z) with some z ≥ 0.
    """
    x = inverse(mdp, pi) @ (y + z)
    return All(Leq(y, x), Leq(0, x, ratio=False))


inverse_is_positive.rejects("γ = 3/2", inverse=at_discount("3/2"))
inverse_is_positive.rejects(
    "P with the sign turned", inverse=lambda mdp, pi: at_discount(-mdp.gamma)(mdp, pi)
)


@inverse_is_positive.attained_by
def no_tomorrow():
    """γ = 0."""
    mdp = gallery.make("puterman").exact().replace(gamma=0)
    y = first_state(mdp)
    return mdp, every_policy(mdp)[0], y, 0 * y
