"""Groups F and X: how much returns and targets vary (THEOREMS.md F7, F9, X13).

    σ_1²(s) = Var(r + γ v^π(s')|s)        M = σ_1² + γ² P_π M = Var(return|s)
    M ≤ H² R_span²/4                      ‖(I − γP_π)⁻¹ √Var_P(v^π)‖∞ ≤ √2 H^{3/2},  0 ≤ r ≤ 1

Rewards are the mean of the action: what an outcome adds is not of the model.
Source: Sobel (1982); van Seijen et al. (2009); Azar, Munos & Kappen (2013), Lemma 8.
"""

from typing import Annotated

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    MDP,
    ActionValue,
    All,
    DetPolicy,
    Eq,
    Exists,
    Leq,
    Policy,
    claim,
    models,
    solve,
)
from mdpkit.operators.returns import lambda_return
from mdpkit.policy import expected_under, probabilities
from proofs_checks.instances import model
from proofs_checks.sampling_vocabulary import Horizon, Tiny, paths
from proofs_checks.vocabulary import (
    chain,
    evaluation,
    horizon,
    identity,
    over_actions,
    q_evaluation,
    resolvent,
    span,
    sup,
    tol_v,
    v_pi,
)

# ---- F7 --------------------------------------------------------------------------------------


def one_step_variance(mdp, pi, v):
    """Var(r + γ v(s')|s) over the action and the next state, 0 after an end; (S,)."""
    mean = evaluation(pi)(mdp, v)
    r = mdp.r.reshape(-1)[:, None]
    stop = np.asarray(mdp.stop).reshape(-1)
    second = (mdp.rows * (r + mdp.gamma * v) ** 2).sum(axis=1) + stop * r[:, 0] ** 2
    return over_actions(mdp, probabilities(mdp, pi).reshape(-1) * second) - mean * mean


def sum_of_variances(mdp, pi, noise):
    """M = σ² + γ² P_π M."""
    P, _ = chain(mdp, pi)
    return solve(identity(mdp) - mdp.gamma**2 * P, noise)


@claim(id="F7", source="Sobel (1982), Theorem 1", exact="Q", effort=0.3)
def return_varies_more_than_the_target(
    mdp: Tiny,
    pi: Policy,
    n: Horizon,
    *,
    total=sum_of_variances,
    values=lambda v: v,
):
    """M = (I − γ²P_π)⁻¹ σ_1² ≥ σ_1², σ_1² = Var(r + γv^π(s')|s): Monte Carlo against TD.

    M is the variance of the return: M − γ²ⁿ P_πⁿ M that of n steps and v^π behind them. It
    needs v = v^π: a target with wrong values may vary more than any return.
    """
    truth = v_pi(mdp, pi)
    noise = one_step_variance(mdp, pi, values(truth))
    M, (P, _), tol = total(mdp, pi, noise), chain(mdp, pi), tol_v(mdp, powers=5)
    size = float(max(1, sup(truth))) if tol else 1
    rest = M
    for _ in range(n):
        rest = mdp.gamma**2 * (P @ rest)
    listed = []
    for s in range(mdp.n_states):
        batch = paths(mdp, pi, n, s)
        after = truth[batch.states[1:]]
        G = lambda_return(batch.rewards, batch.discounts, batch.boundary, after)[0]
        listed.append((batch.weight * G * G).sum() - (batch.weight * G).sum() ** 2)
    return All(
        Leq(one_step_variance(mdp, pi, truth), M, tol * size),
        Eq(np.array(listed), M - rest, tol * size),
    )


return_varies_more_than_the_target.rejects(
    "γ for γ²",
    total=lambda mdp, pi, noise: solve(identity(mdp) - mdp.gamma * chain(mdp, pi)[0], noise),
)
return_varies_more_than_the_target.rejects(
    "of values that are wrong", values=lambda v: v * (1 + np.arange(v.size)) * 3
)


def wrong_values(mdp, pi, v):
    """v, if its target varies more than the return does."""
    M = sum_of_variances(mdp, pi, one_step_variance(mdp, pi, v_pi(mdp, pi)))
    return v if (one_step_variance(mdp, pi, v) > M).any() else None


@claim(id="F7-noise", source="after Sobel (1982)", exact="Q", mutations=())
def target_of_wrong_values_may_vary_more(*, values=lambda truth: truth * 0 + [0, 10, -10]):
    """∃ v: Var(r + γ v(s')|s) > Var(return|s): that TD varies less holds at v = v^π only."""
    P = [[[0, "1/2", "1/2"]], [[0, 0, 0]], [[0, 0, 0]]]
    mdp = model(P, [[0], [1], [1]], "1/2", stops=True)
    pi = np.zeros(3, dtype=np.int64)
    return Exists(wrong_values(mdp, pi, values(v_pi(mdp, pi))))


target_of_wrong_values_may_vary_more.rejects("v^π itself", values=lambda truth: truth)


# ---- F9 --------------------------------------------------------------------------------------


def target_moments(mdp, q, pi, expected):
    """Mean and variance of r + γq(s',a') for each pair; a' drawn, or averaged over."""
    p = probabilities(mdp, pi)
    first = expected_under(mdp, pi, q)
    second = first * first if expected else over_actions(mdp, p * q * q)
    mean = (mdp.rows * first).sum(axis=1)
    return mean, (mdp.rows * second).sum(axis=1) - mean * mean


@claim(id="F9", source="van Seijen, van Hasselt, Whiteson & Wiering (2009)", exact="Q")
def expected_sarsa_has_the_mean_of_sarsa_and_less_variance(
    mdp: MDP, q: ActionValue, pi: Policy, *, moments=target_moments
):
    """Both targets expect B^π q; Var(expected) = Var(Sarsa) − γ² E Var_{a'} q(s',a')."""
    one, wide = moments(mdp, q, pi, False)
    other, narrow = moments(mdp, q, pi, True)
    spread = over_actions(mdp, probabilities(mdp, pi) * q * q) - expected_under(mdp, pi, q) ** 2
    image = q_evaluation(pi)(mdp, q).reshape(-1)
    r, gamma = mdp.r.reshape(-1), mdp.gamma
    tol = tol_v(mdp, q) * (float(max(1, sup(q))) if not mdp.is_exact else 1)
    return All(
        Eq(r + gamma * one, image, tol),
        Eq(r + gamma * other, image, tol),
        Eq(gamma**2 * narrow, gamma**2 * (wide - (mdp.rows * spread).sum(axis=1)), tol),
        Leq(narrow, wide, tol, ratio=False),
    )


def greedy_moments(mdp, q, pi, expected):
    """Those of Q-learning where the average is asked for."""
    if not expected:
        return target_moments(mdp, q, pi, expected)
    top = np.maximum.reduceat(q.reshape(-1), mdp.action_ptr[:-1])
    mean = (mdp.rows * top).sum(axis=1)
    return mean, (mdp.rows * top * top).sum(axis=1) - mean * mean


expected_sarsa_has_the_mean_of_sarsa_and_less_variance.rejects(
    "the largest for the average", moments=greedy_moments
)
expected_sarsa_has_the_mean_of_sarsa_and_less_variance.rejects(
    "no less variance", moments=lambda mdp, q, pi, _: target_moments(mdp, q, pi, False)
)


# ---- X13 -------------------------------------------------------------------------------------


def of_the_next_state(mdp, pi):
    """γ² Var_P(v^π), the noise of a deterministic policy; (S,)."""
    return one_step_variance(mdp, pi, v_pi(mdp, pi))


@claim(id="X13", source="Sobel (1982); Popoviciu (1935)", exact="Q")
def return_varies_by_its_range(
    mdp: MDP, pi: DetPolicy, *, noise=of_the_next_state, size=lambda mdp: horizon(mdp) ** 2
):
    """M = (I − γ²P_π)⁻¹ γ² Var_P(v^π) ≤ H² R_span²/4, for deterministic π."""
    M = sum_of_variances(mdp, pi, noise(mdp, pi))
    tol = tol_v(mdp, powers=5) * float(max(1, sup(mdp.r))) if not mdp.is_exact else 0
    return Leq(M, size(mdp) * span(mdp.r) ** 2 / 4, tol)


def a_fork():
    """A step that pays nothing, then 1 or −1 for ever; γ = 99/100."""
    P = [[[0, "1/2", "1/2"]], [[0, 1, 0]], [[0, 0, 1]]]
    return model(P, [[0], [1], [-1]], "99/100"), np.array([0, 0, 0])


return_varies_by_its_range.rejects("without H²", size=lambda mdp: 1, at=a_fork)
return_varies_by_its_range.rejects("H for H²", size=horizon, at=a_fork)
return_varies_by_its_range.attained_by(a_fork, exact_equality=False)


@claim(id="X13-root", source="Azar, Munos & Kappen (2013), Lemma 8", exact="B")
def deviations_add_up_to_the_three_halves(
    mdp: Annotated[MDP, models(reward=(0, 1))], pi: DetPolicy, *, power=3
):
    """‖(I − γP_π)⁻¹ √Var_P(v^π)‖∞ ≤ √2 H^{3/2} for 0 ≤ r ≤ 1: less than H² by H^{1/2}."""
    v, (P, _) = v_pi(mdp, pi), chain(mdp, pi)
    spread = np.sqrt(np.maximum(P @ (v * v) - (P @ v) ** 2, 0.0))
    lost = tol_v(mdp, powers=1) ** 0.5 * horizon(mdp) ** 2  # √ of what cancels
    return Leq(sup(resolvent(mdp, pi) @ spread), np.sqrt(2 * horizon(mdp) ** power), lost)


def mostly_staying():
    """The reward 1 is kept with probability (4γ−1)/(3γ), γ = .999: v = ¾H."""
    mdp = gallery.make("azar", gamma=0.999)
    return mdp, np.zeros(mdp.n_states, dtype=np.int64)


deviations_add_up_to_the_three_halves.rejects("H for H³", power=1, at=mostly_staying)
