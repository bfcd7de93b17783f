"""Group E, third part: returns of another policy (THEOREMS.md §2.E, E9–E11).

    ρ_t = π(a_t|s_t)/b(a_t|s_t)       E_b[Π ρ G] = E_b[Σ_t γᵗ ρ_{0:t} r_t] = v^π_T

Source: Precup, Sutton & Singh (2000); Sutton & Barto (2018), §5.5; Liu et al. (2020).
"""

from typing import Annotated

import numpy as np

from mdpkit import gallery
from mdpkit.claim import All, Eq, Exists, FullPolicy, Leq, Policy, claim, integers
from mdpkit.operators.bellman import action_values
from mdpkit.operators.returns import lambda_return
from mdpkit.operators.traces import n_step_operator
from mdpkit.policy import probabilities, uniform
from proofs_checks.instances import exactly, model
from proofs_checks.sampling_vocabulary import Horizon, Tiny, along, paths, ratio
from proofs_checks.vocabulary import over_actions, tol_v

# ---- E9 --------------------------------------------------------------------------------------


def shifted(x):
    """x_{t+1}, and 1 behind the last."""
    return np.concatenate([x[1:], 0 * x[:1] + 1])


def policy_ratios(mdp, pi, b):
    """ρ of every pair; 0 where b is 0."""
    return ratio(probabilities(mdp, pi).reshape(-1), probabilities(mdp, b).reshape(-1))


def starved(mdp, b):
    """b, if the first action of every state were never taken where there is another."""
    one = np.ones(mdp.n_pairs, dtype=np.int64)
    alone = np.repeat(np.diff(mdp.action_ptr) == 1, np.diff(mdp.action_ptr))
    one[mdp.action_ptr[:-1]] = 0
    rest = b.reshape(-1) * np.where(alone, 1, one)
    return (rest / np.repeat(over_actions(mdp, rest), np.diff(mdp.action_ptr))).reshape(b.shape)


@claim(id="E9", source="Precup, Sutton & Singh (2000), Theorem 1", exact="Q", effort=0.3)
def importance_sampling_of_paths_is_unbiased(
    mdp: Tiny,
    pi: Policy,
    b: FullPolicy,
    T: Horizon,
    *,
    ratios=policy_ratios,
    of_state=lambda rho: rho,
    of_pair=shifted,
    behavior=lambda mdp, b: b,
):
    """E_b[ρ_{0:T−1} G] = E_b[Σ_t γᵗ ρ_{0:t} r_t] = v^π_T(s), and E_b[ρ_{1:T−1} G|s,a] = q^π_T.

    For a state the product begins with ρ_0; for a pair behind it, whatever π makes of the pair.
    """
    b = behavior(mdp, b)
    batch = paths(mdp, b, T)
    rho = along(batch, ratios(mdp, pi, b), 1)
    G = lambda_return(batch.rewards, batch.discounts, batch.boundary, 0)[0]
    decided = lambda_return(batch.rewards, batch.discounts, batch.boundary, 0, shifted(rho))[0]
    own, pair = np.prod(of_state(rho), axis=0), np.prod(of_pair(rho), axis=0)
    value = mdp.start @ n_step_operator(mdp, pi, mdp.start * 0, T)
    q = action_values(mdp, n_step_operator(mdp, pi, mdp.start * 0, T - 1)).reshape(-1)
    first, met = q * 0, q * 0
    np.add.at(first, batch.pairs[0], batch.weight * pair * G)
    np.add.at(met, batch.pairs[0], batch.weight)
    tol = tol_v(mdp) * 10**3  # ratios reach 20, and two are multiplied with a third
    return All(
        Eq((batch.weight * own * G).sum(), value, tol),
        Eq((batch.weight * rho[0] * decided).sum(), value, tol),
        Eq(first, met * q, tol),
    )


importance_sampling_of_paths_is_unbiased.rejects(
    "the ratio of a state begins behind its action", of_state=shifted
)
importance_sampling_of_paths_is_unbiased.rejects(
    "the ratio of a pair begins with its action", of_pair=lambda rho: rho
)
importance_sampling_of_paths_is_unbiased.rejects(
    "π/Σπ for π/b", ratios=lambda mdp, pi, b: policy_ratios(mdp, pi, uniform(mdp))
)
importance_sampling_of_paths_is_unbiased.rejects(
    "an action of the target is never seen", behavior=starved
)


@claim(id="E9-weighted", source="Sutton & Barto (2018), §5.5", exact="Q", effort=0.5)
def one_weighted_path_knows_the_behavior_only(
    mdp: Tiny, pi: FullPolicy, b: FullPolicy, T: Horizon, *, estimate=lambda w, G: w * G / w
):
    """E_b[WG/W] = v^b_T for one path: biased. But E_b[WG]/E_b[W] = v^π_T: consistent."""
    batch = paths(mdp, b, T)
    W = np.prod(along(batch, policy_ratios(mdp, pi, b), 1), axis=0)
    G = lambda_return(batch.rewards, batch.discounts, batch.boundary, 0)[0]
    of_b, of_pi = (mdp.start @ n_step_operator(mdp, x, mdp.start * 0, T) for x in (b, pi))
    total = (batch.weight * W).sum()
    tol = tol_v(mdp) * 10**3
    return All(
        Eq((batch.weight * estimate(W, G)).sum(), of_b, tol),
        Eq((batch.weight * W * G).sum() / total, of_pi, tol),
    )


one_weighted_path_knows_the_behavior_only.rejects(
    "the ordinary estimate", estimate=lambda w, G: w * G
)


# ---- E10 -------------------------------------------------------------------------------------


def square(w):
    """w²."""
    return w * w


@claim(id="E10", source="Sutton & Barto (2018), Example 5.5", exact="Q", mutations=())
def second_moment_may_be_infinite(
    n: Annotated[int, integers(1, 8)], *, moment=square, target=0
):
    """Paths of ≤ n steps, π = left, b = ½: E ρ = 1 − .9ⁿ, and E ρ² = .2 Σ_{k<n} 1.8ᵏ diverges.

    Left stays with probability .9, else pays 1 and ends; right ends for nothing.
    """
    mdp = gallery.make("is-infinite-variance").exact()
    b = uniform(mdp)
    batch = paths(mdp, b, n)
    rho = along(batch, policy_ratios(mdp, np.array([target]), b), 1)
    W = np.prod(rho, axis=0)
    ended = (batch.discounts == 0).any(axis=0) & (W != 0)
    left = exactly(["9/10"])[0]
    grown = sum((2 * left) ** k for k in range(n))
    weight = batch.weight * (1 * ended)
    return All(
        Eq((weight * W).sum(), 1 - left**n),
        Eq((weight * moment(W)).sum(), 2 * (1 - left) * grown),
        Leq(2 * (1 - left) * (2 * left) ** (n - 1), (weight * square(W)).sum(), ratio=False),
    )


second_moment_may_be_infinite.rejects("the first moment", moment=lambda w: w)
second_moment_may_be_infinite.rejects("π = right", target=1)


# ---- E11 -------------------------------------------------------------------------------------


def per_decision(rho, r):
    """Σ_t ρ_{0:t} r_t."""
    return (np.cumprod(rho, axis=0) * r).sum(axis=0)


def whole_paths(rho, r):
    """ρ_{0:T−1} Σ_t r_t."""
    return np.prod(rho, axis=0) * r.sum(axis=0)


def tosses():
    """Two tosses of a coin in a row: what each pays, and the chances π and b of heads."""
    for r in ((1, 1), (1, -1)):
        for p, q in (("1/4", "1/2"), ("3/4", "1/2")):
            pi, b = exactly([p])[0], exactly([q])[0]
            yield exactly(r), np.array([pi, 1 - pi]), np.array([b, 1 - b])


def spread(weight, x):
    """Var x."""
    return (weight * x * x).sum() - (weight * x).sum() ** 2


def worse(estimate, tosses=tosses):
    """Rewards and policies with which the estimate varies more than that of whole paths."""
    for r, pi, b in tosses():
        P = [[[0, 1]] * 2, [[0, 0]] * 2]
        mdp = model(P, [[r[0]] * 2, [r[1]] * 2], 1, stops=True)
        batch = paths(mdp, np.array([b, b]), 2, 0)
        rho = along(batch, np.array([pi / b, pi / b]), 1)
        one, other = (f(rho, batch.rewards) for f in (estimate, whole_paths))
        if spread(batch.weight, one) > spread(batch.weight, other):
            return r, pi, b
    return None


@claim(id="E11", source="Liu, Bacon & Brunskill (2020), §3", exact="Q")
def per_decision_may_vary_more(*, estimate=per_decision):
    """∃ π, b, r: Var_b(Σ_t ρ_{0:t} r_t) > Var_b(ρ_{0:T−1} Σ_t r_t), where rewards cancel.

    If each path pays 1 − 1 whatever is done, whole paths are 0 without any variance.
    """
    return Exists(worse(estimate))


per_decision_may_vary_more.rejects("whole paths against themselves", estimate=whole_paths)
per_decision_may_vary_more.rejects(
    "the true value, which does not vary", estimate=lambda rho, r: 0 * r.sum(axis=0)
)
