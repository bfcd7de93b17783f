"""Group H, sixth part: the gradient from another policy's paths, and of surrogates (H12, H13).

    ∇J = E_b Σ_t γᵗ ∇ log π_t (Π_{u≤t} ρ_u) W_t,    W_t = Σ_{k≥t} γᵏ⁻ᵗ r_k Π_{t<u≤k} ρ_u
    L^IS = E_old Σ γᵗ (π_θ/π_old) A,     L^PG = E_old Σ γᵗ log π_θ A:    both have ∇J at θ_old

Every ratio ρ = π/b stands once.
Source: Precup, Sutton & Singh (2000); Liu et al. (2018); Kakade & Langford (2002).
"""

import numpy as np

from mdpkit.claim import All, Distribution, Eq, FullPolicy, claim
from mdpkit.improve.estimators import at_pairs, monte_carlo, reinforce, score_gradient
from mdpkit.improve.moments import mean
from mdpkit.improve.off_policy import (
    action_ratios,
    first_order,
    full_trajectory,
    past_only,
    per_decision,
    per_decision_return,
    state_ratios,
)
from mdpkit.improve.sampled_surrogates import importance_gradient
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import visits
from mdpkit.operators.projection import softmax_policy
from mdpkit.operators.scores import softmax_scores
from mdpkit.policy import uniform
from proofs_checks.gradient_vocabulary import (
    Ending,
    Features,
    Slant,
    gradient,
    near,
    paths,
    weights,
)
from proofs_checks.instances import exactly, model
from proofs_checks.sampling_vocabulary import ratio

LARGEST = 20
"""Of π/b: every action has a tenth of its share at least, and there are two at most."""


def doubled(batch, rho, scores):
    """Π_{u≤t} ρ_u and then Π_{t≤u≤k} ρ_u: ρ_t stands twice."""
    gain = np.cumprod(rho, axis=0) * rho * per_decision_return(batch, rho)
    return score_gradient(batch, scores, gain)


@claim(id="H12", source="Precup, Sutton & Singh (2000); Degris et al. (2012)", exact="Q")
def every_ratio_stands_once(
    mdp: Ending, mu: Distribution, pi: FullPolicy, behavior: FullPolicy, phi: Features,
    *, weighed=per_decision, whole=full_trajectory
):  # fmt: skip
    """∇J = E_b Σ_t γᵗ ∇ log π_t (Π_{u≤t} ρ_u) Σ_{k≥t} γᵏ⁻ᵗ r_k Π_{t<u≤k} ρ_u, ρ = π/b.

    Also E_b (Π ρ) (Σ ∇ log π) R.
    """
    scores, batch = softmax_scores(mdp, pi, phi), paths(mdp, behavior, mu)
    rho, tol = action_ratios(mdp, batch, pi, behavior), near(mdp, LARGEST, power=4)
    true = gradient(mdp, scores, mu)
    samples = (form(batch, rho, scores) for form in (weighed, whole))
    return All(*(Eq(mean(each, batch.weight), true, tol) for each in samples))


every_ratio_stands_once.rejects("ρ_t twice", weighed=doubled)
every_ratio_stands_once.rejects("no future ratios", weighed=past_only)
every_ratio_stands_once.rejects(
    "no ratios", whole=lambda batch, rho, scores: reinforce(batch, scores)
)


def chances(batch, n_states):
    """Pr(s_t = s), (T, S), of paths that are still running."""
    out = 0 * np.broadcast_to(batch.weight[0], (len(batch.pairs), n_states))
    for t, (states, pairs) in enumerate(zip(batch.states, batch.pairs, strict=False)):
        run = pairs >= 0
        np.add.at(out[t], states[run], batch.weight[run])
    return out


def by_visits(mdp, pi, behavior, mu, batch):
    """ω(s_t) = d^π(s_t)/d^b(s_t), (T, n)."""
    return state_ratios(mdp, pi, behavior, mu)[batch.states[:-1]]


def step_by_step(mdp, pi, behavior, mu, batch):
    """ω_t(s_t) = Pr_π(s_t)/Pr_b(s_t), (T, n)."""
    own, other = (chances(x, mdp.n_states) for x in (paths(mdp, pi, mu), batch))
    each = ratio(own, other)
    return np.array([each[t][s] for t, s in enumerate(batch.states[:-1])])


@claim(id="H12-states", source="Liu, Li, Tang & Zhou (2018); a line", exact="Q")
def ratios_of_states_are_exact_for_returns_of_the_target(
    mdp: Ending, mu: Distribution, pi: FullPolicy, behavior: FullPolicy, phi: Features,
    *, timed=step_by_step, seen=by_visits, gain=per_decision_return
):  # fmt: skip
    """∇J = E_b Σ γᵗ ∇ log π_t ω_t(s_t) ρ_t W_t, ω_t = Pr_π(s_t)/Pr_b(s_t), E W = q^π.

    With ψ = q^π also for ω = d^π/d^b. Without ω it is right to first order in π − b only; the
    returns of b itself, in place of W, are not enough.
    """
    scores, batch = softmax_scores(mdp, pi, phi), paths(mdp, behavior, mu)
    rho, q = action_ratios(mdp, batch, pi, behavior), at_pairs(batch, policy_values(mdp, pi).q)
    omega, W = timed(mdp, pi, behavior, mu, batch), gain(batch, rho)
    marginal = seen(mdp, pi, behavior, mu, batch)
    true, tol = gradient(mdp, scores, mu), near(mdp, LARGEST, power=4)
    samples = [
        first_order(batch, rho, scores, W, states=omega),
        first_order(batch, rho, scores, q, states=omega),
        first_order(batch, rho, scores, q, states=marginal),
    ]
    return All(*(Eq(mean(each, batch.weight), true, tol) for each in samples))


def alike(mdp, pi, behavior, mu, batch):
    """ω = 1."""
    return 0 * batch.rewards + 1


ratios_of_states_are_exact_for_returns_of_the_target.rejects("ω = 1, in time", timed=alike)
ratios_of_states_are_exact_for_returns_of_the_target.rejects("ω = 1", seen=alike)
ratios_of_states_are_exact_for_returns_of_the_target.rejects(
    "the returns of b", gain=lambda batch, rho: monte_carlo(batch)
)


# ---- H13 -------------------------------------------------------------------------------------


@claim(id="H13", source="Kakade & Langford (2002); Schulman et al. (2015), (14)", exact="Q")
def surrogates_have_the_gradient_at_the_old_policy(
    mdp: Ending, mu: Distribution, pi: FullPolicy, phi: Features, *, taken_at=lambda mdp, pi: pi
):
    """∇L^IS = ∇L^PG = ∇J at θ_old, path by path; ∇E_old[(P_θ/P_old) R] = E R Σ ∇ log π_t.

    Of log P(τ) only Σ log π_t depends on θ: the dynamics cancel.
    """
    scores, batch = softmax_scores(mdp, pi, phi), paths(mdp, pi, mu)
    rho = action_ratios(mdp, batch, taken_at(mdp, pi), pi)
    gains, tol = at_pairs(batch, policy_values(mdp, pi).advantage), near(mdp, LARGEST, power=4)
    one, other = (
        importance_gradient(batch, rho, scores, gains),
        score_gradient(batch, scores, gains),
    )
    whole = full_trajectory(batch, rho, scores)
    true = gradient(mdp, scores, mu)
    return All(
        Eq(one, other, tol),
        Eq(mean(one, batch.weight), true, tol),
        Eq(whole, reinforce(batch, scores), tol),
        Eq(mean(whole, batch.weight), true, tol),
    )


surrogates_have_the_gradient_at_the_old_policy.rejects(
    "at another policy", taken_at=lambda mdp, pi: uniform(mdp)
)


def score_products(x, scores, A, along):
    """E Σ γᵗ A ⟨∇ log π, x⟩², from visits times π, along = ⟨∇ log π, x⟩."""
    return (x * A * along * along).sum()


@claim(id="H13-curved", source="a line; Schulman et al. (2015), §4", exact="B")
def surrogates_part_in_second_order(
    mdp: Ending, mu: Distribution, pi: FullPolicy, x: Slant, *, apart=score_products
):
    """xᵀ(∇²L^IS − ∇²L^PG)x = E Σ γᵗ A ⟨∇ log π, x⟩² at θ_old: the Hessians differ.

    Five-point differences of ⟨∇L, x⟩, whose error is h⁴/30 times a fifth derivative.
    """
    batch, (_, _, A) = paths(mdp, pi, mu), policy_values(mdp, pi)
    gains, theta, h = at_pairs(batch, A), np.log(pi), 1e-3

    def difference(step):
        new = softmax_policy(mdp, theta + step * x)
        scores, rho = softmax_scores(mdp, new), action_ratios(mdp, batch, new, pi)
        both = importance_gradient(batch, rho, scores, gains) - score_gradient(
            batch, scores, gains
        )
        return mean(both, batch.weight) @ x.reshape(-1)

    one, two = (difference(k * h) - difference(-k * h) for k in (1, 2))
    scores = softmax_scores(mdp, pi)
    along = scores.along(x.reshape(-1))
    expected = apart(weights(mdp, pi, visits(mdp, pi, mu)), scores, A.reshape(-1), along)
    tol = 1e-9 * max(1.0, float(np.abs(A).max()))
    return Eq((8 * one - two) / (12 * h), expected, tol)


surrogates_part_in_second_order.rejects(
    "nothing", apart=lambda x, scores, A, along: 0 * x.sum()
)
surrogates_part_in_second_order.rejects(
    "the Fisher matrix", apart=lambda x, scores, A, along: (x * along * along).sum()
)


@every_ratio_stands_once.example
def one_toss():
    """π even, b = (¼, ¾), pay (1, 0): ∂J = ¼; with ρ_0² = 4 on the first action it is ½."""
    mdp = model([[[0], [0]]], [[1, 0]], "1/2", stops=True)
    half, other = exactly([["1/2", "1/2"]]), exactly([["1/4", "3/4"]])
    return mdp, exactly([1]), half, other, exactly([[1], [0]])
