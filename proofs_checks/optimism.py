"""Group L, third part: inference hopes, where control averages (L4, L7, L8).

    inference   q = r + τ log E e^{v/τ}: as if the dynamics could be chosen, at a cost of KL
    control     q = r + E v

Source: Levine (2018), §2.4 and §3.2; Howard & Matheson (1972), on exponential utility.
"""

from itertools import product as pairings
from typing import Annotated

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    MDP,
    All,
    Eq,
    Leq,
    Nonnegative,
    Policy,
    Rate,
    claim,
    integers,
    models,
)
from mdpkit.operators.aggregate import maximum, soft
from mdpkit.operators.bellman import backup
from mdpkit.operators.expect import log_mean_exp, mean
from mdpkit.operators.messages import (
    backward,
    dense_rows,
    posterior_dynamics,
    posterior_policy,
)
from mdpkit.policy import probabilities, uniform
from proofs_checks.inference_vocabulary import (
    Certain,
    Horizon,
    Observed,
    Temperature,
    causal,
    certain_pay,
    half_lucky,
    likelihood,
    log_tolerance,
    paths,
    product,
    staged,
    total,
)
from proofs_checks.vocabulary import every_policy, iterates, optimality, over_states, repeated

# ---- L4 --------------------------------------------------------------------------------------


def bent(mdp, found, tau):
    """p(s_1|s_0, a_0, O), (pairs, S + 1): the last column is the stop."""
    P, stop = posterior_dynamics(mdp, found, 0, tau=tau)
    return np.hstack([P, stop[:, None]])


def unbent(mdp, found, tau):
    """P itself."""
    return np.hstack([dense_rows(mdp), np.asarray(mdp.stop).reshape(-1, 1)])


def next_states(mdp, horizon, x, prior):
    """p(s_1|s_0, a_0, O), (pairs, S + 1), counted over paths that begin with each pair."""
    found = paths(mdp, horizon, start=np.ones(mdp.n_states))
    weight = found.chance * product(found.pairs, x) * product(found.pairs[:, 1:], prior)
    out = np.zeros((mdp.n_pairs, mdp.n_states + 1))
    into = np.append(mdp.pair_states, mdp.n_states)[found.pairs[:, 1]]
    np.add.at(out, (found.pairs[:, 0], into), weight)
    return out / out.sum(axis=1, keepdims=True)


def divergence(mdp, other):
    """KL(P‖P'), (pairs,), the stop being one more next state."""
    P = unbent(mdp, None, 1)
    told = (P > 0) & (other > 0)  # what underflows has no weight either
    return (P * np.log(np.where(told, P, 1) / np.where(told, other, 1))).sum(axis=1)


@claim(id="L4", source="Levine (2018), §2.4, §3.1", exact="B")
def inference_is_optimistic(
    mdp: Observed,
    prior: Policy,
    tau: Temperature,
    horizon: Annotated[int, integers(2, 3)],
    *,
    hopeful=backward,
    dynamics=bent,
):
    """q_soft ≤ q_inf, v_soft ≤ v_inf, and q_inf = r + E v_inf + τ KL(P‖p(·|s,a,O)).

    The posterior moves the dynamics, p(u|s,a,O) = P β(u)/Σ P β: to where v is above its mean.
    It leaves them alone exactly where v is constant over what P leads to.
    """
    found = hopeful(mdp, horizon, tau=tau, prior=prior)
    sober = causal(mdp, horizon, tau=tau, prior=prior)
    moved = dynamics(mdp, found, tau)
    near = log_tolerance(mdp, horizon, tau)
    excess = tau * divergence(mdp, moved).reshape(mdp.pair_shape)
    return All(
        Leq(sober.q, found.q, near),
        Leq(sober.v, found.v, near, ratio=False),
        Eq(moved, next_states(mdp, horizon, likelihood(mdp, tau), prior), near / tau),
        Eq(found.q[0], mdp.r + mdp.expect(found.v[1]) + excess, 4 * near),
    )


inference_is_optimistic.rejects("the dynamics stay as they are", dynamics=unbent)


inference_is_optimistic.attained_by(certain_pay)


@claim(id="L4-certain", source="Levine (2018), §3.2", exact="B")
def inference_is_control_of_certain_dynamics(
    mdp: Certain, prior: Policy, tau: Temperature, horizon: Horizon, *, dynamics=lambda mdp: mdp
):
    """P deterministic ⇒ q_inf = q_soft, v_inf = v_soft: one policy from both."""
    mdp = dynamics(mdp)
    found = backward(mdp, horizon, tau=tau, prior=prior)
    sober = causal(mdp, horizon, tau=tau, prior=prior)
    near = log_tolerance(mdp, horizon, tau)
    return All(Eq(found.q, sober.q, near), Eq(found.v, sober.v, near))


inference_is_control_of_certain_dynamics.rejects("half of it is luck", dynamics=half_lucky)


def tickets(sure, loss):
    """The gallery's lottery: pay `sure`, or draw a ticket that costs 0 or `loss`."""
    return gallery.make("lottery").replace(r=np.array([-sure, 0.0, 0.0, -loss]))


@claim(id="L4-lottery", source="Levine (2018), §3.2", exact="B")
def inference_prefers_the_gamble(dearer: Nonnegative, worse: Nonnegative, *, hopeful=backward):
    """Pay log 2 + x, or gamble on 0 and −2(log 2 + x + y): control pays, inference gambles.

    q(gamble) − q(pay) is −y ≤ 0 for control, sure − log 2 + log(1 + e^{−loss}) ≥ x for
    inference.
    """
    sure = np.log(2) + dearer
    loss = 2 * (sure + worse)
    mdp = tickets(sure, loss)
    sober, found = (messages(mdp, 2, tau=1.0).q[0] for messages in (causal, hopeful))
    near = log_tolerance(mdp, 2)
    return All(
        Eq(sober[0] - sober[1], worse, near),
        Eq(found[1] - found[0], sure - np.log(2) + np.log1p(np.exp(-loss)), near),
        Leq(dearer, found[1] - found[0], near, ratio=False),
    )


inference_prefers_the_gamble.rejects("inference is control", hopeful=causal)


# ---- L7 --------------------------------------------------------------------------------------

SCALES = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])


def scaled(mdp, horizon, prior):
    """V_c/c of rewards c·r for each scale, (scales, S), and what is done at the first step."""
    found = [backward(mdp, horizon, tau=1 / c, prior=prior(mdp)) for c in SCALES]
    policies = [
        posterior_policy(mdp, m, tau=1 / c, prior=prior(mdp))[0]
        for m, c in zip(found, SCALES, strict=True)
    ]
    return np.array([m.v[0] for m in found]), np.array(policies)


@claim(id="L7", source="Levine (2018), §2.3: the limit of large rewards", exact="B")
def scaled_inference_becomes_hard(
    mdp: Certain, horizon: Horizon, *, prior=uniform, steps=lambda horizon: horizon
):
    """P certain, p uniform: 0 ≤ V* − V_c/c ≤ T log|A|/c, and π_c ≤ |A|^T e^{c(Q*−V*)} p."""
    found, policy = scaled(mdp, horizon, prior)
    last, best = iterates(optimality, mdp, np.zeros(mdp.n_states), horizon)[-2:]
    lost = over_states(mdp, best) - mdp.r - mdp.expect(last)
    bits, near = np.log(np.diff(mdp.action_ptr).max()), log_tolerance(mdp, horizon)
    scale = SCALES.reshape(-1, *(1 for _ in mdp.pair_shape))
    chosen = np.exp(horizon * bits - scale * lost) * uniform(mdp)
    return All(
        Rate(best - found, (steps(horizon) * bits / SCALES)[:, None], near),
        Leq(found, best, near, ratio=False),
        Leq(policy, chosen * (1 + 1e-9), ratio=False),
    )


scaled_inference_becomes_hard.rejects("log|A| once", steps=lambda horizon: 1)
scaled_inference_becomes_hard.rejects("the counting measure for p", prior=lambda mdp: None)


@scaled_inference_becomes_hard.attained_by
def one_good_action():
    """The other costs 100: of |A|^T paths one counts."""
    mdp, _, _, horizon = certain_pay()
    return mdp.replace(r=np.array([[0.0, -100.0]] * 2)), horizon


def luckiest(mdp, horizon):
    """max Σ r over the paths from each state, (S,)."""
    found = paths(mdp, horizon, start=np.ones(mdp.n_states))
    best = np.full(mdp.n_states, -np.inf)
    np.maximum.at(best, mdp.pair_states[found.pairs[:, 0]], total(found.pairs, mdp.r))
    return best


def shortfall(mdp, horizon, prior):
    """min over paths of luckiest − Σ r − log p(path)/c, for each scale and state."""
    found = paths(mdp, horizon, start=np.ones(mdp.n_states))
    rare = np.log(found.chance * product(found.pairs, prior))
    reached = np.full((SCALES.size, mdp.n_states), -np.inf)
    for row, c in zip(reached, SCALES, strict=True):
        first = mdp.pair_states[found.pairs[:, 0]]
        np.maximum.at(row, first, total(found.pairs, mdp.r) + rare / c)
    return luckiest(mdp, horizon) - reached


@claim(id="L7-luck", source="Levine (2018), §2.4", exact="B")
def scaled_inference_believes_in_its_luck(mdp: Observed, horizon: Horizon, *, limit=luckiest):
    """V_c/c → max Σr over reachable paths: max − V_c/c ≤ min_path [max − Σr − log p(path)/c].

    That is V* only where nothing is left to luck.
    """
    found, _ = scaled(mdp, horizon, uniform)
    top, near = limit(mdp, horizon), log_tolerance(mdp, horizon)
    allowed = shortfall(mdp, horizon, uniform(mdp))
    return All(
        Rate((top - found) @ mdp.start, allowed @ mdp.start, near),
        Leq(top - found, allowed, near, ratio=False),
        Leq(found, top, near, ratio=False),
    )


@scaled_inference_believes_in_its_luck.attained_by
def one_good_ticket():
    """Of two tickets the other costs 10: at c = 64 it counts no more."""
    return gallery.make("lottery"), 2


scaled_inference_believes_in_its_luck.rejects(
    "V*, the best mean",
    limit=lambda mdp, horizon: repeated(optimality, mdp, np.zeros(mdp.n_states), horizon),
    at=one_good_ticket,
)


# ---- L8 --------------------------------------------------------------------------------------


def certainty_equivalent(mdp, stages, tau):
    """τ log E e^{Σr/τ} of a policy from each state, path by path."""
    found = paths(mdp, len(stages), start=np.ones(mdp.n_states))
    weight = found.chance * staged(found.pairs, stages)
    weight = weight * np.exp(total(found.pairs, mdp.r) / tau)
    first = mdp.pair_states[found.pairs[:, 0]]
    return tau * np.log(np.bincount(first, weight, minlength=mdp.n_states))


@claim(id="L8", source="Howard & Matheson (1972); Levine (2018), §2.4", exact="B")
def inference_seeks_risk(
    mdp: Annotated[MDP, models((1, 2), (1, 2), stops="some", discount=(1, 1), reward=(-4, 4))],
    pi: Policy,
    tau: Temperature,
    horizon: Horizon,
    *,
    ahead=log_mean_exp,
):
    """θ = 1/τ: v = τ log E_π e^{q/τ} is (1/θ) log E_π e^{θΣr}, v = max_a q the best of these.

    Both with q = r + τ log E e^{v/τ}. The best is never below the best mean.
    """
    zero, near = np.zeros(mdp.n_states), log_tolerance(mdp, horizon, tau)
    own = repeated(lambda m, v: backup(m, v, soft(tau, pi), ahead(tau)), mdp, zero, horizon)
    best = repeated(lambda m, v: backup(m, v, maximum, ahead(tau)), mdp, zero, 2)
    tables = [probabilities(mdp, each) for each in every_policy(mdp)]
    each = [certainty_equivalent(mdp, two, tau) for two in pairings(tables, repeat=2)]
    return All(
        Eq(own, certainty_equivalent(mdp, [pi] * horizon, tau), near),
        Eq(best, np.max(each, axis=0), near),
        Leq(repeated(optimality, mdp, zero, 2), best, near, ratio=False),
    )


inference_seeks_risk.rejects("neutral to risk", ahead=lambda tau: mean)
inference_seeks_risk.rejects("at temperature 1", ahead=lambda tau: log_mean_exp(1.0))
