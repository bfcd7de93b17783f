"""`.tra` in both dialects: the files that Storm ships, round trips, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.errors import FormatError, SourceError
from mdpkit.io import explicit
from tests.io.text_models import assert_same_numbers, storm_files

FILES = storm_files()
GOOD = {  # states, pairs; the rest is refused with the line
    **{"crowds5_5": (8607, 8607), "die": (13, 13), "dtmc": (12, 12), "leader4": (3172, 6252)},
    **{"dtmcWhitespaces1": (12, 12), "dtmcWhitespaces2": (12, 12), "dtmc_general": (8, 8)},
    **{"dtmc_actionTest": (8, 8), "dtmc_mixedTransitionOrder": (8, 8), "mdp": (12, 16)},
    **{"dtmc_mismatched": (7, 7), "dtmc_whitespaces": (8, 8), "leader4_8": (12400, 12400)},
    **{"mdp_general": (6, 11), "mdp_mixedTransitionOrder": (6, 11), "mdp_whitespaces": (6, 11)},
    **{"pctl_general": (12, 12), "two_dice": (169, 254)},
}
BAD = {
    **{"ctmc": 1, "ctmdp": 1, "ma": 1, "ma_cslFilterTest": 1, "ma_deadlock": 1, "tiny1": 1},
    **{"ma_general": 1, "ma_whitespaces": 1, "noHint": 1, "wrongHint": 1, "tiny2": 1},
    **{"csl_general": 3, "dtmc_deadlock": 1, "dtmc_doubledLines": 10, "mdp_deadlock": 20},
    **{"dtmc_mixedStateOrder": 9, "mdp_doubledLines": 14, "mdp_mismatched": 4},
    **{"mdp_mixedStateOrder": 12, "wrong_format_header1": 2, "wrong_format_header2": 2},
    "wrong_format_transition": 2,
}
LABELS = {  # a model that has enough states, and the line that is wrong, if any
    **{"autoParser": ("dtmc", None), "crowds5_5": ("crowds5_5", None), "die": ("die", None)},
    **{"declarationMisspell": ("dtmc", 1), "doubledLines": ("dtmc", 5), "tiny1": ("die", None)},
    **{"doubledLinesSkipped": ("dtmc", 5), "dtmc_actionTest": ("dtmc_actionTest", None)},
    **{"dtmc_general": ("dtmc_general", None), "dtmc_mismatched": ("dtmc_mismatched", 11)},
    **{"endMisspell": ("dtmc", 3), "labelForNonexistentState": ("dtmc", 6)},
    **{"leader4": ("leader4", None), "leader4_8": ("leader4_8", None), "tiny2": ("die", None)},
    **{"ma_cslFilterTest": ("dtmc_general", None), "ma_general": ("mdp_general", None)},
    **{"ma_mismatched": ("mdp_general", 7), "mdp_general": ("mdp_general", None)},
    **{"mdp_mismatched": ("mdp_general", None), "noDeclarationTag": ("dtmc", 1)},
    **{"noEndTag": ("dtmc", 5), "noLabelsDecNoneGiven": ("dtmc", None)},
    **{"pctl_general": ("pctl_general", None), "swappedStateAndProposition": ("dtmc", 5)},
    **{"two_dice": ("two_dice", None), "undeclaredLabelsGiven": ("dtmc", 4)},
    **{"withWhitespaces": ("die", None), "withoutWhitespaces": ("die", None)},
}
REWARDS = {
    **{"autoParser.state": ("dtmc", None), "die.coin_flips.trans": ("die", None)},
    **{"dtmc_general.state": ("dtmc_general", None), "leader4.trans": ("leader4", None)},
    **{"dtmc_general.trans": ("dtmc_general", None), "ma_general.state": ("mdp_general", None)},
    **{
        "dtmc_mismatched.trans": ("dtmc_general", 2),
        "mdp_mismatched.trans": ("mdp_general", 7),
    },
    **{"dtmc_mixedStateOrder.trans": ("dtmc_general", 12)},
    **{"dtmc_mixedTransitionOrder.trans": ("dtmc_general", None)},
    **{"dtmc_rewardForNonExTrans.trans": ("dtmc_general", 14)},
    **{"dtmc_whitespaces.trans": ("dtmc_general", None)},
    **{"leader4_8.pick.trans": ("leader4_8", None), "ma_mismatched.state": ("mdp_general", 7)},
    **{"mdp_general.state": ("mdp_general", None), "mdp_general.trans": ("mdp_general", None)},
    **{"mdp_mixedStateOrder.trans": ("mdp_general", 11)},
    **{"mdp_mixedTransitionOrder.trans": ("mdp_general", None)},
    **{"mdp_rewardForNonExTrans.trans": ("mdp_general", 15)},
    **{"mdp_whitespaces.trans": ("mdp_general", None)},
    **{"state_reward_parser_basic.state": ("two_dice", None)},
    **{"state_reward_parser_doubledLines.state": ("two_dice", 4)},
    **{"state_reward_parser_doubledLinesSkipped.state": ("two_dice", 5)},
    **{"state_reward_parser_whitespaces.state": ("two_dice", None)},
    **{"two_dice.flip.state": ("two_dice", None), "two_dice.flip.trans": ("two_dice", None)},
}


def refused(line, *arguments, **options):
    with pytest.raises(FormatError, match=f"line {line}: ") as caught:
        mk.load(*arguments, gamma=0.9, **options)
    assert caught.value.line == line
    return str(caught.value)


def test_every_file_of_storm_is_in_a_table():
    assert {p.stem for p in FILES.glob("tra/*.tra")} == {*GOOD, *BAD}
    assert {p.stem for p in FILES.glob("lab/*.lab")} == set(LABELS)
    assert {p.stem for p in FILES.glob("rew/*.rew")} == set(REWARDS)
    assert sorted(p.name for p in FILES.glob("[md]*/*.tra")) == ["die.tra", "two_dice.tra"]


@pytest.mark.parametrize("name", GOOD)
def test_good_transitions_are_read(name):
    mdp = mk.load(FILES / f"tra/{name}.tra", gamma=0.9)
    assert (mdp.n_states, mdp.n_pairs) == GOOD[name]


@pytest.mark.parametrize("name", BAD)
def test_wrong_transitions_are_refused_with_the_line(name):
    refused(BAD[name], FILES / f"tra/{name}.tra")


@pytest.mark.parametrize("name", LABELS)
def test_labels_are_read_or_refused_with_the_line(name):
    model, line = LABELS[name]
    path, labels = FILES / f"tra/{model}.tra", FILES / f"lab/{name}.lab"
    if line is None:
        assert mk.load(path, gamma=0.9, labels=labels).start.sum() == pytest.approx(1)
    else:
        assert f"{name}.lab" in refused(line, path, labels=labels)


@pytest.mark.parametrize("name", REWARDS)
def test_rewards_are_read_or_refused_with_the_line(name):
    model, line = REWARDS[name]
    path, rewards = FILES / f"tra/{model}.tra", FILES / f"rew/{name}.rew"
    if line is None:
        assert (mk.load(path, gamma=0.9, rewards=rewards).r != 0).any()
    else:
        assert f"{name}.rew" in refused(line, path, rewards=rewards)


def test_white_space_changes_nothing():
    for name in ("dtmc", "mdp"):
        plain, wide, mixed = (
            mk.load(
                FILES / f"tra/{name}_{kind}.tra",
                gamma=0.9,
                rewards=FILES / f"rew/{name}_{kind}.trans.rew",
            )
            for kind in ("general", "whitespaces", "mixedTransitionOrder")
        )
        assert_same_numbers(plain, wide)
        assert_same_numbers(plain, mixed)


def test_labels_with_white_space_are_the_same():
    with_, without = (
        explicit.read_labeled(FILES / "tra/die.tra", labels=FILES / f"lab/{name}.lab").labels
        for name in ("withWhitespaces", "withoutWhitespaces")
    )
    assert {name: x.tolist() for name, x in with_.items()} == {
        name: x.tolist() for name, x in without.items()
    }


# ---- both dialects ---------------------------------------------------------------------------


STORM = "mdp\n0 0 0 0.5\n0 0 1 0.5\n0 2 1 1\n1 0 1 1 go\n"
PRISM = "2 3 4\n0 0 0 0.5 a\n0 0 1 0.5 a\n0 2 1 1\n1 0 1 1\n"
STORM_LABELS = "#DECLARATION\ninit deadlock done\n#END\n0 init\n1 done\n"
PRISM_LABELS = '0="init" 1="deadlock" 2="done"\n0: 0\n1: 2\n'


@pytest.mark.parametrize("head", ["", "3 4 4\n"], ids=["storm", "prism"])
@pytest.mark.parametrize("crlf", [False, True])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_both_dialects_say_the_same(tmp_path, head, crlf, bom):
    tra, lab = (PRISM, PRISM_LABELS) if head else (STORM, STORM_LABELS)
    srew = ("2 1\n" if head else "") + "1 3\n"
    trew = ("2 3 2\n" if head else "") + "0 0 0 1\n0 0 1 2.5\n"
    for end, text in {".tra": tra, ".lab": lab, ".srew": srew, ".trew": trew}.items():
        text = text.replace("\n", "\r\n") if crlf else text
        (tmp_path / f"m{end}").write_bytes(bom + text.encode())
    mdp = mk.load(tmp_path / "m.tra", gamma=0.5)
    assert mdp.P.toarray().tolist() == [[0.5, 0.5], [0, 1], [0, 1]]
    assert mdp.r.tolist() == [0.5 * 1 + 0.5 * 2.5, 0, 3]
    assert mdp.pair_actions.tolist() == [0, 2, 0]
    assert mdp.start.tolist() == [1, 0]
    labels = explicit.read_labeled(tmp_path / "m.tra").labels
    assert labels["done"].tolist() == [False, True]
    assert not labels["deadlock"].any()


def test_companions_may_lie_elsewhere_and_be_several(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "m.tra").write_text(STORM)
    (tmp_path / "far/x.lab").write_text(STORM_LABELS.replace("0 init\n1", "1 init"))
    (tmp_path / "far/x.state.rew").write_text("0 1\n")
    (tmp_path / "far/x.trans.rew").write_text("0 2 1 5\n")
    both = [tmp_path / "far/x.state.rew", tmp_path / "far/x.trans.rew"]
    mdp = mk.load(tmp_path / "m.tra", gamma=0.5, labels=tmp_path / "far/x.lab", rewards=both[0])
    assert mdp.r.tolist() == [1, 1, 0]
    assert mdp.start.tolist() == [0, 1]
    summed = mk.load(tmp_path / "m.tra", gamma=0.5, rewards=both)
    assert summed.r.tolist() == [1, 6, 0]
    with pytest.raises(SourceError, match="no file"):
        mk.load(tmp_path / "m.tra", gamma=0.5, labels=tmp_path / "nowhere.lab")


def test_reward_structures_have_the_names_of_their_files(tmp_path):
    (tmp_path / "m.tra").write_text(STORM)
    for name in ("cost", "time"):
        (tmp_path / f"m.{name}.state.rew").write_text(f"0 {len(name)}\n1 {name == 'time':d}\n")
    (tmp_path / "m.time.trans.rew").write_text("0 2 1 1\n")
    assert mk.load(tmp_path / "m.tra", gamma=0.5, reward="cost").r.tolist() == [4, 4, 0]
    assert mk.load(tmp_path / "m.tra", gamma=0.5, reward="time").r.tolist() == [4, 5, 1]
    with pytest.raises(FormatError, match="which rewards"):
        mk.load(tmp_path / "m.tra", gamma=0.5)
    with pytest.raises(FormatError, match="no reward structure 'energy'; there is 'cost', 't"):
        mk.load(tmp_path / "m.tra", gamma=0.5, reward="energy")


def test_a_discount_is_needed(tmp_path):
    (tmp_path / "m.tra").write_text(STORM)
    with pytest.raises(SourceError, match="pass gamma="):
        mk.load(tmp_path / "m.tra")


def test_without_a_label_state_0_is_first(tmp_path):
    (tmp_path / "m.tra").write_text(STORM)
    assert mk.load(tmp_path / "m.tra", gamma=0.5).start.tolist() == [1, 0]


# ---- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "a header is needed"),
        ("\n\n", 1, "a header is needed"),
        ("mdp\n", 2, "no transition"),
        ("hello world\n", 1, "a header of counts"),
        ("1000000000000 1000000000000 1000000000000\n0 0 0 1\n", 1, "hold at most"),
        ("1000000000000 4\n0 0 1\n", 1, "hold at most"),
        ("0 0 0\n", 1, "hold at most"),
        ("1 1 2\n0 0 0 1\n", 1, "claims 2 transitions; there are 1"),
        ("1 2 1\n0 0 0 1\n", 1, "claims 2 choices; there are 1"),
        ("2 1 1\n0 0 0 1\n", 1, "claims 2 states; 1"),
        ("mdp\n1 0 0 1\n", 2, "state 1 first"),
        ("mdp\n0 0 0 1\n2 0 0 1\n", 3, "state 2 after state 0"),
        ("mdp\n0 0 0 1\n1 0 0 1\n0 1 0 1\n", 4, "state 0 after state 1"),
        ("mdp\n0 1 0 1\n0 0 0 1\n", 3, "choice 0 after choice 1"),
        ("mdp\n0 0 0 0.5\n0 0 0 0.5\n", 3, "two lines"),
        ("mdp\n0 0 1 0.5\n0 0 0 0.25\n0 0 1 0.25\n1 0 1 1", 4, "two lines"),
        ("mdp\n0 0 7 1\n", 2, "next state 7"),
        ("mdp\n\n0 0 0 0.9\n", 3, "sums to 0.9"),
        ("mdp\n0 0 0 1\n0 1 0 -0.5\n0 2 0 1.5\n", 3, "negative"),
        ("mdp\n0 0 0 1\n0 900000000000000000 0 1\n", None, "a table of"),
        ("mdp\n0 0 0 1\x00\n", 2, "a number is needed"),
        ("MDP extra\n0 0 0 1\n", 1, "a header of counts"),
        ("mdp\n0 0 0 1 \xe9 \n", None, None),  # UTF-8 in a name is no error
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, line, message):
    path = tmp_path / "m.tra"
    path.write_bytes(text.encode())
    if message is None:
        mk.load(path, gamma=0.9)
        return
    with pytest.raises(FormatError, match=message) as caught:
        mk.load(path, gamma=0.9)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('0="init" 0="a"\n', 1),
        ('0="init" 1="init"\n', 1),
        ('0="init" x\n', 1),
        ('0="init"\n0 0\n', 2),
        ('0="init"\n5: 0\n', 2),
        ('0="init"\n0: 1\n', 2),
        ('0="init"\n1: 0\n0: 0\n', 3),
        ("#DECLARATION\na\x1bb\n#END\n", 2),
        ("#DECLARATION\n\xff\n#END\n", 2),
        ("", 1),
    ],
)
def test_wrong_labels_are_refused(tmp_path, text, line):
    (tmp_path / "m.tra").write_text(STORM)
    (tmp_path / "m.lab").write_bytes(text.encode("latin-1"))
    message = refused(line, tmp_path / "m.tra")
    assert message.isprintable()


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("m.srew", "2 2\n0 1\n", 1),
        ("m.srew", "5 1\n", 1),
        ("m.srew", "0 1\n0 2\n", 2),
        ("m.srew", "0 x\n", 1),
        ("m.trew", "0 1 1 1\n", 1),
        ("m.trew", "0 0 0 1\n0 0 0 1\n", 2),
        ("m.trew", "2 3 9\n0 0 0 1\n", 1),
        ("m.trew", "1 0 1 1\n0 0 0 1\n", 2),
    ],
)
def test_wrong_rewards_are_refused(tmp_path, name, text, line):
    (tmp_path / "m.tra").write_text(STORM)
    (tmp_path / name).write_text(text)
    assert name in refused(line, tmp_path / "m.tra")


def test_rewards_that_overflow_are_refused(tmp_path):
    (tmp_path / "m.tra").write_text(STORM)
    (tmp_path / "m.srew").write_text("0 1e308\n1 1e308\n")
    (tmp_path / "m.trew").write_text("0 0 0 1e308\n0 0 1 1e308\n")
    with pytest.raises(FormatError, match=r"line 2: r\[0, 0\] is inf"):
        mk.load(tmp_path / "m.tra", gamma=0.9)


def test_two_files_of_one_structure_are_refused(tmp_path):
    (tmp_path / "m.tra").write_text(STORM)
    for name in ("m.srew", "m.state.rew"):
        (tmp_path / name).write_text("0 1\n")
    with pytest.raises(FormatError, match="second file of state rewards"):
        mk.load(tmp_path / "m.tra", gamma=0.9)


# ---- writing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["storm", "prism"])
def test_round_trips_are_the_identity(tmp_path, model, kind, dialect):
    """504 models (8 kinds × 63), in each dialect."""
    path = tmp_path / "m.tra"
    for seed in range(63):
        mdp = model(seed, kind)
        mdp = mdp.replace(start=None) if kind == "start" else mdp
        explicit.write(mdp, path, dialect=dialect)
        assert_same_numbers(mdp, mk.load(path, gamma=mdp.gamma))


def test_storm_reads_what_is_written(tmp_path, model):
    stormpy = pytest.importorskip("stormpy")
    for kind in ("dense", "ragged", "stop"):
        mdp = model(3, kind)
        mdp = mdp.replace(r=abs(mdp.r))  # Storm refuses negative rewards in these files
        mk.save(mdp, tmp_path / "m.tra")
        built = stormpy.build_model_from_explicit(
            str(tmp_path / "m.tra"),
            str(tmp_path / "m.lab"),
            transition_rewards=str(tmp_path / "m.trew"),
        )
        assert built.nr_choices == mdp.n_pairs + mdp.stops


def test_what_cannot_be_written_is_refused_and_leaves_all_as_it_was(tmp_path, model):
    path = tmp_path / "m.tra"
    for mdp, message in [
        (model(3, "dense").exact(), "fractions"),
        (mk.MDP(np.eye(2)[:, None], np.zeros((2, 1)), 0.9, start=[0.25, 0.75]), "start"),
    ]:
        with pytest.raises(FormatError, match=message):
            mk.save(mdp, path)
    (tmp_path / "m.state.rew").write_text("0 1\n")
    with pytest.raises(FormatError, match=r"m\.state\.rew would be read as well"):
        mk.save(model(0, "dense"), path)
    assert [p.name for p in Path(tmp_path).iterdir()] == ["m.state.rew"]
    with pytest.raises(ValueError, match="dialect"):
        explicit.write(model(0, "dense"), tmp_path / "n.tra", dialect="jani")


def test_a_large_file_is_read_as_a_small_one(tmp_path, monkeypatch):
    """The compiled twin and the reference build the same model."""
    from mdpkit.io import _lines

    mdp = mk.load("gallery:garnet?S=300&A=4&seed=1")
    mk.save(mdp, tmp_path / "m.tra")
    for size in (0, 1 << 60):
        monkeypatch.setattr(_lines, "COMPILED", size)
        assert_same_numbers(mdp, mk.load(tmp_path / "m.tra", gamma=mdp.gamma))
