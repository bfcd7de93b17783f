"""The source is as the tools want it; their settings are in `pyproject.toml`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def complaints(*command: str) -> str:
    """What a tool printed, if it was not content."""
    run = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True
    )
    return run.stdout + run.stderr if run.returncode else ""


def test_ruff_finds_nothing():
    assert complaints("ruff", "check", "--no-cache", "--quiet") == ""


def test_ruff_would_format_nothing():
    assert complaints("ruff", "format", "--no-cache", "--check") == ""


def test_types_hold():
    assert complaints("pyright", "--pythonpath", sys.executable) == ""
