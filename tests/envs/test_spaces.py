"""Spaces of Gymnasium as ours, and those that are refused."""

import gymnasium.spaces as theirs
import numpy as np
import pytest

from mdpkit.envs.spaces import Box, Discrete, space_of
from tests.env_oracle import Diary


def test_numbers_are_counted_from_zero():
    assert space_of(theirs.Discrete(4, start=-2)) == Discrete(4)
    assert Discrete(4).shape == ()


def test_a_box_keeps_its_sides_even_infinite_ones():
    low, high = np.array([-1, -np.inf], np.float32), np.array([0.1, np.inf], np.float32)
    box = space_of(theirs.Box(low, high))
    assert isinstance(box, Box)
    assert box.low.dtype == np.float64
    assert box.low.tolist() == [-1, -np.inf]
    assert box.high[0] == np.float32(0.1)  # float32's tenth, not the nearest double
    assert box.shape == (2,)


def test_a_space_derived_from_discrete_is_discrete():
    class Named(theirs.Discrete):
        pass

    assert space_of(Named(3)) == Discrete(3)


def test_our_own_spaces_pass():
    box = Box(np.zeros(2), np.ones(2))
    assert space_of(box) is box


@pytest.mark.parametrize(
    "space",
    [
        theirs.MultiDiscrete([2, 3]),
        theirs.MultiBinary(3),
        theirs.Tuple([theirs.Discrete(2)]),
        theirs.Dict(a=theirs.Discrete(2)),
        theirs.Text(3),
        7,
        Diary(),
    ],
    ids=lambda space: type(space).__name__,
)
@pytest.mark.parametrize(
    ("what", "remedy"), [("observations", "FlattenObservation"), ("actions", "Discrete")]
)
def test_other_spaces_are_refused_with_what_would_do(space, what, remedy):
    with pytest.raises(TypeError, match=rf"^{what} are (?s:.)*{remedy}"):
        space_of(space, what)
