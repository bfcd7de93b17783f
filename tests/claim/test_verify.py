"""The verbs `verify` and `hunt`: their JSON, exit codes, files and pages."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mdpkit.cli import run
from mdpkit.hunt import checker

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


NUMPY = '''
import numpy as np
from mdpkit.claim import MDP, Leq, Policy, Value, claim


def T(mdp, v):
    return (mdp.r + mdp.gamma * mdp.P @ v).max(axis=1)  # tables only


@claim(source="mine")
def contracts_in_l2(mdp: MDP, v: Value, w: Value):
    """‖Tv − Tw‖₂ ≤ γ ‖v − w‖₂."""
    return Leq(np.linalg.norm(T(mdp, v) - T(mdp, w)), mdp.gamma * np.linalg.norm(v - w))


@claim(source="mine")
def residual_bounds_error(mdp: MDP, v: Value, pi: Policy):
    """‖v − v^π‖∞ ≤ ‖v − T^π v‖∞."""
    P, r = np.einsum("sa,sat->st", pi, mdp.P), (pi * mdp.r).sum(axis=1)
    own = np.linalg.solve(np.eye(mdp.n_states) - mdp.gamma * P, r)
    return Leq(abs(v - own).max(), abs(v - r - mdp.gamma * P @ v).max())


@claim(source="mine")
def softmax_average_contracts(mdp: MDP, v: Value, w: Value):
    """‖Bv − Bw‖∞ ≤ γ ‖v − w‖∞."""

    def B(x):
        q = mdp.r + mdp.gamma * mdp.P @ x
        p = np.exp(q)
        return (p * q).sum(axis=1) / p.sum(axis=1)

    return Leq(abs(B(v) - B(w)).max(), mdp.gamma * abs(v - w).max())
'''


def test_claims_in_plain_numpy_are_refuted_and_their_certificates_stand_alone(here, capsys):
    (here / "plain.py").write_text(NUMPY, encoding="utf-8")
    assert run(["verify", "plain.py", "--json"]) == 1
    bodies = printed(capsys)
    assert [body["verdict"] for body in bodies] == ["refuted"] * 3
    assert "tables" in bodies[0]["remark"]
    for body in bodies:
        assert body["counterexample"]["states"] <= 3
        file = here / body["counterexample"]["file"]
        alone = [sys.executable, "-I", "-S", checker.__file__, str(file)]
        done = subprocess.run(alone, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("confirmed: ")


def test_the_stand_alone_checker_is_short_and_imports_the_standard_library_only():
    source = Path(checker.__file__).read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 80
    names = [
        n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Import | ast.ImportFrom)
    ]
    tops = {a.name for n in names for a in n.names if isinstance(n, ast.Import)}
    assert tops <= sys.stdlib_module_names
    assert [n.module for n in names if isinstance(n, ast.ImportFrom)] == ["fractions"]


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
