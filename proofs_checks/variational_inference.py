"""Group L, second part: control as the variational approximation of inference (L5, L6).

    ELBO(π) = E_π Σ_t [r − τ log(π_t/p)] = τ log p(O) − τ KL(p_π‖p(·|O)),   p_π = μ Π P π_t

The variational posterior keeps μ and P; the best of its kind is soft-optimal control.
Source: Levine (2018), §3.
"""

import numpy as np

from mdpkit.claim import All, Eq, FullPolicy, Leq, Policy, State, claim
from mdpkit.operators.messages import (
    INFERENCE,
    VARIATIONAL,
    backward,
    backward_reference,
    linear_messages,
    log_evidence,
    posterior_policy,
)
from proofs_checks.inference_vocabulary import (
    Certain,
    Horizon,
    Likelihood,
    Observed,
    Stages,
    Temperature,
    Whole,
    ahead,
    causal,
    certain_pay,
    from_state,
    half_lucky,
    likelihood,
    log_tolerance,
    observed,
    paths,
    product,
    staged,
    total,
)
from proofs_checks.vocabulary import over_actions, over_states

# ---- L5 --------------------------------------------------------------------------------------


def divergence(q, p):
    """Σ q log(q/p) over paths; 0 log 0 = 0."""
    held = q > 0
    return (q[held] * np.log(q[held] / p[held])).sum()


def bound(mdp, stages, prior, tau):
    """ELBO(π), path by path."""
    found = paths(mdp, len(stages))
    q = found.chance * staged(found.pairs, stages)
    cost = divergence(q, found.chance * product(found.pairs, prior))
    return q @ total(found.pairs, mdp.r) - tau * cost


def best_stages(mdp, found, prior, tau):
    """p e^{(q−v)/τ}, stage by stage."""
    return posterior_policy(mdp, found, tau=tau, prior=prior)


@claim(id="L5", source="Levine (2018), §3.1", exact="B")
def variational_bound_is_the_soft_value(
    mdp: Observed, prior: FullPolicy, stages: Stages, tau: Temperature, *, messages=causal
):
    """max_π ELBO(π) = Σ μ v_soft at p e^{(q−v)/τ}; τ log p(O) − ELBO = τ KL(p_π‖p(·|O)) ≥ 0."""
    horizon = len(stages)
    found = messages(mdp, horizon, tau=tau, prior=prior)
    evidence = log_evidence(mdp, backward(mdp, horizon, tau=tau, prior=prior), tau=tau)
    every, weight = observed(mdp, horizon, likelihood(mdp, tau), prior)
    far = divergence(every.chance * staged(every.pairs, stages), weight / weight.sum())
    value, own = mdp.start @ found.v[0], bound(mdp, stages, prior, tau)
    near = 4 * log_tolerance(mdp, horizon, tau)
    return All(
        Leq(own, value, near),
        Eq(bound(mdp, best_stages(mdp, found, prior, tau), prior, tau), value, near),
        Eq(evidence - own, tau * far, near),
        Leq(value, evidence, near, ratio=False),
    )


variational_bound_is_the_soft_value.rejects("P may be bent too", messages=backward)


@variational_bound_is_the_soft_value.attained_by
def nothing_to_choose():
    """Every step pays 1, and π = p."""
    mdp, prior, tau, horizon = certain_pay()
    return mdp, prior, (prior,) * horizon, tau


@claim(id="L5-certain", source="Levine (2018), §3.2", exact="B")
def bound_is_evidence_where_nothing_is_left_to_luck(
    mdp: Certain,
    s: State,
    prior: Policy,
    tau: Temperature,
    horizon: Horizon,
    *,
    begun=from_state,
    dynamics=lambda mdp: mdp,
):
    """P and s_0 certain ⇒ τ log p(O) = Σ μ v_soft. An uncertain s_0 is luck as well."""
    mdp = begun(dynamics(mdp), s)
    sober = causal(mdp, horizon, tau=tau, prior=prior)
    _, weight = observed(mdp, horizon, likelihood(mdp, tau), prior)
    near = log_tolerance(mdp, horizon, tau)
    return Eq(mdp.start @ sober.v[0], tau * np.log(weight.sum()), near)


bound_is_evidence_where_nothing_is_left_to_luck.rejects(
    "begun anywhere", begun=lambda mdp, s: mdp
)
bound_is_evidence_where_nothing_is_left_to_luck.rejects("half is luck", dynamics=half_lucky)


# ---- L6 --------------------------------------------------------------------------------------


@claim(id="L6", source="Levine (2018), §2.3, footnote on action priors", exact="Q")
def prior_is_a_reward(
    mdp: Whole, x: Likelihood, prior: Policy, horizon: Horizon, *, fold=lambda x, p: x * p
):
    """e^{r̃} = p e^r, without a prior: β̃_t(s) = β_t(s), β̃_t(s,a) = p β_t(s,a), π̃_t = π_t."""
    pairs, states, _ = linear_messages(mdp, horizon, fold(x, prior))
    kept, reached, _ = linear_messages(mdp, horizon, x, prior)
    true = [prior * ahead(mdp, horizon - t, x, prior) for t in range(horizon)]
    crossed = [
        Eq(folded * over_states(mdp, v), prior * q * over_states(mdp, u))
        for folded, u, q, v in zip(pairs, states, kept, reached, strict=False)
    ]
    return All(
        Eq(np.array(pairs), np.array(true)),
        Eq(np.array(states[:-1]), np.array([over_actions(mdp, b) for b in true])),
        *crossed,
    )


prior_is_a_reward.rejects("adds p to e^r", fold=lambda x, p: x + p)
prior_is_a_reward.rejects("leaves p out", fold=lambda x, p: x)


@claim(id="L6-log", source="Levine (2018), §2.3", exact="B")
def log_prior_is_a_reward(
    mdp: Observed,
    prior: FullPolicy,
    tau: Temperature,
    horizon: Horizon,
    *,
    scale=lambda tau: tau,
):
    """r̃ = r + τ log p, without a prior: ṽ = v, q̃ = q + τ log p, π̃ = π, of both messages."""
    folded = mdp.replace(r=mdp.r + scale(tau) * np.log(prior))
    near, parts = 2 * log_tolerance(folded, horizon, tau), []
    for how in (INFERENCE, VARIATIONAL):
        found = backward(folded, horizon, how, tau=tau)
        kept = backward_reference(mdp, horizon, how, tau=tau, prior=prior)
        policy = posterior_policy(folded, found, tau=tau)
        parts += [
            Eq(found.v, kept.v, near),
            Eq(found.q, kept.q + tau * np.log(prior), near),
            Eq(policy, posterior_policy(mdp, kept, tau=tau, prior=prior), 2 * near / tau),
        ]
    return All(*parts)


log_prior_is_a_reward.rejects("log p, whatever the temperature", scale=lambda tau: 1.0)
