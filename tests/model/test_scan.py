"""Large models are checked in one compiled pass, which refuses what the slow checks refuse."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from mdpkit import MDP
from mdpkit._rows import LARGE
from mdpkit._scan import in_order, largest_defect
from mdpkit.errors import ModelError

S, WIDTH = 300, LARGE // 300 + 1


def rows(seed=0):
    """A model of LARGE entries and more: values (S, WIDTH), columns, row pointer."""
    rng = np.random.default_rng(seed)
    columns = np.sort(
        np.argsort(rng.random((S, S)), axis=1)[:, :WIDTH].astype(np.int32), axis=1
    )
    return rng.dirichlet(np.ones(WIDTH), S), columns, np.arange(S + 1) * WIDTH


def model(values, columns, ptr):
    P = (values.reshape(-1), columns.reshape(-1), ptr)
    return MDP(P, np.zeros(S), 0.9, action_ptr=np.arange(S + 1))


def test_a_sound_model_keeps_its_arrays_and_its_defect():
    values, columns, ptr = rows()
    flat = values.reshape(-1)
    assert flat.size >= LARGE
    mdp = model(flat, columns, ptr)
    assert np.shares_memory(mdp.rows.values, flat)
    assert mdp.defect == pytest.approx(np.abs(values.sum(axis=1) - 1).max(), abs=1e-15)
    assert mdp.defect == largest_defect(mdp.rows, None)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [(-0.5, "negative"), (np.nan, "not finite"), (np.inf, "not finite"), (0.9, "sums to")],
)
@pytest.mark.parametrize("sparse", [True, False])
def test_a_wrong_number_is_found_and_named(wrong, word, sparse):
    values, columns, ptr = rows(1)
    values[7, 3] = wrong
    P = csr_array((values.reshape(-1), columns.reshape(-1), ptr), (S, S))
    P, r = (P, np.zeros((S, 1))) if sparse else (P.toarray()[:, None, :], np.zeros((S, 1)))
    with pytest.raises(ModelError, match=rf"P\[7, 0.*{word}"):
        MDP(P, r, 0.9)


def test_a_negative_number_that_another_makes_up_for_is_found():
    values, columns, ptr = rows(2)
    values[5, 0], values[5, 1] = -0.1, values[5, 0] + values[5, 1] + 0.1
    with pytest.raises(ModelError, match="negative"):
        model(values, columns, ptr)


def test_columns_out_of_range_are_refused_and_out_of_order_are_sorted():
    values, columns, ptr = rows(3)
    mixed = columns.copy()
    mixed[4, :2] = columns[4, 1], columns[4, 0]
    assert not in_order(values.reshape(-1), mixed.reshape(-1), ptr, S)
    assert model(values, mixed, ptr).P[[4], :].sum() == pytest.approx(1)
    for wrong in (-1, S):
        columns[9, -1] = wrong
        with pytest.raises(ModelError, match="next states are"):
            model(values, columns, ptr)


def test_zeros_are_dropped_and_stops_counted():
    values, columns, ptr = rows(4)
    values[0, 1], values[0, 0] = 0.0, values[0, 0] + values[0, 1]
    assert model(values, columns, ptr).n_transitions == values.size - 1
    values, columns, ptr = rows(4)
    P = (values.reshape(-1) / 2, columns.reshape(-1), ptr)
    mdp = MDP(P, np.zeros(S), 0.9, action_ptr=np.arange(S + 1), stop=np.full(S, 0.5))
    assert mdp.defect < 1e-12
