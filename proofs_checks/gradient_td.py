"""Group X, off the policy: gradient and emphatic TD (THEOREMS.md §3).

    A = ΦᵀD(I − γP_π)Φ with D of the behavior's frequencies, C = ΦᵀDΦ, f = (I − γP_πᵀ)⁻¹ d

Source: Sutton et al. (2009); Maei (2011); Sutton, Mahmood & White (2016).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit.claim import (
    MDP,
    All,
    Eq,
    FullDistribution,
    Leq,
    Policy,
    claim,
    numbers,
)
from mdpkit.operators.linear import (
    GradientTD,
    bellman_system,
    emphasis,
    gradient_td,
    gram,
    state_chain,
)
from proofs_checks.instances import exactly
from proofs_checks.linear_vocabulary import Features, diagonal, squares, two_weights
from proofs_checks.vocabulary import (
    identity,
    vector,
)

# ---- gradient TD -----------------------------------------------------------------------------

Ratio = Annotated[Any, numbers("", Fraction(1, 10), 10)]
"""η = β/α."""


def told_apart(mdp, pi, phi, d):
    """Whether A and C are regular, on floats by far."""
    A, _ = bellman_system(state_chain(mdp, pi), phi, d, mdp.gamma)
    C = gram(phi, d)
    return bool(np.linalg.cond(A) < 1e4 and np.linalg.cond(C) < 1e4)


def least_real(matrix):
    """min Re eig, of floats."""
    return np.linalg.eigvals(matrix).real.min()


def gtd2(system, C, ratio):
    """The mean motion of GTD2."""
    return gradient_td(system, C, ratio)


def tdc(system, C, ratio):
    """Of TDC, at β/α above what the symmetric part of A needs."""
    needed = -np.linalg.eigvals(np.linalg.solve(C, system.A + system.A.T) / 2).real.min()
    return gradient_td(system, C, ratio + max(needed, 0.0), corrected=True)


def semi_gradient(system, C, ratio):
    """Plain TD beside a u that nothing looks at."""
    A, b = system
    zero = 0 * A
    return GradientTD(np.block([[ratio * C, zero], [zero, A]]), np.concatenate([0 * b, b]))


@claim(
    id="X28",
    source="Sutton et al. (2009), Theorems 1 and 2; Maei (2011), §5.5",
    exact="B",
    applies={"A and C are regular": told_apart},
    effort=0.5,
)
def gradient_td_is_stable_off_the_policy(
    mdp: MDP,
    pi: Policy,
    phi: Features,
    d: FullDistribution,
    ratio: Ratio,
    *,
    motions=(gtd2, tdc),
):
    """Re eig G > 0 for A regular: GTD2 at every β/α > 0, TDC above −min eig C⁻¹(A+Aᵀ)/2."""
    system = bellman_system(state_chain(mdp, pi), phi, d, mdp.gamma)
    C = gram(phi, d)
    parts = []
    for motion in motions:
        G = motion(system, C, ratio).G
        size = abs(G).max()
        # A multiple eigenvalue is only known to the root of the rounding.
        parts.append(Leq(0.0, least_real(G) / size, 1e-7, ratio=False))
    return All(*parts)


def off_its_frequencies():
    """v = (w, 2w), D uniform, γ = .99: A = (5 − 6γ)/2 < 0."""
    mdp = two_weights("99/100")[0].rounded()
    d, phi = vector(mdp, "1/2", "1/2"), np.array([[1.0], [2.0]])
    return mdp, np.zeros(2, dtype=int), phi, d, 1.0


gradient_td_is_stable_off_the_policy.rejects(
    "semi-gradient TD", motions=(semi_gradient,), at=off_its_frequencies
)


@claim(id="X28-energy", source="Sutton et al. (2009), proof of Theorem 1", exact="Q")
def gradient_td_loses_energy(
    mdp: MDP,
    pi: Policy,
    phi: Features,
    d: FullDistribution,
    ratio: Ratio,
    *,
    coupled=True,
):
    """GTD2 as (u, w): ‖u‖²/η + ‖w − w*‖² falls at the rate 2uᵀCu, since A and −Aᵀ cancel."""
    system = bellman_system(state_chain(mdp, pi), phi, d, mdp.gamma)
    C, K = gram(phi, d), phi.shape[1]
    G = gradient_td(system, C, ratio).G
    u, w = phi[0] + phi[-1], phi[-1] - phi[0] / 2
    moved = G @ np.concatenate([u, w])
    lost = u @ moved[:K] / ratio + (w @ moved[K:] if coupled else 0 * ratio)
    return Eq(lost, u @ C @ u)


gradient_td_loses_energy.rejects("without the motion of w", coupled=False)


def emphatic(chain, d, gamma):
    """f."""
    return emphasis(chain, d, gamma)


def plain(chain, d, gamma):
    """d itself."""
    return d


@claim(id="X28-emphatic", source="Sutton, Mahmood & White (2016), Theorem 1", exact="Q")
def emphasis_makes_the_mean_motion_positive(
    mdp: MDP, pi: Policy, phi: Features, d: FullDistribution, *, weigh=emphatic
):
    """yᵀF(I − γP_π)y ≥ ½ Σ ((1 − γ)f + d) y² for y = Φx: A is positive definite for any d > 0.

    Rows of F(I − γP_π) sum to (1 − γ)f, columns to d, and only the diagonal is positive.
    """
    chain, gamma = state_chain(mdp, pi), mdp.gamma
    f = weigh(chain, d, gamma)
    key = diagonal(f) @ (identity(mdp) - gamma * chain.P)
    y = phi[:, -1]
    return Leq(squares(y, (1 - gamma) * emphatic(chain, d, gamma) + d) / 2, y @ key @ y)


def doubled():
    """v = (w, 2w) and D uniform."""
    mdp, phi = two_weights("99/100")
    return mdp, np.zeros(2, dtype=int), phi, exactly(["1/2", "1/2"])


emphasis_makes_the_mean_motion_positive.rejects("without emphasis", weigh=plain, at=doubled)


@emphasis_makes_the_mean_motion_positive.attained_by
def constant():
    """y = 1: both sides are Σ d."""
    mdp, _ = two_weights()
    return mdp, np.zeros(2, dtype=int), exactly([[1], [1]]), exactly(["1/2", "1/2"])
