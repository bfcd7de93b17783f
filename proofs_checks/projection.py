"""Group G, first part: projections, and why on-policy frequencies matter (THEOREMS.md §2.G).

    Π = Φ (ΦᵀDΦ)⁻¹ ΦᵀD      ‖x‖_D² = Σ d x²      A = ΦᵀD(I − γP_π)Φ,  b = ΦᵀD r_π

Source: Tsitsiklis & Van Roy (1997); Bertsekas (2012), §6.3.
"""

from typing import Annotated, Any

import numpy as np

from mdpkit import gallery
from mdpkit.claim import All, Eq, FullDistribution, Leq, Policy, Probability, Value, claim
from mdpkit.operators.linear import (
    bellman_system,
    best_weights,
    projection,
    solution,
    state_chain,
)
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.stationary import stationary
from proofs_checks.instances import exactly, model
from proofs_checks.linear_vocabulary import (
    Ergodic,
    Features,
    mixing_two_weights,
    squares,
    uniformly,
)
from proofs_checks.vocabulary import evaluation, sup, v_pi

X = Annotated[Any, lambda draw, earlier: draw.numbers("s")]
"""Any vector over the states that the features were drawn for."""


def largest_square(x, d):
    """‖x‖∞²."""
    return sup(x) * sup(x)


@claim(id="G1", source="Luenberger (1969), §3.3", exact="Q2")
def projection_is_nearest_and_shortens(
    phi: Features, d: FullDistribution, f: X, *, size=squares, matrix=projection
):
    """‖Πf‖_D ≤ ‖f‖_D; Π² = Π; ‖f‖_D² = ‖Πf‖_D² + ‖f − Πf‖_D². Both sides squared."""
    Pi = matrix(phi, d)
    near = Pi @ f
    return All(
        Leq(size(near, d), size(f, d)),
        Eq(Pi @ near, near),
        Eq(squares(f, d), squares(near, d) + squares(f - near, d)),
    )


projection_is_nearest_and_shortens.rejects("in ‖·‖∞", size=largest_square)
projection_is_nearest_and_shortens.rejects(
    "every state counts the same", matrix=lambda phi, d: projection(phi, 0 * d + 1)
)


@projection_is_nearest_and_shortens.attained_by
def already_there():
    """f in the span."""
    phi = exactly([[1, 0], [0, 1], [1, 2]])
    return phi, exactly(["1/2", "1/4", "1/4"]), phi @ exactly([1, -1])


@claim(id="G2", source="Tsitsiklis & Van Roy (1997), Lemma 1", exact="Q2")
def averaging_shortens_of_own_frequencies(
    mdp: Ergodic, pi: Policy, v: Value, *, frequencies=stationary
):
    """dᵀP_π = dᵀ ⇒ ‖P_π v‖_D ≤ ‖v‖_D. Both sides squared."""
    d = frequencies(mdp, pi)
    return Leq(squares(state_chain(mdp, pi).P @ v, d), squares(v, d))


def star():
    """Baird's: "solid" leads everywhere to the one state whose value is 1."""
    mdp = gallery.make("baird").exact()
    return mdp, np.ones(7, dtype=int), exactly([0, 0, 0, 0, 0, 0, 1])


averaging_shortens_of_own_frequencies.rejects(
    "of the behavior's frequencies", frequencies=uniformly, at=star
)


@averaging_shortens_of_own_frequencies.attained_by
def constant():
    """A value that is the same everywhere."""
    mdp, _ = mixing_two_weights()
    return mdp, np.zeros(2, dtype=int), exactly([1, 1])


def modulus(gamma, weight):
    """κ = γ(1−λ)/(1−γλ), of T^(λ)."""
    return gamma * (1 - weight) / (1 - gamma * weight)


def regular(mdp, pi, phi, lam):
    """Whether floats can tell ΦᵀDΦ from singular; fractions always can."""
    gram = phi.T @ (stationary(mdp, pi)[:, None] * phi)
    return mdp.is_exact or np.linalg.cond(gram) < 1e8


@claim(
    id="G3",
    source="Tsitsiklis & Van Roy (1997), Theorem 1; Bertsekas (2012), Prop. 6.3.2",
    exact="Q2",
    applies={"ΦᵀDΦ is not nearly singular": regular},
    effort=0.5,
)
def projected_fixed_point_is_near(
    mdp: Ergodic,
    pi: Policy,
    phi: Features,
    lam: Probability,
    *,
    frequencies=stationary,
    factor=lambda gamma, lam: 1 - modulus(gamma, lam) ** 2,
):
    """‖Φw_λ − v^π‖_D² ≤ ‖Πv^π − v^π‖_D²/(1 − κ²), A w_λ = b, κ = γ(1−λ)/(1−γλ).

    At λ = 0 Φw = ΠT^πΦw, and xᵀAx ≥ (1 − γ)‖Φx‖_D², so that w is the only solution. The
    original constant (1−γλ)/(1−γ) is 1/(1 − κ), which is more than 1/√(1 − κ²).
    """
    d, v, gamma = frequencies(mdp, pi), v_pi(mdp, pi), mdp.gamma
    chain = state_chain(mdp, pi)
    found = phi @ solution(bellman_system(chain, phi, d, gamma, lam))
    best = phi @ best_weights(phi, d, v)
    plain = bellman_system(chain, phi, d, gamma)
    fixed = phi @ solution(plain)
    x = phi[-1]
    near = close(mdp, v, phi)
    return All(
        Leq(factor(gamma, lam) * squares(found - v, d), squares(best - v, d), near),
        Leq((1 - gamma) * squares(phi @ x, d), x @ plain.A @ x, near, ratio=False),
        Eq(fixed, phi @ best_weights(phi, d, evaluation(pi)(mdp, fixed)), near),
    )


def close(mdp, v, phi):
    """1e-7 relative on floats: A's condition is at most that of ΦᵀDΦ times 2H."""
    if mdp.is_exact:
        return 0
    return 1e-7 * (1 + float(sup(v)) ** 2 + float(sup(phi)) ** 4) / (1 - mdp.gamma)


projected_fixed_point_is_near.rejects(
    "of uniform frequencies",
    frequencies=uniformly,
    at=lambda: (*with_policy(mixing_two_weights()), exactly("0")[()]),
)


def discounted_visits(mdp, pi):
    """d_μ of an episode that begins in the first state; 1.2 times as far is possible then."""
    first = (mdp.pair_states[mdp.action_ptr[:-1]] == 0) * (mdp.gamma * 0 + 1)
    return occupancy(mdp, pi, first)


def rarely_home():
    """A start that is hardly met again: 10/7 of the bound's square."""
    rows = [["1/20", "19/20"]]
    mdp = model([rows, rows], [[0], [-1]], "1/2")
    return mdp, np.zeros(2, dtype=int), exactly([[1], [1]]), exactly("0")[()]


projected_fixed_point_is_near.rejects(
    "of the discounted visits", frequencies=discounted_visits, at=rarely_home
)
projected_fixed_point_is_near.rejects("as near as Πv", factor=lambda gamma, lam: 1)


def with_policy(made):
    """The only policy between the model and the features."""
    mdp, phi = made
    return mdp, np.zeros(mdp.n_states, dtype=int), phi


@projected_fixed_point_is_near.attained_by
def without_bootstrap():
    """λ = 1: the fixed point is the projection."""
    mdp, phi = mixing_two_weights()
    mdp = mdp.replace(r=exactly([[1], [0]]))
    return mdp, np.zeros(2, dtype=int), phi, exactly("1")[()]
