"""The published set-ups of inverse reinforcement learning, read off their papers."""

import numpy as np
import pytest

from mdpkit import gallery
from mdpkit.errors import ModelError
from mdpkit.gallery.reward_worlds import macrocell_features, object_features


def test_objectworld_pays_by_its_two_outer_colors():
    mdp = gallery.make("objectworld", size=12, objects=14, seed=4)
    far = object_features(12, 14, seed=4, continuous=True)
    one, two = far[:, 1] < 3, far[:, 3] < 2
    r = mdp.r.reshape(-1, 5)
    assert (r == r[:, :1]).all()
    np.testing.assert_array_equal(r[:, 0], np.where(one & two, 1, np.where(one, -1, 0)))
    assert {-1.0, 0.0, 1.0} == set(r[:, 0])
    binary = object_features(12, 14, seed=4)
    assert binary.shape == (144, 4 * 12)
    # Its reward is a function of the binary features, by the two indicators it names.
    np.testing.assert_array_equal(binary[:, 12 + 2].astype(bool), one)
    np.testing.assert_array_equal(binary[:, 36 + 1].astype(bool), two)


def test_a_move_succeeds_with_probability_seven_tenths_and_its_share_of_the_rest():
    mdp = gallery.make("objectworld", size=5, objects=3)
    P = mdp.P.toarray().reshape(25, 5, 25)
    assert P[12, 0, 7] == pytest.approx(0.7 + 0.06)
    assert P[12, 0, 12] == pytest.approx(0.06)
    assert P[0, 0, 0] == pytest.approx(0.7 + 3 * 0.06)  # up and left stay too
    assert mdp.gamma == 0.9


def test_macrocells_have_one_weight_each_and_sum_to_one():
    for seed in range(20):
        mdp = gallery.make("macrocells", size=32, cell=8, seed=seed)
        phi = macrocell_features(32, 8)
        assert phi.sum(axis=1).tolist() == [1.0] * 1024
        r = mdp.r.reshape(-1, 4)[:, 0]
        weights = phi.T @ r / 64
        np.testing.assert_allclose(phi @ weights, r)
        assert weights.sum() == pytest.approx(1)
        assert np.count_nonzero(weights) >= 2
    full = gallery.make("macrocells")
    assert (full.n_states, macrocell_features().shape[1], full.gamma) == (16384, 64, 0.99)


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ModelError, match="multiple") as caught:
        gallery.make("macrocells", size=10, cell=3)
    assert caught.value.witness["parameter"] == "size"
    with pytest.raises(ModelError, match="GiB"):
        gallery.make("macrocells", size=10_000, cell=10_000)
