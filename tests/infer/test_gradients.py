"""The likelihoods and their gradients, against every path and against differences.

Two faults of imitation's MCE-IRL are impostors here: a policy trained without the discount that
its visits are counted with, and visits that count the state after the last step.
"""

from math import log, prod

import numpy as np
import pytest

from mdpkit.infer import Demonstrations, MaxCausalEntropy, MaxEntropyPaths
from mdpkit.infer.sampled import importance_weights, log_density, path_features
from mdpkit.operators import messages
from tests.path_oracle import paths, tiny, weighed

HORIZON = 3
MODELS = [
    MaxCausalEntropy(HORIZON, 0.7),
    MaxCausalEntropy(HORIZON, 1.5, discount=1.0),
    MaxCausalEntropy(None, 0.7),
    MaxEntropyPaths(HORIZON, 0.7),
]


def visits_of(mdp, policy, discount, horizon=HORIZON):
    """Σ_t γᵗ Pr(s_t, a_t) of a policy of stages, (pairs,), path by path."""
    total = np.zeros(mdp.n_pairs)
    for taken, chance in paths(mdp, horizon):
        p = chance * prod(policy[t, i] for t, i in enumerate(taken))
        for t, i in enumerate(taken):
            total[i] += discount**t * p
    return total


def soft_stages(mdp, r, tau, discount, horizon=HORIZON):
    """The soft-optimal policy of each stage by the textbook's recursion."""
    v, stages = np.zeros(mdp.n_states), []
    first, counts = mdp.action_ptr[:-1], np.diff(mdp.action_ptr)
    for _ in range(horizon):
        q = r + discount * mdp.expect(v).reshape(-1)
        v = tau * np.log(np.add.reduceat(np.exp(q / tau), first))
        stages.append(np.exp((q - np.repeat(v, counts)) / tau))
    return np.array(stages[::-1]), v


def rewards(mdp, seed):
    return np.random.default_rng(seed).normal(size=mdp.n_pairs)


@pytest.mark.parametrize("discount", [1.0, 0.6])
@pytest.mark.parametrize("seed", range(40))
def test_causal_behavior_is_that_of_enumeration(seed, discount):
    mdp, r = tiny(seed), rewards(tiny(seed), seed)
    found = MaxCausalEntropy(HORIZON, 0.7, discount).behave(mdp, r)
    policy, v = soft_stages(mdp, r, 0.7, discount)
    np.testing.assert_allclose(found.policy, policy, rtol=1e-12)
    np.testing.assert_allclose(found.visits, visits_of(mdp, policy, discount), atol=1e-13)
    assert found.partition == pytest.approx(mdp.start @ v, abs=1e-13)


@pytest.mark.parametrize("seed", range(40))
def test_path_behavior_is_that_of_enumeration(seed):
    mdp = tiny(seed)
    model = mdp.replace(r=rewards(mdp, seed).reshape(mdp.pair_shape))
    found = MaxEntropyPaths(HORIZON, 0.7).behave(mdp, model.r)
    every = weighed(model, HORIZON, 0.7)
    total = sum(w for _, w in every)
    visits = np.zeros(mdp.n_pairs)
    for taken, w in every:
        np.add.at(visits, list(taken), w / total)
    np.testing.assert_allclose(found.visits, visits, atol=1e-12)
    assert found.partition == pytest.approx(0.7 * log(total), abs=1e-12)


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("seed", range(10))
def test_visits_are_the_gradient_of_the_partition_function(seed, model):
    mdp, h = tiny(seed), 1e-5
    r, along = rewards(mdp, seed), rewards(mdp, seed + 100)
    up, down = (model.behave(mdp, r + sign * h * along).partition for sign in (1, -1))
    slope = (up - down) / (2 * h)
    # h²/6 times a third derivative below 1/τ² T³, and 2⁻⁵² of the value over h: 1e-8 at most.
    assert model.behave(mdp, r).visits @ along == pytest.approx(slope, abs=2e-8)


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("seed", range(10))
def test_the_likelihood_of_demonstrations_has_the_gradient_it_says(seed, model):
    mdp, h = tiny(seed), 1e-5
    r, along = rewards(mdp, seed), rewards(mdp, seed + 100)
    uniform = np.full(mdp.pair_shape, 1 / mdp.n_actions)
    shown = Demonstrations.sample(mdp, uniform, HORIZON, n=30, rng=seed)
    counts = model.counts(mdp, shown)
    value, gradient, _ = model.log_likelihood(mdp, r, counts)
    up, down = (model.log_likelihood(mdp, r + s * h * along, counts)[0] for s in (1, -1))
    assert gradient @ along == pytest.approx((up - down) / (2 * h), abs=1e-7)
    assert np.isfinite(value)


@pytest.mark.parametrize("seed", range(20))
def test_the_likelihood_of_demonstrations_is_theirs(seed):
    mdp = tiny(seed)
    r = rewards(mdp, seed)
    uniform = np.full(mdp.pair_shape, 1 / mdp.n_actions)
    shown = Demonstrations.sample(mdp, uniform, HORIZON, n=8, rng=seed)
    causal = MaxCausalEntropy(HORIZON, 0.7)
    policy, _ = soft_stages(mdp, r, 0.7, mdp.gamma)
    listed = [[int(i) for i in row if i >= 0] for row in shown.pairs(mdp)]
    true = np.mean([sum(log(policy[t, i]) for t, i in enumerate(taken)) for taken in listed])
    assert causal.log_likelihood(mdp, r, causal.counts(mdp, shown))[0] == pytest.approx(
        true, abs=1e-12
    )
    whole = MaxEntropyPaths(HORIZON, 0.7)
    model = mdp.replace(r=r.reshape(mdp.pair_shape))
    evidence = log(sum(w for _, w in weighed(model, HORIZON, 0.7)))
    true = np.mean([sum(r[i] for i in taken) / 0.7 - evidence for taken in listed])
    assert whole.log_likelihood(mdp, r, whole.counts(mdp, shown))[0] == pytest.approx(
        true, abs=1e-12
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_two_models_are_one_where_nothing_is_left_to_luck(seed):
    rng = np.random.default_rng(seed)
    from mdpkit.mdp import MDP

    mdp = MDP(
        np.eye(3)[rng.integers(3, size=(3, 2))], rng.normal(size=(3, 2)), 1.0, start=[1, 0, 0]
    )
    causal = MaxCausalEntropy(4, 0.5).behave(mdp, mdp.r)
    whole = MaxEntropyPaths(4, 0.5).behave(mdp, mdp.r)
    np.testing.assert_allclose(causal.visits, whole.visits, atol=1e-12)
    np.testing.assert_allclose(causal.policy, whole.policy, atol=1e-12)


def test_soft_rollouts_are_not_the_gradient_of_path_entropy_under_luck():
    # M1, E41: with stochastic P the posterior bends the dynamics too.
    apart = []
    for seed in range(20):
        mdp = tiny(seed, stops=False)
        causal = MaxCausalEntropy(HORIZON, 0.7, 1.0).behave(mdp, mdp.r)
        whole = MaxEntropyPaths(HORIZON, 0.7).behave(mdp, mdp.r)
        apart.append(np.abs(causal.visits - whole.visits).max())
    assert max(apart) > 0.05


def gradient_error(mdp, visits, r, discount):
    """How far alleged visits are from the derivative of the soft value they belong to."""
    model, h, worst = MaxCausalEntropy(HORIZON, 0.7, discount), 1e-5, 0.0
    for i in range(mdp.n_pairs):
        step = h * (np.arange(mdp.n_pairs) == i)
        slope = model.behave(mdp, r + step).partition - model.behave(mdp, r - step).partition
        worst = max(worst, abs(visits[i] - slope / (2 * h)))
    return worst


@pytest.mark.parametrize("seed", [0, 2, 3, 5])
def test_the_faults_of_a_peer_are_no_gradients(seed):
    mdp, discount = tiny(seed, stops=False), 0.6
    r = rewards(mdp, seed)
    ours = MaxCausalEntropy(HORIZON, 0.7, discount).behave(mdp, r).visits
    assert gradient_error(mdp, ours, r, discount) < 1e-7
    undiscounted, _ = soft_stages(mdp, r, 0.7, 1.0)
    dropped = visits_of(mdp, undiscounted, discount)
    one_more, _ = soft_stages(mdp, r, 0.7, discount, HORIZON)
    d = messages.flow(mdp, one_more.reshape(HORIZON, *mdp.pair_shape), discount)
    counted = np.repeat(d.sum(axis=0), np.diff(mdp.action_ptr)) * one_more.mean(axis=0)
    assert ours.sum() == pytest.approx(1 + discount + discount**2)  # T states, not T + 1
    assert counted.sum() == pytest.approx(1 + discount + discount**2 + discount**3)
    assert gradient_error(mdp, counted, r, discount) > 1e-3
    if mdp.n_states > 1 and mdp.n_actions > 1:
        assert gradient_error(mdp, dropped, r, discount) > 1e-4


@pytest.mark.parametrize("seed", range(20))
def test_importance_weights_of_all_paths_give_the_exact_gradient(seed):
    # Every path once, with its probability under the sampler: nothing is left to err.
    mdp, tau = tiny(seed, stops=False), 0.7
    rng, r = np.random.default_rng(seed), rewards(mdp, seed)
    sampler = rng.dirichlet(np.ones(mdp.n_actions), size=mdp.n_states)
    every = paths(mdp, HORIZON)
    listed = [[mdp.place(i) for i in taken] for taken, _ in every]
    shown = Demonstrations.of(listed)
    f = path_features(mdp, shown)
    log_q = log_density(mdp, shown, [sampler])
    counts = np.array([chance for _, chance in every]) * np.exp(log_q)
    assert counts.sum() == pytest.approx(1)
    weights = importance_weights(f @ r, log_q, tau=tau, counts=counts)
    exact = MaxEntropyPaths(HORIZON, tau).behave(mdp, r).visits
    np.testing.assert_allclose(weights @ f, exact, atol=1e-12)
    # E42: without Σ_t, only the first step's gradient is weighed.
    first = np.zeros_like(f)
    first[np.arange(len(every)), [taken[0] for taken, _ in every]] = 1
    assert np.abs(weights @ first - exact).max() > 0.1
