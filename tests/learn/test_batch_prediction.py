"""Batch learning: fixed points against sweeps, the model of the counts, and mean returns."""

import numpy as np
import pytest

from mdpkit import gallery
from mdpkit.batch import Trajectories
from mdpkit.learn.batch_prediction import (
    Sums,
    batch_sums,
    batch_sweep,
    batch_values,
    certainty_equivalence,
    solve_sums,
)
from mdpkit.operators.returns import lambda_return
from mdpkit.operators.rollout import rollout
from mdpkit.policy import uniform
from tests.prediction_oracle import looping_mdp, some_policy


def eight_episodes():
    """S&B Example 6.4: A, 0, B, 0; six times B, 1; once B, 0. A is 0, B is 1."""
    states = np.ones((3, 8), dtype=np.int64)
    states[0, 0] = 0
    pairs = np.full((2, 8), -1)
    pairs[0], pairs[1, 0], pairs[0, 0] = 1, 1, 0
    rewards = np.zeros((2, 8))
    rewards[0, 1:7] = 1.0
    discounts, boundary = np.zeros((2, 8)), np.ones((2, 8), dtype=bool)
    discounts[0, 0], boundary[0, 0] = 1.0, False
    return Trajectories(states, pairs, rewards, discounts, boundary, np.ones(8))


def test_the_same_eight_episodes_have_two_answers():
    batch = eight_episodes()
    np.testing.assert_allclose(batch_values(batch, 2), [0.75, 0.75], rtol=1e-14)
    np.testing.assert_allclose(certainty_equivalence(batch, 2, 1.0), [0.75, 0.75], rtol=1e-14)
    np.testing.assert_allclose(batch_values(batch, 2, lam=1), [0, 0.75], atol=1e-15)


def some_paths(seed):
    mdp = looping_mdp(seed, n_states=3)
    pi = some_policy(mdp, seed)
    return mdp, rollout(mdp, pi, 25, n=12, rng=seed)


@pytest.mark.parametrize("seed", range(4))
def test_batch_td_is_certainty_equivalence(seed):
    """What TD(0) ends with is the value of the model of the counts; with weights as well."""
    mdp, batch = some_paths(seed)
    found = batch_values(batch, 3)
    counted = certainty_equivalence(batch, 3, mdp.gamma)
    np.testing.assert_allclose(found, counted, rtol=1e-10)
    other = batch_values(batch, 3, lam=1)
    assert abs(found - other).max() > 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_batch_monte_carlo_is_least_squares(seed):
    """λ = 1: the mean of the returns of each state, a cut episode's bootstrapped from it.

    Only episodes that ended: then the mean is the least-squares fit.
    """
    _, batch = some_paths(seed)
    n = (batch.pairs >= 0).sum(axis=0) - 1
    kept = batch.discounts[n, np.arange(n.size)] == 0
    batch = Trajectories(*(x[..., kept] for x in batch))
    G = lambda_return(batch.rewards, batch.discounts, batch.boundary, 0)
    taken = batch.pairs >= 0
    means = [G[taken & (batch.states[:-1] == s)].mean() for s in range(3)]
    found = batch_values(batch, 3, lam=1)
    np.testing.assert_allclose(found, means, rtol=1e-10)
    v = found.copy()
    for step in (1e-3, -1e-3):  # a minimum of the squared error, in every direction
        for s in range(3):
            v[s] += step
            assert _squares(G, batch, v) > _squares(G, batch, found)
            v[s] -= step


def _squares(G, batch, v):
    return ((G - v[batch.states[:-1]])[batch.pairs >= 0] ** 2).sum()


@pytest.mark.parametrize("lam", [0.0, 0.6, 1.0])
def test_sweeps_end_at_the_fixed_point(lam):
    """With steps 1/N(s) a sweep contracts by γ: .9³⁰⁰ < 2e-14 of the first error is left."""
    _, batch = some_paths(0)
    wanted, v = batch_values(batch, 3, lam=lam), np.zeros(3)
    one = batch_sweep(batch, wanted, step_size=0.01, lam=lam)
    np.testing.assert_allclose(one, wanted, rtol=1e-11)
    counts = np.bincount(batch.states[:-1][batch.pairs >= 0])
    for _ in range(300):
        v = batch_sweep(batch, v, step_size=batch.weight.size / counts, lam=lam)
    np.testing.assert_allclose(v, wanted, rtol=1e-10)


def test_sums_of_parts_are_the_sum_of_the_whole():
    _, batch = some_paths(1)
    each = batch_sums(batch, 3, 0.5)
    first = Trajectories(*(x[..., :5] for x in batch))
    upto = Sums(*(x.cumsum(axis=0) for x in each))
    values = solve_sums(upto)
    np.testing.assert_allclose(values[4], batch_values(first, 3, lam=0.5), rtol=1e-9)


def test_what_was_never_left_keeps_its_first_value():
    batch = eight_episodes()
    assert batch_values(batch, 4, initial=7.0)[2:].tolist() == [7.0, 7.0]
    assert certainty_equivalence(batch, 4, 1.0)[2:].tolist() == [0.0, 0.0]


def test_a_truncated_step_bootstraps():
    """One state that stays for ever, cut after one step: v = 1 + γ v, not 1."""
    one = np.ones((1, 1))
    zero = np.zeros((2, 1), dtype=np.int64)
    batch = Trajectories(zero, zero[:1], one, 0.5 * one, one > 0, np.ones(1))
    for lam in (0, 1):
        assert batch_values(batch, 1, lam=lam)[0] == pytest.approx(2.0, rel=1e-14)


@pytest.mark.stat
@pytest.mark.parametrize(("lam", "landmark"), [(0, 0.037), (1, 0.056)], ids=["TD", "MC"])
def test_batches_of_the_random_walk_err_as_in_the_book(lam, landmark):
    """S&B Figure 6.2, right: .037 for TD and .056 for Monte Carlo at 100 episodes.

    400 runs against a landmark of as many: within 5 standard errors of their difference and
    half of a digit; false alarm < 1e-6. A walk lasts 200 steps less often than 1e-12.
    """
    runs, truth = 400, np.arange(1, 6) / 6
    mdp = gallery.make("steered-walk", n=5, left=0)
    batch = rollout(mdp, uniform(mdp), 200, n=100 * runs, rng=0)
    each = batch_sums(batch, 5, lam)
    sums = Sums(*(x.reshape(runs, 100, *x.shape[1:]).sum(axis=1) for x in each))
    errors = np.sqrt(((solve_sums(sums, 0.5) - truth) ** 2).mean(axis=1))
    slack = 5 * errors.std() * np.sqrt(2 / runs) + 5e-4
    assert abs(errors.mean() - landmark) < slack
    assert slack < 0.012  # or the two could not be told apart
