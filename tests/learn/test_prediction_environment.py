"""Prediction in a Gymnasium environment: the same kernels, stepped from outside."""

import gymnasium
import numpy as np
import pytest

import mdpkit as mk
from mdpkit.errors import ModelError
from mdpkit.learn import TD0, ImportanceSampling, MonteCarlo, NStepTD, TDLambda, learn
from mdpkit.operators.performance import policy_values
from mdpkit.policy import uniform

LAKE = {"is_slippery": True, "map_name": "4x4"}


@pytest.mark.stat
@pytest.mark.parametrize("method", [MonteCarlo, TD0, NStepTD, TDLambda])
def test_a_lake_is_evaluated_as_its_model(method):
    """v at the start within .05 after 400 episodes of the uniform policy, γ = .9.

    v(start) = .0045 there; the standard error of 400 returns is below .003, and TD at α = .05
    forgets all but the last 20: 5 errors are .05 at most. False alarm < 1e-6.
    """
    mdp = mk.load("gym:FrozenLake-v1", gamma=0.9)
    truth = policy_values(mdp, uniform(mdp)).v
    env = gymnasium.make("FrozenLake-v1", **LAKE)
    pi = np.full((16, 4), 0.25)
    given = {} if method is MonteCarlo else {"step_size": 0.05}
    found = learn(env, method(pi, **given), episodes=400, rng=0, gamma=0.9, truth=truth)
    assert abs(found.values[0, 0] - truth[0]) < 0.05
    assert found.values.shape == (1, 16)
    assert found.errors.values[0, -1] < 0.1
    assert found.values[0, 14] > 0.05  # beside the goal


def test_policies_of_environments_are_checked():
    env = gymnasium.make("FrozenLake-v1", **LAKE)
    with pytest.raises(ModelError, match=r"\(16, 4\)"):
        learn(env, TD0(np.ones((3, 4)) / 4), episodes=1)
    with pytest.raises(ModelError, match="no distribution"):
        learn(env, TD0(np.ones((16, 4))), episodes=1)
    with pytest.raises(ModelError, match="no distribution"):
        learn(env, TD0(np.full(16, 7)), episodes=1)
    method = ImportanceSampling(np.full((16, 4), 0.25), np.zeros(16, dtype=int))
    with pytest.raises(ModelError, match=r"behavior\[0, 1\]"):
        learn(env, method, episodes=1)


def test_a_deterministic_policy_is_followed():
    """Left for ever on firm ice: every step is from the start, and pays nothing."""
    env = gymnasium.make("FrozenLake-v1", is_slippery=False, map_name="4x4")
    found = learn(env, MonteCarlo(np.zeros(16, dtype=int)), episodes=2, max_steps=7)
    assert found.lengths.values.tolist() == [[7.0, 7.0]]
    assert found.tables.visits[0].tolist() == [2] + [0] * 15
