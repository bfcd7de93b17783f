"""Simulation: the kernel against its definition, the threads against each other, and P."""

import numpy as np
import pytest

from mdpkit import MDP
from mdpkit import enumerate as every
from mdpkit.operators import rollout as simulation
from mdpkit.operators.rollout import rollout, rollout_reference
from mdpkit.policy import uniform
from tests.oracles import random_mdp


@pytest.mark.parametrize("seed", range(8))
def test_kernel_draws_what_its_definition_draws(seed):
    mdp = random_mdp(seed)
    for mine, other in zip(
        rollout(mdp, uniform(mdp), 6, n=20, rng=seed),
        rollout_reference(mdp, uniform(mdp), 6, n=20, rng=seed),
        strict=True,
    ):
        assert np.array_equal(mine, other)


def test_threads_and_batch_size_change_nothing():
    mdp = random_mdp(3)
    one = rollout(mdp, uniform(mdp), 50, n=3000, rng=1)
    for threads in (2, 4):
        other = rollout(mdp, uniform(mdp), 50, n=3000, rng=1, threads=threads)
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    fewer = rollout(mdp, uniform(mdp), 50, n=10, rng=1)
    assert np.array_equal(fewer.states, one.states[:, :10])
    assert not np.array_equal(one.states, rollout(mdp, uniform(mdp), 50, n=3000, rng=2).states)


def test_long_rows_are_searched_like_short_ones():
    """Every u of a fine grid lands in the interval that its definition names."""
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 8, 9, 33, 100):
        p = rng.dirichlet(np.full(n, 0.3))
        upper = simulation.accumulated(p, np.array([0, n]), np.zeros(1))
        for u in [0.0, *rng.random(50), *upper[:-1], np.nextafter(1, 0)]:
            found = simulation.above(upper, 0, n, u)
            assert found == np.searchsorted(upper, u, side="right")
            assert p[found] > 0


@pytest.mark.stat
@pytest.mark.parametrize("seed", range(4))
def test_paths_come_as_often_as_they_should(seed):
    """Pearson's χ² over all paths of 2 steps; false alarm < 1e-6 a seed."""
    from scipy.stats import chi2

    mdp = random_mdp(seed, gammas=(0.9,))
    pi, n = uniform(mdp), 40_000
    wanted = every.trajectories(mdp, pi, 2)
    exact = _frequencies(wanted, wanted.weight)
    drawn = rollout(mdp, pi, 2, n=n, rng=seed)
    seen = _frequencies(drawn, np.ones(n))
    assert seen.keys() <= exact.keys()
    kept = [key for key, p in exact.items() if n * p >= 5]
    rest = n - sum(seen.get(key, 0) for key in kept)
    rest_wanted = n * (1 - sum(exact[key] for key in kept))
    score = sum((seen.get(key, 0) - n * exact[key]) ** 2 / (n * exact[key]) for key in kept)
    score += (rest - rest_wanted) ** 2 / max(rest_wanted, 5)
    assert score < chi2.isf(1e-6, len(kept))
    wrong = sum((seen.get(k, 0) - n / len(kept)) ** 2 / (n / len(kept)) for k in kept)
    assert len(kept) < 3 or wrong > chi2.isf(1e-6, len(kept))  # not merely uniform


def _frequencies(batch, weight):
    total = {}
    for i in range(weight.size):
        key = (*batch.pairs[:, i], *batch.states[:, i], *batch.boundary[:, i])
        total[key] = total.get(key, 0) + weight[i]
    return total


def test_an_end_is_no_state():
    P = np.array([[[0.0]]])
    mdp = MDP(P, np.ones((1, 1)), 0.9, stop=np.ones((1, 1)))
    batch = rollout(mdp, np.array([0]), 3, n=2, rng=0)
    assert (batch.pairs == [[0, 0], [-1, -1], [-1, -1]]).all()
    assert (batch.discounts == 0).all()
    assert batch.boundary.all()
    assert (batch.rewards.sum(axis=0) == 1).all()
    assert (batch.states == 0).all()


def test_exact_models_are_not_drawn_from():
    mdp = random_mdp(3).exact(dyadic=True)
    with pytest.raises(TypeError, match="rounded"):
        rollout(mdp, uniform(mdp), 2, n=2)


def test_the_reward_of_the_end_may_be_given_apart():
    """Half of the steps end and pay 3; so that the mean is 1, the others pay −1."""
    P = np.full((1, 1, 1), 0.5)
    mdp = MDP(P, np.ones((1, 1)), 0.9, stop=np.full((1, 1), 0.5))
    batch = rollout(mdp, np.array([0]), 30, n=500, rng=0, end_reward=np.full((1, 1), 3.0))
    taken = batch.pairs >= 0
    ended = taken & (batch.discounts == 0)
    assert (batch.rewards[ended] == 3).all()
    assert (batch.rewards[taken & ~ended] == -1).all()
    assert (batch.rewards[~taken] == 0).all()
    with pytest.raises(ValueError, match="finite"):
        rollout(mdp, np.array([0]), 3, n=2, end_reward=np.nan)
