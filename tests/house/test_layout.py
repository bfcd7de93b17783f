"""The rules of the house that a reader of the source can check: sizes, and what never appears.

A rule maps a source text to its offenses; each has an impostor that it must catch.
"""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IGNORED = {"build", "dist", "counterexamples", "__pycache__", "uv.lock"}

# Written so that this file does not match itself.
REGISTRY = re.compile(r"(?:pyp[i]|python[h]osted|npm[j]s|anaconda|conda-forge)\.(?:org|com)")
MACHINE_PATH = re.compile(r"(?<![\w.~])(?:/(?:root|home|Users|work|opt|mnt)/|[A-Z]:\\\w)")


def tracked() -> list[Path]:
    """Every file that git knows or would add; every visible file where there is no git."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True)
    if found.returncode == 0:
        paths = [ROOT / name for name in found.stdout.split("\0") if name]
        return [path for path in paths if path.is_file()]
    return [p for p in ROOT.rglob("*") if p.is_file() and visible(p.relative_to(ROOT))]


def visible(path: Path) -> bool:
    hidden = (part for part in path.parts[:-1] if part.startswith("."))
    return set(hidden) <= {".ci"} and not IGNORED.intersection(path.parts)


def sources(*tops: str, suffixes=(".py",)) -> list[Path]:
    found = (p for top in tops for p in (ROOT / top).rglob("*") if p.suffix in suffixes)
    return sorted(found)


def calls(source: str, name: str) -> list[str]:
    nodes = (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call))
    return [
        f"line {n.lineno}" for n in nodes if isinstance(n.func, ast.Name) and n.func.id == name
    ]


def file_over_400_lines(source: str) -> list[str]:
    n_lines = len(source.splitlines())
    return [f"{n_lines} lines"] if n_lines > 400 else []


def function_over_60_lines(source: str) -> list[str]:
    nodes = (
        n
        for n in ast.walk(ast.parse(source))
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    sizes = {f"{n.name}, line {n.lineno}": n.end_lineno - n.lineno + 1 for n in nodes}
    return [f"{where}: {size} lines" for where, size in sizes.items() if size > 60]


def prints(source: str) -> list[str]:
    return calls(source, "print")


def asserts(source: str) -> list[str]:
    nodes = ast.walk(ast.parse(source))
    return [f"line {n.lineno}" for n in nodes if isinstance(n, ast.Assert)]


def stubs(source: str) -> list[str]:
    return re.findall(r"\b(?:NotImplementedError|TODO|FIXME|XXX)\b", source)


def foreign_addresses(source: str) -> list[str]:
    return REGISTRY.findall(source) + MACHINE_PATH.findall(source)


CODE = (".py", ".cu", ".cuh", ".cpp", ".h")
RULES = [
    (file_over_400_lines, lambda: sources("mdpkit", "proofs_checks", suffixes=CODE)),
    (function_over_60_lines, lambda: sources("mdpkit", "proofs_checks")),
    (prints, lambda: [p for p in sources("mdpkit") if p.relative_to(ROOT).parts[1] != "cli"]),
    (asserts, lambda: sources("mdpkit")),
    (stubs, lambda: sources("mdpkit", suffixes=CODE)),
    (foreign_addresses, tracked),
]
IMPOSTORS = [
    (file_over_400_lines, "x = 1\n" * 401),
    (function_over_60_lines, "def f():\n" + "    x = 1\n" * 60),
    (prints, "if True:\n    print(1)\n"),
    (asserts, "def f(x):\n    assert x > 0\n"),
    (stubs, "raise NotImplementedError\n"),
    (stubs, "x = 1  # TODO\n"),
    (foreign_addresses, "see https://" + "pypi" + ".org/simple"),
    (foreign_addresses, "path = '" + "/ho" + "me/ada/model.npz'"),
]


@pytest.mark.parametrize(("rule", "files"), RULES, ids=[rule.__name__ for rule, _ in RULES])
def test_no_file_breaks_the_rule(rule, files):
    offenses = {}
    for path in files():
        try:
            found = rule(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:  # a binary file has no lines to judge
            continue
        if found:
            offenses[str(path.relative_to(ROOT))] = found
    assert not offenses


@pytest.mark.parametrize(("rule", "source"), IMPOSTORS)
def test_the_rule_catches_its_impostor(rule, source):
    assert rule(source)


def test_the_lock_file_stays_outside_the_repository():
    assert "uv.lock" in (ROOT / ".gitignore").read_text().split()
    assert ROOT / "uv.lock" not in tracked()
