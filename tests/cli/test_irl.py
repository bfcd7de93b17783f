"""`mdpkit irl` and `mdpkit figure`: what is recovered is held against the truth, and drawn."""

import json

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.infer import Demonstrations, MaxCausalEntropy

SOURCE = "gallery:corner-goal"


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    mdp, path = mk.load(SOURCE), tmp_path_factory.mktemp("irl") / "demos.json"
    found = MaxCausalEntropy(20, 0.1).behave(mdp, mdp.r)
    policy = found.policy.reshape(20, *mdp.pair_shape)
    Demonstrations.sample(mdp, policy, 20, n=2000, rng=0).write(path)
    return path


@pytest.mark.parametrize("more", [(), ("--discounted",), ("--method", "paths")], ids=str)
def test_a_reward_is_recovered_and_measured(command, demos, more):
    found = command("irl", SOURCE, "--demos", demos, "--tau", "0.1", *more, "--json")
    assert (found.code, found.err) == (0, "")
    body = found.json
    assert body["converged"]
    assert 0 <= body["expected_value_difference"] < 0.02 * body["value_range"]
    assert body["reward_correlation"] > 0.99
    assert 0 <= body["occupancy_error"] < 0.1
    assert body["identifiable"] == 24  # of 25: a constant is paid until the end only
    assert body["horizon"] == (None if "--discounted" in more else 20)
    mdp = mk.load(SOURCE)
    assert np.argmax(body["reward"]) // 4 == np.argmax(mdp.r.reshape(-1)) // 4


def test_it_prints_and_draws(command, demos, tmp_path):
    for features, path in (("state", tmp_path / "r.svg"), ("pair", tmp_path / "r.png")):
        arguments = ("--tau", "0.1", "--features", features, "--plot", path)
        found = command("irl", SOURCE, "--demos", demos, *arguments)
        assert found.code == 0
        assert found.err == f"wrote {path}\n"
        for word in ("EVD", "reward correlation", "occupancy error", "identifiable"):
            assert word in found.out
        assert path.stat().st_size > 1000


def test_a_reward_that_is_another_has_no_correlation_to_boast_of(command, demos):
    # The same demonstrations in a model whose reward lies elsewhere.
    found = command(
        "irl", "gallery:macrocells?size=5&cell=1&seed=3", "--demos", demos, "--json"
    )
    assert found.json["reward_correlation"] < 0.9


def test_a_fit_that_has_not_converged_is_not_passed_off(command, demos):
    found = command("irl", SOURCE, "--demos", demos, "--max-steps", "1", "--json")
    assert found.code == 1
    assert not found.json["converged"]
    assert found.err.startswith("error: the fit stopped at a gradient of")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--method", "deep"), "--method is causal or paths"),
        (("--features", "color"), "--features is state or pair"),
        (("--method", "paths", "--discounted"), "--discounted is for"),
        (("--horizon", "3"), "the horizon is 3"),
        (("--tau", "0"), "tau"),
        (("--plot", "r.txt"), "--plot"),
    ],
)
def test_bad_input_is_said_in_a_line(command, demos, arguments, message):
    found = command("irl", SOURCE, "--demos", demos, *arguments)
    assert found.code == 2
    assert message in found.err
    assert len(found.err.splitlines()) == 1


def test_files_that_are_no_demonstrations_are_refused(command, tmp_path):
    path = tmp_path / "d.json"
    for text in ("", "[[[0, 99]]]", "[[[0, 0], [24, 0]]]"):
        path.write_text(text)
        found = command("irl", SOURCE, "--demos", path)
        assert found.code == 2
        assert len(found.err.splitlines()) == 1
    assert command("irl", SOURCE, "--demos", tmp_path / "none.json").code == 2


def test_the_lottery_figure_shows_optimism_growing_with_the_stakes(command, tmp_path):
    found = command("figure", "lottery", "--out", tmp_path, "--json")
    assert found.code == 0
    body = json.loads(found.out)["lottery"]
    k, lucky, causal = (np.array(body[name]) for name in ("stakes", "inference", "causal"))
    # σ(log ½(1 + e^{−10k}) + k) and σ(−5k + k)
    logit = np.log(0.5 * (1 + np.exp(-10 * k))) + k
    np.testing.assert_allclose(lucky, 1 / (1 + np.exp(-logit)), atol=1e-12)
    np.testing.assert_allclose(causal, 1 / (1 + np.exp(4 * k)), atol=1e-12)
    assert lucky[-1] > 0.9
    assert causal[-1] < 1e-5
    assert (tmp_path / "lottery.svg").stat().st_size > 1000
    assert "causal at stakes 3" in command("figure", "lottery", "--out", tmp_path).out
    assert command("figure", "roulette").code == 2
    assert command("figure", "lottery", "--out", tmp_path / "none").code == 2


def test_solve_takes_soft_methods_and_their_temperature(command):
    found = command("solve", SOURCE, "--method", "soft-pi", "--tau", "0.1", "--json")
    assert found.code == 0
    from mdpkit.plan import SoftValueIteration

    true = mk.solve(mk.load(SOURCE), SoftValueIteration(0.1))
    body = found.json
    assert body["method"] == "soft-pi"
    assert abs(body["value_at_start"] - true.value_at_start) <= body["gap"] + true.gap
    assert "V*_τ(start)" in command("solve", SOURCE, "--method", "soft-vi").out
    assert command("solve", SOURCE, "--method", "vi", "--tau", "1").code == 2
    assert command("solve", SOURCE, "--method", "soft-vi", "--tau", "0").code == 2
    assert command("converge", SOURCE, "--methods", "soft-vi").code == 2
