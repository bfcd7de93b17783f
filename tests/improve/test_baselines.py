"""Baselines: what they do to mean and variance, exactly, and what a shared sample costs."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit import enumerate as every
from mdpkit.batch import Trajectories
from mdpkit.improve.baselines import (
    constant_baseline,
    optimal_baseline,
    optimal_state_values,
    state_baseline,
    time_baseline,
)
from mdpkit.improve.estimators import (
    monte_carlo,
    path_weight,
    reinforce,
    reward_to_go,
)
from mdpkit.improve.moments import bias, mean, variance
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import softmax_gradient
from mdpkit.operators.scores import softmax_scores
from tests.gradient_oracle import fractions, layered
from tests.oracles import rational

SEEDS = range(8)
HALF = rational(1) / 2


def exactly(seed, **options):
    mdp = layered(seed, **options).exact()
    pi = fractions(mdp, seed)
    return mdp, pi, softmax_scores(mdp, pi), every.trajectories(mdp, pi, 3)


# ---- from the distribution -------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_no_baseline_moves_the_mean(seed):
    mdp, pi, scores, batch = exactly(seed)
    true = softmax_gradient(mdp, pi)
    v = policy_values(mdp, pi).v
    for samples in (
        reinforce(batch, scores, constant_baseline(batch)),
        reinforce(batch, scores, optimal_baseline(batch, scores)),
        reward_to_go(batch, scores, time_baseline(batch)),
        reward_to_go(batch, scores, state_baseline(batch, v)),
        reward_to_go(batch, scores, state_baseline(batch)),
    ):
        assert (bias(samples, batch.weight, true) == 0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_fitted_baselines_are_the_expectations_they_estimate(seed):
    mdp, pi, _, batch = exactly(seed)
    v = policy_values(mdp, pi).v
    assert constant_baseline(batch) == mdp.start @ v
    taken = batch.pairs >= 0
    assert (state_baseline(batch) == v[batch.states[:-1]])[taken].all()
    for t, b in enumerate(time_baseline(batch)[:, 0]):
        running = taken[t]
        if running.any():
            w = batch.weight[running]
            assert b == (w @ v[batch.states[t, running]]) / w.sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_variance_is_a_parabola_about_the_optimal_baseline(seed):
    """Var_i(b) − Var_i(b*) = E[g_i²] (b − b*_i)², in fractions, for b on a grid."""
    _, _, scores, batch = exactly(seed)
    best = optimal_baseline(batch, scores)
    g = scores.on_paths(batch.pairs, path_weight(batch))
    least = variance(reinforce(batch, scores, best), batch.weight)
    for b in (0, constant_baseline(batch), *(rational(k) for k in range(-4, 5))):
        found = variance(reinforce(batch, scores, b), batch.weight)
        assert (found - least == mean(g**2, batch.weight) * (b - best) ** 2).all()


def bandit(r, pi):
    """One state whose actions pay r and end, its scores and paths."""
    n = len(r)
    mdp = mk.MDP(np.zeros((1, n, 1)), [r], 0.5, stop=np.ones((1, n))).exact()
    policy = np.array([[rational(p) / sum(pi) for p in pi]], dtype=object)
    return mdp, policy, softmax_scores(mdp, policy), every.trajectories(mdp, policy, 1)


def test_the_value_is_not_the_best_baseline_of_a_state():
    """Chances ¾ and ¼, pay 1 and 0: v = ¾, and E[‖∇‖² q]/E‖∇‖² = ¼, by hand.

    ∇ log π = ±(¼, −¼) with ¾ and ±(−¾, ¾) with ¼. Var(b) − Var(b*) = E‖∇‖² (b − b*)².
    """
    mdp, pi, scores, batch = bandit([1, 0], [3, 1])
    q, v = policy_values(mdp, pi).q, policy_values(mdp, pi).v
    best = optimal_state_values(mdp, scores, q)
    assert (v[0], best[0]) == (rational(3) / 4, rational(1) / 4)
    traces = [
        variance(reward_to_go(batch, scores, state_baseline(batch, b)), batch.weight).sum()
        for b in (v, best)
    ]
    square = rational(3) / 4 * 2 / 16 + rational(1) / 4 * 18 / 16
    assert traces[0] - traces[1] == square * (v[0] - best[0]) ** 2 > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_best_state_values_minimize_the_trace(seed):
    rng = np.random.default_rng(seed)
    mdp, pi, scores, batch = bandit(
        [int(x) for x in rng.integers(-3, 4, 4)], [int(x) for x in rng.integers(1, 6, 4)]
    )
    best = optimal_state_values(mdp, scores, policy_values(mdp, pi).q)

    def trace(b):
        samples = reward_to_go(batch, scores, state_baseline(batch, best + b))
        return variance(samples, batch.weight).sum()

    square = (mean(scores.on_paths(batch.pairs, path_weight(batch)) ** 2, batch.weight)).sum()
    for b in (-HALF, HALF, rational(3)):
        assert trace(b) - trace(0 * b) == square * b**2


# ---- from the sample itself ------------------------------------------------------------------


def samples_of_two(batch):
    """Every pair of independent paths, as a batch of two, with its probability."""
    n = batch.weight.size
    for i, j in np.ndindex(n, n):
        columns = [x[:, [i, j]] for x in batch[:-1]]
        yield Trajectories(*columns, np.array([HALF, HALF])), batch.weight[i] * batch.weight[j]


def expectation(batch, estimate):
    """E of an estimate from two independent paths, exactly."""
    return sum(
        weight * mean(estimate(two), two.weight) for two, weight in samples_of_two(batch)
    )


def fitted(scores, leave_one_out):
    """The gradient with each kind of baseline, fitted to the batch it is used on."""
    out = {"leave_one_out": leave_one_out}
    return {
        "constant": lambda b: reinforce(b, scores, constant_baseline(b, **out)),
        "optimal": lambda b: reinforce(b, scores, optimal_baseline(b, scores, **out)),
        "time": lambda b: reward_to_go(b, scores, time_baseline(b, **out)),
        "state": lambda b: reward_to_go(b, scores, state_baseline(b, **out)),
    }


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_leaving_one_out_leaves_no_bias(seed):
    """Over all samples of two paths, in fractions; fitted to both, each kind is biased."""
    mdp, pi, scores, batch = exactly(seed, layers=2, width=1)
    true = softmax_gradient(mdp, pi).reshape(-1)
    assert (true != 0).any()
    for name, estimate in fitted(scores, True).items():
        assert (expectation(batch, estimate) == true).all(), name
    for name, estimate in fitted(scores, False).items():
        assert (expectation(batch, estimate) != true).any(), name


def test_the_mean_of_the_sample_shrinks_the_gradient_by_one_nth():
    """With b the mean of both returns the expectation is (n−1)/n ∇J = ½ ∇J, exactly."""
    mdp, pi, scores, batch = exactly(1, layers=2, width=1)
    found = expectation(batch, fitted(scores, False)["constant"])
    assert (found == softmax_gradient(mdp, pi).reshape(-1) / 2).all()


def test_one_path_cannot_be_left_out():
    mdp, _, scores, batch = bandit([1], [1])
    assert mdp.n_pairs == batch.weight.size == 1
    for estimate in fitted(scores, True).values():
        with pytest.raises(ValueError, match="at least two"):
            estimate(batch)


def test_leave_one_out_by_hand():
    """Returns 1, 2 and 6 of equal weight: the others' means are 4, 7/2 and 3/2."""
    mdp, _, scores, batch = bandit([1, 2, 6], [1, 1, 1])
    assert mdp.n_states == 1
    assert monte_carlo(batch)[0].tolist() == [1, 2, 6]
    found = constant_baseline(batch, leave_one_out=True)
    assert found[:, 0].tolist() == [4, HALF * 7, HALF * 3]
    assert (time_baseline(batch, leave_one_out=True) == found.T).all()
    assert (state_baseline(batch, leave_one_out=True) == found.T).all()
    assert constant_baseline(batch) == 3
    assert time_baseline(batch).tolist() == [[3]]
    # g² is 4/9 for the action taken and 1/9 for the others: b_0 = (4·1 + 2 + 6)/6 = 2.
    assert optimal_baseline(batch, scores).tolist() == [2, HALF * 5, HALF * 9]


def test_what_no_other_path_saw_has_the_baseline_zero():
    """Floats: the weights left are an exact 0, not what rounding leaves of 1/3 − 1/3."""
    states = np.array([[0, 1, 2], [0, 1, 2]])
    taken, cut = np.array([[0, 1, 2]]), np.ones((1, 3), dtype=bool)
    w = np.full(3, 1 / 3)
    batch = Trajectories(states, taken, np.array([[1.0, 2.0, 3.0]]), 0 * cut, cut, w)
    assert state_baseline(batch, leave_one_out=True).tolist() == [[0.0, 0.0, 0.0]]
