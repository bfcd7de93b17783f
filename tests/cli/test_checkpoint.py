"""`solve --checkpoint`, `--resume`, Ctrl-C and SIGTERM (BAD_INPUTS 66–69)."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.plan import ValueIteration

LAKE = ("solve", "gallery:lake", "--method", "vi", "--json")


@pytest.fixture
def ctrl_c(command, monkeypatch, tmp_path):
    """Run `mdpkit …` in an empty folder, with Ctrl-C in the k-th step."""
    monkeypatch.chdir(tmp_path)
    whole = ValueIteration.step

    def call(k, *arguments):
        calls = []

        def step(method, mdp, state):
            calls.append(state)
            if len(calls) == k:
                raise KeyboardInterrupt
            return whole(method, mdp, state)

        with monkeypatch.context() as patch:
            patch.setattr(ValueIteration, "step", step)
            return command(*arguments)

    return call


def answer(found):
    """The JSON without what time it took."""
    return {key: x for key, x in found.json.items() if key != "seconds"}


def test_bad_input_66_ctrl_c_and_resume_is_the_whole_run(command, ctrl_c, tmp_path):
    half = ctrl_c(9, *LAKE)
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("lake-")
    assert path.name.endswith(".checkpoint.npz")
    assert (half.code, half.json["status"], half.json["steps"]) == (130, "INTERRUPTED", 8)
    assert half.err == f"wrote {path.name}; --resume goes on from there\ninterrupted.\n"
    rest, whole = command(*LAKE, "--resume"), command(*LAKE)
    assert (rest.code, rest.err) == (0, "")
    assert answer(rest) == answer(whole)
    assert rest.json["steps"] > 8
    assert not list(tmp_path.iterdir())  # it has served


def test_interrupted_twice_it_goes_on_from_the_second_time(command, ctrl_c, tmp_path):
    ctrl_c(9, *LAKE)
    again = ctrl_c(5, *LAKE, "--resume")
    assert (again.code, again.json["steps"]) == (130, 12)
    assert len(list(tmp_path.iterdir())) == 2  # and the one before it
    assert answer(command(*LAKE, "--resume")) == answer(command(*LAKE))
    assert not list(tmp_path.iterdir())


def test_each_question_has_a_checkpoint_of_its_own(command, ctrl_c, tmp_path):
    ctrl_c(9, *LAKE)
    for other in (("--gamma", "0.9"), ("--method", "gs")):
        found = command(*LAKE, *other, "--resume")
        assert found.code == 2
        assert "there is no checkpoint to resume" in found.err
    ctrl_c(4, *LAKE, "--gamma", "0.9")
    assert len(list(tmp_path.iterdir())) == 2
    assert answer(command(*LAKE, "--resume", "--tol", "1e-6"))["status"] == "SOLVED"


def test_a_named_checkpoint_stays_and_one_beside_save_goes(command, ctrl_c, tmp_path):
    early = ("--max-steps", "7")
    found = command(*LAKE, "--checkpoint", tmp_path / "c.npz", *early)
    assert found.code == 1
    assert "c.npz; --resume goes on from there" in found.err.splitlines()[0]
    rest = command(*LAKE, "--checkpoint", tmp_path / "c.npz", "--resume")
    assert answer(rest) == answer(command(*LAKE))
    assert [p.name for p in tmp_path.iterdir()] == ["c.npz"]
    (tmp_path / "c.npz").unlink()
    command(*LAKE, "--save", tmp_path / "answer.npz", *early)
    names = {"answer.npz", "answer.checkpoint.npz"}
    assert {p.name for p in tmp_path.iterdir()} == names
    rest = command(*LAKE, "--save", tmp_path / "answer.npz", "--resume")
    assert answer(rest) == answer(command(*LAKE))
    assert [p.name for p in tmp_path.iterdir()] == ["answer.npz"]


def test_an_early_end_that_was_asked_for_leaves_no_file_unasked(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for limit in (("--max-steps", "7"), ("--deadline", "1e-9")):
        assert command(*LAKE, *limit).code == 1
    assert not list(tmp_path.iterdir())


def test_bad_input_68_a_model_file_that_changed_is_refused(command, ctrl_c, tmp_path):
    mdp = mk.load("gallery:lake")
    mk.save(mdp, "m.npz")
    arguments = ("solve", "m.npz", "--method", "vi", "--json")
    ctrl_c(9, *arguments)
    mk.save(mdp.replace(r=mdp.r + 1), "m.npz")
    found = command(*arguments, "--resume")
    assert (found.code, found.out) == (2, "")
    (line,) = found.err.splitlines()
    assert "is of another model: the sha256 of r differs" in line
    mk.save(mdp, "m.npz")
    assert command(*arguments, "--resume").code == 0


def test_bad_input_68_another_method_is_refused(command, tmp_path):
    kept = ("--checkpoint", tmp_path / "c.npz")
    command(*LAKE, *kept, "--max-steps", "7")
    found = command("solve", "gallery:lake", "--method", "gs", *kept, "--resume")
    assert found.code == 2
    (line,) = found.err.splitlines()
    assert "of another method: ValueIteration()" in line


def test_bad_input_69_a_damaged_one_is_one_line_that_names_the_one_before(command, ctrl_c):
    ctrl_c(9, *LAKE)
    ctrl_c(5, *LAKE, "--resume")
    path, previous = sorted(p for p in os.listdir() if p.endswith("npz"))
    raw = bytearray(np.fromfile(path, dtype=np.uint8))
    raw[len(raw) // 2] ^= 1
    with open(path, "wb") as file:
        file.write(raw)
    found = command(*LAKE, "--resume")
    assert (found.code, len(found.err.splitlines())) == (2, 1)
    assert previous in found.err
    os.replace(previous, path)
    assert answer(command(*LAKE, "--resume")) == answer(command(*LAKE))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--exact", "--resume"), "--exact keeps no state"),
        (("--checkpoint", "c.txt"), "must end in .npz"),
        (("--checkpoint", "none/c.npz"), "there is no folder 'none'"),
        (("--resume",), "there is no checkpoint to resume"),
    ],
)
def test_options_that_cannot_work_are_one_line(
    command, monkeypatch, tmp_path, arguments, message
):
    monkeypatch.chdir(tmp_path)
    found = command("solve", "gallery:lake", *arguments)
    assert (found.code, found.out, len(found.err.splitlines())) == (2, "", 1)
    assert message in found.err
    assert not list(tmp_path.iterdir())


def test_a_model_that_was_meant_to_be_read_is_not_written_over(command, tmp_path):
    path = tmp_path / "m.npz"
    mk.save(mk.load("gallery:lake"), path)
    before = path.read_bytes()
    found = command(*LAKE, "--checkpoint", path)
    assert (found.code, path.read_bytes()) == (2, before)
    assert "is no checkpoint" in found.err


SIGNALED = """
import os, signal
from mdpkit.cli import main
from mdpkit.plan import ValueIteration
whole, calls = ValueIteration.step, []
def step(method, mdp, state):
    calls.append(state)
    if len(calls) == 9:
        os.kill(os.getpid(), signal.SIGTERM)
    return whole(method, mdp, state)
ValueIteration.step = step
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_bad_input_67_sigterm_gets_bounds_and_a_checkpoint(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    kept = ("--checkpoint", "c.npz")
    run = subprocess.run([sys.executable, "-c", SIGNALED, *LAKE, *kept], capture_output=True)
    assert run.returncode == 143
    assert run.stderr == b"wrote c.npz; --resume goes on from there\ninterrupted.\n"
    body, whole = json.loads(run.stdout), command(*LAKE).json
    assert (body["status"], body["steps"]) == ("INTERRUPTED", 8)
    assert body["lower_at_start"] <= whole["value_at_start"] <= body["upper_at_start"]
    assert answer(command(*LAKE, *kept, "--resume")) == answer(command(*LAKE))


def test_a_process_told_to_ignore_the_signal_goes_on_ignoring_it():
    code = (
        "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "sys.argv = ['mdpkit', '--version']\n"
        "import atexit; from mdpkit.cli import main\n"
        "atexit.register(lambda: print(int(signal.getsignal(signal.SIGTERM))))\n"
        "main()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0
    assert int(run.stdout.split()[-1]) == signal.SIG_IGN
