"""`mdpkit converge` and `solve` with the methods of policy optimization."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.improve import IMPROVE_METHODS, NaturalPolicyGradient, rates
from mdpkit.plan import SoftPolicyIteration

SWIM = "gallery:riverswim"
ASKED = "vi,pi,ppg,pqa,eqa,npg,softmax-pg"
START = {"ppg", "softmax-pg", "cpi"}


def test_no_measured_curve_crosses_its_bound(command, tmp_path):
    path = tmp_path / "out.svg"
    found = command("converge", SWIM, "--methods", ASKED, "--plot", path, "--json")
    assert (found.code, found.err) == (0, f"wrote {path}\n")
    assert list(found.json["methods"]) == ASKED.split(",")
    for key, curve in found.json["methods"].items():
        errors, bounds = np.array(curve["errors"]), np.array(curve["bounds"])
        assert (errors <= bounds + found.json["rounding"]).all()
        assert len(curve["gaps"]) == errors.size
        usual = "J* − J_k" if key in START else "‖v_k − v*‖∞"
        assert curve["quantity"] == usual
    text = path.read_text(encoding="utf-8")
    assert text.lstrip().startswith("<?xml")


@pytest.mark.parametrize("source", ["gallery:inventory", "gym:FrozenLake-v1", "gallery:azar"])
def test_every_method_runs_within_its_bound(command, source):
    keys = ",".join([*IMPROVE_METHODS, "reg-npg"])
    arguments = ("--gamma", "0.8", "--methods", keys, "--steps", "15")
    found = command("converge", source, *arguments, "--json")
    assert (found.code, found.err) == (0, "")
    unbounded = {key for key, curve in found.json["methods"].items() if not curve["bounds"]}
    assert unbounded == {"trpo", "ppo-clip", "ppo-kl"}
    assert found.json["methods"]["reg-npg"]["quantity"] == "‖q_k − q*_τ‖∞"


def test_a_bound_that_is_too_good_is_caught(command, monkeypatch):
    right = rates.sublinear

    def impostor(*arguments):
        found = right(*arguments)
        return found._replace(bounds=found.bounds / 100)

    monkeypatch.setattr(rates, "sublinear", impostor)
    found = command("converge", SWIM, "--methods", "eqa", "--steps", "5")
    assert found.code == 1
    assert "eqa: the error exceeds its bound at step 0" in found.err


def test_the_table_says_what_is_measured(command):
    found = command("converge", SWIM, "--methods", "ppg,npg", "--steps", "5")
    assert found.code == 0
    assert "J* − J_k" in found.out
    assert "‖v_k − v*‖∞" in found.out
    assert "Every measured error lies within its bound" in found.out


def test_solve_takes_the_keys(command):
    found = command("solve", SWIM, "--method", "npg", "--json")
    assert found.code == 0
    truth = mk.solve(mk.load(SWIM))
    assert found.json["method"] == "npg"
    assert found.json["value_at_start"] == pytest.approx(truth.value_at_start, abs=1e-6)
    assert found.json["policy"] == truth.policy.tolist()
    printed = command("solve", SWIM, "--method", "npg")
    assert "V*(start)" in printed.out
    assert NaturalPolicyGradient.__name__ in printed.out


@pytest.mark.parametrize("key", ["reg-npg", "softmax-pg"])
def test_solve_takes_a_temperature(command, key):
    arguments = ("--method", key, "--tau", "0.5", "--max-steps", "200", "--json")
    found = command("solve", SWIM, *arguments)
    truth = mk.solve(mk.load(SWIM), SoftPolicyIteration(0.5)).value_at_start
    assert found.json["lower_at_start"] <= truth <= found.json["upper_at_start"]
    assert found.json["status"] == ("SOLVED" if key == "reg-npg" else "MAX_STEPS")
    assert command("solve", SWIM, "--method", "npg", "--tau", "0.5").code == 2


def test_at_gamma_one_one_line_says_so(command):
    found = command("solve", "gallery:gambler", "--method", "pqa", "--gamma", "1")
    assert found.code == 2
    assert found.err.startswith("error: γ = 1: policy optimization needs a discount")
