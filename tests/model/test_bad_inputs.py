"""Models that are none, by the numbers of the list of bad inputs; errors name their witness."""

import numpy as np
import pytest
from scipy import sparse

from mdpkit import MDP
from mdpkit.errors import ModelError, ModelWarning

P = np.array([[[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [0.25, 0.75]]])
R = np.array([[1.0, 2.0], [0.0, 3.0]])


def with_entry(index, value):
    changed = P.copy()
    changed[index] = value
    return changed


def test_bad_input_1_a_row_that_sums_to_less():
    with pytest.raises(
        ModelError, match=r"P\[1, 0\] sums to 0\.9, not 1 \(1 such rows\)"
    ) as caught:
        MDP(with_entry((1, 0, 0), 0.9), R, 0.9)
    assert caught.value.witness == {"s": 1, "a": 0, "sum": 0.9, "count": 1}


def test_bad_input_2_a_row_off_by_an_ulp_is_accepted_and_counted():
    mdp = MDP(with_entry((0, 0, 1), 0.5 + 2**-52), R, 0.9)
    assert mdp.defect == 2**-52
    exact = mdp.exact(dyadic=True)
    assert sum(exact.P[0, 0]) == 1


@pytest.mark.parametrize("off", [1e-6, 9e-6])
def test_bad_input_3_a_row_off_by_rounding_needs_normalize(off):
    P_off = with_entry((0, 0, 1), 0.5 + off)
    with pytest.raises(ModelError, match="normalize=True"):
        MDP(P_off, R, 0.9)
    with pytest.warns(ModelWarning, match=r"normalized 1 rows; .* P\[0, 0\]"):
        mdp = MDP(P_off, R, 0.9, normalize=True)
    assert mdp.P.sum(axis=-1) == pytest.approx(1, abs=1e-15)
    assert mdp.normalized == pytest.approx(off)


def test_bad_input_3_normalize_does_not_hide_mistakes():
    with pytest.raises(ModelError, match="repairs only rows off by"):
        MDP(with_entry((0, 0, 1), 0.6), R, 0.9, normalize=True)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(
    ("number", "row", "match"),
    [
        (4, [1.5, -0.5], r"P\[0, 1, 1\] is -0.5, which is negative"),
        (5, [np.nan, 1.0], r"P\[0, 1, 0\] is nan, which is not finite"),
        (5, [np.inf, 1.0], r"P\[0, 1, 0\] is inf, which is not finite"),
    ],
)
def test_bad_inputs_4_and_5_entries_that_are_no_probabilities(storage, number, row, match):
    rows = P.reshape(4, 2).copy()
    rows[1] = row
    with pytest.raises(ModelError, match=match) as caught:
        MDP(storage(rows), R.reshape(-1), 0.9, action_ptr=[0, 2, 4])
    assert (caught.value.witness["s"], caught.value.witness["a"]) == (0, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_bad_inputs_6_7_and_8_rewards_that_are_not_finite(value):
    r = R.copy()
    r[1, 0] = value
    with pytest.raises(ModelError, match=rf"r\[1, 0\] is {value}") as caught:
        MDP(P, r, 0.9)
    assert ("mask=" in str(caught.value)) == (value == -np.inf)
    assert MDP(P, r, 0.9, mask=np.isfinite(r)).n_pairs == 3


def test_bad_inputs_9_and_10_a_state_without_actions():
    mask = np.array([[True, True], [False, False]])
    with pytest.raises(ModelError, match="state 1 no action"):
        MDP(P, R, 0.9, mask=mask)
    rows = sparse.csr_array(P.reshape(4, 2))
    with pytest.raises(ModelError, match="state 1: action_ptr gives it no action"):
        MDP(rows, R.reshape(-1), 0.9, action_ptr=[0, 4, 4])


@pytest.mark.parametrize("shape", [(0, 2, 0), (2, 0, 2)])
def test_bad_inputs_11_and_12_nothing_to_decide(shape):
    with pytest.raises(ModelError, match="at least one state and one action"):
        MDP(np.zeros(shape), np.zeros(shape[:2]), 0.9)
    with pytest.raises(ModelError, match="0 states"):
        MDP(sparse.csr_array((0, 1)), np.zeros(0), 0.9, action_ptr=[0])


@pytest.mark.parametrize("gamma", [-0.1, 1.1, np.nan, np.inf])
def test_bad_input_14_a_discount_out_of_range(gamma):
    with pytest.raises(ModelError, match="gamma must lie in"):
        MDP(P, R, gamma)


@pytest.mark.parametrize("gamma", ["0.9", True, np.True_, None, 0.9j, [0.9, 0.8]])
def test_bad_input_14_a_discount_of_another_kind(gamma):
    with pytest.raises(TypeError, match="gamma must be a number"):
        MDP(P, R, gamma)


def test_bad_input_19_axes_are_never_guessed():
    swapped = np.ascontiguousarray(P.transpose(1, 0, 2))
    assert MDP(swapped, R, 0.9).P.tolist() == swapped.tolist()  # read as (S, A, S), always
    named = MDP.from_arrays(swapped, R.T, 0.9, axes="ast,as")
    assert named.P.tolist() == P.tolist()
    assert named.r.tolist() == R.tolist()
    with pytest.raises(ModelError, match="axes must look like"):
        MDP.from_arrays(P, R, 0.9, axes="xyz")


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ">f8", int, bool])
def test_bad_input_20_numbers_are_cast_by_rule(dtype):
    whole = np.eye(2)[:, None, :]
    mdp = MDP(whole.astype(dtype), np.ones((2, 1), dtype=dtype), 0.5)
    assert mdp.P.dtype == np.dtype(float)
    assert mdp.r.dtype.isnative


@pytest.mark.parametrize("dtype", [complex, "U3", "M8[s]"])
def test_bad_input_20_other_kinds_are_refused(dtype):
    with pytest.raises(TypeError, match="P has dtype"):
        MDP(np.zeros((1, 1, 1), dtype=dtype), R, 0.9)


def test_bad_input_20_objects_are_exact_rationals_or_nothing():
    with pytest.raises((TypeError, ModelError)):
        MDP(np.array([[[object()]]]), np.array([[object()]]), 0.9)


def test_bad_input_21_arrays_of_every_make():
    expected = MDP(P, R, 0.9)
    strided = np.zeros((2, 4, 2))
    strided[:, ::2] = P
    frozen = P.copy()
    frozen.flags.writeable = False
    masked = np.ma.masked_array(P, mask=False)
    for same in (np.asfortranarray(P), strided[:, ::2], frozen, masked, P.tolist()):
        assert MDP(same, R, 0.9).P.tolist() == expected.P.tolist()
    with pytest.raises(TypeError, match="masked"):
        MDP(np.ma.masked_array(P, mask=P < 0.3), R, 0.9)


def test_bad_input_21_the_callers_arrays_are_shared_but_never_changed():
    rows = P.copy()
    mdp = MDP(rows, R, 0.9)
    assert np.shares_memory(mdp.P, rows)
    assert rows.flags.writeable
    assert not mdp.P.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        mdp.r[0, 0] = 1


def test_bad_inputs_22_and_23_duplicates_are_summed_and_zeros_dropped():
    values, columns, ptr = [0.25, 0.25, 0.5, 0.0, 1.0], [1, 1, 0, 0, 1], [0, 3, 5]
    rows = sparse.csr_array((values, columns, ptr), shape=(2, 2))
    mdp = MDP(rows, np.zeros(2), 0.9, action_ptr=[0, 1, 2])
    assert mdp.P.toarray().tolist() == [[0.5, 0.5], [0.0, 1.0]]
    assert mdp.n_transitions == 3
    assert rows.nnz == 5  # the caller's matrix is as it was


@pytest.mark.parametrize("column", [-1, 2, 2**31 - 1])
def test_bad_input_24_columns_out_of_range(column):
    with pytest.raises(ModelError, match=rf"P.columns\[1\] \(row 0\) is {column}"):
        MDP(([0.5, 0.5], [0, column], [0, 2, 2]), np.zeros(2), 0.9, action_ptr=[0, 1, 2])


def test_bad_input_25_indices_of_64_bits():
    rows = sparse.csr_array(P.reshape(4, 2))
    wide = (rows.data, rows.indices.astype(np.int64), rows.indptr.astype(np.int64))
    mdp = MDP(wide, R.reshape(-1), 0.9, action_ptr=[0, 2, 4])
    assert mdp.rows.columns.dtype == np.int64
    assert mdp.expect(np.ones(2)).tolist() == [1] * 4


@pytest.mark.parametrize("pointer", [[0, 3, 2, 4], [1, 2, 3, 4], [0, 1, 2, 9], [0, 1, 2, 3]])
def test_bad_input_26_row_pointers_that_fall_or_end_elsewhere(pointer):
    with pytest.raises(ModelError, match=r"P\.row_ptr"):
        MDP((np.ones(4), [0, 1, 2, 0], pointer), np.zeros(3), 0.9, action_ptr=[0, 1, 2, 3])


@pytest.mark.parametrize("s", [-1, 2])
def test_bad_input_27_a_pair_of_a_state_that_does_not_exist(s):
    with pytest.raises(ModelError, match=f"row 1 belongs to state {s}"):
        MDP.from_pairs([0, s, 1], [0, 0, 0], P.reshape(4, 2)[:3], np.zeros(3), 0.9)


def test_bad_input_28_pairs_are_sorted_and_never_doubled():
    mixed = MDP.from_pairs(
        [1, 0, 1, 0], [1, 1, 0, 0], P.reshape(4, 2)[[3, 1, 2, 0]], [3, 2, 0, 1], 0.9
    )
    assert mixed.P.reshape(2, 2, 2).tolist() == P.tolist()
    assert mixed.table(mixed.r).tolist() == R.tolist()
    with pytest.raises(ModelError, match="state 0, action 1 is given twice"):
        MDP.from_pairs([0, 0, 1], [1, 1, 0], P.reshape(4, 2)[:3], np.zeros(3), 0.9)


def test_bad_input_28_actions_keep_their_numbers():
    mdp = MDP.from_pairs([0, 0, 1], [0, 7, 3], P.reshape(4, 2)[:3], [1.0, 2.0, 3.0], 0.9)
    assert mdp.pair_actions.tolist() == [0, 7, 3]
    assert mdp.n_actions == 8
    assert mdp.place(1) == (0, 7)


def test_bad_input_32_rewards_say_what_they_are_on():
    on_states, on_transitions = np.array([1.0, 2.0]), np.arange(8.0).reshape(2, 2, 2)
    with pytest.raises(ModelError, match="reward_on"):
        MDP(P, on_states, 0.9)
    with pytest.raises(ModelError, match="reward_on"):
        MDP(P, on_transitions, 0.9)
    assert MDP(P, on_states, 0.9, reward_on="state").r.tolist() == [[1, 1], [2, 2]]
    expected = (P * on_transitions).sum(axis=2)
    assert MDP(P, on_transitions, 0.9, reward_on="transition").r.tolist() == expected.tolist()
    with pytest.raises(ModelError, match='"pair", "state" or "transition"'):
        MDP(P, R, 0.9, reward_on="next")


def test_bad_input_39_rewards_that_would_overflow():
    with pytest.raises(ModelError, match="Scale the rewards"):
        MDP(P, R / 3 * 1e308, 0.99)


@pytest.mark.parametrize(
    ("start", "match"),
    [
        ([0.5, 0.4], "start sums to"),
        ([1.5, -0.5], r"start\[1\] is -0.5"),
        ([1.0], "shape"),
        ([np.nan, 1], "nan"),
    ],
)
def test_starts_that_are_no_distributions(start, match):
    with pytest.raises(ModelError, match=match):
        MDP(P, R, 0.9, start=start)


@pytest.mark.parametrize("stop", [-0.1, 1.1, np.nan])
def test_stops_that_are_no_probabilities(stop):
    with pytest.raises(ModelError, match=r"stop\[0, 1\] is"):
        MDP(P, R, 0.9, stop=[[0, stop], [0, 0]])


@pytest.mark.parametrize(
    "make",
    [
        lambda: MDP(P[:, :, :1], R, 0.9),
        lambda: MDP(P.reshape(4, 2), R, 0.9),
        lambda: MDP(P, R[:, :1], 0.9),
        lambda: MDP(P, R, 0.9, mask=np.ones((2, 3), dtype=bool)),
        lambda: MDP(P, R, 0.9, mask=np.ones((2, 2))),
        lambda: MDP(P, R, 0.9, action_ptr=[0, 2, 4]),
        lambda: MDP(P, R, 0.9, states=["one"]),
        lambda: MDP(P, R, 0.9, actions=["left"]),
        lambda: MDP(sparse.csr_array(P.reshape(4, 2)), R.reshape(-1), 0.9),
        lambda: MDP(
            sparse.csr_array(P.reshape(4, 2)), R, 0.9, mask=np.ones((2, 2), dtype=bool)
        ),
        lambda: MDP(sparse.csr_array(P.reshape(4, 2)), R.reshape(-1), 0.9, action_ptr=[0, 4]),
        lambda: MDP(
            sparse.csr_array(P.reshape(4, 2)), R.reshape(-1), 0.9, action_ptr=[0.0, 2, 4]
        ),
    ],
)
def test_shapes_that_do_not_fit(make):
    with pytest.raises(ModelError):
        make()
