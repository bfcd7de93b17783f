"""What is installed is what `pyproject.toml` pins, transitive dependencies included."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())
PINS = [Requirement(text) for text in PROJECT["tool"]["uv"]["constraint-dependencies"]]
BUILD_PINS = [Requirement(t) for t in PROJECT["tool"]["uv"]["build-constraint-dependencies"]]


def applies(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def closure(roots: list[str]) -> set[str]:
    """The distributions that the requirements bring in here, by walking what is installed."""
    seen, queue = set(), [Requirement(text) for text in roots]
    while queue:
        wanted = queue.pop()
        name = canonicalize_name(wanted.name)
        for extra in {"", *wanted.extras} if applies(wanted) else ():
            if (name, extra) not in seen:
                seen.add((name, extra))
                needs = [Requirement(text) for text in metadata.requires(name) or ()]
                queue += [need for need in needs if applies(need, extra)]
    return {name for name, _ in seen}


def unpinned(name: str, pins: list[Requirement]) -> bool:
    here = [p for p in pins if canonicalize_name(p.name) == name and applies(p)]
    version = metadata.version(name)
    return not here or not all(p.specifier.contains(version, prereleases=True) for p in here)


@pytest.mark.parametrize("pin", PINS + BUILD_PINS, ids=str)
def test_every_pin_is_exact(pin):
    (specifier,) = pin.specifier
    assert specifier.operator == "=="
    assert "*" not in specifier.version


def test_everything_installed_is_pinned():
    installed = closure(PROJECT["dependency-groups"]["dev"]) - {"mdpkit"}
    assert {"numpy", "llvmlite"} <= installed  # direct, and transitive
    assert sorted(name for name in installed if unpinned(name, PINS)) == []


def test_a_wrong_or_missing_pin_would_be_seen():
    assert unpinned("numpy", [Requirement("numpy==0.1")])
    assert unpinned("numpy", [Requirement("scipy==0.1")])
