"""`mdpkit solve --property`, companions elsewhere, and figures of what was solved."""

import pytest

TRA = "mdp\n0 0 1 0.5\n0 0 2 0.5\n0 1 2 1\n1 0 1 1\n2 0 2 1\n"
LAB = "#DECLARATION\ninit left right\n#END\n0 init\n1 left\n2 right\n"


@pytest.fixture
def tra(tmp_path):
    (tmp_path / "m.tra").write_text(TRA)
    (tmp_path / "m.lab").write_text(LAB)
    (tmp_path / "m.srew").write_text("0 3\n")
    return str(tmp_path / "m.tra")


ANSWERS = [
    ('Pmax=? [F "left"]', "1/2"),
    ('Pmin=? [F "left"]', "0"),
    ('Pmin=? [F "right"]', "1/2"),
    ('Rmin=? [F "left" | "right"]', "3"),
    ("Rmax=? [C]", "3"),
]


@pytest.mark.parametrize(("text", "value"), ANSWERS)
def test_a_property_is_answered_exactly(command, tra, text, value):
    found = command("solve", tra, "--property", text, "--exact")
    assert found.code == 0
    line = next(row for row in found.out.splitlines() if row.startswith("V*(start)"))
    assert line.split()[-1] == value
    exact = command("solve", tra, "--property", text, "--exact", "--json").json
    assert exact["value_at_start"] == exact["lower_at_start"] == value


@pytest.mark.parametrize(("text", "value"), ANSWERS)
def test_a_property_is_bounded_in_floats(command, tra, text, value):
    from fractions import Fraction

    found = command("solve", tra, "--property", text, "--json").json
    assert found["lower_at_start"] <= Fraction(value) <= found["upper_at_start"]
    assert found["model"]["gamma"] == 1


def test_companions_may_lie_elsewhere(command, tra, tmp_path):
    (tmp_path / "far").mkdir()
    for name in ("m.lab", "m.srew"):
        (tmp_path / name).rename(tmp_path / "far" / name)
    beside = [
        "--labels",
        str(tmp_path / "far/m.lab"),
        "--rewards",
        str(tmp_path / "far/m.srew"),
    ]
    found = command("solve", tra, "--property", ANSWERS[3][0], *beside, "--json")
    assert found.json["value_at_start"] == pytest.approx(3)
    discounted = command("solve", tra, "--gamma", "0.5", *beside, "--json")
    assert discounted.json["value_at_start"] == pytest.approx(3)


def test_a_property_and_its_save(command, tra, tmp_path):
    import numpy as np

    path = str(tmp_path / "s.npz")
    found = command("solve", tra, "--property", 'Pmin=? [F "right"]', "--save", path)
    assert found.code == 0
    with np.load(path) as data:
        assert data["v"][0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--property", "nonsense"),
        ("--property", 'Pmax=? [F "nowhere"]'),
        ("--property", 'Rmax=? [F "left"]'),  # some policy misses it
        ("--property", 'Pmax=? [F "left"]', "--gamma", "0.9"),
        ("--property", 'Pmax=? [F "left"]', "--horizon", "3"),
        ("--property", 'Pmax=? [F "left"]', "--labels", "nowhere.lab"),
        (),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_one_line(command, tra, arguments):
    found = command("solve", tra, *arguments)
    assert (found.code, found.out) == (2, "")
    assert len(found.err.strip().splitlines()) == 1


def test_other_sources_take_no_property(command):
    found = command("solve", "gallery:puterman", "--property", 'Pmax=? [F "a"]')
    assert found.code == 2


@pytest.mark.parametrize("suffix", ["svg", "html", "png"])
@pytest.mark.parametrize("source", ["gym:FrozenLake-v1", "gallery:puterman", "gallery:garnet"])
def test_a_figure_of_what_was_solved(command, tmp_path, source, suffix):
    path = tmp_path / f"figure.{suffix}"
    found = command("solve", source, "--gamma", "0.9", "--plot", str(path))
    assert found.code == 0
    assert path.stat().st_size > 5000


def test_names_cannot_speak_to_the_terminal(command, tmp_path):
    """BAD_INPUTS 60: an escape code in a file's name of a state is spelled out."""
    text = 'digraph { gamma="0.5"; 0 [label="a\x1b[31m"]; 0 -> 0 [p=1.0, action="b\x1b]0;x"]; }'
    (tmp_path / "m.dot").write_text(text)
    found = command("solve", str(tmp_path / "m.dot"))
    assert found.code == 0
    assert "\x1b[31m" not in found.out
    assert "\\x1b" in found.out
