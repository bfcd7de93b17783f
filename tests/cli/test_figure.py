"""`mdpkit figure`: what is written, what is printed, and the exit code of a missed landmark."""

import json

import pytest

from mdpkit import figures


def test_figures_are_written_and_their_landmarks_printed(command, tmp_path):
    found = command("figure", "sb-4.1", "sb-4.3", "--out", tmp_path)
    assert found.code == 0
    assert (tmp_path / "sb-4.1.svg").stat().st_size > 1000
    assert "computed exactly" in found.out
    body = json.loads(command("figure", "sb-4.3", "--out", tmp_path, "--json").out)
    assert all(mark["met"] for mark in body["sb-4.3"]["landmarks"])


def test_a_missed_landmark_exits_1(command, tmp_path, monkeypatch):
    drawn = figures.draw("sb-4.3")
    off = [mark._replace(wanted=mark.wanted + 0.01) for mark in drawn.landmarks]
    monkeypatch.setattr(figures, "draw", lambda name, rng: drawn._replace(landmarks=off))
    found = command("figure", "sb-4.3", "--out", tmp_path)
    assert found.code == 1
    assert "v(25): the landmark is missed" in found.err


@pytest.mark.parametrize("given", [("sb-99",), ("sb-4.3", "--out", "/nowhere/at/all")])
def test_bad_input_is_one_line(command, given):
    found = command("figure", *given)
    assert found.code == 2
    assert len(found.err.splitlines()) == 1
