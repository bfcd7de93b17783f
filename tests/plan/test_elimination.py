"""Action elimination against exact action values: no optimal action ever dies."""

import numpy as np
import pytest

from mdpkit import MDP
from mdpkit.gallery import make
from mdpkit.operators.bellman import sweep
from mdpkit.operators.elimination import eliminated, everyone, surviving_sweep
from mdpkit.plan import ActionElimination
from mdpkit.solve import iterate
from tests.oracles import exact_optimum, random_mdp

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word", "ignore:γ = ")


def survivors(mdp, alive):
    kept = [
        alive.pairs[begin : begin + n]
        for begin, n in zip(mdp.action_ptr[:-1], alive.counts, strict=True)
    ]
    return np.concatenate(kept)


@pytest.mark.parametrize("seed", range(20))
def test_only_actions_below_the_optimum_die(seed):
    mdp = random_mdp(seed, gammas=(0.5, 0.9))
    v, q = exact_optimum(mdp.exact(dyadic=True))
    best = {i for i in range(mdp.n_pairs) if q[i] == v[mdp.pair_states[i]]}
    for (state, _), _ in zip(iterate(mdp, ActionElimination()), range(40), strict=False):
        assert best <= set(survivors(mdp, state.alive).tolist())
    assert (state.alive.counts >= 1).all()


def test_on_a_garnet_most_actions_die_and_a_narrower_test_would_kill_the_best():
    mdp = make("garnet", S=200, A=8, b=5, seed=1)
    steps = iterate(mdp, ActionElimination())
    for _ in range(40):
        state, _ = next(steps)
    assert survivors(mdp, state.alive).size < 1.1 * mdp.n_states
    start = sweep(mdp, np.zeros(mdp.n_states))
    q = np.empty(mdp.n_pairs)
    surviving_sweep(mdp, np.zeros(mdp.n_states), everyone(mdp), q)
    hasty = eliminated(mdp, everyone(mdp), q, start.v, 0.0)  # as if the first sweep were v*
    final = set(survivors(mdp, state.alive).tolist())
    assert not final <= set(survivors(mdp, hasty).tolist())


@pytest.mark.parametrize("seed", range(8))
def test_a_sweep_of_all_is_the_sweep(seed):
    mdp = random_mdp(seed)
    v = np.random.default_rng(seed).normal(size=mdp.n_states)
    mine = surviving_sweep(mdp, v, everyone(mdp), np.empty(mdp.n_pairs))
    other = sweep(mdp, v)
    near = 1e-13 * (1 + mdp.reward_size + np.abs(v).max())
    assert np.abs(mine.v - other.v).max() <= near
    assert abs(mine.low - other.low) <= near
    assert abs(mine.high - other.high) <= near


def test_ties_survive():
    mdp = MDP(np.ones((1, 3, 1)), np.zeros((1, 3)), 0.9)
    state, _ = next(iterate(mdp, ActionElimination()))
    assert state.alive.counts[0] == 3
