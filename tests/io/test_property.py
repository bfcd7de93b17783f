"""Properties against Storm's own answers, known probabilities, what is infinite or unclear."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

import mdpkit as mk
from mdpkit._array import number
from mdpkit.errors import FormatError, ModelWarning, UnboundedError
from mdpkit.io import load_property
from tests.io.text_models import storm_files

FILES = storm_files()
MANY = [60, pytest.param(3000, marks=pytest.mark.slow)]
QUESTIONS = [
    'Pmax=? [F "goal"]',
    'Pmin=? [F "goal"]',
    'R{"cost"}max=? [F "goal"]',
    'R{"cost"}min=? [F "goal"]',
]


def answer(path, text, **options):
    question = load_property(path, text, **options)
    return question.answer(mk.solve(question.mdp))


def companions(name, rewards=None):
    found = {"labels": FILES / f"lab/{name}.lab"}
    return found | ({"rewards": FILES / f"rew/{rewards}.rew"} if rewards else {})


KNOWN = [
    ("die", 'P=? [F "one"]', None, Fraction(1, 6)),
    ("die", 'P=? [F "two" | "five"]', None, Fraction(1, 3)),
    ("die", 'R=? [F "done"]', "die.coin_flips.trans", Fraction(11, 3)),
    ("two_dice", 'Pmax=? [F "two"]', None, Fraction(1, 36)),
    ("two_dice", 'Pmin=? [F "seven"]', None, Fraction(1, 6)),
    ("two_dice", 'Pmax=? [F "done" & !"seven"]', None, Fraction(5, 6)),
    ("two_dice", 'R{"flip"}max=? [F "done"]', "two_dice.flip.trans", Fraction(22, 3)),
    ("two_dice", "Rmin=? [F done]", "two_dice.flip.trans", Fraction(22, 3)),
    ("leader4", "Pmin=? [F elected]", None, Fraction(1)),
    ("leader4", "Rmin=? [F elected]", "leader4.trans", Fraction(30, 7)),
    ("leader4_8", 'P=? [F "elected"]', None, Fraction(1)),
]


@pytest.mark.parametrize(("name", "text", "rewards", "value"), KNOWN)
def test_known_answers(name, text, rewards, value):
    """Knuth and Yao (1976); Storm's own tests for the election."""
    found = answer(FILES / f"tra/{name}.tra", text, **companions(name, rewards))
    assert found.lower_at_start <= value <= found.upper_at_start
    assert found.gap <= 1e-7


def test_crowds_is_what_storm_says():
    """Storm's tests hold 0.33288, 0.15222 and 0.32154 (five digits)."""
    known = {"observe0Greater1": 0.33288, "observeIGreater1": 0.15222}
    for label, value in (known | {"observeOnlyTrueSender": 0.32154}).items():
        options = companions("crowds5_5")
        found = answer(FILES / "tra/crowds5_5.tra", f'P=? [F "{label}"]', **options)
        assert found.value_at_start == pytest.approx(value, abs=6e-6)


# ---- Knuth and Yao's dice, built here --------------------------------------------------------


DIE = {0: (1, 2), 1: (3, 4), 2: (5, 6), 3: (1, "1"), 4: ("2", "3"), 5: ("4", "5"), 6: (2, "6")}


@pytest.fixture
def two_dice(tmp_path):
    """Two dice, each thrown by tossing a coin; which one to toss next is free."""
    place = {pair: i for i, pair in enumerate(itertools.product([*DIE, *"123456"], repeat=2))}
    lines, labels = ["mdp"], ["#DECLARATION", "init done seven", "#END", "0 init"]
    for (a, b), s in place.items():
        moves = [[(t, b) for t in DIE[a]]] if a in DIE else []
        moves += [[(a, t) for t in DIE[b]]] if b in DIE else []
        for choice, ends in enumerate(moves):
            lines += [f"{s} {choice} {place[end]} 0.5" for end in ends]
        if not moves:
            lines.append(f"{s} 0 {s} 1")
            labels.append(f"{s} done" + (" seven" if int(a) + int(b) == 7 else ""))
    path = tmp_path / "two_dice.tra"
    path.write_text("\n".join(lines) + "\n")
    path.with_suffix(".lab").write_text("\n".join(labels) + "\n")
    return path


@pytest.mark.parametrize("best", ["max", "min"])
def test_two_dice_show_seven_with_probability_one_sixth_exactly(two_dice, best):
    question = load_property(two_dice, f'P{best}=? [F "seven"]').in_numbers(exact=True)
    found = question.answer(mk.solve(question.mdp))
    assert str(found.value_at_start) == "1/6"
    assert found.gap == 0


def test_load_gives_the_model_that_is_maximized(two_dice):
    for best, sign in (("max", 1), ("min", -1)):
        mdp = mk.load(two_dice, property=f'P{best}=? [F "seven"]')
        assert mdp.gamma == 1
        assert mk.solve(mdp).value_at_start == pytest.approx(sign / 6, abs=1e-8)
    with pytest.raises(ValueError, match="gamma is 1"):
        mk.load(two_dice, gamma=0.9, property='Pmax=? [F "seven"]')


# ---- against Storm ---------------------------------------------------------------------------


def random_drn(seed):
    """A small model with fractions, free cycles, traps, and a goal that may be out of reach."""
    rng = np.random.default_rng(seed)
    S, lines, n_pairs = int(rng.integers(2, 7)), [], 0
    for s in range(S):
        labels = ["init"] * (s == 0) + ["goal"] * (rng.random() < 0.3 or s == S - 1)
        lines.append(f"state {s} {' '.join(labels)}")
        for a in range(int(rng.integers(1, 4))):
            cost = int(rng.integers(0, 3)) if rng.random() < 0.5 else 0
            targets = sorted(rng.choice(S, size=int(rng.integers(1, 3)), replace=False))
            weights = rng.integers(1, 4, size=len(targets))
            lines.append(f"\taction {a} [{cost}]")
            for t, w in zip(targets, weights, strict=True):
                lines.append(f"\t\t{t} : {Fraction(int(w), int(weights.sum()))}")
            n_pairs += 1
    head = ["@type: MDP", "@value_type: rational", "@parameters", "", "@reward_models", "cost"]
    head += ["@nr_states", str(S), "@nr_choices", str(n_pairs), "@model"]
    return "\n".join([*head, *lines]) + "\n"


@pytest.mark.parametrize("count", MANY)
@pytest.mark.filterwarnings("ignore::mdpkit.errors.ModelWarning")
def test_random_models_are_answered_as_storm_answers_them(tmp_path, count, capfd):
    """Storm's tolerance is 1e-6, relative; ∞ must be ∞ in both."""
    stormpy = pytest.importorskip("stormpy")
    path, infinite, asked = tmp_path / "m.drn", 0, 0
    for seed in range(count):
        path.write_text(random_drn(seed))
        theirs = stormpy.build_model_from_drn(str(path))
        for text in QUESTIONS[seed % 2 :: 2]:
            try:
                formula = stormpy.parse_properties(text)[0]
                value = float(stormpy.model_checking(theirs, formula).get_value(0))
            except RuntimeError:  # Storm refuses rewards that are 0 everywhere
                continue
            try:
                ours = number(answer(path, text).value_at_start)
            except UnboundedError:
                ours = np.inf
            asked, infinite = asked + 1, infinite + np.isinf(ours)
            assert ours == value or abs(ours - value) <= 1e-5 * (1 + value), (seed, text)
    assert asked > count
    assert infinite > 0


# ---- what is infinite ------------------------------------------------------------------------


TRAP = """@type: MDP
@parameters

@reward_models
cost
@nr_states
4
@nr_choices
5
@model
state 0 init
	action a [1]
		1 : 1
	action b [0]
		2 : 1
state 1 [2] goal
	action a
		1 : 1
state 2
	action a
		0 : 1
state 3
	action a [5]
		3 : 1
"""


def test_waiting_for_free_does_not_reach_the_goal(tmp_path):
    """0 → 2 → 0 is free for ever, and yet Rmin is 1: a path that misses the goal costs ∞."""
    (tmp_path / "m.drn").write_text(TRAP)
    with pytest.warns(ModelWarning, match=r"infinite in states \{3\}: every policy misses"):
        question = load_property(tmp_path / "m.drn", 'Rmin=? [F "goal"]')
    found = question.answer(mk.solve(question.mdp))
    assert found.v.tolist() == pytest.approx([1, 0, 1])
    assert found.policy.tolist() == [0, 0, 0]
    assert question.base.states == (0, 1, 2)


def test_an_infinite_start_is_refused_naming_the_states(tmp_path):
    (tmp_path / "m.drn").write_text(TRAP)
    with pytest.raises(UnboundedError, match="some policy misses the goal from the start") as e:
        load_property(tmp_path / "m.drn", 'Rmax=? [F "goal"]')
    assert e.value.witness["states"] == [0, 2, 3]
    (tmp_path / "m.drn").write_text(TRAP.replace("2 : 1\nstate 1", "3 : 1\nstate 1"))
    with pytest.raises(UnboundedError, match="some policy"):
        load_property(tmp_path / "m.drn", 'Rmax=? [F "goal"]')
    (tmp_path / "m.drn").write_text(
        TRAP.replace("\t\t1 : 1\n\taction b", "\t\t3 : 1\n\taction b")
    )
    with pytest.raises(UnboundedError, match="every policy misses the goal from the start"):
        load_property(tmp_path / "m.drn", 'Rmin=? [F "goal"]')


def test_a_total_without_a_goal(tmp_path):
    """From 0 the most is 1 + 2 + 2 + … = ∞; the least is 0, waiting for free."""
    (tmp_path / "m.drn").write_text(TRAP)
    question = load_property(tmp_path / "m.drn", "Rmax=? [C]")
    with pytest.raises(UnboundedError):
        mk.solve(question.mdp)
    text = TRAP.replace("action a [5]\n\t\t3", "action a [5]\n\t\t0")
    (tmp_path / "m.drn").write_text(text.replace("state 1 [2]", "state 1"))
    found = answer(tmp_path / "m.drn", "Rmin=? [ C ]")
    assert found.value_at_start == 0
    assert found.v[3] == pytest.approx(5)


def test_several_initial_states_are_said(tmp_path):
    (tmp_path / "m.drn").write_text(TRAP.replace("state 2", "state 2 init"))
    with pytest.warns(ModelWarning, match="2 states are initial"):
        load_property(tmp_path / "m.drn", 'Pmax=? [F "goal"]')


# ---- what is not understood ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no property"),
        ("Pmax", "no property"),
        ('Pmax>0.5 [F "goal"]', "no property"),
        ('Pmax=? [G "goal"]', "no property"),
        ('Pmax=? [F<=7 "goal"]', "looks like"),
        ('Pmax=? [F "nowhere"]', "no label 'nowhere'; there is goal, init"),
        ("Pmax=? [F goal &]", "looks like"),
        ("Pmax=? [F (goal]", "looks like"),
        ("Pmax=? [F goal goal]", "looks like"),
        ("Pmax=? [F " + "!" * 60 + "goal]", "looks like"),
        ("Pmax=? [F " + "(" * 2000 + "]", "no property"),
        ('P=? [F "goal"]', "Pmax or Pmin is needed"),
        ('R{"time"}max=? [F "goal"]', "no reward structure 'time'; there is 'cost'"),
        ('P{"cost"}max=? [F "goal"]', "takes no rewards"),
        ("Pmax=? [C]", "takes no rewards"),
    ],
)
def test_what_is_not_understood_is_said(tmp_path, text, message):
    (tmp_path / "m.drn").write_text(TRAP)
    with pytest.raises(FormatError, match=message):
        load_property(tmp_path / "m.drn", text)


def test_a_format_without_labels_takes_no_property(tmp_path, model):
    mk.save(model(0, "dense"), tmp_path / "m.npz")
    with pytest.raises(TypeError, match="has no labels"):
        mk.load(tmp_path / "m.npz", property='Pmax=? [F "a"]')
