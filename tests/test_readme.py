"""What the README says is what happens."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SET_UP = "python3 -m pip install -q uv && "
TIME = re.compile(r"\d+(?:\.\d+)?\s?(?:ms|s)\b")


def commands(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(SET_UP)]


def without_times(text: str) -> list[str]:
    return TIME.sub("<time>", text).strip().splitlines()


def test_readme_names_the_two_commands():
    run = SET_UP + "python3 -m uv run "
    assert commands(README) == [run + "mdpkit demo", run + "pytest -n 2 --dist loadfile"]


def test_the_tables_are_what_the_benchmarks_found():
    from benchmarks import readme

    between = README.split(readme.BEGIN)[1].split(readme.END)[0]
    assert between.strip() == readme.block()


def test_ci_runs_the_test_command_and_nothing_else():
    first, strict, *rest = (ROOT / ".ci" / "run").read_text().splitlines()
    assert first == "#!/usr/bin/env bash"
    assert strict == "set -euo pipefail"
    assert rest == commands(README)[1:]


def test_the_ten_lines_print_what_readme_says(tmp_path):
    script, printed = re.search(
        r"```python\n(.*?)```.*?```text\n(.*?)```", README, re.S
    ).groups()
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert without_times(run.stdout) == without_times(printed)
