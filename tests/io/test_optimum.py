"""Proofs of optimality, confirmed by a checker that needs only Python; forgeries are not."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

import mdpkit as mk
from mdpkit.io import optimum, optimum_checker
from tests.certify.test_total_reward import expected, random_total
from tests.oracles import random_mdp

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")


def proof_of(mdp):
    solution = mk.solve(mdp.exact())
    return json.loads(json.dumps(optimum.proof(solution.mdp, solution.v, solution.policy)))


@pytest.mark.parametrize("seed", range(30))
def test_discounted_optima_are_confirmed(seed):
    body = proof_of(random_mdp(seed, gammas=(0.0, 0.5, 0.9)))
    assert [str(x) for x in optimum_checker.check(body)] == body["v"]


def test_total_rewards_are_confirmed():
    confirmed = 0
    for seed in range(120):
        mdp = random_total(seed)
        if expected(mdp) is not None:
            optimum_checker.check(proof_of(mdp))
            confirmed += 1
    assert confirmed > 30


@pytest.mark.parametrize("source", ["gym:FrozenLake-v1", "gym:CliffWalking-v1"])
def test_a_file_is_confirmed_by_a_bare_python(source, tmp_path):
    solution = mk.solve(mk.load(source, gamma=1.0).exact())
    path = tmp_path / "proof.json"
    optimum.write(solution.mdp, solution.v, solution.policy, path)
    checker = Path(optimum_checker.__file__)
    assert len(checker.read_text().splitlines()) <= 90
    run = subprocess.run(
        [sys.executable, "-I", "-S", checker, path], capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("confirmed")


FORGERIES = {
    "a value raised": lambda body: body["v"].__setitem__(0, "15/17"),
    "all values raised": lambda body: body.__setitem__("v", ["1"] * len(body["v"])),
    "another policy": lambda body: body["pairs"].__setitem__(6, body["pairs"][6] + 1),
    "a richer model": lambda body: body["model"]["r"].__setitem__(1, "1"),
    "a row that is none": lambda body: body["model"]["rows"][0].__setitem__(0, [0, "1/2"]),
    "steps that do not fall": lambda body: body.__setitem__(
        "steps", ["1"] * len(body["steps"])
    ),
    "no component": lambda body: body.__setitem__("components", []),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries_are_refused(name):
    body = proof_of(mk.load("gym:FrozenLake-v1", gamma=1.0))
    optimum_checker.check(copy.deepcopy(body))
    FORGERIES[name](body)
    with pytest.raises(ValueError, match=r"state|steps|component"):
        optimum_checker.check(body)


def test_a_policy_that_never_leaves_is_refused():
    # Two idle states; from the first one may leave for 5. Staying satisfies every equation.
    body = {
        "model": {
            "gamma": "1",
            "actions_per_state": [2, 1],
            "rows": [[[1, "1"]], [], [[0, "1"]]],
            "r": ["0", "5", "0"],
            "stop": ["0", "1", "0"],
        },
        "v": ["5", "5"],
        "steps": ["1", "1"],
        "components": [[0, 1]],
        "pairs": [1, 2],
    }
    assert optimum_checker.check(body) == [5, 5]
    with pytest.raises(ValueError, match="stays for ever"):
        optimum_checker.check(body | {"pairs": [0, 2]})


def test_floats_are_refused(tmp_path):
    mdp = mk.load("gym:FrozenLake-v1", gamma=0.9)
    solution = mk.solve(mdp)
    with pytest.raises(TypeError, match=r"mdp\.exact\(\)"):
        optimum.write(mdp, solution.v, solution.policy, tmp_path / "proof.json")
