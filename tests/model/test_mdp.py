"""What a model says of itself, in each storage, and the models made from it."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from mdpkit import MDP
from mdpkit._exact import fraction, simplest
from mdpkit.errors import ModelWarning
from tests.oracles import random_mdp

P = np.array([[[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [0.25, 0.75]]])
R = np.array([[1.0, 2.0], [0.0, 3.0]])


def storages():
    ptr = [0, 2, 4]
    return {
        "dense": MDP(P, R, 0.9),
        "rows": MDP(P.reshape(4, 2), R.reshape(-1), 0.9, action_ptr=ptr),
        "csr": MDP(sparse.csr_array(P.reshape(4, 2)), R.reshape(-1), 0.9, action_ptr=ptr),
        "csc": MDP(sparse.csc_matrix(P.reshape(4, 2)), R, 0.9),
        "coo": MDP(sparse.coo_array(P.reshape(4, 2)), R, 0.9),
        "pairs": MDP.from_pairs(
            [0, 0, 1, 1], [0, 1, 0, 1], P.reshape(4, 2), R.reshape(-1), 0.9
        ),
        "actions first": MDP.from_arrays(
            [sparse.csr_array(P[:, a]) for a in (0, 1)], R, 0.9, axes="ast,sa"
        ),
    }


@pytest.mark.parametrize("name", storages())
def test_every_storage_is_the_same_model(name):
    mdp = storages()[name]
    assert (mdp.n_states, mdp.n_actions, mdp.n_pairs, mdp.n_transitions) == (2, 2, 4, 6)
    assert mdp.table(mdp.r).tolist() == R.tolist()
    assert mdp.table(mdp.expect(np.array([1.0, 3.0]))).tolist() == (P @ [1.0, 3.0]).tolist()
    assert mdp.table(mdp.stop).tolist() == [[0, 0], [0, 0]]
    assert mdp.start.tolist() == [0.5, 0.5]
    assert mdp.pair_states.tolist() == [0, 0, 1, 1]


def test_rewards_on_transitions_agree_in_every_storage():
    paid = np.arange(8.0).reshape(4, 2)
    dense = MDP(P, paid.reshape(2, 2, 2), 0.9, reward_on="transition")
    rows = sparse.csr_array(P.reshape(4, 2))
    entries = paid[np.repeat(np.arange(4), np.diff(rows.indptr)), rows.indices]
    for r in (sparse.csr_array(paid), entries):
        sparse_one = MDP(rows, r, 0.9, action_ptr=[0, 2, 4], reward_on="transition")
        assert sparse_one.r.tolist() == dense.r.reshape(-1).tolist()


def test_masked_actions_do_not_exist():
    mask = np.array([[True, False], [True, True]])
    mdp = MDP(P, np.where(mask, R, np.nan), 0.9, mask=mask)
    assert mdp.r.tolist() == [1, 0, 3]
    assert mdp.table(mdp.r).tolist() == [[1, -np.inf], [0, 3]]
    assert mdp.pair_actions.tolist() == [0, 0, 1]


def test_a_model_cannot_be_changed():
    mdp = MDP(P, R, 0.9)
    with pytest.raises(AttributeError):
        mdp.gamma = 0.5
    with pytest.raises(TypeError, match="takes r, gamma"):
        mdp.replace(P=P)


def test_replace_shares_the_rows():
    mdp = MDP(P, R, 0.9)
    other = mdp.replace(gamma=0.5, r=R + 1, start=[1, 0])
    assert other.rows is mdp.rows
    assert (other.gamma, other.r.tolist(), other.start.tolist()) == (
        0.5,
        (R + 1).tolist(),
        [1, 0],
    )
    assert (mdp.gamma, mdp.reward_size, other.reward_size) == (0.9, 3, 4)


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_float_is_read_as_the_fraction_it_was_written_from(p, q):
    # Two fractions with denominators ≤ 10⁶ are 10⁻¹² apart: at most one lies within 2⁻⁵².
    if p <= q and p / q > 1e-3:
        assert simplest(p / q) == Fraction(p, q)
        assert simplest(1 - p / q) == 1 - Fraction(p, q)


def test_exact_models_sum_to_one_and_mean_what_was_written():
    third = MDP([[[1 / 3, 1 - 1 / 3]], [[0.1, 0.9]]], [[0.1], [1e-20]], 0.99).exact()
    assert [[fraction(p) for p in row[0]] for row in third.P] == [
        [Fraction(1, 3), Fraction(2, 3)],
        [Fraction(1, 10), Fraction(9, 10)],
    ]
    assert fraction(third.r[0, 0]) == Fraction(1, 10)
    assert fraction(third.r[1, 0]) == Fraction(1e-20)
    assert fraction(third.gamma) == Fraction(99, 100)
    assert [fraction(p) for p in third.start] == [Fraction(1, 2)] * 2


@pytest.mark.filterwarnings("ignore:.*taken at their word")
@pytest.mark.parametrize("seed", range(30))
def test_exact_rows_are_within_the_radius_and_sum_to_one(seed):
    mdp = random_mdp(seed)
    for dyadic in (False, True):
        exact = mdp.exact(dyadic=dyadic)
        total = exact.expect(np.array([1] * mdp.n_states, dtype=object)) + exact.stop
        assert (total.reshape(-1) == 1).all()
        ours = exact.rows.values if mdp.is_sparse else exact.rows.reshape(-1)
        theirs = mdp.rows.values if mdp.is_sparse else mdp.rows.reshape(-1)
        largest = max(
            abs(fraction(a) - Fraction(b)) for a, b in zip(ours, theirs.tolist(), strict=True)
        )
        assert largest <= Fraction(1, 2**52) + Fraction(mdp.defect) + mdp.n_states * Fraction(
            1, 2**53
        )


def test_rows_without_simple_fractions_are_reported():
    with pytest.warns(ModelWarning, match=r"1 rows, first P\[0, 0\]"):
        MDP(
            [[[0.1234567891234567, 1 - 0.1234567891234567 + 1e-16]], [[0, 1]]], [[0], [0]], 0.5
        ).exact()


def test_a_model_prints_its_sizes():
    assert repr(MDP(P, R, 0.9)) == "MDP(2 states, 4 pairs, 8 dense entries, γ=0.9)"
    assert repr(MDP(P, R, 0.9).exact()) == "MDP(2 states, 4 pairs, 8 exact entries, γ=9/10)"
