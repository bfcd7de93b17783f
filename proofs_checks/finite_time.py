"""Group X, how fast: Nesterov's acceleration, and TD along its mean path (THEOREMS.md §3).

    Nesterov   h_k = v_k + β(v_k − v_{k−1}),  v_{k+1} = h_k − α(h_k − T^π h_k)
    TD         θ_{k+1} = θ_k + α(b − Aθ_k),   A = ΦᵀD(I − γP_π)Φ, b = ΦᵀD r_π

Source: Goyal & Grand-Clément (2023); Bhandari, Russo & Singal (2018).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit._array import sup
from mdpkit.claim import MDP, All, Eq, Policy, Rate, claim, models, numbers
from mdpkit.operators.linear import System, bellman_system, solution, state_chain
from mdpkit.operators.stationary import stationary
from proofs_checks.instances import exactly
from proofs_checks.linear_td import told_apart
from proofs_checks.linear_vocabulary import (
    Features,
    Weighting,
    Weights,
    mixing_two_weights,
    reversible,
    rotating,
    squares,
    uniformly,
)

# ---- acceleration ----------------------------------------------------------------------------

Momentum = Annotated[Any, numbers("", Fraction(1, 20), Fraction(19, 20))]
"""β = (1 − √(1 − γ²))/γ, which makes γ = 2β/(1 + β²) and all that follows rational in β."""


def companion(P, beta):
    """(v_{k+1}, v_k) = M (v_k, v_{k−1}) for r = 0."""
    gamma = 2 * beta / (1 + beta**2)
    alpha = 1 / (1 + gamma)
    unit = np.eye(len(P))
    step = (1 - alpha) * unit + alpha * gamma * P
    return np.block([[(1 + beta) * step, -beta * step], [unit, 0 * unit]])


def predicted(beta):
    """1 − √((1 − γ)/(1 + γ)) = 2β/(1 + β)."""
    return 2 * beta / (1 + beta)


@claim(id="X23", source="Goyal & Grand-Clément (2023), Theorem 4.3", exact="B")
def acceleration_has_its_radius_of_reversible_chains(
    W: Weighting, beta: Momentum, *, walk=reversible, radius=predicted
):
    """α = 1/(1+γ), β = (1−√(1−γ²))/γ: radius 1 − √((1−γ)/(1+γ)), where P is reversible.

    The eigenvalue 1 of P makes it a double root, so that errors carry a factor k.
    """
    found = abs(np.linalg.eigvals(companion(walk(W).P, beta))).max()
    # Eigenvalues of a block of size 2 are known to the root of the rounding.
    return Eq(found, radius(beta), 1e-6)


def ring_of_twelve():
    """γ = .99: radius 1.3103, it diverges."""
    beta = (1 - np.sqrt(1 - 0.99**2)) / 0.99
    return np.ones((12, 12)), float(beta)


acceleration_has_its_radius_of_reversible_chains.rejects(
    "of a chain that goes around", walk=rotating, at=ring_of_twelve
)
acceleration_has_its_radius_of_reversible_chains.rejects(
    "that of value iteration", radius=lambda beta: 2 * beta / (1 + beta**2)
)


@claim(id="X23-ring", source="Goyal & Grand-Clément (2023), §4.3", exact=None, mutations=())
def acceleration_diverges_around_a_ring(*, size=12):
    """Around a ring of 12 states at γ = .99 the radius is 1.3103."""
    _, beta = ring_of_twelve()
    M = companion(rotating(np.ones((size, size))).P, beta)
    return Eq(abs(np.linalg.eigvals(M)).max(), 1.3103, 5e-5)


acceleration_diverges_around_a_ring.rejects("of one state", size=1)

# ---- TD along its mean path ------------------------------------------------------------------

STEPS = 12
UnitModels = Annotated[MDP, models(ergodic=True, reward=(0, 1))]


def shortened(phi):
    """Φ with ‖φ(s)‖₁ ≤ 1, hence ‖φ(s)‖₂ ≤ 1."""
    return phi / max(abs(phi).sum(axis=1))


def path(mdp, pi, phi, theta, d):
    """θ*, and θ_0 … θ_T with α = (1 − γ)/4."""
    A, b = bellman_system(state_chain(mdp, pi), phi, d, mdp.gamma)
    out = [theta]
    for _ in range(STEPS):
        out.append(out[-1] + (1 - mdp.gamma) / 4 * (b - A @ out[-1]))
    return solution(System(A, b)), out


@claim(
    id="X27",
    source="Bhandari, Russo & Singal (2018), Theorem 1",
    exact="Q2",
    applies={"A is not nearly singular": told_apart},
    effort=0.5,
)
def mean_path_averages_converge(
    mdp: UnitModels,
    pi: Policy,
    phi: Features,
    theta: Weights,
    *,
    constant=4,
    power=2,
):
    """‖Φ(θ* − θ̄_T)‖_D² ≤ 4 ‖θ* − θ_0‖₂²/(T (1 − γ)²), θ̄ the mean of θ_0 … θ_{T−1}.

    ‖φ(s)‖₂ ≤ 1, r ∈ [0, 1], α = (1 − γ)/4; both sides squared.
    """
    phi, d = shortened(phi), stationary(mdp, pi)
    best, steps = path(mdp, pi, phi, theta, d)
    first = ((best - theta) ** 2).sum()
    means = [sum(steps[:T]) / T for T in range(1, STEPS + 1)]
    measured = [squares(phi @ (best - x), d) for x in means]
    gap = (1 - mdp.gamma) ** power
    bound = [constant * first / (T * gap) for T in range(1, STEPS + 1)]
    return Rate(measured, bound)


def hardly_moving():
    """φ = 1 and γ = .99: θ is where it was for the first thousands of steps."""
    mdp, _ = mixing_two_weights()
    return mdp, np.zeros(2, dtype=int), exactly([[1], [1]]), exactly([1])


mean_path_averages_converge.rejects("a quarter of the constant", constant=1)
mean_path_averages_converge.rejects("without (1 − γ)²", power=0, at=hardly_moving)


@claim(
    id="X27-linear",
    source="Bhandari, Russo & Singal (2018), Theorem 1",
    exact="B",
    applies={"A is not nearly singular": told_apart},
    effort=0.5,
)
def mean_path_converges_linearly(
    mdp: UnitModels,
    pi: Policy,
    phi: Features,
    theta: Weights,
    *,
    frequencies=stationary,
    power=2,
):
    """‖θ_T − θ*‖₂² ≤ exp(−(1 − γ)² ωT/4) ‖θ_0 − θ*‖₂², ω the least eigenvalue of ΦᵀDΦ."""
    phi, d = shortened(phi), frequencies(mdp, pi)
    best, steps = path(mdp, pi, phi, theta, d)
    errors = np.array([((x - best) ** 2).sum() for x in steps])
    omega = np.linalg.eigvalsh(phi.T @ (d[:, None] * phi)).min()
    rate = (1 - mdp.gamma) ** power * omega / 4
    bound = np.exp(-rate * np.arange(STEPS + 1)) * errors[0]
    return All(Rate(errors[1:], bound[1:], 1e-9 * (1 + sup(best)) * (1 + errors[0])))


def doubled_in_floats():
    """v = (w, 2w) at γ = .99."""
    mdp, _ = mixing_two_weights()
    return mdp.rounded(), np.zeros(2, dtype=int), np.array([[1.0], [2.0]]), np.array([1.0])


mean_path_converges_linearly.rejects(
    "of uniform frequencies", frequencies=uniformly, at=doubled_in_floats
)


def hardly_moving_in_floats():
    """The same in floats."""
    mdp, *rest = hardly_moving()
    return mdp.rounded(), rest[0], np.ones((2, 1)), np.ones(1)


mean_path_converges_linearly.rejects("without (1 − γ)²", power=0, at=hardly_moving_in_floats)
