"""Group F, second part: the operator of TD(λ), and its samples (THEOREMS.md §2.F, F3, F6, F8).

    T^(λ) v = v + (I − γλP_π)⁻¹ (T^π v − v)          κ = γ(1−λ)/(1−γλ)
    v ← v + α (T^π v − v)                            contracts by 1 − α(1−γ)

Source: Bertsekas & Tsitsiklis (1996), §5.3; Tsitsiklis & Van Roy (1997).
"""

import math
from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    MDP,
    All,
    Eq,
    Leq,
    Policy,
    Probability,
    Rate,
    Value,
    claim,
    integers,
    models,
    solve,
)
from mdpkit.claim.statement import FALSE_ALARM
from mdpkit.operators.traces import lambda_modulus, lambda_operator
from proofs_checks.vocabulary import (
    chain,
    evaluation,
    horizon,
    scalar,
    sup,
    tol_v,
    v_pi,
    vector,
)

# ---- F3 --------------------------------------------------------------------------------------


def modulus(gamma, lam):
    """κ."""
    return lambda_modulus(gamma, lam)


@claim(
    id="F3", source="Bertsekas & Tsitsiklis (1996), Lemma 5.1", exact="Q", substochastic=True
)
def lambda_operator_contracts(
    mdp: MDP, v: Value, w: Value, pi: Policy, lam: Probability,
    *, T=lambda_operator, kappa=modulus,
):  # fmt: skip
    """X = T^(λ)v solves X = T^π((1−λ)v + λX); ‖T^(λ)v − T^(λ)w‖∞ ≤ κ‖v − w‖∞; T^(λ)v^π = v^π.

    κ = γ(1−λ)/(1−γλ) ≤ γ.
    """
    X, Y = T(mdp, pi, v, lam), T(mdp, pi, w, lam)
    backup, truth, tol = evaluation(pi), v_pi(mdp, pi), tol_v(mdp, v, w, powers=3)
    return All(
        Leq(sup(X - Y), kappa(mdp.gamma, lam) * sup(v - w), tol),
        Eq(X, backup(mdp, (1 - lam) * v + lam * X), tol),
        Eq(T(mdp, pi, truth, lam), truth, tol),
        Leq(kappa(mdp.gamma, lam), mdp.gamma, 1e-15, ratio=False),
    )


lambda_operator_contracts.rejects("γ(1−λ)", kappa=lambda gamma, lam: gamma * (1 - lam))
lambda_operator_contracts.rejects(
    "one backup, whatever λ is", T=lambda mdp, pi, v, lam: evaluation(pi)(mdp, v)
)
lambda_operator_contracts.rejects(
    "λ = 2/γ", kappa=lambda gamma, lam: modulus(gamma, 2 / gamma) if gamma > 0 else gamma
)


@lambda_operator_contracts.attained_by
def shifted_by_one():
    """w = v + 1."""
    mdp = gallery.make("puterman").exact()
    v = vector(mdp, 3, -1)
    return mdp, v, v + 1, np.array([0, 0]), scalar(mdp, "3/5")


def weighted_square(d, x):
    """‖x‖²_d = Σ d x²."""
    return (d * x * x).sum()


def frequencies(mdp, pi):
    """d = dP_π, the stationary law of an ergodic chain."""
    P, _ = chain(mdp, pi)
    n = mdp.n_states
    one = np.array([mdp.gamma * 0 + 1] * n)
    return solve((np.diag(one) - P).T + 1, one)


@claim(
    id="F3-stationary", source="Tsitsiklis & Van Roy (1997), Lemma 4", exact="Q2",
)  # fmt: skip
def lambda_operator_contracts_under_the_frequencies(
    mdp: Annotated[MDP, models(ergodic=True)], v: Value, w: Value, pi: Policy,
    lam: Probability, *, law=frequencies,
):  # fmt: skip
    """‖T^(λ)v − T^(λ)w‖_d ≤ κ ‖v − w‖_d, where d is the stationary law of P_π; squared."""
    d = law(mdp, pi)
    X, Y = (lambda_operator(mdp, pi, x, lam) for x in (v, w))
    kappa, tol = lambda_modulus(mdp.gamma, lam), tol_v(mdp, v, w, powers=3)
    size = float(max(sup(v), sup(w), sup(X), 1)) if tol else 1
    return Leq(weighted_square(d, X - Y), kappa**2 * weighted_square(d, v - w), tol * size)


def mostly_to_the_left():
    """Both states go to the first: only there does v − w count."""
    mdp = MDP(np.array([[[0.95, 0.05]], [[0.95, 0.05]]]), np.zeros((2, 1)), 0.9)
    return mdp, np.array([1.0, 0.0]), np.zeros(2), np.array([0, 0]), 0.0


lambda_operator_contracts_under_the_frequencies.rejects(
    "equal weights", law=lambda mdp, pi: 0 * frequencies(mdp, pi) + 1, at=mostly_to_the_left
)


@lambda_operator_contracts_under_the_frequencies.attained_by
def shifted_in_an_ergodic_chain():
    """w = v + 1."""
    mdp, v, _, pi, lam = mostly_to_the_left()
    return mdp, v, v + 1, pi, lam + 0.5


# ---- F6 --------------------------------------------------------------------------------------


@claim(id="F6", source="Sutton & Barto (2018), (6.9)", exact="Q", substochastic=True)
def target_is_biased_by_what_comes_after(
    mdp: MDP, v: Value, pi: Policy, *, factor=lambda gamma: gamma
):
    """E[r + γ v(s')|s] − v^π(s) = γ (P_π (v − v^π))(s)."""
    truth, (P, _) = v_pi(mdp, pi), chain(mdp, pi)
    bias = evaluation(pi)(mdp, v) - truth
    return Eq(bias, factor(mdp.gamma) * (P @ (v - truth)), tol_v(mdp, v))


target_is_biased_by_what_comes_after.rejects("without γ", factor=lambda gamma: 0 * gamma + 1)
target_is_biased_by_what_comes_after.rejects("unbiased", factor=lambda gamma: 0 * gamma)


# ---- F8 --------------------------------------------------------------------------------------


def damped(mdp, pi, v, alpha):
    """v + α (T^π v − v)."""
    return v + alpha * (evaluation(pi)(mdp, v) - v)


@claim(id="F8", source="Bertsekas & Tsitsiklis (1996), §5.2", exact="Q", substochastic=True)
def expected_update_contracts(
    mdp: MDP, v: Value, w: Value, pi: Policy, alpha: Probability, *, step=damped
):
    """F v = v + α(T^π v − v): ‖Fv − Fw‖∞ ≤ (1 − α(1−γ)) ‖v − w‖∞, and F v^π = v^π."""
    tol, truth = tol_v(mdp, v, w), v_pi(mdp, pi)
    factor = 1 - alpha * (1 - mdp.gamma)
    return All(
        Leq(sup(step(mdp, pi, v, alpha) - step(mdp, pi, w, alpha)), factor * sup(v - w), tol),
        Eq(step(mdp, pi, truth, alpha), truth, tol),
    )


expected_update_contracts.rejects(
    "twice the step", step=lambda mdp, pi, v, alpha: damped(mdp, pi, v, 2 * alpha)
)
expected_update_contracts.rejects(
    "forgets −v", step=lambda mdp, pi, v, alpha: v + alpha * evaluation(pi)(mdp, v)
)


@expected_update_contracts.attained_by
def shifted_by_two():
    """w = v + 2."""
    mdp = gallery.make("puterman").exact()
    v = vector(mdp, 3, -1)
    return mdp, v, v + 2, np.array([0, 0]), scalar(mdp, "1/3")


STEPS, RATE = 200, 0.05


def noisy_backups(mdp, pi, seed, target):
    """‖v_k − v^π‖∞ of TD(0) in every state at once, k = 0 … STEPS."""
    (rows, r), truth = chain(mdp, pi), v_pi(mdp, pi)
    v = 0 * r
    chance = np.random.default_rng(seed).random((STEPS, mdp.n_states, 1))
    following = (chance > np.cumsum(rows, axis=1)[:, :-1]).sum(axis=-1)
    errors = [sup(v - truth)]
    for t in following:
        v = v + RATE * (target(r, mdp.gamma, v, t) - v)
        errors.append(sup(v - truth))
    return np.array(errors)


@claim(id="F8-run", source="Even-Dar & Mansour (2003); Azuma (1967)", exact="B", effort=0.3)
def td0_stays_near_its_fixed_point(
    mdp: Annotated[MDP, models(reward=(-1, 1), discount=(0, Fraction(9, 10)))],
    pi: Policy,
    seed: Annotated[Any, integers(0, 10**6)],
    *,
    target=lambda r, gamma, v, t: r + gamma * v[t],
):
    """‖v_k − v^π‖∞ ≤ (1 − α(1−γ))ᵏ ‖v_0 − v^π‖∞ + H γw √(α/(2−α) · log(2SK/δ)/2), rate α.

    With probability 1 − δ, δ = 10⁻¹⁰, for all k ≤ K; w = 2H bounds the range of v_k. Rewards
    are the mean of the action, so that all noise is of the next state.
    """
    errors, H = noisy_backups(mdp, pi, seed, target), horizon(mdp)
    doubt = math.log(2 * mdp.n_states * STEPS / FALSE_ALARM) / 2
    noise = mdp.gamma * 2 * H * math.sqrt(RATE / (2 - RATE) * doubt)
    forgotten = (1 - RATE * (1 - mdp.gamma)) ** np.arange(STEPS + 1)
    return Rate(errors, forgotten * errors[0] + H * noise)


def a_loop_that_pays():
    """One state that pays 1 for ever: nothing is left to chance but the fixed point."""
    return MDP(np.ones((1, 1, 1)), np.ones((1, 1)), 0.02), np.ones((1, 1)), 0


td0_stays_near_its_fixed_point.rejects(
    "twice the reward", target=lambda r, gamma, v, t: 2 * r + gamma * v[t], at=a_loop_that_pays
)
