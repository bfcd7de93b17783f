"""Actors answer with the distribution that fits the space of actions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdpkit.deep.actors import LOG_STD, Logits, Normal, Squashed, squashed, unbounded
from mdpkit.deep.heads import Categorical, Gaussian, TanhGaussian
from mdpkit.deep.nets import Table
from mdpkit.envs.spaces import Box, Discrete

BOX = Box(np.array([-1.0, 0.0]), np.array([1.0, 4.0]))


def test_numbered_actions_have_logits(float64):
    table = Table(jnp.log(jnp.array([[1.0, 3.0], [2.0, 2.0]])))
    actor = unbounded(table, Discrete(2))
    assert isinstance(actor, Logits)
    head = actor(jnp.array([0, 1]))
    assert isinstance(head, Categorical)
    assert np.asarray(head.probabilities()) == pytest.approx(
        np.array([[0.25, 0.75], [0.5, 0.5]])
    )


def test_real_actions_have_one_deviation_for_all_states(float64):
    table = Table(jnp.arange(6.0).reshape(3, 2))
    actor = unbounded(table, BOX)
    assert isinstance(actor, Normal)
    assert np.array_equal(actor.log_std, [0.0, 0.0])  # deviation 1
    head = actor(jnp.array([[2, 0]]))
    assert isinstance(head, Gaussian)
    assert np.array_equal(head.mean, [[[4, 5], [0, 1]]])
    assert np.shape(head.log_std) == (1, 2, 2)
    slope = jax.grad(lambda a: a(jnp.array([0])).entropy().sum())(actor).log_std
    assert np.array_equal(slope, [1.0, 1.0])  # it is learned


def test_squashed_actions_stay_in_their_box_with_a_deviation_within_reason(float64):
    for raw, kept in ((-50.0, LOG_STD[0]), (0.5, 0.5), (50.0, LOG_STD[1])):
        table = Table(jnp.array([[0.0, 9.0, raw, raw]]))
        actor = squashed(table, BOX)
        assert isinstance(actor, Squashed)
        head = actor(jnp.zeros(3, int))
        assert isinstance(head, TanhGaussian)
        assert np.array_equal(head.log_std, np.full((3, 2), kept))
        assert np.array_equal(head.mean, np.tile([0.0, 9.0], (3, 1)))
        action = head.sample(jax.random.key(0))
        assert ((action >= BOX.low) & (action <= BOX.high)).all()
    assert np.asarray(head.mode())[0] == pytest.approx([0.0, 4.0], abs=1e-6)


def test_the_box_is_no_parameter():
    actor = squashed(Table(jnp.zeros((1, 4))), BOX)
    assert [x.shape for x in jax.tree.leaves(actor)] == [(1, 4)]


def test_actions_that_are_no_vectors_are_refused():
    with pytest.raises(TypeError, match=r"\(2, 2\).*vectors"):
        unbounded(Table(jnp.zeros((1, 4))), Box(-np.ones((2, 2)), np.ones((2, 2))))
