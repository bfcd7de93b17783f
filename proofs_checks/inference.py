"""Group L, first part: messages of control as inference, against every path (L1–L3).

    p(O_t = 1|s,a) = e^{r/τ}     β_t(s,a) = e^{r/τ} Σ_u P β_{t+1}(u)     β_t(s) = Σ_a p β_t(s,a)
    α_{t+1}(u) = Σ_{s,a} α_t(s) p(a|s) e^{r/τ} P(u|s,a)     q = τ log β_t(s,a), v = τ log β_t(s)

Steps count 0 … T−1, β_T = 1, α_0 = μ; an episode that has stopped is observed no more.
Source: Levine (2018), §2; Toussaint (2009); Rabiner (1989).
"""

import numpy as np

from mdpkit.claim import All, Eq, Policy, claim
from mdpkit.operators.messages import (
    backward,
    forward,
    linear_messages,
    log_evidence,
    posterior_policy,
    smoothed_marginals,
)
from proofs_checks.inference_vocabulary import (
    Endless,
    Horizon,
    Likelihood,
    Observed,
    Temperature,
    Whole,
    ahead,
    causal,
    likelihood,
    log_tolerance,
    met,
    observed,
    product,
)
from proofs_checks.vocabulary import over_actions, over_states

# ---- L1 --------------------------------------------------------------------------------------


def one_step_short(mdp, horizon, x, prior):
    """Messages whose loop begins at T − 1, not at T."""
    pairs, states, alpha = linear_messages(mdp, horizon, x, prior)
    return [*pairs[1:], 0 * pairs[-1] + 1], [*states[1:], states[-1]], alpha


@claim(id="L1", source="Levine (2018), §2.3", exact="Q")
def backward_messages_are_likelihoods(
    mdp: Whole, x: Likelihood, prior: Policy, horizon: Horizon, *, messages=linear_messages
):
    """β_t(s,a) = p(O_{t:T−1}|s,a), β_t(s) = Σ_a p(a|s) β_t(s,a), Σ_s μ(s) β_0(s) = p(O)."""
    pairs, states, _ = messages(mdp, horizon, x, prior)
    true = [ahead(mdp, horizon - t, x, prior) for t in range(horizon)]
    _, weight = observed(mdp, horizon, x, prior)
    return All(
        Eq(np.array(pairs), np.array(true)),
        Eq(np.array(states[:-1]), np.array([over_actions(mdp, prior * b) for b in true])),
        Eq(mdp.start @ states[0], weight.sum()),
    )


backward_messages_are_likelihoods.rejects("begins at T − 1", messages=one_step_short)
backward_messages_are_likelihoods.rejects(
    "forgets p(a|s)", messages=lambda mdp, horizon, x, prior: linear_messages(mdp, horizon, x)
)


def without_logarithm(mdp, horizon, *, tau, prior):
    """v = τ E_p e^{q/τ}: the logarithm is missing."""
    found = backward(mdp, horizon, tau=tau, prior=prior)
    return found._replace(v=tau * np.exp(found.v / tau))


@claim(id="L1-log", source="Levine (2018), §2.3; Todorov (2007)", exact="B")
def log_messages_are_log_likelihoods(
    mdp: Observed, prior: Policy, tau: Temperature, horizon: Horizon, *, messages=backward
):
    """q_t = r + τ log E e^{v_{t+1}/τ} = τ log p(O_{t:T−1}|s,a), v_t = τ log E_p e^{q_t/τ}."""
    found = messages(mdp, horizon, tau=tau, prior=prior)
    true = [ahead(mdp, horizon - t, likelihood(mdp, tau), prior) for t in range(horizon)]
    in_states = [over_actions(mdp, prior * b) for b in true]
    near = log_tolerance(mdp, horizon, tau)
    return All(
        Eq(found.q, tau * np.log(true), near),
        Eq(found.v[:-1], tau * np.log(in_states), near),
    )


log_messages_are_log_likelihoods.rejects("the mean for log-mean-exp", messages=causal)
log_messages_are_log_likelihoods.rejects("the log is missing", messages=without_logarithm)


# ---- L2 --------------------------------------------------------------------------------------


def posterior(mdp, prior, pairs, states):
    """p(a|s) β(s,a)/β(s)."""
    return prior * pairs / over_states(mdp, states)


@claim(id="L2", source="Levine (2018), §2.3", exact="Q")
def posterior_policy_is_prior_times_messages(
    mdp: Whole, x: Likelihood, prior: Policy, horizon: Horizon, *, policy=posterior
):
    """p(a_t|s_t, O) = p(a|s) β_t(s,a)/β_t(s): so much of what passes s_t goes on by a."""
    pairs, states, _ = linear_messages(mdp, horizon, x, prior)
    found, weight = observed(mdp, horizon, x, prior)
    here = [met(found.pairs, weight, t, mdp.n_pairs) for t in range(horizon)]
    own = [policy(mdp, prior, pairs[t], states[t]).reshape(-1) for t in range(horizon)]
    passing = [over_states(mdp, over_actions(mdp, joint)).reshape(-1) for joint in here]
    return Eq(np.array(own) * np.array(passing), np.array(here))


posterior_policy_is_prior_times_messages.rejects(
    "forgets p(a|s)",
    policy=lambda mdp, prior, pairs, states: pairs / over_states(mdp, over_actions(mdp, pairs)),
)
posterior_policy_is_prior_times_messages.rejects(
    "the prior itself", policy=lambda mdp, prior, pairs, states: prior
)


@claim(id="L2-log", source="Levine (2018), §2.3", exact="B")
def posterior_policy_is_prior_times_exponential_advantage(
    mdp: Observed, prior: Policy, tau: Temperature, horizon: Horizon, *, messages=backward
):
    """p(a_t|s_t, O) = p(a|s) e^{(q_t − v_t)/τ}, with q and v those of inference."""
    found, weight = observed(mdp, horizon, likelihood(mdp, tau), prior)
    found_messages = messages(mdp, horizon, tau=tau, prior=prior)
    policy = posterior_policy(mdp, found_messages, tau=tau, prior=prior)
    here = [met(found.pairs, weight, t, mdp.n_pairs) for t in range(horizon)]
    passing = [over_states(mdp, over_actions(mdp, joint)).reshape(-1) for joint in here]
    near = log_tolerance(mdp, horizon, tau) / tau
    own = policy.reshape(horizon, -1) * np.array(passing)
    return Eq(own / weight.sum(), np.array(here) / weight.sum(), near)


posterior_policy_is_prior_times_exponential_advantage.rejects(
    "the soft-optimal policy", messages=causal
)


# ---- L3 --------------------------------------------------------------------------------------


def conditional(joint):
    """p(s_t|O_{0:t−1}) of p(s_t, O_{0:t−1}): α_t, made to sum to 1."""
    return joint / joint.sum()


@claim(id="L3", source="Levine (2018), §2.3; Rabiner (1989), §III", exact="Q")
def forward_messages_complete_the_marginals(
    mdp: Endless, x: Likelihood, prior: Policy, horizon: Horizon, *, filtered=conditional
):
    """α_t ∝ p(s_t|O_{0:t−1}); p(s_t, O) = α_t β_t(s), p(s_t, a_t, O) = α_t p(a|s) β_t(s,a)."""
    pairs, states, alpha = linear_messages(mdp, horizon, x, prior)
    found, weight = observed(mdp, horizon, x, prior)
    parts = []
    for t in range(horizon):
        before = found.chance * product(found.pairs[:, :t], x) * product(found.pairs, prior)
        seen = over_actions(mdp, met(found.pairs, before, t, mdp.n_pairs))
        joint = met(found.pairs, weight, t, mdp.n_pairs)
        both = over_states(mdp, alpha[t]) * prior * pairs[t]
        parts += [
            Eq(filtered(alpha[t]), seen / before.sum()),
            Eq(alpha[t] * states[t], over_actions(mdp, joint)),
            Eq(both.reshape(-1), joint),
        ]
    return All(*parts)


forward_messages_complete_the_marginals.rejects(
    "p(s_t, O_{0:t−1}), the bar lost", filtered=lambda joint: joint
)


def smoothed(mdp, horizon, tau, prior):
    """p(s_t|O) of the messages of the package, (T + 1, S)."""
    found = backward(mdp, horizon, tau=tau, prior=prior)
    past = forward(mdp, horizon, tau=tau, prior=prior)
    return smoothed_marginals(mdp, found, past, tau=tau)


def filtered_only(mdp, horizon, tau, prior):
    """p(s_t|O_{0:t−1}): nothing of what is to come."""
    past = forward(mdp, horizon, tau=tau, prior=prior)
    seen = np.exp(past.alpha / tau)
    return seen / (seen.sum(axis=1) + np.exp(past.ended / tau))[:, None]


@claim(id="L3-log", source="Levine (2018), §2.3", exact="B")
def log_messages_smooth(
    mdp: Observed, prior: Policy, tau: Temperature, horizon: Horizon, *, marginals=smoothed
):
    """p(s_t|O) = e^{(τ log α_t + v_t − τ log p(O))/τ}; what has stopped before t is missing."""
    found, weight = observed(mdp, horizon, likelihood(mdp, tau), prior)
    here = [over_actions(mdp, met(found.pairs, weight, t, mdp.n_pairs)) for t in range(horizon)]
    evidence = log_evidence(mdp, backward(mdp, horizon, tau=tau, prior=prior), tau=tau)
    near = log_tolerance(mdp, horizon, tau)
    return All(
        Eq(marginals(mdp, horizon, tau, prior)[:-1], np.array(here) / weight.sum(), near / tau),
        Eq(evidence, tau * np.log(weight.sum()), near),
    )


log_messages_smooth.rejects("filters only", marginals=filtered_only)
