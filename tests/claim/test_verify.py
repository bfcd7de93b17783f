"""The verbs `verify` and `hunt`: their JSON, exit codes, files and pages."""

import json

import pytest

from mdpkit.cli import run

KEYS = {
    "claim", "id", "group", "source", "verdict", "instances", "tightness", "impostors_caught",
    "impostors", "attained", "seconds",
}  # fmt: skip

FALSE = '''
from mdpkit.claim import MDP, Leq, Value, claim
from mdpkit.operators.bellman import backup


@claim(source="mine")
def contracts_in_l1(mdp: MDP, v: Value, w: Value):
    """‖Tv − Tw‖₁ ≤ γ ‖v − w‖₁."""
    return Leq(abs(backup(mdp, v) - backup(mdp, w)).sum(), mdp.gamma * abs(v - w).sum())
'''


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(FALSE, encoding="utf-8")
    return tmp_path


def printed(capsys):
    return json.loads(capsys.readouterr().out)


def test_a_registered_claim_holds(here, capsys):
    assert run(["verify", "A3", "--json"]) == 0
    (body,) = printed(capsys)
    assert set(body) >= KEYS
    assert body["verdict"] == "holds"
    assert set(body["tightness"]) == {"random", "hunted", "named"}
    assert body["impostors"] == body["impostors_caught"] >= 1
    assert body["attained"] is True


def test_a_false_claim_of_a_file_is_refuted_saved_and_confirmed(here, capsys):
    assert run(["verify", "mine.py", "--json"]) == 1
    (body,) = printed(capsys)
    assert body["verdict"] == "refuted"
    assert body["counterexample"]["states"] <= 3
    (file,) = (here / "counterexamples").glob("contracts_in_l1-*.json")
    assert run(["verify", "--certificate", str(file), "--json"]) == 0
    assert printed(capsys)["confirmed"] is True
    file.write_text(file.read_text().replace('"left": "', '"left": "7'))
    assert run(["verify", "--certificate", str(file)]) == 1


def test_the_table_prints_fractions(here, capsys):
    assert run(["verify", "mine.py"]) == 1
    out = capsys.readouterr().out
    assert "γ = 1/2" in out
    assert "left = 1  >  right = 1/2" in out


def test_the_page_is_written_whole(here, capsys):
    assert run(["verify", "B1", "--report", "page.html"]) == 0
    page = (here / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "<svg" in page  # a rate has its plot
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(
    "wrong",
    [
        ["verify", "no-such-claim"],
        ["verify", "no-such-file.py"],
        ["verify", "A3", "--profile", "huge"],
        ["verify", "A3", "--report", "page.txt"],
        ["verify", "--certificate", "mine.py"],
        ["hunt", "A"],
    ],
)
def test_bad_input_is_one_line_and_exit_2(here, wrong, capsys):
    assert run(wrong) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_the_hunt_attains_the_bound_of_singh_and_yee(here, capsys):
    assert run(["hunt", "C1", "--budget", "2500", "--json"]) == 0
    body = printed(capsys)
    assert body["tightness"]["hunted"] >= 0.999
    assert body["tightness"]["named"] == pytest.approx(1, abs=1e-12)
    assert body["evaluations"]["random"] == 2500


def test_the_hunt_refutes_a_false_claim(here, capsys):
    assert run(["hunt", "mine.py", "--budget", "500", "--json"]) == 1
    body = printed(capsys)
    assert body["refuted"]
    assert (here / body["file"]).exists()
