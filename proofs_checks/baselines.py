"""Group H, fourth part: baselines, and the past and the future of an action (H7–H9, H15).

    E_a[∇ log π(a|s) b(s)] = 0                  E[∇ log π_t r_k] = 0 for k < t
    b*(s) = E[‖∇ log π‖² q]/E‖∇ log π‖²         Var(b) − Var(b*) = E‖∇ log π‖² (b − b*)²

What has mean 0 may be left out or put in without bias; what that does to the variance depends.
Source: Williams (1992); Sutton et al. (2000); Greensmith, Bartlett & Baxter (2004).
"""

import numpy as np

from mdpkit.claim import (
    ActionValue,
    All,
    Constant,
    Distribution,
    Eq,
    Exists,
    FullPolicy,
    Leq,
    State,
    Value,
    claim,
)
from mdpkit.improve.baselines import constant_baseline, optimal_baseline, optimal_state_values
from mdpkit.improve.control_variates import control_variate
from mdpkit.improve.estimators import (
    at_pairs,
    monte_carlo,
    path_weight,
    reinforce,
    reward_to_go,
    score_gradient,
)
from mdpkit.improve.moments import mean, variance
from mdpkit.operators.performance import policy_values
from mdpkit.operators.scores import softmax_scores
from proofs_checks.gradient_vocabulary import Ending, Features, gradient, near, paths
from proofs_checks.instances import exactly, model
from proofs_checks.vocabulary import over_actions, vector

# ---- H7, H8 ----------------------------------------------------------------------------------


def of_the_state(batch, b, f):
    """b(s_t), (T, n)."""
    return b[batch.states[:-1]]


def of_the_action(batch, b, f):
    """f(s_t, a_t), (T, n)."""
    return at_pairs(batch, f)


def not_restored(batch, scores, weight, f):
    """Σ γᵗ ∇ log π_t (ψ_t − f_t), nothing added back."""
    return score_gradient(batch, scores, weight - at_pairs(batch, f))


@claim(id="H7", source="Williams (1992); Gu et al. (2017); Tucker et al. (2018)", exact="Q")
def baselines_of_the_state_leave_no_bias(
    mdp: Ending, mu: Distribution, pi: FullPolicy, phi: Features, b: Value, f: ActionValue,
    *, baseline=of_the_state, restored=control_variate
):  # fmt: skip
    """E Σ γᵗ ∇ log π_t (G_t − b(s_t)) = ∇J; with f(s,a) too, if its mean is added back.

    E[∇ log π (G − f)] + Σ_a π f ∇ log π: the second term sums over all actions.
    """
    scores, batch = softmax_scores(mdp, pi, phi), paths(mdp, pi, mu)
    true, tol = gradient(mdp, scores, mu), near(mdp, b, f)
    plain = reward_to_go(batch, scores, baseline(batch, b, f))
    given = restored(batch, scores, monte_carlo(batch), f)
    return All(*(Eq(mean(each, batch.weight), true, tol) for each in (plain, given)))


baselines_of_the_state_leave_no_bias.rejects("f(s, a) as a baseline", baseline=of_the_action)
baselines_of_the_state_leave_no_bias.rejects("f not added back", restored=not_restored)


@claim(id="H8", source="Greensmith, Bartlett & Baxter (2004), Theorem 8", exact="Q")
def variance_is_a_parabola_about_the_optimal_baseline(
    mdp: Ending, mu: Distribution, pi: FullPolicy, phi: Features, b: Constant,
    *, best=optimal_baseline
):  # fmt: skip
    """Var_i(b) − Var_i(b*) = E[g_i²] (b − b*_i)², b*_i = E[g_i² R]/E[g_i²], g = Σ ∇ log π_t.

    Of g_i (R − b), for every parameter i.
    """
    scores, batch = softmax_scores(mdp, pi, phi), paths(mdp, pi, mu)
    g = scores.on_paths(batch.pairs, path_weight(batch))
    top, tol = best(batch, scores), near(mdp, b, power=4)
    spread, least = (variance(reinforce(batch, scores, x), batch.weight) for x in (b, top))
    return All(
        Eq(spread - least, mean(g * g, batch.weight) * (b - top) ** 2, tol),
        Leq(least, spread, tol),
    )


variance_is_a_parabola_about_the_optimal_baseline.rejects(
    "E R", best=lambda batch, scores: constant_baseline(batch)
)


def moments(mdp, scores, q, b):
    """E_a ‖∇ log π (q − b)‖² and E_a ‖∇ log π‖², (S,) each."""
    square = scores.pi * (scores.table() ** 2).sum(axis=1)
    apart = q.reshape(-1) - b[mdp.pair_states]
    return over_actions(mdp, square * apart**2), over_actions(mdp, square)


@claim(id="H8-state", source="Greensmith, Bartlett & Baxter (2004), Theorem 11", exact="Q")
def value_is_not_the_best_baseline_of_a_state(
    mdp: Ending, pi: FullPolicy, phi: Features, b: Value, *, best=optimal_state_values
):
    """E_a‖∇ log π (q − b)‖² − (the same at b*) = E_a‖∇ log π‖² (b − b*)², at every state.

    b* = E[‖∇ log π‖² q]/E‖∇ log π‖², so v does no better, whatever is said of it.
    """
    scores, (v, q, _) = softmax_scores(mdp, pi, phi), policy_values(mdp, pi)
    top, tol = best(mdp, scores, q), near(mdp, b, power=4)
    least, square = moments(mdp, scores, q, top)
    spread, of_v = (moments(mdp, scores, q, x)[0] for x in (b, v))
    return All(
        Eq(spread - least, square * (b - top) ** 2, tol),
        Leq(least, of_v, tol),
    )


value_is_not_the_best_baseline_of_a_state.rejects(
    "v is the best baseline", best=lambda mdp, scores, q: over_actions(
        mdp, scores.pi.reshape(mdp.pair_shape) * q
    )
)  # fmt: skip


# ---- H9: causality ---------------------------------------------------------------------------


def in_the_past(k, t):
    """k < t."""
    return k < t


@claim(id="H9", source="Williams (1992); Sutton & Barto (2018), §13.3", exact="Q")
def past_rewards_have_no_part_in_the_mean(
    mdp: Ending, mu: Distribution, pi: FullPolicy, phi: Features, *, left_out=in_the_past
):
    """E[∇ log π_t r_k] = 0 for k < t, so the reward to go has the mean of the whole return."""
    scores, batch = softmax_scores(mdp, pi, phi), paths(mdp, pi, mu)
    tol, taken, parts = near(mdp), path_weight(batch), []
    for t in range(mdp.n_states):
        for k in range(mdp.n_states):
            weight = 0 * taken
            weight[t] = batch.rewards[k]
            if left_out(k, t):
                parts.append(mean(scores.on_paths(batch.pairs, weight), batch.weight))
    whole, ahead = reinforce(batch, scores), reward_to_go(batch, scores)
    means = [mean(each, batch.weight) for each in (ahead, whole)]
    true = gradient(mdp, scores, mu)
    return All(*(Eq(m, true, tol) for m in means), *(Eq(part, 0, tol) for part in parts))


past_rewards_have_no_part_in_the_mean.rejects("k ≤ t", left_out=lambda k, t: k <= t)
past_rewards_have_no_part_in_the_mean.rejects("k > t", left_out=lambda k, t: k > t)


def doubled_product(c, best):
    """c² + 2c b*."""
    return c * c + 2 * c * best


@claim(id="H9-given", source="Greensmith, Bartlett & Baxter (2004), §5; a line", exact="Q")
def what_past_rewards_add_to_the_variance_has_no_sign(
    mdp: Ending, s: State, pi: FullPolicy, phi: Features, c: Constant, *, added=doubled_product
):
    """Var ∇log π_t (c + G_t) − Var ∇log π_t G_t = E‖∇log π_t‖² (c² + 2cb*), given s_t and c.

    Traces; c is the sum of past rewards, b* the best baseline of s. It is < 0 for c between 0
    and −2b*.
    """
    scores = softmax_scores(mdp, pi, phi)
    batch = paths(mdp, pi, vector(mdp, *(int(s == t) for t in range(mdp.n_states))))
    G, first = monte_carlo(batch), 0 * path_weight(batch)
    spreads = []
    for gain in (c + G[0], G[0]):
        weight = np.concatenate([gain[None], first[1:]])
        samples = scores.on_paths(batch.pairs, weight)
        spreads.append(variance(samples, batch.weight).sum())
    q = policy_values(mdp, pi).q
    best, (_, square) = (
        optimal_state_values(mdp, scores, q),
        moments(mdp, scores, q, 0 * mdp.start),
    )
    tol = near(mdp, c, power=4)
    return Eq(spreads[0] - spreads[1], square[s] * added(c, best[s]), tol)


what_past_rewards_add_to_the_variance_has_no_sign.rejects(
    "past rewards always add c²", added=lambda c, best: c * c
)


def two_states(first, second):
    """Two states in a row, γ = 1, what each pays by its two actions; even chances."""
    mdp = model([[[0, 1]] * 2, [[0, 0]] * 2], [first, second], 1, stops=True)
    pi = exactly([["1/2", "1/2"]] * 2)
    return softmax_scores(mdp, pi), paths(mdp, pi, exactly([1, 0]))


PAYS = {"cancel": ((1, 1), (-1, -1)), "raise": ((1, 2), (-2, -2)), "lower": ((-2, 2), (0, 0))}


def both_orders(without_past, whole):
    """Rewards with which dropping past ones raises the variance, from 0 even, or lowers it."""
    spreads = {}
    for name, pays in PAYS.items():
        scores, batch = two_states(*pays)
        spreads[name] = [
            variance(form(batch, scores), batch.weight).sum() for form in (without_past, whole)
        ]
    (null, zero), (more, less), (few, many) = spreads.values()
    found = null > 0 == zero and more > less > 0 and few < many
    return PAYS if found else None


@claim(id="H9-variance", source="a line; against the folklore of causality", exact="Q")
def dropping_past_rewards_may_raise_the_variance(*, without_past=reward_to_go, whole=reinforce):
    """∃ r: Var of the reward to go > Var of the whole return, by any factor; and ∃ r: <.

    Even chances in two states, γ = 1. (1, 1), then (−1, −1): every return is 0, without any
    variance; the reward to go has ½. (1, 2), then −2: 17/8 against 3/8. (−2, 2), then 0: 0
    against 2.
    """
    return Exists(both_orders(without_past, whole))


dropping_past_rewards_may_raise_the_variance.rejects("the two are one", without_past=reinforce)
dropping_past_rewards_may_raise_the_variance.rejects(
    "never more than the whole return",
    without_past=lambda batch, scores: reward_to_go(batch, scores) / 4,
)


# ---- H15 -------------------------------------------------------------------------------------


def outside(batch, scores, values):
    """Σ γᵗ ∇ log π_t ((Σ_{k≥t} γᵏ⁻ᵗ r_k) − V(s_t))."""
    return reward_to_go(batch, scores, values[batch.states[:-1]])


def under_the_sum(batch, scores, values):
    """Σ γᵗ ∇ log π_t Σ_{k≥t} γᵏ⁻ᵗ (r_k − V(s_k))."""
    less = path_weight(batch) * values[batch.states[:-1]]
    return reward_to_go(batch._replace(rewards=batch.rewards - less), scores)


@claim(id="H15", source="Sutton et al. (2000); Schulman et al. (2016), (1)", exact="Q")
def values_are_subtracted_once(
    mdp: Ending, mu: Distribution, pi: FullPolicy, phi: Features, values: Value,
    *, estimate=outside
):  # fmt: skip
    """E Σ γᵗ ∇ log π_t ((Σ_{k≥t} γᵏ⁻ᵗ r_k) − V(s_t)) = ∇J for every V.

    V(s_k), k > t, knows what a_t did, and is no baseline.
    """
    scores, batch = softmax_scores(mdp, pi, phi), paths(mdp, pi, mu)
    found = mean(estimate(batch, scores, values), batch.weight)
    return Eq(found, gradient(mdp, scores, mu), near(mdp, values))


def one_way_on():
    """The first action leads to a state worth 1, the second ends: r − V is −½ along both."""
    mdp = model([[[0, 1], [0, 0]], [[0, 0]] * 2], [[0, 0], [1, 1]], 1, stops=True)
    pi, phi = exactly([["1/2", "1/2"]] * 2), exactly([[1], [0], [0], [0]])
    return mdp, exactly([1, 0]), pi, phi, exactly(["1/2", 1])


values_are_subtracted_once.rejects(
    "V(s_k) under the sum", estimate=under_the_sum, at=one_way_on
)
