"""Messages against the enumeration of every path; exactly, where e^r is rational."""

from fractions import Fraction
from math import log, prod

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.mdp import MDP
from mdpkit.operators import messages
from mdpkit.operators._message_kernels import exponentials
from mdpkit.operators.bellman import action_values, action_values_reference
from mdpkit.operators.expect import log_mean_exp
from mdpkit.operators.messages import INFERENCE, VARIATIONAL
from tests.oracles import rational
from tests.path_oracle import likelihood_to_go, paths, tiny, weighed

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")
CLOSE = 1e-12
"""Relative: sums of at most a few thousand products of floats."""


def case(seed):
    """A model, a horizon, a temperature and a prior."""
    rng = np.random.default_rng(seed + 10_000)
    mdp = tiny(seed)
    horizon = int(rng.integers(1, 5 if mdp.n_states < 3 else 4))
    tau = float(rng.choice([0.5, 1.0, 2.0]))
    prior = rng.dirichlet(np.ones(mdp.n_actions), size=mdp.n_states)
    return mdp, horizon, tau, prior if seed % 2 else None


def shares(mdp, horizon, tau, prior):
    """p(s_t = s, a_t = a|O) for every step, (T, pairs), by enumeration."""
    found, total = np.zeros((horizon, mdp.n_pairs)), 0.0
    for taken, weight in weighed(mdp, horizon, tau, prior):
        total += weight
        for t, pair in enumerate(taken):
            found[t, pair] += weight
    return found / total, total


def disagreements(mdp, horizon, tau, prior, found):
    """The messages that enumeration does not confirm."""
    wrong = []
    for t in range(horizon):
        for pair in range(mdp.n_pairs):
            true = likelihood_to_go(mdp, horizon - t, pair, tau, prior)
            ours = np.exp(found.q[t].reshape(-1)[pair] / tau)
            if not abs(ours - true) <= CLOSE * true:
                wrong.append((t, pair, ours, true))
    return wrong


@pytest.mark.parametrize("block", range(6))
def test_messages_are_the_likelihood_of_what_is_to_come(block):
    for seed in range(50 * block, 50 * block + 50):
        mdp, horizon, tau, prior = case(seed)
        found = messages.backward(mdp, horizon, tau=tau, prior=prior)
        assert disagreements(mdp, horizon, tau, prior, found) == [], seed
        own, total = shares(mdp, horizon, tau, prior)
        evidence = messages.log_evidence(mdp, found, tau=tau)
        assert evidence == pytest.approx(tau * log(total), rel=CLOSE, abs=CLOSE)
        past = messages.forward(mdp, horizon, tau=tau, prior=prior)
        smooth = messages.smoothed_marginals(mdp, found, past, tau=tau)
        by_state = np.add.reduceat(own, mdp.action_ptr[:-1], axis=1)
        np.testing.assert_allclose(smooth[:-1], by_state, rtol=1e-11, atol=1e-13)
        policy = messages.posterior_policy(mdp, found, tau=tau, prior=prior)
        by_pair = by_state.repeat(np.diff(mdp.action_ptr), axis=1)
        np.testing.assert_allclose(
            policy.reshape(horizon, -1) * by_pair, own, rtol=1e-11, atol=1e-13
        )


@pytest.mark.parametrize("seed", range(40))
def test_the_posterior_bends_the_dynamics_as_enumeration_says(seed):
    mdp, _, tau, prior = case(seed)
    found = messages.backward(mdp, 3, tau=tau, prior=prior)
    joint = np.zeros((2, mdp.n_pairs, mdp.n_states))
    own, total = shares(mdp, 3, tau, prior)
    for taken, weight in weighed(mdp, 3, tau, prior):
        for t in range(len(taken) - 1):
            joint[t, taken[t], mdp.pair_states[taken[t + 1]]] += weight / total
    for t in range(2):
        P, stop = messages.posterior_dynamics(mdp, found, t, tau=tau)
        np.testing.assert_allclose(P.sum(axis=1) + stop, 1, rtol=1e-12)
        np.testing.assert_allclose(own[t][:, None] * P, joint[t], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("seed", range(30))
def test_messages_are_exact_where_the_likelihood_is_rational(seed):
    rng = np.random.default_rng(seed)
    mdp = tiny(seed).exact()
    weight = [Fraction(int(rng.integers(1, 9)), 8) for _ in range(mdp.n_pairs)]
    likelihood = np.array([rational(x) for x in weight], dtype=object).reshape(mdp.pair_shape)
    pairs, states, alpha = messages.linear_messages(mdp, 3, likelihood)
    flat = likelihood.reshape(-1)
    for pair in range(mdp.n_pairs):
        start = [rational(int(s == mdp.pair_states[pair])) for s in range(mdp.n_states)]
        true = sum(
            (p * prod(flat[i] for i in taken) for taken, p in paths(mdp, 3, start)
             if taken[0] == pair),
            rational(0),
        )  # fmt: skip
        assert pairs[0].reshape(-1)[pair] == true
    total = sum((p * prod(flat[i] for i in taken) for taken, p in paths(mdp, 3)), rational(0))
    assert mdp.start @ states[0] == total
    assert len(alpha) == 4
    assert alpha[0] @ states[0] == total
    assert mdp.stops or alpha[2] @ states[2] == total


@pytest.mark.parametrize("seed", range(40))
def test_forward_and_backward_agree_on_the_evidence_at_every_step(seed):
    mdp, horizon, tau, prior = case(seed)
    found = messages.backward(mdp, horizon, tau=tau, prior=prior)
    past = messages.forward(mdp, horizon, tau=tau, prior=prior)
    evidence = messages.log_evidence(mdp, found, tau=tau)
    for t in range(horizon + 1):
        here = np.logaddexp.reduce((past.alpha[t] + found.v[t]) / tau)
        both = tau * np.logaddexp(here, past.ended[t] / tau)
        assert both == pytest.approx(evidence, abs=1e-11)


@pytest.mark.parametrize("seed", range(60))
def test_inference_is_optimistic_and_agrees_where_nothing_is_left_to_luck(seed):
    mdp, horizon, tau, prior = case(seed)
    lucky = messages.backward(mdp, horizon, INFERENCE, tau=tau, prior=prior)
    causal = messages.backward(mdp, horizon, VARIATIONAL, tau=tau, prior=prior)
    assert (lucky.q >= causal.q - 1e-12).all()
    assert (lucky.v >= causal.v - 1e-12).all()
    if not mdp.stops and set(np.unique(mdp.P)) <= {0.0, 1.0}:
        np.testing.assert_allclose(lucky.q, causal.q, atol=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_the_variational_policy_is_the_best_under_the_true_dynamics(seed):
    # log Z − ELBO = KL(q‖posterior) ≥ 0, and v_0(μ) is the ELBO of the policy it belongs to.
    mdp, horizon, tau, prior = case(seed)
    found = messages.backward(mdp, horizon, VARIATIONAL, tau=tau, prior=prior)
    best = messages.posterior_policy(mdp, found, tau=tau, prior=prior).reshape(horizon, -1)
    weight = np.ones(mdp.n_pairs) if prior is None else prior.reshape(-1)
    r = mdp.r.reshape(-1)

    def elbo(policy):
        total = 0.0
        for taken, chance in paths(mdp, horizon):
            q = chance * prod(policy[t, i] for t, i in enumerate(taken))
            if q > 0:
                cost = sum(log(policy[t, i] / weight[i]) for t, i in enumerate(taken))
                total += q * (sum(r[i] for i in taken) - tau * cost)
        return total

    value = float(mdp.start @ found.v[0])
    assert elbo(best) == pytest.approx(value, abs=1e-11)
    rng = np.random.default_rng(seed)
    other = rng.dirichlet(np.ones(mdp.n_actions), size=(horizon, mdp.n_states))
    assert elbo(other.reshape(horizon, -1)) <= value + 1e-12
    lucky = messages.backward(mdp, horizon, tau=tau, prior=prior)
    assert messages.log_evidence(mdp, lucky, tau=tau) >= value - 1e-12


def test_inference_takes_the_gamble_that_causal_entropy_refuses():
    mdp = mk.load("gallery:lottery")
    lucky = messages.backward(mdp, 2, INFERENCE).q[0].reshape(-1)
    causal = messages.backward(mdp, 2, VARIATIONAL).q[0].reshape(-1)
    assert lucky[1] == pytest.approx(log(0.5 * (1 + np.exp(-10))), abs=1e-14)
    assert lucky[1] > lucky[0] == -1
    assert causal[1] == pytest.approx(-5, abs=1e-14)
    assert causal[1] < causal[0]


def test_large_rewards_neither_overflow_nor_vanish():
    mdp = tiny(3)
    for scale in (1e6, 1e200):
        big = mdp.replace(r=scale * np.sign(mdp.r))
        found, past = messages.backward(big, 4), messages.forward(big, 4)
        assert np.isfinite(found.q).all()
        evidence = messages.log_evidence(big, found)
        here = np.logaddexp.reduce(past.alpha[4])
        assert np.logaddexp(here, past.ended[4]) == pytest.approx(evidence, rel=1e-12)


@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_a_log_mean_exp_far_below_zero_is_a_number(storage):
    # e^{−top/τ} overflows there, and a stop of 0 times ∞ is none.
    P = np.array([[[0.5, 0.5]], [[0.0, 1.0]]])
    mdp = MDP(P, np.zeros((2, 1)), 1.0)
    if storage == "csr":
        mdp = messages.compressed(mdp)
    v = np.array([-2000.0, -1000.0])
    for step in (action_values, action_values_reference):
        q = step(mdp, v, log_mean_exp(1.0)).reshape(-1)
        assert q == pytest.approx([-1000 + log(0.5), -1000], abs=1e-9)


def test_the_exponentials_of_the_kernel_are_right_to_two_units_in_the_last_place():
    rng = np.random.default_rng(0)
    x = np.concatenate([-700 * rng.random(20_000), -rng.random(20_000), [0.0, -1e-300, -708.0]])
    ours = x.copy()
    exponentials(ours, np.empty_like(x))
    true = np.exp(x)  # within one unit itself
    assert (np.abs(ours - true) <= 3 * np.spacing(true)).all()
    assert ours[40_000] == 1
    far = np.array([-709.0, -1e4, -1e300, -np.inf])
    exponentials(far, np.empty_like(far))
    assert (far <= 3.4e-308).all()


def test_flow_carries_all_that_has_not_stopped():
    for seed in range(20):
        mdp, horizon, _, _ = case(seed)
        rng = np.random.default_rng(seed)
        policy = rng.dirichlet(np.ones(mdp.n_actions), size=(horizon, mdp.n_states))
        d, flat = messages.flow(mdp, policy, 0.7), policy.reshape(horizon, -1)
        seen = np.zeros((horizon, mdp.n_states))
        for taken, chance in paths(mdp, horizon):
            p = chance * prod(flat[t, i] for t, i in enumerate(taken))
            for t, i in enumerate(taken):
                seen[t, mdp.pair_states[i]] += 0.7**t * p
        np.testing.assert_allclose(d[:-1], seen, atol=1e-13)


@pytest.mark.parametrize("fault", ["one step short", "no dynamics", "mean for log-mean-exp"])
def test_wrong_messages_are_caught_by_these_tests(fault):
    mdp = MDP([[[0.3, 0.7]], [[0.8, 0.2]]], [[0.5], [-1.0]], 0.9)
    found = messages.backward(mdp, 3)
    assert disagreements(mdp, 3, 1.0, None, found) == []
    wrong = {
        "one step short": found._replace(q=np.concatenate([found.q[1:], found.q[-1:]])),
        "no dynamics": found._replace(q=found.q * 0 + mdp.r),
        "mean for log-mean-exp": messages.backward(mdp, 3, VARIATIONAL),
    }
    assert disagreements(mdp, 3, 1.0, None, wrong[fault])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"horizon": 0}, ValueError, "horizon"),
        ({"horizon": 2.0}, ValueError, "horizon"),
        ({"how": "hope"}, ValueError, "how"),
        ({"tau": 0}, ValueError, "tau"),
        ({"prior": np.ones(3)}, ValueError, "prior"),
        ({"prior": -np.ones((2, 1))}, ValueError, "prior"),
        ({"discount": 0.9}, ValueError, "no discount"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(options, error, message):
    mdp = MDP([[[0.3, 0.7]], [[0.8, 0.2]]], [[0.5], [-1.0]], 0.9)
    with pytest.raises(error, match=message):
        messages.backward(mdp, **({"horizon": 3} | options))


def test_exact_models_are_sent_to_the_linear_messages():
    with pytest.raises(TypeError, match="linear_messages"):
        messages.backward(tiny(0).exact(), 2)
