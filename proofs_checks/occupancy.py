"""Group H, first part: occupancies, performance, and the gradient (THEOREMS.md §2.H).

    d^π_μ = (1−γ) μᵀ (I − γP_π)⁻¹        J(π) = Σ_s μ(s) v^π(s)        H = 1/(1−γ)
    ∇J(s,a) = H d^π(s) q^π(s,a)          ∂J/∂θ(s,a) = H d^π(s) π(a|s) A^π(s,a)    (softmax)

Source: Kakade & Langford (2002); Agarwal, Kakade, Lee & Mahajan (2021).
"""

from typing import Annotated

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    MDP,
    ActionValue,
    All,
    Distribution,
    Eq,
    FullDistribution,
    Leq,
    Policy,
    claim,
    models,
)
from mdpkit.operators.occupancy import occupancy, pair_occupancy
from mdpkit.operators.performance import performance_difference
from mdpkit.policy import probabilities
from proofs_checks.vocabulary import (
    advantage,
    chain,
    horizon,
    over_actions,
    over_states,
    pi_star,
    q_pi,
    tol_v,
    v_pi,
    v_star,
    vector,
)
from proofs_checks.vocabulary import occupancy as by_definition

UnitRewards = Annotated[MDP, models(reward=(0, 1))]


# ---- visits ----------------------------------------------------------------------------------


@claim(id="H1", source="Puterman (1994), §6.9.1", exact="Q")
def visits_are_a_distribution(mdp: MDP, mu: Distribution, pi: Policy, *, visits=occupancy):
    """Σ d^π_μ = 1, d ≥ (1−γ)μ, d = (1−γ)μ + γP_πᵀd, and J = H Σ d(s) π(a|s) r(s,a)."""
    d, (P, r), first = visits(mdp, pi, mu), chain(mdp, pi), (1 - mdp.gamma) * mu
    return All(
        Eq(d.sum(), 1),
        Eq(d, first + mdp.gamma * (d @ P)),
        Eq(d, by_definition(mdp, pi, mu)),
        Eq(mu @ v_pi(mdp, pi), horizon(mdp) * (d @ r)),
        Leq(first, d, ratio=False),
    )


visits_are_a_distribution.rejects(
    "counts visits", visits=lambda mdp, pi, mu: horizon(mdp) * occupancy(mdp, pi, mu)
)
visits_are_a_distribution.rejects("sees the start only", visits=lambda mdp, pi, mu: mu)


def distance(mdp, pi, other):
    """(S,) TV(π, π') = ½ Σ_a |π(a|s) − π'(a|s)|."""
    return over_actions(mdp, abs(probabilities(mdp, pi) - probabilities(mdp, other))) / 2


@claim(id="H2", source="Achiam, Held, Tamar & Abbeel (2017), Lemma 3", exact="Q")
def visits_move_little_of_close_policies(
    mdp: MDP, mu: Distribution, pi: Policy, other: Policy, *, factor=horizon
):
    """TV(d^π, d^π') ≤ γH E_{s~d^π} TV(π(·|s), π'(·|s))."""
    d = occupancy(mdp, pi, mu)
    moved = abs(d - occupancy(mdp, other, mu)).sum() / 2
    return Leq(moved, mdp.gamma * factor(mdp) * (d @ distance(mdp, pi, other)))


visits_move_little_of_close_policies.rejects("without H", factor=lambda mdp: 1)


@visits_move_little_of_close_policies.attained_by
def leaking_policy():
    """π stays but leaves for good with probability ε, π' stays: an equality for every ε."""
    mdp = gallery.make("pi-chain", n=2).exact()
    leaks = np.array([vector(mdp, "9/10", "1/10"), vector(mdp, 1, 0)])
    return mdp, vector(mdp, 1, 0), leaks, np.array([0, 0])


@claim(id="H3", source="Kakade & Langford (2002), Lemma 6.1", exact="Q")
def performance_differs_by_the_advantages_met(
    mdp: MDP, mu: Distribution, new: Policy, old: Policy, *, visits=lambda new, old: new
):
    """J(π) − J(π') = H E_{s~d^π} Σ_a π(a|s) A^{π'}(s,a)."""
    d = occupancy(mdp, visits(new, old), mu)
    gain = over_actions(mdp, probabilities(mdp, new) * advantage(mdp, old))
    known = performance_difference(mdp, new, old, mu)
    tol = tol_v(mdp, powers=3)
    return All(
        Eq(mu @ (v_pi(mdp, new) - v_pi(mdp, old)), horizon(mdp) * (d @ gain), tol),
        Eq(known.left, known.right, tol),
    )


performance_differs_by_the_advantages_met.rejects(
    "with the visits of the old policy", visits=lambda new, old: old
)


# ---- the gradient ----------------------------------------------------------------------------


def gradient(mdp, pi, mu):
    """∇J(s,a) = H d(s) q^π(s,a), J extended to the positive orthant; pair layout."""
    return horizon(mdp) * over_states(mdp, occupancy(mdp, pi, mu)) * q_pi(mdp, pi)


def squared(x):
    """‖x‖₂²."""
    return (x * x).sum()


def widest(mdp):
    """max_s |A(s)|."""
    return int(np.diff(mdp.action_ptr).max())


@claim(id="H16", source="Agarwal, Kakade, Lee & Mahajan (2021), Appendix D", exact="Q2")
def gradient_is_smooth(
    mdp: UnitRewards, mu: Distribution, pi: Policy, other: Policy, *, power=3
):
    """‖∇J(π) − ∇J(π')‖₂ ≤ 2γ|A|H³ ‖π − π'‖₂ for direct parameters and r ∈ [0, 1]."""
    change = gradient(mdp, pi, mu) - gradient(mdp, other, mu)
    L = 2 * mdp.gamma * widest(mdp) * horizon(mdp) ** power
    apart = probabilities(mdp, pi) - probabilities(mdp, other)
    tol = tol_v(mdp, powers=3)
    rounding = tol and tol * (2 * np.sqrt(squared(change)) + tol)
    return Leq(squared(change), L * L * squared(apart), rounding)


def leaking_reward():
    """Only staying pays: visits and values both fall as H² in the probability of leaving."""
    mdp = gallery.make("singh-yee").exact()
    mdp = mdp.replace(r=vector(mdp, 1, 0, 0))
    return mdp, vector(mdp, 1, 0), vector(mdp, 1, 0, 1), vector(mdp, "99/100", "1/100", 1)


gradient_is_smooth.rejects("H² for H³", power=2, at=leaking_reward)


def softmax(mdp, theta):
    """π(a|s) ∝ exp θ(s,a), in pair layout; floats."""
    flat = theta.reshape(-1)
    top = np.maximum.reduceat(flat, mdp.action_ptr[:-1])
    weights = np.exp(flat - top[mdp.pair_states])
    return (weights / over_actions(mdp, weights)[mdp.pair_states]).reshape(mdp.pair_shape)


def softmax_gradient(mdp, pi, mu):
    """∂J/∂θ(s,a) = H d(s) π(a|s) A(s,a), in pair layout."""
    return horizon(mdp) * pair_occupancy(mdp, pi, mu) * advantage(mdp, pi)


@claim(id="H16s", source="Mei, Xiao, Szepesvári & Schuurmans (2020), Lemma 7", exact="B")
def softmax_gradient_is_smooth(
    mdp: UnitRewards, mu: Distribution, theta: ActionValue, other: ActionValue, *, power=3
):
    """‖∇J(θ) − ∇J(θ')‖₂ ≤ 8H³ ‖θ − θ'‖₂ for π = softmax θ and r ∈ [0, 1].

    Hence |J(θ') − J(θ) − ⟨∇J(θ), θ' − θ⟩| ≤ 4H³ ‖θ' − θ‖₂².
    """
    pi, pi_other = softmax(mdp, theta), softmax(mdp, other)
    g, apart = softmax_gradient(mdp, pi, mu), other - theta
    far, L = np.sqrt(squared(apart)), 8 * horizon(mdp) ** power
    change = np.sqrt(squared(softmax_gradient(mdp, pi_other, mu) - g))
    curved = abs(mu @ (v_pi(mdp, pi_other) - v_pi(mdp, pi)) - (g * apart).sum())
    tol = tol_v(mdp, theta, other, powers=3)
    return All(
        Leq(change, L * far, tol),
        Leq(curved, L / 2 * far**2, tol * (1 + far)),
    )


softmax_gradient_is_smooth.rejects("without H³", power=0)


def mismatch(x, y):
    """max x/y over the states with y > 0."""
    return (x[y > 0] / y[y > 0]).max()


def ascent(mdp, pi, mu):
    """max_π' ⟨∇J_μ(π), π' − π⟩ = H Σ d(s) max_a A^π(s,a)."""
    top = np.maximum.reduceat(advantage(mdp, pi).reshape(-1), mdp.action_ptr[:-1])
    return horizon(mdp) * (occupancy(mdp, pi, mu) @ top)


@claim(id="H17", source="Agarwal, Kakade, Lee & Mahajan (2021), Lemma 4", exact="Q")
def gradient_dominates(
    mdp: MDP,
    rho: Distribution,
    mu: FullDistribution,
    pi: Policy,
    *,
    start=lambda mu: mu,
    along=ascent,
):
    """μ > 0: J*_ρ − J_ρ(π) ≤ ‖d^{π*}_ρ/d^π_μ‖∞ g ≤ H ‖d^{π*}_ρ/μ‖∞ g.

    Here g = max ⟨∇J_μ(π), π' − π⟩: a stationary point is optimal, wherever one starts.
    """
    mu = start(mu)
    gap, g = rho @ (v_star(mdp) - v_pi(mdp, pi)), along(mdp, pi, mu)
    ideal = occupancy(mdp, pi_star(mdp), rho)
    near, far = mismatch(ideal, occupancy(mdp, pi, mu)), horizon(mdp) * mismatch(ideal, mu)
    tol = tol_v(mdp, powers=3)
    tol = tol and tol * (1 + far)
    return All(Leq(gap, near * g, tol), Leq(gap, far * g, tol), Leq(near, far, ratio=False))


def unaware():
    """Nobody starts where the better action is, and the policy never goes there: g = 0."""
    mdp = gallery.make("pi-chain", n=2).exact()
    return mdp, vector(mdp, 0, 1), vector(mdp, "1/2", "1/2"), np.array([0, 0])


gradient_dominates.rejects(
    "μ without full support",
    start=lambda mu: mu * 0 + [int(s == 0) for s in range(mu.size)],
    at=unaware,
)
gradient_dominates.rejects(
    "the softmax gradient, which vanishes at a vertex",
    along=lambda mdp, pi, mu: abs(softmax_gradient(mdp, pi, mu)).sum(),
    at=unaware,
)


@gradient_dominates.attained_by
def bandit():
    """One state: the gap is H times the best advantage."""
    mdp = gallery.make("gpi-tie").exact()
    return mdp, vector(mdp, 1), vector(mdp, 1), np.array([0])
