"""Models estimated from data: counts, means, radii that hold, and what is refused."""

import math

import numpy as np
import pytest

import mdpkit as mk
from mdpkit._counts import radii
from mdpkit.errors import ModelError

DATA = {
    **{"s": [0, 0, 0, 1, 1], "a": [0, 0, 2, 0, 0], "r": [1, 3, 5, 0, 1.0]},
    **{"next_s": [1, 0, 1, 99, 0], "terminated": [False, False, False, True, False]},
}


def estimate(**changes):
    return mk.MDP.from_transitions(**(DATA | {"gamma": 0.9} | changes))


def test_counts_and_means():
    found = estimate()
    assert found.counts.tolist() == [[2, 0, 1], [2, 0, 0]]
    mdp = found.mdp
    assert mdp.P.toarray().tolist() == [[0.5, 0.5], [0, 1], [0.5, 0]]
    assert mdp.r.tolist() == [2, 5, 0.5]
    assert mdp.stop.tolist() == [0, 0, 0.5]
    assert mdp.pair_actions.tolist() == [0, 2, 0]


def test_the_radius_is_weissmans():
    """m = 3 outcomes, 6 pairs: √(2 (ln 6 + ln(6/δ)) / n), and 2 where nothing was seen."""
    found = estimate(delta=0.5)
    assert found.radius[0, 0] == min(2, math.sqrt((math.log(6) + math.log(12)) * 2 / 2))
    assert found.radius[0, 1] == 2
    many = radii(np.full((2, 3), 10**6), 3, 0.5)
    assert many == pytest.approx(math.sqrt(2 * (math.log(6) + math.log(12)) / 1e6))
    assert np.isfinite(radii(np.ones((1, 1)), 10**6, 0.1)).all()


@pytest.mark.stat
def test_the_radius_holds_as_often_as_it_says():
    """200 data sets at δ = 1/2, at most 100 wrong; the bound is loose: none is expected."""
    mdp = mk.load("gallery:garnet?S=4&A=2&b=2&seed=0")
    rng, wrong = np.random.default_rng(0), 0
    s, a = (x.reshape(-1) for x in np.divmod(np.arange(8).repeat(200), 2))
    P = mdp.P.toarray() if mdp.is_sparse else mdp.P.reshape(8, 4)
    for _ in range(200):
        t = np.concatenate([rng.choice(4, size=200, p=P[i]) for i in range(8)])
        found = mk.MDP.from_transitions(s, a, s * 0.0, t, s < 0, gamma=0.9, delta=0.5)
        Q = found.mdp.P.toarray()
        wrong += (abs(Q - P).sum(axis=1) > found.radius.reshape(-1)).any()
    assert wrong <= 100


def test_a_state_that_was_never_left():
    with pytest.raises(ModelError, match="state 2 was never left"):
        estimate(next_s=[1, 0, 2, 99, 0])
    found = estimate(next_s=[1, 0, 2, 99, 0], deadlock="selfloop")
    assert found.mdp.P.toarray()[-1].tolist() == [0, 0, 1]
    assert found.counts[2].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"s": []}, "one-dimensional integer|one length"),
        ({"s": [0, 0, 0, 1]}, "one length"),
        ({"s": [0, 0, 0, 1, -1]}, r"s\[4\] is -1"),
        ({"n_states": 1}, r"s\[3\] is 1"),
        ({"n_actions": 2}, r"a\[2\] is 2"),
        ({"n_states": 0}, "n_states must be"),
        ({"r": [1, 2, math.nan, 0, 0]}, r"r\[2\] is nan"),
        ({"a": [0.0, 0, 0, 0, 0]}, "integer"),
        ({"delta": 0}, "delta must lie"),
        ({"deadlock": "ignore"}, "deadlock must be"),
    ],
)
def test_wrong_data_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        estimate(**changes)


def test_terminated_must_be_bool():
    with pytest.raises(TypeError, match="terminated must be bool"):
        estimate(terminated=[0, 0, 0, 1, 0])
