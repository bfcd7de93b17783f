"""Exact .json: what comes back, what is refused. Numbers are those of spec/BAD_INPUTS.md."""

import json

import numpy as np
import pytest

from mdpkit import MDP
from mdpkit.errors import FormatError, ModelError
from mdpkit.io import load, save

BODY = {
    "format": "mdpkit-exact",
    "version": 1,
    "numbers": "exact",
    "storage": "csr",
    "gamma": "9/10",
    "actions_per_state": [1, 2],
    "rows": [[[0, "1/3"], [1, "2/3"]], [[1, "1"]], []],
    "r": ["0", "-1/2", "7"],
    "stop": ["0", "0", "1"],
}


@pytest.fixture
def read(tmp_path):
    """Load a text, or the body above with changes."""

    def read(text=None, **changes):
        path = tmp_path / "m.json"
        text = json.dumps(BODY | changes) if text is None else text
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path)

    return read


@pytest.mark.parametrize("seed", range(8))
def test_a_float_model_comes_back_bit_for_bit(tmp_path, model, same, kind, seed):
    mdp, path = model(seed, kind), tmp_path / "m.json"
    save(mdp, path)
    same(load(path), mdp)


@pytest.mark.parametrize("seed", range(8))
def test_an_exact_model_comes_back(tmp_path, model, same, kind, seed):
    mdp, path = model(seed, kind).exact(), tmp_path / "m.json"
    save(mdp, path)
    same(load(path), mdp)


def test_floats_that_no_decimal_names_come_back(tmp_path, same):
    P = np.array([[[1e-300, 1.0]], [[2.0**-1074, 1.0]]])
    r = np.array([[-0.0], [1.7976931348623157e290]])
    mdp, path = MDP(P, r, 0.1), tmp_path / "m.json"
    save(mdp, path)
    same(load(path), mdp)
    assert np.signbit(load(path).r[0, 0])


def test_what_is_written_by_hand_is_what_it_says(read):
    mdp = read()
    assert [str(x) for x in mdp.r] == ["0", "-1/2", "7"]
    assert str(mdp.gamma) == "9/10"
    assert [str(x) for x in mdp.rows.values] == ["1/3", "2/3", "1"]
    assert mdp.pair_states.tolist() == [0, 1, 1]
    assert (mdp.n_states, mdp.n_actions, mdp.is_exact) == (2, 2, True)


def test_dense_storage_by_hand(read):
    mdp = read(
        storage="dense",
        actions_per_state=[1, 1],
        rows=BODY["rows"][:2],
        r=["1", "2"],
        stop=["0", "0"],
    )
    assert [[str(x) for x in row] for row in mdp.rows] == [["1/3", "2/3"], ["0", "1"]]
    assert mdp.r.shape == (2, 1)


def test_another_discount_for_an_exact_model_is_exact(tmp_path, model):
    path = tmp_path / "m.json"
    save(model(0, "dense").exact(), path)
    assert str(load(path, gamma=0.99).gamma) == "99/100"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"gamma": NaN}', "NaN is not allowed"),
        ('{"gamma": -Infinity}', "-Infinity is not allowed"),
        ('{"gamma": 1e400}', "1e400 is not allowed"),
        ('{"gamma": 0.5}', "0.5 is not allowed"),
        ('{"a": 1, "a": 2}', "'a' is given twice"),
        ('{"x": {"a": 1, "b": 0, "b": 2}}', "'b' is given twice"),
        ("[" * 10**6, "nest deeper"),
        ("[" * 10**6 + "]" * 10**6, "nest deeper"),
        ('{"a":' * 10**5 + "1" + "}" * 10**5, "nest deeper"),
        ('{"a": ' + "9" * 5000 + "}", "5000 digits"),
        ("[]", "one JSON object"),
        ("{} {}", "not JSON"),
        ("{}", "missing"),
        ("", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        ('{"a": 1_000}', "not JSON"),
    ],
)
def test_bad_input_57_json_that_means_several_things(read, text, message):
    with pytest.raises(FormatError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("1/0", "division by zero"),
        ("0/0", "division by zero"),
        ("1/-2", "numbers are text"),
        ("1_000", "numbers are text"),
        ("1e400", "numbers are text"),
        ("0.5", "numbers are text"),
        (" 1", "numbers are text"),
        ("1\n", "numbers are text"),
        ("+1", "numbers are text"),
        ("", "numbers are text"),
        ("٣", "numbers are text"),
        ("nan", "numbers are text"),
        ("1/2/3", "numbers are text"),
        ("9" * 5000, "5000 digits"),
        (1, "str is needed"),
        (None, "str is needed"),
        (["1"], "str is needed"),
    ],
)
def test_bad_input_57_numbers_outside_the_grammar(read, number, message):
    with pytest.raises(FormatError, match=message):
        read(r=["0", "0", number])


def test_bad_input_58_a_giant_denominator(read):
    with pytest.raises(FormatError, match=r"r\[2\] has 4001 digits"):
        read(r=["0", "0", "1/1" + "0" * 4000])
    assert read(r=["0", "0", "1/1" + "0" * 3999]).n_pairs == 3


def test_bad_input_58_many_denominators_that_make_a_giant(read):
    # 2097 and 2386 digits; their least common multiple has 4483.
    rows = [[[0, "1"]], [[1, "1"]], [[0, f"1/{5**3000}"], [1, f"1/{3**5000}"]]]
    with pytest.raises(FormatError, match=r"rows\[2\]: the common denominator"):
        read(rows=rows)


def test_bad_input_58_what_could_not_be_read_is_not_written(tmp_path):
    from mdpkit._exact import rational

    P, r = np.full((1, 1, 1), rational(1), dtype=object), np.empty((1, 1), dtype=object)
    r[0, 0] = rational(1) / 10**4000
    with pytest.raises(FormatError, match="4000 digits cannot be saved"):
        save(MDP(P, r, rational(0)), tmp_path / "m.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind_of_number", ["exact", "float64"])
def test_bad_input_52_64_a_short_text_that_claims_a_large_array(read, kind_of_number):
    n = 10**5
    claim = {
        "numbers": kind_of_number,
        "storage": "pairs",
        "actions_per_state": [10] * n,
        "rows": [[[0, "1"]]] * (10 * n),
        "r": ["0"] * (10 * n),
        "gamma": "1/2",
    }
    body = {key: value for key, value in (BODY | claim).items() if key != "stop"}
    with pytest.raises(FormatError, match=r"1000000 pairs × 100000 states, needs 8e\+11 bytes"):
        read(json.dumps(body))


def test_bad_input_64_a_text_too_long_for_the_limit(tmp_path):
    path = tmp_path / "m.json"
    path.write_text(json.dumps(BODY))
    with pytest.raises(FormatError, match="reading the text needs"):
        load(path, max_bytes=1000)
    assert load(path, max_bytes=10**5).n_pairs == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"comment": "x"}, "unknown key 'comment'"),
        ({"format": "other"}, "reads 'mdpkit-exact'"),
        ({"version": 2}, "version 2"),
        ({"numbers": "decimal"}, "numbers is 'decimal'"),
        ({"storage": ["csr"]}, "storage is"),
        ({"gamma": 0.5}, "not allowed"),
        ({"gamma": ["1"]}, "gamma is"),
        ({"gamma": "11/10"}, "gamma must lie"),
        ({"actions_per_state": []}, "must have a state"),
        ({"actions_per_state": [3, 0]}, "each an action"),
        ({"actions_per_state": [4, -1]}, "each an action"),
        ({"actions_per_state": [True, 2]}, "int is needed"),
        ({"actions_per_state": 10**12}, "must be a list"),
        ({"actions_per_state": [1, 10**3999]}, "rows must be a list"),
        ({"rows": [[[0, "1"]]]}, "rows must be a list of 3"),
        ({"rows": [[[0, "1"]], [[5, "1"]], []]}, "goes to 5"),
        ({"rows": [[[0, "1"]], [[-1, "1"]], []]}, "goes to -1"),
        ({"rows": [[[1, "1/2"], [1, "1/2"]], [[1, "1"]], []]}, "must increase"),
        ({"rows": [[[0, "1", "1"]], [[1, "1"]], []]}, r"rows\[0\]\[0\] must be"),
        ({"rows": [[["0", "1"]], [[1, "1"]], []]}, r"rows\[0\]\[0\] must be"),
        ({"rows": [[7], [[1, "1"]], []]}, r"rows\[0\]\[0\] must be"),
        ({"rows": [{}, [[1, "1"]], []]}, "list is needed"),
        ({"rows": [[[0, "-1"], [1, "2"]], [[1, "1"]], []]}, "negative"),
        ({"rows": [[[0, "1/3"], [1, "1/3"]], [[1, "1"]], []]}, "sums to 2/3, not exactly 1"),
        ({"stop": ["0", "0", "2"]}, "not a probability"),
        ({"start": ["1"]}, "start must be a list of 2"),
        ({"start": ["1/2", "1/3"]}, "start sums to 5/6"),
        ({"pair_actions": [0, 1, 1]}, "increase"),
        ({"pair_actions": [0, 1]}, "pair_actions must be a list of 3"),
        ({"pair_actions": [0, 1, 10**30]}, "numbers of actions"),
        ({"pair_actions": [0, 1, 10**15]}, "a table of 2 states"),
        ({"states": ["a"]}, "1 names for 2 states"),
        ({"states": {"a": 1}}, "must be a list of names"),
        ({"storage": "dense"}, "equal actions everywhere"),
        ({"sha256": "0" * 64}, "sha256 does not match"),
        ({"numbers": "float64"}, "1/3, no float64"),
        ({"numbers": "float64", "gamma": "1" + "0" * 400}, "no float64"),
    ],
)
def test_a_body_that_is_no_model(read, changes, message):
    with pytest.raises((FormatError, ModelError), match=message):
        read(**changes)


def test_bad_input_61_a_changed_number_is_seen_by_the_hash(tmp_path, model):
    path = tmp_path / "m.json"
    save(model(2, "stop"), path)
    text = path.read_text()
    at = text.index('"r": ["') + len('"r": ["') + 1
    path.write_text(text[:at] + "7" + text[at:])
    with pytest.raises(FormatError, match="sha256 does not match"):
        load(path)


def test_exact_arrays_are_checked_exactly_by_the_constructor():
    from fractions import Fraction

    from mdpkit._exact import rational

    third, zero = rational(1) / 3, np.full((1, 1), rational(0), dtype=object)
    almost = np.full((1, 1, 1), 1 - third / 10**30, dtype=object)
    with pytest.raises(ModelError, match=r"P\[0, 0\] sums to .*, not exactly 1"):
        MDP(almost, zero, third, normalize=True)
    with pytest.raises(TypeError, match="object arrays hold exact rationals"):
        MDP(np.full((1, 1, 1), Fraction(1), dtype=object), zero, third)
    with pytest.raises(TypeError, match="both be floats or both exact"):
        MDP(np.ones((1, 1, 1)), zero, third)
