"""An algorithm that does not fit an environment is told which would."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from mdpkit.deep.spaces import bounded, discrete
from mdpkit.envs.spaces import Box, Discrete


class World(NamedTuple):
    action_space: Any
    name: str = "pulley"


ONES = np.ones(2)


def test_what_fits_is_returned():
    assert discrete(World(Discrete(3)), "DQN") == Discrete(3)
    box = Box(-ONES, ONES)
    assert bounded(World(box), "SAC") is box


@pytest.mark.parametrize(
    ("ask", "space", "kind", "words"),
    [
        (
            discrete,
            Box(-ONES, ONES),
            TypeError,
            r"numbered actions; pulley .*\(2,\).*SAC or PPO",
        ),
        (
            bounded,
            Discrete(3),
            TypeError,
            r"real actions; pulley has 3 numbered ones.*DQN.*PPO",
        ),
        (bounded, Box(-ONES, ONES * np.inf), ValueError, "pulley have no finite bounds.*PPO"),
        (bounded, Box(ONES * np.nan, ONES), ValueError, "no finite bounds"),
        (bounded, Box(-np.ones((2, 2)), np.ones((2, 2))), TypeError, r"\(2, 2\).*vectors"),
    ],
)
def test_what_does_not_fit_is_named_with_what_would(ask, space, kind, words):
    with pytest.raises(kind, match=words):
        ask(World(space), "IT")
