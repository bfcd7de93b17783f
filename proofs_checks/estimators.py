"""Group F, third part: maxima of estimates, and Q-learning (THEOREMS.md §2.F, F10–F14).

    E max_a X_a ≥ max_a E X_a              by at most √((m−1)/m Σ_a Var X_a)
    E B(argmax A) ≤ max_a E B(a)           A, B independent: biased down, not unbiased
    E_t[r + γ max_b q(t,b)] = B q

Laws are finite: a table X(k, a) of outcomes and their probabilities, dependent or not.
Source: van Hasselt (2010); Aven (1985); Thrun & Schwartz (1993); Watkins & Dayan (1992).
"""

import math
from fractions import Fraction
from itertools import product
from typing import Annotated, Any

import numpy as np

from mdpkit.claim import (
    MDP,
    ActionValue,
    All,
    Eq,
    InExpectation,
    Leq,
    Rate,
    claim,
    integers,
    models,
    numbers,
)
from mdpkit.claim.statement import FALSE_ALARM
from mdpkit.operators.aggregate import boltzmann, maximum, soft
from mdpkit.operators.bellman import aggregate, backup_q
from proofs_checks.instances import exactly
from proofs_checks.sampling_vocabulary import Law, rounding
from proofs_checks.vocabulary import horizon, q_star, sup

# ---- F10 -------------------------------------------------------------------------------------


@claim(id="F10", source="Watkins & Dayan (1992)", exact="Q")
def q_learning_expects_the_backup(mdp: MDP, q: ActionValue, *, over=maximum):
    """E_t[r + γ max_b q(t,b)] = (B q)(s,a), for every pair, whatever is done there."""
    after = aggregate(mdp, q, over)
    samples = mdp.r.reshape(-1) + mdp.gamma * after[:, None]  # (t, pairs)
    return All(
        *(
            InExpectation(samples[:, i], claimed, probabilities=mdp.rows[i])
            for i, claimed in enumerate(backup_q(mdp, q).reshape(-1))
        )
    )


q_learning_expects_the_backup.rejects("an average of the actions", over=boltzmann(1.0))
q_learning_expects_the_backup.rejects("the soft maximum", over=soft(1.0))

STEPS, RATE = 200, 0.05


def q_learning(mdp, seed, starved):
    """‖q_k − q*‖∞ of a run that samples every pair in every step, but for those starved."""
    truth, r, q = q_star(mdp), mdp.r, 0 * mdp.r
    chance = np.random.default_rng(seed).random((STEPS, mdp.n_pairs, 1))
    following = (chance > mdp.rows.cumsum(axis=1)[:, :-1]).sum(axis=-1)
    seen = (np.arange(mdp.n_pairs) >= starved).reshape(mdp.pair_shape)
    errors = [sup(q - truth)]
    for t in following.reshape(STEPS, *mdp.pair_shape):
        q = q + RATE * seen * (r + mdp.gamma * aggregate(mdp, q)[t] - q)
        errors.append(sup(q - truth))
    return np.array(errors)


@claim(id="F10-run", source="Even-Dar & Mansour (2003); Azuma (1967)", exact="B", effort=0.3)
def q_learning_stays_near_the_optimum(
    mdp: Annotated[MDP, models(reward=(-1, 1), discount=(0, Fraction(9, 10)))],
    seed: Annotated[Any, integers(0, 10**6)],
    *,
    starved=0,
):
    """‖q_k − q*‖∞ ≤ (1 − α(1−γ))ᵏ ‖q_0 − q*‖∞ + H γw √(α/(2−α) · log(2mK/δ)/2), rate α.

    With probability 1 − δ, δ = 10⁻¹⁰, for all k ≤ K, every pair sampled in each step; w = 2H
    bounds the range of q_k.
    """
    errors, H = q_learning(mdp, seed, starved), horizon(mdp)
    doubt = math.log(2 * mdp.n_pairs * STEPS / FALSE_ALARM) / 2
    noise = mdp.gamma * 2 * H * math.sqrt(RATE / (2 - RATE) * doubt)
    forgotten = (1 - RATE * (1 - mdp.gamma)) ** np.arange(STEPS + 1)
    return Rate(errors, forgotten * errors[0] + H * noise)


def an_action_that_pays():
    """One state and one action, which pays 1, at a discount of .02."""
    return MDP(np.ones((1, 1, 1)), np.ones((1, 1)), 0.02), 0


q_learning_stays_near_the_optimum.rejects(
    "a pair that is never tried", starved=1, at=an_action_that_pays
)


# ---- F11 -------------------------------------------------------------------------------------


def table(draw, _):
    """X(k, a): 2 to 4 outcomes of 1 to 4 arms."""
    draw.size("k", 2, 4)
    draw.size("m", 1, 4)
    return draw.numbers("km", -10, 10)


Arms = Annotated[Any, table]


def widest(m, total):
    """(m−1)/m ΣVar."""
    return total * (m - 1) / m


@claim(id="F11", source="Aven (1985); van Hasselt (2010), §2", exact="Q2")
def maximum_is_biased_up(p: Law, X: Arms, *, bound=widest):
    """0 ≤ E max_a X_a − max_a E X_a ≤ √((m−1)/m Σ_a Var X_a), for any joint law; squared."""
    mean = p @ X
    bias = p @ X.max(axis=1) - mean.max()
    total = (p @ (X - mean) ** 2).sum()
    tol = rounding(X)
    return All(
        Leq(bias * bias, bound(X.shape[1], total), tol), Leq(-bias, 0 * bias, tol, ratio=False)
    )


def one_high_the_others_low():
    """One of three arms, any of them, is 2, the others −1."""
    return exactly(["1/3"] * 3), exactly([[2, -1, -1], [-1, 2, -1], [-1, -1, 2]])


maximum_is_biased_up.rejects("ΣVar/m", bound=lambda m, total: total / m)
maximum_is_biased_up.attained_by(one_high_the_others_low)


NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
"""Integrate polynomials up to degree 15 on [−1, 1] exactly."""


@claim(id="F11-uniform", source="Thrun & Schwartz (1993), §3", exact="B", mutations=())
def uniform_noise_biases_by_m_minus_one_over_m_plus_one(
    m: Annotated[int, integers(1, 12)],
    size: Annotated[Any, numbers(low=0, high=100)],
    *,
    bias=lambda m: (m - 1) / (m + 1),
):
    """X_a uniform on [−ε, ε], independent: E max_a X_a = ∫ x dFᵐ = ε (m−1)/(m+1)."""
    density = m * ((1 + NODES) / 2) ** (m - 1) / 2
    return Eq(size * (WEIGHTS * NODES * density).sum(), size * bias(m), 1e-12 * (1 + size))


uniform_noise_biases_by_m_minus_one_over_m_plus_one.rejects("1 − 1/m", bias=lambda m: 1 - 1 / m)
uniform_noise_biases_by_m_minus_one_over_m_plus_one.rejects("no bias", bias=lambda m: 0)


@claim(id="F11-sub", source="Boucheron, Lugosi & Massart (2013), Theorem 2.5", exact="B")
def sub_gaussian_maximum_is_biased_by_a_root_of_log(
    p: Law, X: Arms, *, root=lambda m: math.sqrt(2 * math.log(m))
):
    """E max_a (X_a − E X_a) ≤ σ √(2 log m), σ half the widest range: Hoeffding's lemma."""
    mean = p @ X
    sigma = np.ptp(X, axis=0).max() / 2
    return Leq(p @ (X - mean).max(axis=1), sigma * root(X.shape[1]), rounding(X))


sub_gaussian_maximum_is_biased_by_a_root_of_log.rejects(
    "half of the logarithm", root=lambda m: math.sqrt(math.log(m) / 2)
)


# ---- F12 -------------------------------------------------------------------------------------


def double(choice, value):
    """B at A's best arm."""
    return value[choice]


@claim(id="F12", source="van Hasselt (2010), Lemma 1", exact="Q")
def double_estimator_is_biased_down(p: Law, X: Arms, *, estimate=double, pairs="independent"):
    """E B(argmax A) ≤ max_a E B(a), A and B independent copies of X; E min(A, B) is below both.

    Equality only if the best arm is surely chosen, or all are equal.
    """
    mean, n = p @ X, len(p)
    found = clipped = chosen = 0 * mean[0]
    for i, j in product(range(n), range(n)):
        if pairs == "the same" and i != j:
            continue
        weight = p[i] * p[j] if pairs == "independent" else p[i]
        best = int(np.argmax(X[i]))
        found = found + weight * estimate(best, X[j])
        clipped = clipped + weight * min(X[i, best], X[j, best])
        chosen = chosen + weight * X[j, best]
    tol = rounding(X)
    return All(Leq(found, mean.max(), tol, ratio=False), Leq(clipped, chosen, tol, ratio=False))


double_estimator_is_biased_down.rejects("the single estimator", pairs="the same")
double_estimator_is_biased_down.rejects(
    "judged by the largest", estimate=lambda choice, value: value.max()
)


# ---- F13 -------------------------------------------------------------------------------------


def errors(draw, _):
    """Errors of 2 to 4 actions that sum to 0."""
    draw.size("m", 2, 4)
    drawn = draw.numbers("m")
    return drawn - drawn.sum() / drawn.size


Errors = Annotated[Any, errors]


@claim(
    id="F13",
    source="van Hasselt, Guez & Silver (2016), Theorem 1",
    exact="Q2",
    mutations=("m5",),
)
def errors_of_mean_zero_raise_the_maximum(e: Errors, *, share=lambda m: m - 1):
    """q_a = v* + e_a, Σe = 0, C = Σe²/m: max_a q_a ≥ v* + √(C/(m−1)), squared."""
    m, top = e.size, e.max()
    return Leq((e * e).sum() / m / share(m), top * top, rounding(e))


errors_of_mean_zero_raise_the_maximum.rejects("√C", share=lambda m: 1)


@errors_of_mean_zero_raise_the_maximum.attained_by
def one_far_below():
    """m − 1 errors of 1, and one of −(m−1)."""
    return exactly([1, 1, 1, -3])


# ---- F14 -------------------------------------------------------------------------------------


@claim(id="F14", source="Lillicrap et al. (2016), §3", exact="Q")
def averaged_target_is_a_geometric_mean(
    theta: Annotated[Any, numbers("k", longest=6)],
    first: Annotated[Any, numbers()],
    tau: Annotated[Any, numbers(low=0, high=1)],
    *,
    weight=lambda tau, j: tau * (1 - tau) ** j,
):
    """θ̄ ← (1−τ)θ̄ + τθ_k gives θ̄_n = (1−τ)ⁿ θ̄_0 + Σ_{j<n} τ(1−τ)ʲ θ_{n−1−j}."""
    target, n = first, theta.size
    for x in theta:
        target = (1 - tau) * target + tau * x
    past = sum(weight(tau, j) * theta[n - 1 - j] for j in range(n))
    return Eq(target, (1 - tau) ** n * first + past, rounding(theta, np.array([first])))


averaged_target_is_a_geometric_mean.rejects(
    "the oldest weighs most", weight=lambda tau, j: tau * (1 - tau) ** (5 - j)
)
averaged_target_is_a_geometric_mean.rejects("τʲ", weight=lambda tau, j: (1 - tau) * tau**j)
