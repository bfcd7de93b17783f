"""`mdpkit converge`: measured errors beside the bounds of theorems; false bounds are caught."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.cli._curves import measure, pessimistic, truth
from mdpkit.cli.converge import shown_steps
from mdpkit.operators.bellman import backup
from mdpkit.plan import METHODS, ValueIteration

LAKE = "gym:FrozenLake-v1"
SOURCES = [LAKE, "gallery:river-swim", "gallery:inventory", "gallery:azar", "gallery:pi-chain"]


@pytest.mark.parametrize("source", SOURCES)
def test_every_error_lies_within_its_bound(command, source):
    arguments = ("--gamma", "0.9", "--methods", ",".join(METHODS), "--steps", "60")
    found = command("converge", source, *arguments, "--json")
    assert (found.code, found.err) == (0, "")
    slack = found.json["rounding"]
    assert list(found.json["methods"]) == list(METHODS)
    for key, curve in found.json["methods"].items():
        assert len(curve["gaps"]) == len(curve["errors"])
        if key in ("lp", "ps", "md-vi", "ipi"):  # no theorem gives their rate
            assert curve["bounds"] is None
        else:
            errors, bounds = np.array(curve["errors"]), np.array(curve["bounds"])
            assert bounds[0] == errors[0]
            assert (errors <= bounds + slack).all()


def test_on_the_identity_the_bound_is_attained(command):
    found = command("converge", "gallery:identity", "--methods", "vi", "--json")
    curve = found.json["methods"]["vi"]
    # P = I: each step multiplies the error by γ; 10⁻⁹ is far above the rounding of 100 steps.
    np.testing.assert_allclose(curve["errors"], curve["bounds"], rtol=1e-9)
    assert len(curve["errors"]) == 101


@pytest.mark.parametrize("source", SOURCES)
def test_the_start_is_pessimistic(source):
    mdp = mk.load(source, gamma=0.9)
    v = pessimistic(mdp)
    assert (backup(mdp, v) >= v - 1e-12).all()  # rounding of one sweep of numbers below 100


def test_a_rate_that_is_too_good_is_caught(command, monkeypatch):
    monkeypatch.setattr(ValueIteration, "rate", lambda method, mdp: 0.9 * mdp.gamma)
    found = command("converge", "gallery:identity", "--methods", "vi")
    assert found.code == 1
    assert "Out of bounds" in found.out
    assert found.err.startswith("error: vi: the error exceeds its bound at step 1")


def test_the_table_shows_a_few_steps_and_the_last():
    assert shown_steps(0) == [0]
    assert shown_steps(4) == [0, 1, 2, 3, 4]
    assert shown_steps(120) == [0, 1, 2, 3, 5, 10, 20, 50, 100, 120]


def test_converge_prints_and_plots(command, tmp_path):
    path = tmp_path / "converge.png"
    found = command("converge", LAKE, "--gamma", "0.99", "--steps", "20", "--plot", path)
    assert (found.code, found.err) == (0, f"wrote {path}\n")
    assert "Every measured error lies within its bound" in found.out
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_method_that_stands_still_ends_its_curve():
    mdp = mk.load(LAKE, gamma=0.99)
    start = pessimistic(mdp)
    curve = measure(mdp, METHODS["pi"](), truth(mdp, start).v, start, steps=1000)
    assert len(curve.errors) < 20
