"""Group X, discounts near 1: the policy that stays optimal from some γ_0 on.

v^π_γ(s) = N(γ)/D(γ), D = det(I − γP_π): differences change sign at finitely many γ.
Source: Blackwell (1962); Puterman (1994), §10.1.
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit._exact import rational
from mdpkit.claim import MDP, All, Eq, Gamma, Leq, claim, models, numbers
from mdpkit.plan.average_reward import gain_and_bias
from mdpkit.policy import as_pairs
from proofs_checks.instances import with_numbers
from proofs_checks.span_norm import undiscounted
from proofs_checks.vocabulary import chain, every_policy, identity, q_star, v_pi, v_star

Gain = Annotated[Any, numbers("", Fraction(1, 1000), 10)]


def patience_pays(eta, gamma):
    """Take 1 now, or 1 + η one step later; then nothing."""
    P = np.array([[[0, 0, 1], [0, 1, 0]], [[0, 0, 1]] * 2, [[0, 0, 1]] * 2])
    r = np.array([[1, 0], [1 + eta, 1 + eta], [0, 0]])
    return with_numbers(P, r, gamma)


def worth_of_waiting(eta, gamma):
    """q*(wait) − q*(now)."""
    q = q_star(patience_pays(eta, gamma))
    return q[0, 1] - q[0, 0]


@claim(id="X18", source="Blackwell (1962); Puterman (1994), §10.1", exact="Q")
def optimal_discount_may_be_near_one(
    eta: Gain, gamma: Gamma, *, threshold=lambda eta: 1 / (1 + eta)
):
    """1 now or 1 + η later: waiting is optimal iff γ ≥ 1/(1+η); ∀γ < 1 ∃η > 0: 1/(1+η) > γ.

    Waiting is Blackwell optimal for every η > 0, and η = (1−γ)/2 will do.
    """
    small = (1 - gamma) / 2
    after = (1 + 1 / (1 + small)) / 2
    return All(
        Eq(worth_of_waiting(eta, gamma), gamma * (1 + eta) - 1),
        Eq(int(worth_of_waiting(eta, gamma) >= 0), int(gamma >= threshold(eta))),
        Eq(worth_of_waiting(small, gamma), -(1 - gamma) * (2 - gamma) / 2),
        Leq(0 * gamma, worth_of_waiting(small, after), ratio=False),
    )


optimal_discount_may_be_near_one.rejects("1 − η", threshold=lambda eta: 1 - eta)
optimal_discount_may_be_near_one.rejects("½", threshold=lambda eta: 0 * eta + Fraction(1, 2))


# ---- every model -----------------------------------------------------------------------------


def value_polynomials(mdp, pi):
    """N, (S, degree + 1), and D: v^π_γ = N(γ)/D(γ), by Faddeev & LeVerrier."""
    P, r = chain(mdp, pi)
    unit = identity(mdp)
    B, D, N = unit, [mdp.gamma * 0 + 1], [r]
    for k in range(1, mdp.n_states + 1):
        moved = P @ B
        D.append(-moved.trace() / k)
        B = moved + D[-1] * unit
        N.append(B @ r)
    return np.array(N[:-1]).T, np.array(D)


def from_one(p):
    """The coefficients of p(1 − x)."""
    out = 0 * p[:1]
    for c in p[::-1]:  # Horner's rule
        shifted = np.append(out, 0 * c)
        shifted[1:] = shifted[1:] - out
        shifted[0] = shifted[0] + c
        out = shifted
    return out


def free_of_roots(p):
    """A b > 0 such that a polynomial has no root in (0, b): Cauchy's bound, reversed."""
    low = next((i for i, c in enumerate(p) if c != 0), None)
    if low is None:
        return p[0] * 0 + 1
    rest = max([abs(c) for c in p[low + 1 :]], default=0 * p[0])
    return abs(p[low]) / (abs(p[low]) + rest)


def blackwell_discount(mdp):
    """A γ_0 < 1 from which on no two policies change places in any state."""
    found = [value_polynomials(mdp, pi) for pi in every_policy(mdp)]
    bound = mdp.gamma * 0 + 1
    for i, (N, D) in enumerate(found):
        for M, E in found[:i]:
            for n, m in zip(N, M, strict=True):
                bound = min(bound, free_of_roots(from_one(convolved(n, E) - convolved(m, D))))
    return 1 - bound


def convolved(p, q):
    """The product of two polynomials."""
    out = np.array([p[0] * 0] * (len(p) + len(q) - 1))
    for i, c in enumerate(p):
        out[i : i + len(q)] = out[i : i + len(q)] + c * q
    return out


def near_one(mdp, first):
    """An optimal policy at a discount between γ_0 and 1."""
    return best_policy(mdp, (1 + first) / 2)


def best_policy(mdp, gamma):
    """The first policy that is optimal in every state."""
    at = mdp.replace(gamma=gamma)
    best = v_star(at)
    short = [max(best - v_pi(at, pi)) for pi in every_policy(mdp)]
    return every_policy(mdp)[int(np.argmin(short))]


@claim(
    id="X18-general",
    source="Blackwell (1962); Puterman (1994), Theorems 10.1.4 and 10.1.5",
    exact="Q",
)
def a_policy_stays_optimal_from_some_discount_on(
    mdp: Annotated[MDP, models(states=(1, 3), actions=(1, 2), discount=(0, 0))],
    *,
    choose=near_one,
):
    """∃ γ_0 < 1, π: v^π_γ = v*_γ for all γ in [γ_0, 1); then g^π = g*, and h^π is largest."""
    mdp = mdp.exact(dyadic=True)  # γ_0 may be nearer to 1 than floats are
    first = blackwell_discount(mdp)
    pi, one = choose(mdp, first), undiscounted(mdp)
    at = [mdp.replace(gamma=1 - (1 - first) / share) for share in (1, 2, 10, 1000)]
    own = gain_and_bias(one, as_pairs(mdp, pi))
    every = [gain_and_bias(one, as_pairs(mdp, other)) for other in every_policy(mdp)]
    gains = np.array([x.gain for x in every])
    rivals = [x.bias if (x.gain == own.gain).all() else own.bias for x in every]
    return All(
        *(Eq(v_pi(m, pi), v_star(m)) for m in at),
        Leq(gains, own.gain, ratio=False),
        Leq(np.array(rivals), own.bias, ratio=False),
    )


a_policy_stays_optimal_from_some_discount_on.rejects(
    "the myopic policy",
    choose=lambda mdp, first: best_policy(mdp, mdp.gamma),
    at=lambda: patience_pays(rational(1), rational(0)),
).experimental("beyond the gadget the specification lists it as unchecked")
