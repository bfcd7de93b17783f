"""Recorded trajectories: the same values as if the steps were made now."""

import numpy as np
import pytest

from mdpkit import gallery
from mdpkit.batch import Trajectories
from mdpkit.learn import TD0, MonteCarlo, TDLambda, TrueOnlineTDLambda
from mdpkit.learn.recorded import learn_recorded
from mdpkit.operators.rollout import rollout
from mdpkit.operators.step_size import polynomial
from mdpkit.policy import uniform
from tests.prediction_oracle import fed_in_turn, looping_mdp, some_policy

METHODS = [
    TD0(None, 0.3),
    TDLambda(None, 0.7, polynomial(0.9, power=0.6)),
    TDLambda(None, 0.7, 0.3, "replacing", initial=2.0),
    TDLambda(None, 0.7, 0.3, online=False),
    TrueOnlineTDLambda(None, 0.7, 0.3),
]


@pytest.mark.parametrize("method", METHODS)
def test_a_log_teaches_what_the_steps_taught(method):
    """Some episodes ended, some were cut; one after the other, in one run, twice over."""
    mdp = looping_mdp(2, n_states=3)
    pi = some_policy(mdp, 2)
    batch = rollout(mdp, pi, 8, n=8, rng=2)
    ended = (batch.discounts == 0).any(axis=0)
    assert 0 < ended.sum() < 8
    given = {name: x for name, x in vars(method).items() if name != "policy"}
    acting = type(method)(pi, **given)
    for sweeps in (1, 2):
        episodes = [(batch, i) for i in range(8)] * sweeps
        wanted = fed_in_turn(mdp, acting, episodes, acting.family)
        found = learn_recorded(batch, method, 3, sweeps=sweeps)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-13)


def test_many_states_are_kept_in_a_list():
    mdp = gallery.make("steered-walk", n=101)
    batch = rollout(mdp, uniform(mdp), 300, n=5, rng=0)
    acting = TDLambda(uniform(mdp), 0.8, 0.3)
    wanted = fed_in_turn(mdp, acting, [(batch, i) for i in range(5)], acting.family)
    np.testing.assert_allclose(learn_recorded(batch, acting, 101), wanted, rtol=0, atol=1e-13)


def test_the_end_of_the_data_is_a_cut():
    """One step, not marked as over: v = α (1 + γ v'), and no trace goes on."""
    zero = np.zeros((2, 2), dtype=np.int64)
    zero[1] = 1
    one = np.ones((1, 2))
    batch = Trajectories(zero, zero[:1], one, 0.5 * one, one < 0, np.ones(2))
    found = learn_recorded(batch, TDLambda(None, 1.0, 0.5, initial=[0.0, 4.0]), 2)
    first = 0.5 * (1 + 0.5 * 4)
    assert found.tolist() == [first + 0.5 * (3 - first), 4.0]


def test_bad_input_is_refused():
    mdp = looping_mdp(0)
    batch = rollout(mdp, some_policy(mdp, 0), 3, n=9, rng=0)
    with pytest.raises(TypeError, match="TD0"):
        learn_recorded(batch, MonteCarlo(None), 2)
    with pytest.raises(ValueError, match="not below 1"):
        learn_recorded(batch, TD0(None), 1)
    with pytest.raises(ValueError, match="sweeps"):
        learn_recorded(batch, TD0(None), 2, sweeps=0)
