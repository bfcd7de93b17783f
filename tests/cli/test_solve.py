"""`mdpkit solve`: the values of the specification, exit codes and the JSON of the interface."""

import json
import zipfile

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.plan import METHODS, ValueIteration

LAKE, VALUE = "gym:FrozenLake-v1", 0.5420259320
REFERENCES = [
    (LAKE, VALUE),
    ("gym:FrozenLake8x8-v1", 0.4146403618),
    ("gym:CliffWalking-v1", -12.2478977001),
]
KEYS = ["model", "method", "why", "status", "value_at_start", "lower_at_start"]
KEYS += ["upper_at_start", "gap", "steps", "seconds", "policy"]


@pytest.mark.parametrize(("source", "value"), REFERENCES)
def test_solve_finds_the_reference_values(command, source, value):
    found = command("solve", source, "--gamma", "0.99", "--json")
    assert (found.code, found.err) == (0, "")
    assert list(found.json) == KEYS
    assert list(found.json["model"]) == ["states", "pairs", "transitions", "gamma"]
    assert found.json["lower_at_start"] <= value + 5e-11
    assert found.json["upper_at_start"] >= value - 5e-11
    assert found.json["value_at_start"] == pytest.approx(value, abs=1e-8)
    assert found.json["status"] == "SOLVED"
    assert len(found.json["policy"]) == found.json["model"]["states"]


@pytest.mark.parametrize("key", METHODS)
def test_every_method_is_known_by_its_key(command, key):
    found = command("solve", LAKE, "--gamma", "0.99", "--method", key, "--json")
    assert (found.code, found.json["method"]) == (0, key)
    assert found.json["value_at_start"] == pytest.approx(VALUE, abs=1e-8)


def test_solve_prints_value_bounds_and_arrows(command):
    found = command("solve", LAKE, "--gamma", "0.99", "--tol", "1e-11")
    assert found.code == 0
    assert "V*(start)  0.5420259320 " in found.out
    assert "16 states, 64 pairs" in found.out
    # Gymnasium's map: holes and the goal end the episode.
    assert "← ↑ ↑ ↑\n← · ← ·\n↑ ↓ ← ·\n· → ↓ ·" in found.out


def test_printed_bounds_are_rounded_outward(command):
    found = command("solve", "gallery:puterman", "--method", "vi", "--tol", "1e-3")
    line = next(row for row in found.out.splitlines() if row.startswith("certified"))
    low, high = line.removeprefix("certified").split(" ≤ V*(start) ≤ ")
    assert float(low) <= -60 / 7 <= float(high)  # the closed form of the gallery
    assert float(high) - float(low) <= 1.1e-3


@pytest.mark.parametrize(
    "arguments",
    [
        ("solve", "no-such-file.npz"),
        ("solve", "no-such-suffix.xyz"),
        ("solve", LAKE),  # no discount
        ("solve", "gallery:cycle", "--gamma", "1"),
        ("solve", LAKE, "--gamma", "1", "--exact", "--method", "vi"),
        ("solve", LAKE, "--gamma", "1.5"),
        ("solve", LAKE, "--gamma", "nan"),
        ("solve", LAKE, "--gamma", "x"),
        ("solve", LAKE, "--gamma", "0.9", "--tol", "-1"),
        ("solve", LAKE, "--gamma", "0.9", "--max-steps", "0"),
        ("solve", LAKE, "--gamma", "0.9", "--deadline", "0"),
        ("solve", LAKE, "--gamma", "0.9", "--save", "solution.txt"),
        ("solve", LAKE, "--gamma", "0.9", "--save", "no-such-folder/solution.npz"),
        ("solve", LAKE, "--gamma", "0.9", "--plot", "figure.jpeg"),
        ("solve", "gallery:lake?size=x"),
        ("solve", "gallery:lake?colour=1"),
        ("solve", "gallery:lake", "--normalize"),
        ("solve", "gallery:laek"),
        ("solve",),
        ("solve", "--frobnicate"),
        ("play", LAKE),  # a verb that is yet to come
        ("gallery", "no-such-model"),
        ("converge", LAKE),
        ("converge", LAKE, "--gamma", "1"),
        ("converge", LAKE, "--gamma", "0.9", "--methods", "vi,"),
        ("converge", LAKE, "--gamma", "0.9", "--steps", "0"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("as_json", [False, True])
def test_bad_input_gets_one_line_and_exit_code_2(command, arguments, as_json):
    found = command(*arguments, *(["--json"] if as_json else []))
    assert found.code == 2
    assert found.out == ""
    assert len(found.err.splitlines()) == 1
    assert found.err.startswith("error: ")


def test_an_unknown_method_is_answered_with_those_there_are(command):
    found = command("solve", LAKE, "--gamma", "0.9", "--method", "valueiteratoin")
    assert "Did you mean vi" in found.err
    assert all(key in found.err for key in METHODS)


@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_not_certified_is_printed_with_exit_code_1(command, as_json):
    arguments = ("solve", LAKE, "--gamma", "0.99", "--method", "vi", "--max-steps", "7")
    found = command(*arguments, *(["--json"] if as_json else []))
    assert found.code == 1
    assert len(found.err.splitlines()) == 1
    if as_json:
        assert (found.json["status"], found.json["steps"]) == ("MAX_STEPS", 7)
        assert found.json["lower_at_start"] <= VALUE <= found.json["upper_at_start"]
    else:
        assert "MAX_STEPS" in found.out
        assert "certified" in found.out


def test_ctrl_c_prints_the_bounds_of_the_last_complete_step(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where the checkpoint goes
    whole, calls = ValueIteration.step, []

    def step(method, mdp, state):
        calls.append(state)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return whole(method, mdp, state)

    monkeypatch.setattr(ValueIteration, "step", step)
    found = command("solve", LAKE, "--gamma", "0.99", "--method", "vi", "--json")
    (kept,) = tmp_path.iterdir()
    note = f"wrote {kept.name}; --resume goes on from there\n"
    assert (found.code, found.err) == (130, f"{note}interrupted.\n")
    assert (found.json["status"], found.json["steps"]) == ("INTERRUPTED", 5)
    assert found.json["lower_at_start"] <= VALUE <= found.json["upper_at_start"]


def test_ctrl_c_before_the_first_step_is_130_too(command, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(mk, "load", interrupted)
    found = command("solve", LAKE, "--gamma", "0.99")
    assert (found.code, found.out, found.err) == (130, "", "interrupted.\n")


def test_save_writes_arrays_that_numpy_reads_without_pickle(command, tmp_path):
    path = tmp_path / "lake.npz"
    found = command("solve", LAKE, "--gamma", "0.99", "--json", "--save", path)
    sol = mk.solve(mk.load(LAKE, gamma=0.99))
    with np.load(path, allow_pickle=False) as saved:
        for name in ("v", "q", "policy", "lower", "upper", "gaps"):
            np.testing.assert_array_equal(saved[name], getattr(sol, name))
    manifest = json.loads(zipfile.ZipFile(path).read("manifest.json"))
    assert manifest["status"] == "SOLVED"
    assert manifest["model"] == found.json["model"]
    assert found.err == f"wrote {path}\n"


def test_plot_writes_the_figure(command, tmp_path):
    path = tmp_path / "gaps.svg"
    assert command("solve", LAKE, "--gamma", "0.99", "--plot", path).code == 0
    assert path.read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize("name", ["forest", "windy", "inventory"])  # dense, sparse, ragged
def test_an_exact_file_is_solved_in_floating_point(command, tmp_path, name):
    pytest.importorskip("flint")
    mdp = mk.load(f"gallery:{name}", gamma=0.9)
    mk.save(mdp.exact(dyadic=True), tmp_path / "model.json")
    found = command("solve", tmp_path / "model.json", "--json")
    assert found.code == 0
    assert found.json["value_at_start"] == pytest.approx(mk.solve(mdp).value_at_start, rel=1e-8)


def test_names_cannot_reach_the_terminal_as_codes(command, tmp_path):
    mdp = mk.load("gallery:leak").replace(states=("\x1b[31mred\x07", "[bold]:smile:\n\u202e"))
    mk.save(mdp, tmp_path / "\x1b[2Jmodel.npz")
    found = command("solve", tmp_path / "\x1b[2Jmodel.npz")
    assert found.code == 0
    assert "\\x1b[31mred\\x07" in found.out
    assert "[bold]:smile:\\n\\u202e" in found.out
    assert not set("\x1b\x07\u202e") & set(found.out + found.err)
    missing = command("solve", tmp_path / "\x1b[2Jnothing.npz")
    assert (missing.code, "\x1b" in missing.err) == (2, False)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (("gym:FrozenLake-v1", "--gamma", "1"), "14/17"),
        (("gym:CliffWalking-v1", "--gamma", "1"), "-13"),
        (("gallery:forest?n=3", "--gamma", "0.9"), "22303/750"),  # the mean of the book's three
    ],
)
def test_exact_answers_are_fractions(command, arguments, value):
    found = command("solve", *arguments, "--exact", "--json")
    body = json.loads(found.out)
    assert found.code == 0
    assert [body[f"{k}_at_start"] for k in ("value", "lower", "upper")] == [value] * 3
    assert body["gap"] == "0"


def test_explain_says_what_the_graph_is_like(command):
    found = command("solve", "gym:FrozenLake-v1", "--gamma", "1", "--explain")
    assert found.code == 0
    assert "There are 6 communicating classes" in found.out
    assert "One can stay for ever among {0, 1, 2, 3}, without reward." in found.out


def test_an_exact_answer_is_saved_with_its_proof(command, tmp_path):
    path = tmp_path / "proof.json"
    lake = ("gym:FrozenLake-v1", "--gamma", "1")
    assert command("solve", *lake, "--exact", "--save", str(path)).code == 0
    assert "v is optimal in 16 states" in command("verify", "--certificate", str(path)).out
    path.write_text(path.read_text().replace('"14/17"', '"15/17"'))
    forged = command("verify", "--certificate", str(path))
    assert forged.code == 1
    assert "not confirmed" in forged.err
