"""`mdpkit gallery`: the list, the details, and examples that run."""

import shlex

import pytest

from mdpkit.gallery import names


def test_the_list_has_every_model(command):
    found = command("gallery")
    assert (found.code, found.err) == (0, "")
    first = {line.split()[0] for line in found.out.splitlines() if line.strip()}
    assert set(names()) <= first
    listed = command("gallery", "--json")
    assert [entry["name"] for entry in listed.json["models"]] == list(names())


def test_details_give_the_known_answers(command):
    found = command("gallery", "puterman")
    assert found.code == 0
    assert "-60/7 = -8.571428571" in found.out
    body = command("gallery", "puterman", "--json").json
    assert body["known"][0]["exact"] == {"0": "-60/7", "1": "-20"}
    assert body["parameters"] == {"gamma": 0.95}
    assert body["model"]["states"] == 2


@pytest.mark.parametrize("name", names())
def test_the_example_of_each_model_runs(command, name):
    example = command("gallery", name, "--json").json["example"]
    program, *arguments = shlex.split(example)
    assert program == "mdpkit"
    assert command(*arguments, "--json").json["status"] == "SOLVED"
    assert command("gallery", name).code == 0


def test_a_misspelt_name_is_answered_with_close_ones(command):
    found = command("gallery", "river-swin")
    assert (found.code, "river-swim" in found.err) == (2, True)
