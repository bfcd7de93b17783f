"""`mdpkit demo`: what the README's first command promises."""

import importlib.util
import os
import tempfile

import numpy as np
import pytest

from mdpkit import gallery
from mdpkit.cli import _theorems
from mdpkit.cli.demo import FIGURE, spaced


def test_demo_solves_checks_and_draws(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = command("demo")
    assert (found.code, found.err) == (0, "")
    assert "V*(start) = 0.5420259320\n" in found.out
    assert found.out.count("holds, and is attained") == 3
    assert "loss 18" in found.out
    assert str(tmp_path / FIGURE) in found.out
    assert (tmp_path / FIGURE).read_bytes().startswith(b"\x89PNG")


def test_demo_as_json_has_the_bounds_and_the_tightness(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    body = command("demo", "--json").json
    assert len(body["methods"]) >= 4
    for method in body["methods"].values():
        assert method["gap"] < 1e-9
        assert method["lower_at_start"] <= 0.5420259320 + 5e-11
        assert method["upper_at_start"] >= 0.5420259320 - 5e-11
    assert len(body["theorems"]) == 3
    for theorem in body["theorems"]:
        assert 0 < theorem["worst"] <= 1 + 1e-9
        assert theorem["tight"] == pytest.approx(1, abs=1e-9)


@pytest.mark.skipif(os.name != "posix", reason="permissions of folders")
def test_demo_writes_elsewhere_where_the_folder_is_read_only(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)  # root may write anywhere
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ".."))
    body = command("demo", "--json").json
    assert not (tmp_path / FIGURE).exists()
    assert os.path.getsize(body["figure"]) > 0


def test_a_backup_that_forgets_the_discount_is_caught(monkeypatch):
    def undiscounted(mdp, v):
        return mdp.table(mdp.r + mdp.expect(v)).max(axis=1)

    monkeypatch.setattr("mdpkit.operators.bellman.backup", undiscounted)
    swim = gallery.make("river-swim")
    found = _theorems.contraction([swim] * _theorems.MODELS, np.random.default_rng(0))
    assert found.tight == pytest.approx(1 / 0.95)
    assert not found.holds


def test_a_greedy_policy_that_is_the_worst_is_caught(monkeypatch):
    def worst(mdp, v):
        return mdp.table(mdp.r + mdp.gamma * mdp.expect(v), fill=np.inf).argmin(axis=1)

    monkeypatch.setattr("mdpkit.operators.bellman.greedy", worst)
    swim = gallery.make("river-swim")
    assert not _theorems.greedy_loss([swim], np.random.default_rng(0)).holds


@pytest.mark.parametrize(("module", "extra"), [("gymnasium", "gym"), ("matplotlib", "plot")])
def test_demo_names_the_extra_that_is_missing(command, monkeypatch, module, extra):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "mdpkit.cli.demo.find_spec", lambda name: None if name == module else find(name)
    )
    found = command("demo")
    assert (found.code, found.out) == (2, "")
    assert f'pip install "mdpkit[{extra}]"' in found.err


def test_names_of_methods_are_spaced():
    assert spaced("ModifiedPolicyIteration") == "Modified policy iteration"
