"""QuantEcon's and pymdptoolbox' forms, both ways, against models worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

import mdpkit as mk
from mdpkit.errors import ModelError
from mdpkit.io.peers import from_mdptoolbox, from_quantecon, to_mdptoolbox, to_quantecon
from tests.io.text_models import assert_same_numbers


def test_the_example_of_quantecon_in_both_forms():
    """DiscreteDP's docstring: v* = (−8.5714…, −20), σ* = (0, 0); Puterman's example 3.1."""
    inf = -np.inf
    R = np.array([[5, 10], [-1, inf]])
    Q = np.array([[[0.5, 0.5], [0, 1]], [[0, 1], [0.5, 0.5]]])
    product = from_quantecon(SimpleNamespace(R=R, Q=Q, beta=0.95))
    pairs = from_quantecon(
        {
            **{"R": [10, 5, -1], "Q": csr_matrix([[0, 1], [0.5, 0.5], [0, 1]]), "beta": 0.95},
            **{"s_indices": [0, 0, 1], "a_indices": [1, 0, 0]},
        }
    )
    assert_same_numbers(product, pairs)
    sol = mk.solve(product)
    assert sol.v == pytest.approx([-60 / 7, -20])
    assert sol.policy.tolist() == [0, 0]


def test_infeasible_pairs_of_the_pair_form_are_left_out():
    given = {"R": [1, -np.inf, 2], "Q": np.array([[1, 0], [0, 1], [0, 1.0]]), "beta": 0.5}
    mdp = from_quantecon(given | {"s_indices": [0, 0, 1], "a_indices": [0, 1, 0]})
    assert mdp.n_pairs == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"R": [1.0], "Q": [[1.0]]}, "beta is missing"),
        ({"R": [1.0], "Q": [[1.0]], "beta": 0.9, "s_indices": [0]}, "belong together"),
        (
            {"R": [1.0], "Q": np.eye(1), "beta": 0.9, "s_indices": [3], "a_indices": [0]},
            "states are 0",
        ),
        (
            {"R": [1.0, 1], "Q": np.ones((2, 1)), "beta": 0.9}
            | {"s_indices": [0, 0], "a_indices": [0, 0]},
            "given twice",
        ),
    ],
)
def test_what_quantecon_would_take_silently_is_refused(given, message):
    with pytest.raises(ModelError, match=message):
        from_quantecon(given)


FOREST_P = np.array([[[0.1, 0.9, 0], [0.1, 0, 0.9], [0.1, 0, 0.9]], [[1, 0, 0]] * 3])
FOREST_R = np.array([[0, 0], [0, 1], [4, 2.0]])


@pytest.mark.parametrize(
    "P",
    [FOREST_P, list(FOREST_P), [csr_matrix(p) for p in FOREST_P]],
    ids=["array", "list", "sparse"],
)
@pytest.mark.parametrize(
    "R",
    [
        FOREST_R,
        np.repeat(FOREST_R.T[:, :, None], 3, axis=2),
        [csr_matrix(np.repeat(r[:, None], 3, axis=1)) for r in FOREST_R.T],
    ],
    ids=["sa", "ast", "sparse"],
)
def test_the_forest_has_its_exact_values(P, R):
    """γ = 9/10: 6561/250, 7371/250, 8371/250 (the specification; not pymdptoolbox' own)."""
    if isinstance(R, list) and not isinstance(P[0], csr_matrix):
        P = [csr_matrix(p) for p in P]
    sol = mk.solve(from_mdptoolbox(P, R, 0.9).exact())
    assert [str(x) for x in sol.v] == ["6561/250", "7371/250", "8371/250"]


def test_rewards_on_states_are_rewards_of_all_actions():
    mdp = from_mdptoolbox(FOREST_P, np.array([0, 0, 4.0]), 0.9)
    assert mdp.r.tolist() == [[0, 0], [0, 0], [4, 4]]
    with pytest.raises(ModelError, match="R has shape"):
        from_mdptoolbox(FOREST_P, np.zeros(2), 0.9)


def test_round_trips_are_the_identity(model, kind):
    for seed in range(63):
        mdp = model(seed, kind).replace(start=None)
        if mdp.stops:
            continue
        assert_same_numbers(mdp, from_quantecon(to_quantecon(mdp)))
        if mdp.n_pairs == mdp.n_states * mdp.n_actions:
            assert_same_numbers(mdp, from_mdptoolbox(*to_mdptoolbox(mdp)))
        else:
            with pytest.raises(ModelError, match="pymdptoolbox needs all"):
                to_mdptoolbox(mdp)


def test_the_end_of_an_episode_becomes_a_state_without_reward(model):
    mdp = model(4, "stop")
    v = mk.solve(mdp).v
    for other in (from_quantecon(to_quantecon(mdp)), from_mdptoolbox(*to_mdptoolbox(mdp))):
        assert mk.solve(other).v == pytest.approx([*v, 0], abs=1e-7)
