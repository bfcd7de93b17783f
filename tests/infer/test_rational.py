"""Rewards under which a policy is optimal: Ng and Russell's condition, and their program."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.infer import consistent_reward
from mdpkit.infer.rational import advantages
from mdpkit.mdp import MDP
from mdpkit.plan import PolicyIteration


def model(seed, S=5, A=3):
    rng = np.random.default_rng(seed)
    r = np.repeat(rng.normal(size=(S, 1)), A, axis=1)
    return MDP(rng.dirichlet(np.ones(S), size=(S, A)), r, 0.9)


@pytest.mark.parametrize("seed", range(12))
def test_the_condition_says_for_which_rewards_a_policy_is_optimal(seed):
    mdp, rng = model(seed), np.random.default_rng(seed)
    policy = mk.solve(mdp, PolicyIteration()).policy
    for r in [mdp.r[:, 0], *rng.normal(size=(20, 5))]:
        other = mdp.replace(r=np.repeat(r[:, None], 3, axis=1))
        loses = mk.certify(other, policy=policy).v - mk.solve(other, PolicyIteration()).v
        assert (advantages(mdp, policy) @ r >= -1e-9).all() == (loses.min() >= -1e-8)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(8))
def test_the_reward_makes_the_policy_optimal_and_no_other_says_more(seed, penalty):
    mdp = model(seed)
    policy = mk.solve(mdp, PolicyIteration()).policy
    r = consistent_reward(mdp, policy, penalty=penalty)
    assert np.abs(r).max() <= 1 + 1e-9
    other = mdp.replace(r=np.repeat(r[:, None], 3, axis=1))
    own = mk.certify(other, policy=policy)
    assert (mk.solve(other, PolicyIteration()).v - own.v).max() <= 1e-7
    gains = advantages(mdp, policy)

    def objective(x):
        return (gains @ x).reshape(5, 2).min(axis=1).sum() - penalty * np.abs(x).sum()

    assert objective(r) >= objective(mdp.r[:, 0] / np.abs(mdp.r).max()) - 1e-8
    assert objective(r) >= -1e-9  # r = 0 satisfies everything and says nothing
    if penalty == 0:
        assert objective(r) > 1e-3


def test_a_large_penalty_leaves_nothing():
    mdp = model(0)
    policy = mk.solve(mdp, PolicyIteration()).policy
    assert np.abs(consistent_reward(mdp, policy, penalty=1e4)).max() < 1e-9


def test_the_grid_of_the_first_experiments_points_to_its_corner():
    mdp = mk.load("gallery:corner-goal")
    walk = mk.load("gallery:macrocells?size=5&cell=1", gamma=0.9)
    policy = mk.solve(mdp, PolicyIteration()).policy
    r = consistent_reward(walk, policy, penalty=2.0)
    assert r.argmax() == 4
    assert mk.solve(walk.replace(r=np.repeat(r, 4)), PolicyIteration()).v.argmax() == 4


def test_arguments_out_of_range_are_refused():
    with pytest.raises(ValueError, match="penalty"):
        consistent_reward(model(0), np.zeros(5, dtype=int), penalty=-1)
