"""Group M, fourth part: weights, discriminators and occupancies of demonstrations (M6–M8).

    w̃ ∝ e^{Σr/τ} Π p(a|s)/Π q(a|s)     p*(path) = p_0 e^{Σr}/Z      p_0 = μ Π P cancels in both
    max_D {E_p log D + E_q log(1−D)} = 2 JS(p,q) − log 4,  D = p/(p+q)
    −H̄(x) = Σ x log(x/Σ_a x) is convex, on occupancies strictly

Source: Finn, Levine & Abbeel (2016); Goodfellow et al. (2014); Finn, Christiano, Abbeel &
Levine (2016); Ho & Ermon (2016).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit.claim import (
    MDP,
    All,
    Eq,
    FullDistribution,
    FullPolicy,
    Leq,
    Policy,
    Probability,
    claim,
    distributions,
    models,
    numbers,
)
from mdpkit.infer import Demonstrations, importance_weights
from mdpkit.infer.sampled import log_density, path_features
from mdpkit.operators.messages import linear_messages
from mdpkit.operators.occupancy import pair_occupancy
from proofs_checks.inference_vocabulary import (
    Horizon,
    Likelihood,
    Observed,
    Reward,
    Temperature,
    Whole,
    likelihood,
    log_tolerance,
    observed,
    product,
    total,
    visits,
)
from proofs_checks.instances import model
from proofs_checks.vocabulary import horizon as effective_horizon
from proofs_checks.vocabulary import over_actions, over_states, v_pi

# ---- M6 --------------------------------------------------------------------------------------


def listed(mdp, found):
    """The paths as demonstrations."""
    table = [np.append(x, -1)[found.pairs] for x in (mdp.pair_states, mdp.pair_actions)]
    return Demonstrations(*table)


def without_dynamics(scores, log_q, log_chance, tau, counts):
    """The package's: p_0 is in p and in q."""
    return importance_weights(scores, log_q, tau=tau, counts=counts)


def dynamics_below(scores, log_q, log_chance, tau, counts):
    """q with its dynamics, p without."""
    return importance_weights(scores, log_q + log_chance, tau=tau, counts=counts)


def sampler_left_out(scores, log_q, log_chance, tau, counts):
    """e^{Σr/τ} alone."""
    return importance_weights(scores, 0 * log_q, tau=tau, counts=counts)


@claim(id="M6", source="Finn, Levine & Abbeel (2016), §4", exact="B")
def weights_need_no_dynamics(
    mdp: Observed,
    prior: FullPolicy,
    sampler: FullPolicy,
    horizon: Horizon,
    tau: Temperature,
    *,
    weigh=without_dynamics,
):
    """p(path|O)/q(path) ∝ e^{Σr/τ} Π p(a|s)/Π q(a|s), whatever the dynamics; p(O) cancels.

    All paths, each as often as q draws it, then weigh p(path|O); so Σ w̃f = E_p f.
    """
    found, weight = observed(mdp, horizon, likelihood(mdp, tau), prior)
    shown, posterior = listed(mdp, found), weight / weight.sum()
    counts = found.chance * product(found.pairs, sampler)
    scores = total(found.pairs, mdp.r) + tau * np.log(product(found.pairs, prior))
    chance, log_q = np.log(found.chance), log_density(mdp, shown, [sampler])
    w = weigh(scores, log_q, chance, tau, counts)
    near = log_tolerance(mdp, horizon, tau) / tau
    return All(
        Eq(w, posterior, near),
        Eq(weigh(scores - 3.0, log_q, chance, tau, counts), w, near),
        Eq(
            w @ path_features(mdp, shown),
            visits(found.pairs, posterior, mdp.n_pairs),
            horizon * near,
        ),
    )


weights_need_no_dynamics.rejects("dynamics in q only", weigh=dynamics_below)
weights_need_no_dynamics.rejects("the sampler left out", weigh=sampler_left_out)


def plain(w, f):
    """(w_1 f_1 + w_2 f_2)/2."""
    return (w[:, None] * f[:, None] + w * f) / 2


def self_normalized(w, f):
    """(w_1 f_1 + w_2 f_2)/(w_1 + w_2)."""
    return (w[:, None] * f[:, None] + w * f) / (w[:, None] + w)


@claim(id="M6-bias", source="Owen (2013), §9.2", exact="B")
def plain_weights_are_unbiased(
    mdp: Observed,
    sampler: FullPolicy,
    along: Reward,
    horizon: Horizon,
    tau: Temperature,
    *,
    estimate=plain,
):
    """E_q (w_1f_1 + w_2f_2)/2 = E_p f for w = p/q; one self-normalized draw has mean E_q f.

    So self-normalized weights are biased, and right where all paths are drawn (M6).
    """
    found, weight = observed(mdp, horizon, likelihood(mdp, tau))
    p, f = weight / weight.sum(), total(found.pairs, along)
    q = found.chance * product(found.pairs, sampler)
    one = np.array([importance_weights([x], [0.0], tau=tau)[0] * x for x in f])
    near = 1e-12 * horizon**2 * (1 + (p / q).max())
    return All(
        Eq(q @ estimate(p / q, f) @ q, p @ f, near),
        Eq(q @ one, q @ f, near),
    )


plain_weights_are_unbiased.rejects("self-normalized", estimate=self_normalized)


# ---- M7 --------------------------------------------------------------------------------------


LEAST = np.finfo(float).smallest_subnormal


def xlog(x, y):
    """x log y, 0 where x is; a y that rounds to 0 is the least of floats."""
    return np.where(x > 0, x * np.log(np.where(x > 0, np.maximum(y, LEAST), 1)), 0)


def relative_entropy(p, q):
    """KL(p‖q)."""
    return xlog(p, np.where(p > 0, p, 1) / np.where(p > 0, q, 1)).sum()


def jensen_shannon(p, q):
    """½ KL(p‖m) + ½ KL(q‖m), m = (p + q)/2."""
    return (relative_entropy(p, (p + q) / 2) + relative_entropy(q, (p + q) / 2)) / 2


def cross_entropy(p, q, D):
    """−E_p log D − E_q log(1 − D)."""
    return -(xlog(p, D) + xlog(q, 1 - D)).sum()


def odds(p, q):
    """p/(p + q)."""
    return np.where(p + q > 0, p / np.where(p + q > 0, p + q, 1), 1 / 2)


Points = Annotated[Any, distributions("i")]


@claim(id="M7", source="Goodfellow et al. (2014), Proposition 1 and Theorem 1", exact="B")
def best_discriminator_is_the_share_of_data(
    p: Points,
    q: Points,
    D: Annotated[Any, numbers("i", low=Fraction(1, 100), high=Fraction(99, 100))],
    *,
    best=odds,
):
    """−E_p log D − E_q log(1−D) ≥ log 4 − 2 JS(p, q), with equality at D = p/(p + q)."""
    least = np.log(4) - 2 * jensen_shannon(p, q)
    return All(
        Leq(least, cross_entropy(p, q, D), 1e-13),
        Eq(cross_entropy(p, q, best(p, q)), least, 1e-13),
    )


best_discriminator_is_the_share_of_data.rejects("D = p", best=lambda p, q: p)
best_discriminator_is_the_share_of_data.rejects("D = q/(p + q)", best=lambda p, q: odds(q, p))


@best_discriminator_is_the_share_of_data.attained_by
def two_points():
    """D is the share."""
    return np.array([0.25, 0.75]), np.array([0.5, 0.5]), np.array([1 / 3, 0.6])


def evidence(mdp, x, horizon):
    """Z = Σ μ β_0."""
    return mdp.start @ linear_messages(mdp, horizon, x)[1][0]


@claim(id="M7-paths", source="Finn, Christiano, Abbeel & Levine (2016), §3", exact="Q")
def discriminators_of_paths_need_no_dynamics(
    mdp: Whole, x: Likelihood, pi: FullPolicy, horizon: Horizon, *, partition=evidence
):
    """D = (e^r/Z)/(e^r/Z + Π π) = p*/(p* + q), p* = p_0 e^r/Z and q = p_0 Π π: P cancels."""
    found, weight = observed(mdp, horizon, x)
    p, q = weight / weight.sum(), found.chance * product(found.pairs, pi)
    density = product(found.pairs, x) / partition(mdp, x, horizon)
    D = density / (density + product(found.pairs, pi))
    return Eq(D * (p + q), p)


discriminators_of_paths_need_no_dynamics.rejects("without Z", partition=lambda *_: 1)
discriminators_of_paths_need_no_dynamics.rejects(
    "Z of the first step alone", partition=lambda mdp, x, horizon: evidence(mdp, x, 1)
)


# ---- M8 --------------------------------------------------------------------------------------


def causal_entropy(mdp, x):
    """−Σ x log(x/Σ_a x)."""
    return -xlog(x, x / np.where(x > 0, over_states(mdp, over_actions(mdp, x)), 1)).sum()


@claim(id="M8", source="Ho & Ermon (2016), Lemma 3.1, with a modulus", exact="B")
def causal_entropy_is_strictly_concave_of_occupancies(
    mdp: Annotated[MDP, models(discount=(0, 0.99))],
    mu: FullDistribution,
    pi: Policy,
    other: Policy,
    t: Probability,
    *,
    second=lambda x, y: y,
    modulus=1,
):
    """H̄(tx + (1−t)y) − tH̄(x) − (1−t)H̄(y) ≥ ½t(1−t)(1−γ)²‖x − y‖₁² of x^π, y^π' that sum to 1.

    By Pinsker in each state, and ‖x^π − x^π'‖₁ ≤ H Σ d^π ‖π − π'‖₁. H̄(x) = E Σ γᵗ H(π(·|s_t))
    (1−γ), and H̄(cx) = cH̄(x): on all of R₊ it is not strict. π ↔ x is D2.
    """
    x = pair_occupancy(mdp, pi, mu)
    y = second(x, pair_occupancy(mdp, other, mu))
    mixed = causal_entropy(mdp, t * x + (1 - t) * y)
    gap = mixed - t * causal_entropy(mdp, x) - (1 - t) * causal_entropy(mdp, y)
    H = effective_horizon(mdp)
    paid = v_pi(mdp.replace(r=-np.log(np.where(pi > 0, pi, 1))), pi)
    near = 1e-13 * H * mdp.n_pairs
    least = modulus * t * (1 - t) / 2 * (abs(x - y).sum() / H) ** 2
    return All(
        Leq(least, gap, near),
        Eq(causal_entropy(mdp, x), (mu @ paid) / H, H * near),
        Eq(causal_entropy(mdp, 3 * x), 3 * causal_entropy(mdp, x), near),
    )


@causal_entropy_is_strictly_concave_of_occupancies.attained_by(exact_equality=False)
def two_coins():
    """γ = 0, π = ½ ± ε: the divergence is 2ε² to first order."""
    mdp = model([[[1], [1]]], [[0, 0]], 0).rounded()
    pi, e = np.array([[0.5, 0.5]]), np.array([[1e-3, -1e-3]])
    return mdp, np.array([1.0]), pi + e, pi - e, 0.5


causal_entropy_is_strictly_concave_of_occupancies.rejects(
    "of all x ≥ 0: along a ray it is linear", second=lambda x, y: 2 * x
)
causal_entropy_is_strictly_concave_of_occupancies.rejects(
    "twice the modulus", modulus=2, at=two_coins
)
