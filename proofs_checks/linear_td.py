"""Group G, second part: the mean motion of temporal differences (THEOREMS.md §2.G).

    A = ΦᵀD(I − γP_π)Φ, b = ΦᵀD r_π      dθ/dt = b − Aθ

Source: Tsitsiklis & Van Roy (1997); Baird (1995); Barnard (1993).
"""

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    All,
    Eq,
    Gamma,
    Leq,
    Policy,
    claim,
)
from mdpkit.operators.linear import (
    System,
    bellman_system,
    solution,
    state_chain,
)
from mdpkit.operators.stationary import stationary
from proofs_checks.instances import exactly
from proofs_checks.linear_vocabulary import (
    Ergodic,
    Features,
    Weighting,
    Weights,
    chain_of,
    mixing_two_weights,
    reversible,
    rotating,
    squares,
    uniformly,
    well_posed,
)

# ---- the mean motion -------------------------------------------------------------------------


def told_apart(mdp, pi, phi):
    """Whether floats can tell A from singular."""
    return well_posed(bellman_system(state_chain(mdp, pi), phi, stationary(mdp, pi), mdp.gamma))


@claim(
    id="G4",
    source="Tsitsiklis & Van Roy (1997), Theorem 1",
    exact="Q",
    applies={"A is not nearly singular": told_apart},
    effort=0.5,
)
def mean_motion_approaches_the_fixed_point(
    mdp: Ergodic, pi: Policy, phi: Features, theta: Weights, *, frequencies=stationary
):
    """(θ − θ*)ᵀ (b − Aθ) ≤ −(1 − γ) ‖Φ(θ − θ*)‖_D², hence Re eig A > 0 and θ(t) → θ*.

    And a step of α = (1 − γ)/(4 max ‖φ‖²) comes nearer in ‖·‖₂.
    """
    d, gamma = frequencies(mdp, pi), mdp.gamma
    A, b = bellman_system(state_chain(mdp, pi), phi, d, gamma)
    e = theta - solution(System(A, b))
    length = max((phi * phi).sum(axis=1))
    moved = e - (1 - gamma) / (4 * length) * (A @ e)
    return All(
        Leq((1 - gamma) * squares(phi @ e, d), -(e @ (b - A @ theta))),
        Leq((moved * moved).sum(), (e * e).sum(), ratio=False),
    )


def two_weights_and_one():
    """v = (w, 2w), from w = 1."""
    mdp, phi = mixing_two_weights()
    return mdp, np.zeros(2, dtype=int), phi, exactly([1])


mean_motion_approaches_the_fixed_point.rejects(
    "of uniform frequencies", frequencies=uniformly, at=two_weights_and_one
)


@mean_motion_approaches_the_fixed_point.attained_by
def constant_error():
    """P_π leaves what is the same everywhere as it is."""
    mdp, _ = mixing_two_weights()
    return mdp, np.zeros(2, dtype=int), exactly([[1], [1]]), exactly([1])


def own_frequencies(mdp):
    """Of Baird's star under "solid"."""
    return stationary(mdp, np.ones(7, dtype=int))


def determinant(matrix):
    """Of an exact matrix."""
    import flint

    return flint.fmpq_mat(*matrix.shape, [x * 1 for x in matrix.flat]).det()


@claim(id="G4-baird", source="Baird (1995)", exact="Q")
def mean_motion_expands_on_bairds_star(
    *, frequencies=lambda mdp: stationary(mdp, exactly([["6/7", "1/7"]] * 7))
):
    """A has an eigenvalue in (−.2393, −.2392): det(A + tI) changes its sign between these t."""
    mdp = gallery.make("baird").exact()
    star = [[2 * int(k == s) for k in range(7)] + [1] for s in range(6)]
    phi = exactly([*star, [0] * 6 + [1, 2]])
    chain = state_chain(mdp, np.ones(7, dtype=int))
    A, _ = bellman_system(chain, phi, frequencies(mdp), mdp.gamma)
    left, right = (
        determinant(A + exactly(t)[()] * exactly(np.eye(8, dtype=int)))
        for t in ("2392/10000", "2393/10000")
    )
    return Leq(left * right, 0 * left, ratio=False)


mean_motion_expands_on_bairds_star.rejects(
    "of its own frequencies", frequencies=own_frequencies
)


@claim(id="G8", source="Barnard (1993)", exact="Q")
def semi_gradient_is_a_gradient_of_reversible_chains(
    W: Weighting, phi: Features, gamma: Gamma, *, walk=reversible
):
    """A is symmetric, so that b − Aθ has a potential, where d(s)P(s,t) = d(t)P(t,s).

    In general A − Aᵀ = γ(ΦᵀPᵀDΦ − ΦᵀDPΦ), which is not 0: semi-gradients are no gradients.
    """
    P, d = walk(W)
    A, _ = bellman_system(chain_of(walk(W)), phi, d, gamma)
    flow = phi.T @ (d[:, None] * P) @ phi
    return All(Eq(A, A.T), Eq(A - A.T, gamma * (flow.T - flow)))


def three_in_a_ring():
    """Φ = (e_1, e_2), γ = ½."""
    return exactly(np.ones((3, 3), dtype=int)), exactly([[1, 0], [0, 1], [0, 0]]), half()


def half():
    """1/2."""
    return exactly("1/2")[()]


semi_gradient_is_a_gradient_of_reversible_chains.rejects(
    "of a chain that goes around", walk=rotating, at=three_in_a_ring
)
