"""The command as other programs see it: pipes, signals, locales (BAD_INPUTS 60, 66, 73)."""

import json
import os
import pkgutil
import signal
import subprocess
import sys

import pytest

from mdpkit import cli

COMMAND = [sys.executable, "-c", "from mdpkit.cli import main; main()"]
ASCII = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "LANG": "C"}
LAKE = ("solve", "gallery:lake")


def mdpkit(*arguments, **changes):
    environment = {**os.environ, **changes}
    return subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True)


def test_a_verb_is_a_file():
    files = [m.name for m in pkgutil.iter_modules(cli.__path__) if m.name[0] != "_"]
    found = mdpkit("--help", COLUMNS="120")
    assert {"converge", "demo", "gallery", "solve"} <= set(files)
    assert all(f" {name} " in found.stdout.decode() for name in files)
    assert (found.returncode, found.stderr) == (0, b"")


def test_help_loads_nothing_heavy():
    code = "import sys; from mdpkit.cli import run; run(['--help']); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not {"numpy", "numba", "scipy", "matplotlib"} & set(run.stdout.split())


def test_json_is_alone_on_standard_output_and_warnings_are_not():
    found = mdpkit(*LAKE, "--gamma", "0.9999999999", "--json")
    assert found.returncode == 0
    assert json.loads(found.stdout)["status"] == "SOLVED"
    (line,) = found.stderr.decode().splitlines()
    assert line.startswith("warning: γ = 0.9999999999: condition number")


@pytest.mark.parametrize(
    "environment",
    [ASCII, {"PYTHONIOENCODING": "latin-1"}, {"LANG": "C", "NO_COLOR": "1", "TERM": "dumb"}],
    ids=["ascii", "latin-1", "no color"],
)
def test_any_locale_and_terminal_gets_plain_text(environment):
    found = mdpkit(*LAKE, **environment)
    assert (found.returncode, found.stderr) == (0, b"")
    assert b"0.5420259320" in found.stdout
    assert b"\x1b" not in found.stdout
    if environment is ASCII:
        assert b"gamma = 0.99" in found.stdout
        assert max(found.stdout) < 128


def test_an_error_in_an_ascii_locale_is_still_one_line():
    found = mdpkit("converge", "gym:FrozenLake-v1", "--gamma", "1", **ASCII)
    assert (found.returncode, found.stdout) == (2, b"")
    assert found.stderr.startswith(b"error: gamma = 1")


@pytest.mark.parametrize("arguments", [("gallery",), ("gallery", "--json"), LAKE, ("--help",)])
def test_a_reader_who_leaves_is_no_error(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    run = subprocess.run([*COMMAND, *arguments], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (run.returncode, run.stderr) == (0, b"")


def test_closed_streams_are_no_error(tmp_path):
    path = tmp_path / "solution.npz"
    script = '"$@" >&- 2>&-'
    line = ["sh", "-c", script, "sh", *COMMAND, *LAKE, "--save", str(path)]
    assert subprocess.run(line).returncode == 0
    assert path.read_bytes().startswith(b"PK")  # what was printed did not go into the file


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
def test_ctrl_c_on_a_long_solve_prints_bounds_and_exits_with_130(tmp_path):
    # P = I: the error shrinks by γ a step, so this takes millions of steps.
    long = ("solve", "gallery:identity?n=2000", "--gamma", "0.9999999", "--method", "vi")
    master, slave = os.openpty()
    run = subprocess.Popen(
        [*COMMAND, *long, "--json"],
        stdout=subprocess.PIPE,
        stderr=slave,
        start_new_session=True,
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(slave)
    shown = b""
    while b"\xe2\x86\x92" not in shown:  # the bar's arrow, from the gap of a step to the goal
        shown += os.read(master, 1024)
    os.killpg(run.pid, signal.SIGINT)
    drained = []
    try:
        while piece := os.read(master, 1024):
            drained.append(piece)
    except OSError:  # the terminal closes when the process ends
        pass
    out, _ = run.communicate()
    os.close(master)
    assert run.returncode == 130
    body = json.loads(out)
    assert (body["status"], body["steps"] > 0) == ("INTERRUPTED", True)
    # v*(s) = (s + 1)/(1 − γ), mean over s of 1 … 2000
    assert body["lower_at_start"] <= 1000.5 / (1 - 0.9999999) <= body["upper_at_start"]
    assert b"Traceback" not in b"".join(drained)
