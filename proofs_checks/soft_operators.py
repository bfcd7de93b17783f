"""Group K, first part: log-sum-exp in the place of max (THEOREMS.md §2.K, K1, K2, K11, K14).

    (T_τ v)(s) = τ log Σ_a p(a|s) e^{q(s,a)/τ} = max_π Σ_a π(a) q(s,a) − τ KL(π‖p)
    q = r + γPv

Its maximizer is π ∝ p e^{q/τ}; Boltzmann's average Σ_a π(a) q(s,a) is another thing.
Source: Ziebart (2010); Asadi & Littman (2017); Geist, Scherrer & Pietquin (2019).
"""

import math
from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit.claim import (
    MDP,
    ActionValue,
    All,
    Eq,
    Exists,
    InExpectation,
    Leq,
    Policy,
    Rate,
    Value,
    claim,
    distributions,
    integers,
    models,
    numbers,
)
from mdpkit.claim.statement import FALSE_ALARM
from mdpkit.operators.aggregate import (
    boltzmann,
    expectile,
    maximum,
    mellowmax,
    soft,
    sparsemax,
)
from mdpkit.operators.bellman import action_values, aggregate, backup_q
from mdpkit.policy import uniform
from proofs_checks.operators import Measure, averaged
from proofs_checks.soft_vocabulary import Temperature, divergence, soft_optimum, soft_policy
from proofs_checks.vocabulary import (
    best,
    horizon,
    over_actions,
    over_states,
    soft_evaluation,
    soft_optimality,
    span,
    sup,
    tol_v,
)

Numbers = Annotated[Any, numbers("a")]


def at_scale(share, x):
    """A temperature at which e^{(x − max x)/τ} does not underflow."""
    return share * max(1.0, span(x))


# ---- K1 --------------------------------------------------------------------------------------


def without_logarithm(tau, prior):
    """τ Σ_a p e^{q/τ}, as it is sometimes printed."""
    return lambda mdp, v: tau * over_actions(mdp, prior * np.exp(action_values(mdp, v) / tau))


@claim(
    id="K1", source="Geist, Scherrer & Pietquin (2019), Propositions 1 and 2", exact="B",
    substochastic=True,
)  # fmt: skip
def soft_backup_is_the_regularized_maximum(
    mdp: MDP, v: Value, w: Value, pi: Policy, prior: Measure, share: Temperature,
    *, T=soft_optimality
):  # fmt: skip
    """T_τv = τ log Σ_a p e^{(r+γPv)/τ} = max_π T^π_τ v, at π ∝ p e^{q/τ} alone; γ-contraction.

    T_τv − T^π_τ v = τ KL(π‖π_v), π_v ∝ p e^{q/τ}: 0 at π_v and nowhere else.
    """
    q = action_values(mdp, v)
    tau = at_scale(share, q)
    F = T(tau, prior)
    top, own, tol = F(mdp, v), soft_policy(mdp, q, tau, prior), tol_v(mdp, v, w)
    lost = top - soft_evaluation(pi, tau, prior)(mdp, v)
    return All(
        Leq(sup(top - F(mdp, w)), mdp.gamma * sup(v - w)),
        Eq(over_actions(mdp, prior * np.exp((q - over_states(mdp, top)) / tau)), 1, tol),
        Eq(lost, tau * divergence(mdp, pi, own)),
        Eq(top, soft_evaluation(own, tau, prior)(mdp, v)),
    )


soft_backup_is_the_regularized_maximum.rejects("without the logarithm", T=without_logarithm)
soft_backup_is_the_regularized_maximum.rejects(
    "without the prior", T=lambda tau, prior: soft_optimality(tau)
)
soft_backup_is_the_regularized_maximum.rejects(
    "Boltzmann's average", T=lambda tau, prior: averaged(tau)
)


@soft_backup_is_the_regularized_maximum.attained_by
def shifted_values():
    """w = v + 1."""
    mdp, q, _, _ = shifted_action_values()
    v = best(mdp, q)
    return mdp, v, v + 1, uniform(mdp), uniform(mdp), 0.5


# ---- K2 --------------------------------------------------------------------------------------


def relative_entropy(q, p):
    """KL(q‖p), p > 0."""
    return (q * np.log(np.where(q > 0, q, p) / p)).sum()


@claim(id="K2", source="Donsker & Varadhan (1975); Boucheron et al. (2013)", exact="B")
def log_sum_exp_is_the_conjugate_of_relative_entropy(
    x: Numbers,
    p: Annotated[Any, distributions("a", full=True)],
    q: Annotated[Any, distributions("a")],
    share: Temperature,
    *,
    over=soft,
    cost=relative_entropy,
):
    """τ log E_p e^{x/τ} = max_q ⟨q, x⟩ − τ KL(q‖p): by τ KL(q‖q*) more, q* ∝ p e^{x/τ}."""
    tau = at_scale(share, x)
    value, best = over(tau, p)(x)
    return All(
        Eq(value - (q @ x - tau * cost(q, p)), tau * relative_entropy(q, best)),
        Eq(value, best @ x - tau * cost(best, p)),
    )


log_sum_exp_is_the_conjugate_of_relative_entropy.rejects(
    "Boltzmann's average", over=lambda tau, p: boltzmann(tau)
)
log_sum_exp_is_the_conjugate_of_relative_entropy.rejects(
    "KL(p‖q)", cost=lambda q, p: relative_entropy(p, np.maximum(q, 1e-300))
)
log_sum_exp_is_the_conjugate_of_relative_entropy.rejects(
    "the entropy of q alone", cost=lambda q, p: relative_entropy(q, np.ones_like(p))
)


# ---- K11 -------------------------------------------------------------------------------------


@claim(id="K11", source="Haarnoja et al. (2017); Fox, Pakman & Tishby (2016)", exact="B")
def soft_q_learning_expects_the_soft_backup(
    mdp: MDP, q: ActionValue, u: ActionValue, tau: Temperature, *, over=soft
):
    """E_t[r + γ ⊕_b q(t,b)] = (B_τ q)(s,a), ⊕ = τ log Σ e^{·/τ}; ‖B_τq − B_τu‖ ≤ γ‖q − u‖."""
    expected, after = backup_q(mdp, q, soft(tau)), aggregate(mdp, q, over(tau))
    samples = mdp.r.reshape(-1) + mdp.gamma * after[:, None]  # (t, pairs)
    targets = [
        InExpectation(samples[:, i], claimed, probabilities=mdp.rows[i])
        for i, claimed in enumerate(expected.reshape(-1))
    ]
    return All(
        Leq(sup(expected - backup_q(mdp, u, soft(tau))), mdp.gamma * sup(q - u)), *targets
    )


soft_q_learning_expects_the_soft_backup.rejects(
    "Q-learning's maximum", over=lambda tau: maximum
)
soft_q_learning_expects_the_soft_backup.rejects("expected SARSA's average", over=boltzmann)


@soft_q_learning_expects_the_soft_backup.attained_by
def shifted_action_values():
    """u = q + 1."""
    mdp = MDP([[[0.5, 0.5], [0, 1]], [[0, 1], [1, 0]]], [[5, 10], [-1, 1]], 0.9)
    return mdp, mdp.r, mdp.r + 1, 0.5


STEPS, RATE = 300, 0.05


def soft_q_learning(mdp, tau, seed, over):
    """‖q_k − q*_τ‖ of a run in which every pair is sampled in every step, k = 0 … STEPS."""
    v, _ = soft_optimum(mdp, tau)
    truth, r, q = action_values(mdp, v), mdp.r, 0 * mdp.r
    chance = np.random.default_rng(seed).random((STEPS, mdp.n_pairs, 1))
    following = (chance > mdp.rows.cumsum(axis=1)[:, :-1]).sum(axis=-1)
    errors = [sup(q - truth)]
    for t in following.reshape(STEPS, *mdp.pair_shape):
        q = q + RATE * (r + mdp.gamma * aggregate(mdp, q, over(tau))[t] - q)
        errors.append(sup(q - truth))
    return np.array(errors)


@claim(id="K11-run", source="Even-Dar & Mansour (2003); Azuma (1967)", exact="B", effort=0.3)
def soft_q_learning_stays_near_its_fixed_point(
    mdp: Annotated[MDP, models(reward=(-1, 1), discount=(0, Fraction(9, 10)))],
    tau: Temperature,
    seed: Annotated[Any, integers(0, 10**6)],
    *,
    over=soft,
):
    """‖q_k − q*_τ‖ ≤ (1 − α(1−γ))ᵏ ‖q_0 − q*_τ‖ + H γw √(α/(2−α) · log(2mK/δ)/2), at rate α.

    With probability 1 − δ, δ = 10⁻¹⁰, for all k ≤ K; m pairs, w the range of ⊕_b q_k(t,b). The
    noise is a weighted sum of martingale differences in an interval of length γw (Azuma,
    Hoeffding); what remains contracts, and carries H − 1 times the noise along.
    """
    errors, H = soft_q_learning(mdp, tau, seed, over), horizon(mdp)
    bonus = tau * math.log(mdp.n_actions)
    low = min(0.0, mdp.r.min() * H)
    high = max(0.0, (mdp.r.max() + mdp.gamma * bonus) * H) + bonus
    doubt = math.log(2 * mdp.n_pairs * STEPS / FALSE_ALARM) / 2
    noise = mdp.gamma * (high - low) * math.sqrt(RATE / (2 - RATE) * doubt)
    steps = np.arange(STEPS + 1)
    forgotten = (1 - RATE * (1 - mdp.gamma)) ** steps
    return Rate(errors, forgotten * errors[0] + H * noise)


def two_equal_actions():
    """One state that pays nothing: hard Q-learning stays at 0, q*_τ = γτH log 2."""
    return MDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.2), 2.0, 0


soft_q_learning_stays_near_its_fixed_point.rejects(
    "Q-learning's maximum", over=lambda tau: maximum, at=two_equal_actions
)


# ---- K14 -------------------------------------------------------------------------------------


STEEP = np.array([0.0, 5.0]), np.array([-0.1, 5.1])
"""At β = 1 Boltzmann's average of these differs by 0.10494."""


def expanded(over):
    """Two points that ⊕ moves apart, if these are such."""
    x, y = STEEP
    apart = abs(over(y)[0] - over(x)[0])
    return STEEP if apart > 1.049 * sup(x - y) else None


@claim(id="K14", source="Littman (1996); Asadi & Littman (2017)", exact="B")
def boltzmann_average_is_no_nonexpansion(*, over=boltzmann):
    """∃ x, y: |⊕x − ⊕y| > ‖x − y‖∞ for ⊕x = Σ x e^{βx}/Σ e^{βx}: (0, 5), (−.1, 5.1), β = 1."""
    return Exists(expanded(over(1.0)))


boltzmann_average_is_no_nonexpansion.rejects("log-sum-exp", over=soft)
boltzmann_average_is_no_nonexpansion.rejects("log-mean-exp", over=mellowmax)
boltzmann_average_is_no_nonexpansion.rejects("sparsemax", over=sparsemax)


def nonexpansions(tau, p):
    """The reductions that may stand for max."""
    smooth = [soft(tau), soft(tau, p), mellowmax(1 / tau), sparsemax(tau)]
    return [maximum, *smooth, expectile(1 / (1 + tau), p)]


@claim(
    id="K14-others", source="Asadi & Littman (2017); Geist, Scherrer & Pietquin (2019)",
    exact="B",
)  # fmt: skip
def reductions_are_nonexpansions(
    x: Numbers,
    y: Numbers,
    p: Annotated[Any, distributions("a", full=True)],
    tau: Temperature,
    *,
    reductions=nonexpansions,
):
    """|⊕x − ⊕y| ≤ ‖x − y‖∞ for ⊕ max, log-sum-exp, mellowmax, sparsemax and the expectiles."""
    return All(*(Leq(abs(over(x)[0] - over(y)[0]), sup(x - y)) for over in reductions(tau, p)))


@reductions_are_nonexpansions.attained_by
def a_shift():
    """y = x + 1."""
    x, _ = STEEP
    return x, x + 1, np.array([0.25, 0.75]), 1.0


reductions_are_nonexpansions.rejects(
    "Boltzmann's average",
    reductions=lambda tau, p: [boltzmann(tau)],
    at=lambda: (*STEEP, np.array([0.5, 0.5]), 1.0),
)
