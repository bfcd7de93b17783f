"""Demonstrations: counted by hand, sampled within chance, refused where they cannot be."""

import json

import numpy as np
import pytest

from mdpkit.errors import FormatError, ModelError
from mdpkit.infer import Demonstrations
from mdpkit.mdp import MDP
from mdpkit.operators.messages import flow
from tests.oracles import random_mdp


def two_states():
    P = [[[0.0, 1.0], [1.0, 0.0]], [[0.5, 0.5], [0.0, 0.5]]]
    return MDP(P, np.zeros((2, 2)), 0.9, stop=[[0, 0], [0, 0.5]])


def test_visits_count_the_steps_and_not_the_state_after_the_last():
    mdp = two_states()
    shown = Demonstrations.of([[(0, 0), (1, 0), (1, 1)], [(1, 1)]])
    assert shown.length == 3
    np.testing.assert_allclose(shown.visits(mdp), [[0.5, 0], [0.5, 1.0]])
    np.testing.assert_allclose(shown.visits(mdp, 0.5), [[0.5, 0], [0.25, 0.625]])
    stages = shown.stage_visits(mdp)
    np.testing.assert_allclose(stages.sum(axis=1), [1, 0.5, 0.5])
    assert stages[0].tolist() == [0.5, 0, 0, 0.5]
    # Counting the state after the last step would make 3 of the first, 2 of the second.
    assert shown.visits(mdp).sum() == 2


@pytest.mark.parametrize("seed", range(6))
def test_samples_visit_as_the_flow_says(seed):
    """Fails by chance less often than 1e-8: 6.5 standard errors of some 100 numbers."""
    mdp, n = random_mdp(seed), 20_000
    rng = np.random.default_rng(seed)
    policy = rng.random((3, mdp.n_pairs)) + 0.05
    sums = np.add.reduceat(policy, mdp.action_ptr[:-1], axis=1)
    policy = (policy / np.repeat(sums, np.diff(mdp.action_ptr), axis=1)).reshape(
        3, *mdp.pair_shape
    )
    shown = Demonstrations.sample(mdp, policy, 3, n=n, rng=seed)
    shown.check_moves(mdp)
    d = flow(mdp, policy)[:3]
    true = np.repeat(d, np.diff(mdp.action_ptr), axis=1) * policy.reshape(3, -1)
    found = shown.stage_visits(mdp, 3)
    error = np.sqrt(true * (1 - true) / n) + 1 / n
    assert (np.abs(found - true) <= 6.5 * error).all()
    # Stages swapped are another policy, and are seen.
    if mdp.n_actions > 1:
        swapped = Demonstrations.sample(mdp, policy[::-1], 3, n=n, rng=seed)
        assert (np.abs(swapped.stage_visits(mdp, 3) - true) > 6.5 * error).any()


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_what_is_written_is_read(tmp_path, suffix):
    mdp = two_states()
    shown = Demonstrations.sample(mdp, np.full((2, 2), 0.5), 6, n=9, rng=0)
    shown.write(tmp_path / f"d{suffix}")
    again = Demonstrations.read(tmp_path / f"d{suffix}")
    np.testing.assert_allclose(again.visits(mdp, 0.7), shown.visits(mdp, 0.7))


def test_a_bare_list_is_read(tmp_path):
    path = tmp_path / "d.json"
    path.write_text("[[[0, 0], [1, 1]], [[1, 0]]]")
    assert Demonstrations.read(path).states.tolist() == [[0, 1], [1, -1]]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "3", "[]", "[[]]", "[[[0]]]", "[[[0, 0, 0]]]", '[[["a", 0]]]', "null"),
        *(
            "[[[0, 0.5]]]",
            "[[[true, 0]]]",
            '{"trajectories": 1}',
            "[[[99999999999999999999, 0]]]",
        ),
    ],
)
def test_files_that_are_none_are_refused(tmp_path, text):
    path = tmp_path / "d.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=r"d\.json"):
        Demonstrations.read(path)


def test_archives_that_are_none_are_refused(tmp_path):
    path = tmp_path / "d.npz"
    path.write_bytes(b"no zip")
    with pytest.raises(FormatError):
        Demonstrations.read(path)
    np.savez(path, states=np.zeros((2, 2)), actions=np.zeros((2, 2)))
    with pytest.raises(FormatError, match="whole numbers"):
        Demonstrations.read(path)
    with pytest.raises(FormatError, match="json"):
        Demonstrations.read(tmp_path / "d.csv")


@pytest.mark.parametrize(
    ("trajectory", "step"),
    [([(0, 0), (2, 0)], 1), ([(0, 5)], 0), ([(-1, 0)], 0), ([(0, -1)], 0)],
)
def test_pairs_that_do_not_exist_are_named(trajectory, step):
    with pytest.raises(ModelError, match=f"trajectory 1, step {step}") as caught:
        Demonstrations.of([[(0, 0)], trajectory]).visits(two_states())
    assert caught.value.witness == {"trajectory": 1, "step": step}


def test_moves_that_cannot_happen_are_named():
    Demonstrations.of([[(0, 0), (1, 0)]]).check_moves(two_states())
    with pytest.raises(ModelError, match="never leads to state 0"):
        Demonstrations.of([[(0, 0), (0, 0)]]).check_moves(two_states())


def test_a_demonstration_longer_than_the_horizon_is_refused():
    with pytest.raises(ValueError, match="3 steps; the horizon is 2"):
        Demonstrations.of([[(0, 1)] * 3]).stage_visits(two_states(), 2)


def test_json_holds_what_others_can_read(tmp_path):
    Demonstrations.of([[(0, 0), (1, 1)]]).write(tmp_path / "d.json")
    body = json.loads((tmp_path / "d.json").read_text())
    assert body["trajectories"] == [[[0, 0], [1, 1]]]
