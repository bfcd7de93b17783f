"""`.drn`: Storm's files, fractions, round trips, and what is refused."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.errors import FormatError, ModelWarning
from mdpkit.io import _drn_body, drn
from tests.io.text_models import assert_same_numbers, storm_files

HEAD = "@type: MDP\n@parameters\n\n@reward_models\ncost time\n"
HEAD += "@nr_states\n2\n@nr_choices\n3\n@model\n"
BODY = """// a comment
state 0 [1, 2] init "two words"
	action left [0.5]
		0 : 0.25
		1 : 0.75
	action right
		1 : 1
state 1
	action left [2, 3]
		0 : 1
"""
REFUSED = {
    "ctmc/dft.drn": (3, "@type must be"),
    "imdp/tiny-01.drn": (13, "an interval"),
    "ipomdp/tiny-01.drn": (13, "an interval"),
    "pdtmc/die.drn": (5, "the parameters .* have no values"),
    "pomdp/maze.drn": (14, "sums to 0.99999999996"),
}


def write(path, text):
    path.write_text(text)
    return path


def test_every_file_of_storm_is_in_the_table():
    files = storm_files()
    assert {str(p.relative_to(files)) for p in files.glob("*/*.drn")} == set(REFUSED)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:the observations")
def test_what_is_no_mdp_is_refused_with_the_line(name):
    line, message = REFUSED[name]
    with pytest.raises(FormatError, match=message) as caught:
        mk.load(storm_files() / name, gamma=0.9)
    assert caught.value.line == line


def test_the_mdp_under_a_pomdp_is_read_with_its_names():
    with pytest.warns(ModelWarning) as caught:
        mdp = mk.load(storm_files() / "pomdp/maze.drn", gamma=0.9, normalize=True)
    assert {"observations" in str(w.message) for w in caught} == {True, False}
    assert (mdp.n_states, mdp.n_pairs, mdp.start[0]) == (15, 54, 1)


def test_labels_rewards_and_names_are_read(tmp_path):
    path = write(tmp_path / "m.drn", HEAD + BODY)
    mdp = mk.load(path, gamma=0.5, reward="time")
    assert mdp.P.toarray().tolist() == [[0.25, 0.75], [0, 1], [1, 0]]
    assert mdp.r.tolist() == [2, 2, 3]
    assert mdp.actions == ("left", "right")
    assert mk.load(path, gamma=0.5, reward="cost").r.tolist() == [1.5, 1, 2]
    labels = drn.read_labeled(path).labels
    assert {name: x.tolist() for name, x in labels.items()} == {
        "init": [True, False],
        "two words": [True, False],
    }
    with pytest.raises(FormatError, match="which rewards"):
        mk.load(path, gamma=0.5)


def test_fractions_are_read_exactly_and_decimals_beside_them(tmp_path):
    text = (HEAD + BODY).replace("0.25", "1/4").replace("[2, 3]", "[1e-1, 3]")
    mdp = mk.load(write(tmp_path / "m.drn", text), gamma=0.5, reward="cost")
    assert mdp.is_exact
    assert [str(x) for x in mdp.r.reshape(-1)] == ["3/2", "1", "1/10"]
    assert str(mdp.rows.values[0]) == "1/4"
    paid = (HEAD + BODY).replace("[2, 3]", "[1/3, 3]")
    mdp = mk.load(write(tmp_path / "m.drn", paid), gamma=0.5, reward="cost")
    assert (str(mdp.r[2]), str(mdp.rows.values[0])) == ("1/3", "1/4")
    claimed = (HEAD + BODY).replace("@parameters", "@value_type: rational\n@parameters")
    assert mk.load(write(tmp_path / "m.drn", claimed), gamma=0.5, reward="cost").is_exact


@pytest.mark.parametrize("exact", [False, True])
def test_round_trips_are_the_identity(tmp_path, model, kind, exact):
    """504 models (8 kinds × 63), in floats and in fractions."""
    for seed in range(63):
        mdp = model(seed, kind)
        mdp = mdp.replace(start=None) if kind == "start" else mdp
        mdp = mdp.exact() if exact else mdp
        mk.save(mdp, tmp_path / "m.drn")
        found = mk.load(tmp_path / "m.drn", gamma=mdp.gamma)
        assert found.is_exact == exact
        assert_same_numbers(mdp, found)


def test_storm_reads_what_is_written(tmp_path, model, kind):
    stormpy = pytest.importorskip("stormpy")
    mdp = model(5, kind).replace(start=None)
    mk.save(mdp, tmp_path / "m.drn")
    built = stormpy.build_model_from_drn(str(tmp_path / "m.drn"))
    assert (built.nr_states, built.nr_choices) == (
        mdp.n_states + mdp.stops,
        mdp.n_pairs + mdp.stops,
    )


@pytest.mark.parametrize("size", [0, 1 << 60], ids=["compiled", "reference"])
def test_both_readers_say_the_same(tmp_path, monkeypatch, size):
    mdp = mk.load("gallery:garnet?S=60&A=3&seed=2")
    mk.save(mdp, tmp_path / "m.drn")
    monkeypatch.setattr(_drn_body, "COMPILED", size)
    assert_same_numbers(mdp, mk.load(tmp_path / "m.drn", gamma=mdp.gamma))


WRONG = [
    ("@type: MDP", "@type: SMG", 1, "@type must be"),
    ("@type: MDP\n", "", 9, "@type must be"),
    ("@nr_states\n2", "@nr_states\n2\n2", 8, "belongs to no section"),
    ("@nr_states\n2", "@nr_states\n1000000000000", 7, "are claimed"),
    ("@nr_states\n2", "@nr_states\n-2", 7, "a whole number is needed"),
    ("@nr_states\n2", "@nr_states\n3", 20, "3 states are claimed; there are 2"),
    ("@nr_states\n2\n", "", 8, "@nr_states is missing"),
    ("@nr_choices\n3", "@nr_choices\n4", 20, "4 choices are claimed; there are 3"),
    ("@nr_choices", "@nr_states", 8, "given twice"),
    ("@parameters\n", "@parameters\np q", 3, "have no values"),
    ("cost time", "cost cost", 5, "named twice"),
    ("@model", "@placeholders", 12, "belongs to no section"),
    ("state 1", "state 2", 18, "state 2 where state 1"),
    ("state 1\n", "state one\n", 18, "the number of a state"),
    ("state 0", "stat 0", 12, "must be state, action or"),
    ("action right", "action", 16, "no name|must be"),
    ("\taction right\n", "", 19, "3 choices are claimed; there are 2"),
    ("action right", "action right [1, 2, 3]", 16, "2 rewards in brackets"),
    ("action right", "action right [1, 2", 16, "rewards in brackets"),
    ("action right", "action right [x]", 16, "a number is needed"),
    ("action right", "action right goal", 16, "not understood"),
    ("1 : 0.75", "1 : 0.65", 13, "sums to 0.9"),
    ("1 : 0.75", "0 : 0.75", 15, "two lines"),
    ("1 : 0.75", "7 : 0.75", 15, "next state 7"),
    ("1 : 0.75", "1 : 0.75 x", 15, "a number is needed"),
    ("1 : 0.75", "1 0.75", 15, "must be state, action"),
    ("1 : 0.75", "1 : p", 15, "a number is needed"),
    ("1 : 0.75", "1 : [0.1, 0.9]", 15, "an interval"),
    ("1 : 0.75", "1 : 1/0", 15, "division by zero"),
    ("1 : 0.75", "1 : 1/" + "9" * 5000, 15, "5000 digits"),
    ("1 : 0.75", "1 : 1e99999", 15, "a number is needed"),
    ("\t\t0 : 1\n", "", 19, "no transition"),
    ("\taction left [2, 3]\n\t\t0 : 1\n", "", 18, "no action"),
    ("\taction left [2, 3]\n", "", None, "no action|belongs to no"),
    ("@model", "@MODEL", None, "belongs to no section"),
    ("two words", "two\x1bwords", None, None),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), WRONG)
@pytest.mark.parametrize("size", [0, 1 << 60], ids=["compiled", "reference"])
def test_a_wrong_file_is_refused(tmp_path, monkeypatch, size, old, new, line, message):
    monkeypatch.setattr(_drn_body, "COMPILED", size)
    assert old in HEAD + BODY
    path = write(tmp_path / "m.drn", (HEAD + BODY).replace(old, new))
    if message is None:
        assert "two\x1bwords" in drn.read_labeled(path).labels
        return
    with pytest.raises(FormatError, match=message) as caught:
        mk.load(path, gamma=0.9, reward="cost")
    if line is not None:
        assert caught.value.line == line
    assert str(caught.value).isprintable()


def test_exact_numbers_have_bounds(tmp_path):
    text = (HEAD + BODY).replace("0.25", "1/4").replace("[2, 3]", "[1e9999, 3]")
    with pytest.raises(FormatError, match=r"no finite number|digits"):
        mk.load(write(tmp_path / "m.drn", text), gamma=0.5, reward="cost")


def test_names_that_change_their_order_say_nothing(tmp_path):
    text = HEAD.replace("@nr_choices\n3", "@nr_choices\n4") + BODY
    text = text.replace(
        "action left [2, 3]\n\t\t0 : 1", "action right\n\t\t0 : 1\n\taction left\n\t\t0 : 1"
    )
    mdp = mk.load(write(tmp_path / "m.drn", text), gamma=0.5, reward="cost")
    assert mdp.actions is None
    assert mdp.pair_actions.tolist() == [0, 1, 0, 1]


def test_one_fingerprint_for_two_texts_is_seen():
    """The kernel's fingerprint is believed only after the bytes were compared."""
    from mdpkit.io import _drn_scan

    text = b"ab\ncd\nab\n"
    data = np.frombuffer(text, dtype=np.uint8)
    rests = np.array([[0, 2, 7], [3, 5, 7], [6, 8, 7]])
    index, texts = _drn_scan._distinct(text, data, rests)
    assert [texts[i] for i in index] == [b"ab", b"cd", b"ab"]
