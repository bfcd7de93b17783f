import json
from typing import NamedTuple

import pytest

from mdpkit.cli import run


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        (line,) = self.out.splitlines()
        return json.loads(line)


@pytest.fixture
def command(capsys, monkeypatch):
    """Run `mdpkit …` in this process, as `main` does."""
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments):
        code = run([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return call
