"""Group I, fourth part: ascending J in logits (THEOREMS.md §2.I, I11–I13).

    ∂J/∂θ(s,a) = H d(s) π(a|s) A(s,a),    J* − J_k = O(1/(c²k)), c the least π_k(a*(s)|s)

Source: Mei, Xiao, Szepesvári & Schuurmans (2020); Li, Wei, Chi, Gu & Chen (2021).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    All,
    Distribution,
    FullDistribution,
    FullPolicy,
    Leq,
    Rate,
    claim,
    integers,
    numbers,
)
from mdpkit.improve import SoftmaxPolicyGradient, pathologies
from mdpkit.operators.policy_gradient import softmax_gradient
from proofs_checks.ascent_vocabulary import UnitModel, followed, total
from proofs_checks.instances import with_numbers
from proofs_checks.soft_vocabulary import Gentle
from proofs_checks.vocabulary import (
    horizon,
    occupancy,
    pi_star,
    tol_v,
    v_pi,
    v_star,
)

Length = Annotated[int, integers(1, 25)]
LongStep = Annotated[Any, numbers(low=Fraction(1, 10), high=1)]


def mismatch(x, y):
    """‖x/y‖∞ over the states with x > 0."""
    return (x[x > 0] / y[x > 0]).max()


def of_the_best(mdp, pi):
    """min_s π(a*(s)|s)."""
    return total(mdp, _chosen(mdp) * pi).min()


def _chosen(mdp):
    """1 at the pairs of an optimal policy, else 0; pair layout."""
    return np.where(mdp.pair_actions == pi_star(mdp)[mdp.pair_states], 1.0, 0.0).reshape(
        mdp.pair_shape
    )


# ---- I11: a plateau only where the best action is nearly lost --------------------------------


@claim(id="I11", source="Mei et al. (2020), Lemma 8", exact="B")
def softmax_gradient_dominates(
    mdp: Gentle, rho: Distribution, mu: FullDistribution, pi: FullPolicy,
    *, gradient=softmax_gradient, least=of_the_best, root=np.sqrt
):  # fmt: skip
    """J*_ρ − J_ρ ≤ √S ‖d^{π*}_ρ/d^π_μ‖∞ ‖∇_θ J_μ‖₂ / min_s π(a*(s)|s)."""
    slope = np.sqrt((gradient(mdp, pi, mu) ** 2).sum())
    apart = mismatch(occupancy(mdp, pi_star(mdp), rho), occupancy(mdp, pi, mu))
    gap = rho @ (v_star(mdp) - v_pi(mdp, pi))
    bound = root(mdp.n_states) * apart * slope / least(mdp, pi)
    return Leq(gap, bound, tol_v(mdp, powers=3) * (1 + apart))


def bandit(*rewards):
    """One state at γ = 0; each action pays its reward."""
    return with_numbers(np.ones((1, len(rewards), 1)), np.array([rewards]), 0.0)


def one_arm_pays():
    """π(a*) = .01 in one state: ‖∇J‖ = √2·.01·.99, and the gap is .99."""
    return bandit(1.0, 0.0), np.ones(1), np.ones(1), np.array([[0.01, 0.99]])


@softmax_gradient_dominates.attained_by(exact_equality=False)
def one_of_many_arms():
    """One arm of n pays, π is uniform: ∂J/∂θ is (1−1/n)/n there; the ratio √(1 − 1/n) → 1."""
    n = 1000
    return bandit(1.0, *[0.0] * (n - 1)), np.ones(1), np.ones(1), np.full((1, n), 1 / n)


softmax_gradient_dominates.rejects(
    "without min_s π(a*(s)|s)", least=lambda mdp, pi: 1, at=one_arm_pays
)


def two_alike():
    """Two states that do not meet, both as in `one_of_many_arms`: √S is needed."""
    n = 50
    mdp = with_numbers(
        np.broadcast_to(np.eye(2)[:, None], (2, n, 2)), np.tile(np.eye(n)[0], (2, 1)), 0.0
    )
    half = np.full(2, 0.5)
    return mdp, half, half, np.full((2, n), 1 / n)


softmax_gradient_dominates.rejects("without √S", root=lambda n: 1, at=two_alike)


# ---- I12: its rate ---------------------------------------------------------------------------


def constants(mdp, mu, states):
    """c over the run, and ‖d^{π*}_μ/μ‖∞."""
    c = min(of_the_best(mdp, state.policy) for state in states)
    return c, mismatch(occupancy(mdp, pi_star(mdp), mu), mu)


def of_mei(mdp, mu, c, apart):
    """16 S H⁶/c² ‖d*/μ‖²∞ ‖1/μ‖∞."""
    return 16 * mdp.n_states * horizon(mdp) ** 6 / c**2 * apart**2 * (1 / mu).max()


@claim(id="I12", source="Mei et al. (2020), Theorem 4", exact="B")
def softmax_ascent_is_sublinear(
    mdp: UnitModel, mu: FullDistribution, pi: FullPolicy, steps: Length, *, constant=of_mei
):
    """J*_μ − J_k ≤ 16SH⁶/(c²k) ‖d^{π*}_μ/μ‖²∞ ‖1/μ‖∞, η = 1/(8H³), r ∈ [0, 1], μ > 0.

    c = min_k min_s π_k(a*(s)|s) over the run. J_k grows.
    """
    method = SoftmaxPolicyGradient(1 / (8 * horizon(mdp) ** 3), start=mu, policy=pi)
    states = followed(mdp, method, steps)
    errors = np.array([mu @ (v_star(mdp) - state.v) for state in states])
    k, tol = np.arange(1, steps + 1), tol_v(mdp)
    return All(
        Rate(errors[1:], constant(mdp, mu, *constants(mdp, mu, states)) / k, tol),
        Leq(errors[1:], errors[:-1], tol, ratio=False),
    )


def plateau(mass=1e-3, steps=400):
    """`softmax-plateau`: the best arm begins at probability 10⁻³."""
    mdp = gallery.make("softmax-plateau", gamma=0.0)
    return mdp, np.ones(1), np.array([[mass, 1 - 2 * mass, mass]]), steps


softmax_ascent_is_sublinear.rejects(
    "without c", at=plateau, constant=lambda mdp, mu, c, apart: of_mei(mdp, mu, 1, apart)
)


def reciprocal(mdp, mu, states, eta, c=None):
    """1/(1/δ_0 + c²/(SC²) k(η − Lη²/2)), C = H‖d*/μ‖∞, L = 8H³; k = 0 …"""
    least, apart = constants(mdp, mu, states)
    c = least if c is None else c
    gain = eta * (1 - 4 * horizon(mdp) ** 3 * eta)
    first = mu @ (v_star(mdp) - states[0].v)
    share = c**2 / (mdp.n_states * (horizon(mdp) * apart) ** 2) * gain
    return first / (1 + first * share * np.arange(len(states)))


@claim(id="I12-tighter", source="after Mei et al. (2020), Theorem 4", exact="B")
def softmax_ascent_keeps_a_reciprocal(
    mdp: UnitModel, mu: FullDistribution, pi: FullPolicy, share: LongStep, steps: Length,
    *, bound=reciprocal
):  # fmt: skip
    """1/(J* − J_k) ≥ 1/(J* − J_0) + c²k/(SC²)(η − Lη²/2), C = H‖d*/μ‖∞, η ≤ 2/L, L = 8H³.

    By I11 a step gains c²δ²/(SC²) times η − Lη²/2 at least, k ≥ 1.
    """
    eta = share / (4 * horizon(mdp) ** 3)
    method = SoftmaxPolicyGradient(eta, start=mu, policy=pi)
    states = followed(mdp, method, steps)
    errors = np.array([mu @ (v_star(mdp) - state.v) for state in states])
    return Rate(errors[1:], bound(mdp, mu, states, eta)[1:], tol_v(mdp))


def on_the_plateau():
    """As `plateau`, at η = 1/L."""
    mdp, mu, pi, steps = plateau()
    return mdp, mu, pi, 0.5, steps


softmax_ascent_keeps_a_reciprocal.rejects(
    "without c", at=on_the_plateau,
    bound=lambda mdp, mu, states, eta: reciprocal(mdp, mu, states, eta, c=1),
)  # fmt: skip


def counted(k):
    """k."""
    return k


@claim(id="I12-below", source="Mei et al. (2020), Theorem 9", exact="B", mutations=("m5",))
def softmax_ascent_is_no_faster(eta: LongStep, *, grows=counted):
    """k (r(a*) − J_k) ≥ Δ²/6 of a two-armed bandit with gap Δ = 1, k ≤ 2000: Ω(Δ²/k)."""
    method, mdp = SoftmaxPolicyGradient(eta), bandit(1.0, 0.0)
    state, k, least = method.init(mdp), 0, np.inf
    while k < 2000:
        state, k = method.step(mdp, state), k + 1
        least = min(least, grows(k) * (1 - state.v[0])) if k in (20, 200, 2000) else least
    return Leq(1 / 6, least, 1e-12)


softmax_ascent_is_no_faster.rejects("√k for k", grows=np.sqrt)
softmax_ascent_is_no_faster.experimental("the Ω(Δ²/k) is looked at on one bandit, to k = 2000")


# ---- I13: and it may be slow -----------------------------------------------------------------


def until_it_is_near(mass, most=10**6):
    """Steps of the softmax gradient until the gap is below .05 on `softmax-plateau`."""
    return int(pathologies.plateau([mass], limit=most).softmax[0])


def of_the_natural_gradient(mass):
    """Steps of the natural gradient until then."""
    return pathologies.plateau_reference(mass, natural=True)


Mass = Annotated[Any, numbers(low=Fraction(1, 1000), high=Fraction(1, 10))]


@claim(
    id="I13", source="Mei et al. (2020), §3; Li et al. (2021), Theorem 1", exact="B",
    mutations=("m5",), effort=0.5,
)  # fmt: skip
def softmax_ascent_waits_on_a_plateau(mass: Mass, *, count=until_it_is_near):
    """From π_0 = (e, 1−2e, e), r = (1, .9, .1), η = .4 it takes 30/e steps until J* − J < .05.

    A bound as I5's, in which no probability of π_0 is, holds of the natural gradient alone.
    """
    return Leq(30 / mass, count(mass), 1)


def hardly_ever():
    """e = 10⁻⁴: 458435 steps, and 231 of the natural gradient."""
    return 1e-4


softmax_ascent_waits_on_a_plateau.rejects(
    "the natural gradient", count=of_the_natural_gradient, at=hardly_ever
)
