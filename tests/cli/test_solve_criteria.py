"""`mdpkit solve` for other criteria: finitely many steps, and the average reward."""

import pytest

LAKE, RIVER = "gym:FrozenLake-v1", "gallery:river-swim"


@pytest.mark.parametrize(
    ("source", "horizon", "success"),
    [(LAKE, 100, 0.744190), ("gym:FrozenLake8x8-v1", 200, 0.913220)],
)
def test_a_horizon_gives_the_success_of_the_specification(command, source, horizon, success):
    found = command("solve", source, "--gamma", "1", "--horizon", horizon, "--json")
    assert (found.code, found.json["method"]) == (0, "backward")
    assert round(found.json["value_at_start"], 6) == success
    assert found.json["steps"] == horizon


def test_a_horizon_can_be_exact(command):
    found = command("solve", LAKE, "--gamma", "1", "--horizon", "6", "--exact", "--json")
    assert found.code == 0
    # Three shortest ways lead around the holes, each of six steps with probability 1/3.
    assert found.json["value_at_start"] == "1/243"


@pytest.mark.parametrize("key", ["rvi", "multichain"])
def test_a_gain_needs_no_discount(command, key):
    found = command("solve", RIVER, "--method", key, "--json")
    assert (found.code, found.json["status"]) == (0, "SOLVED")
    assert round(found.json["value_at_start"], 6) == 0.428622
    assert "gain(start)" in command("solve", RIVER, "--method", key).out


def test_a_gain_can_be_exact(command):
    found = command("solve", RIVER, "--method", "multichain", "--exact", "--json")
    assert found.json["value_at_start"] == found.json["lower_at_start"] == "7203/16805"


@pytest.mark.parametrize(
    "arguments",
    [
        (RIVER, "--horizon", "0"),
        (RIVER, "--horizon", "x"),
        (RIVER, "--horizon", "5", "--method", "vi"),
        (RIVER, "--method", "rvi", "--exact"),
        (LAKE, "--method", "rvi"),  # its episodes stop
        (LAKE, "--horizon", "5"),  # no discount
    ],
    ids=" ".join,
)
def test_options_that_do_not_fit_get_one_line_and_exit_code_2(command, arguments):
    found = command("solve", *arguments)
    assert (found.code, found.out) == (2, "")
    assert len(found.err.splitlines()) == 1
    assert found.err.startswith("error: ")
