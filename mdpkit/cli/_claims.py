"""The claims that a command line names: registered ones, or those of a file."""

from __future__ import annotations

import fnmatch
import importlib
import importlib.util
import pkgutil
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from mdpkit.claim import Claim

GROUP = "mdpkit.claims"
OURS = "proofs_checks"
NOT_CLAIMS = ("test_", "conftest", "__main__")


def claims(target: str | None) -> list[Claim]:
    """The claims of a file, or the registered ones that match a pattern; ValueError if none.

    target   FILE.py, or an id ("C1"), a group ("C"), a name, or a pattern of these ("*rate*")
    """
    if target is not None and target.endswith(".py"):
        found = _of_module(_load(Path(target)))
        if not found:
            raise ValueError(f"{target}: no claims there; a claim is made by @claim(source=…).")
        return found
    every = registered()
    if target is None:
        return every
    found = [claim for claim in every if _matches(claim, target)]
    if not found:
        raise ValueError(f"no claim matches {target!r}; there are {len(every)}, see --json.")
    return found


def registered() -> list[Claim]:
    """Every claim of the packages in the entry-point group, in the order of their ids."""
    packages = [point.value for point in entry_points(group=GROUP)] or [OURS]
    found: dict[int, Claim] = {}
    for package in dict.fromkeys(packages):
        for module in _modules(package):
            found.update((id(claim), claim) for claim in _of_module(module))
    return sorted(found.values(), key=_order)


def _modules(package: str) -> list[ModuleType]:
    top = importlib.import_module(package)
    names = [package]
    if hasattr(top, "__path__"):
        walked = pkgutil.walk_packages(top.__path__, package + ".")
        names += [module.name for module in walked]
    kept = [n for n in names if not n.rpartition(".")[2].startswith(NOT_CLAIMS)]
    return [_import(name) for name in kept]


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # its author's mistake, said in one line
        kind = type(error).__name__
        raise ValueError(f"{name} cannot be imported: {kind}: {error}") from error


def _of_module(module: ModuleType) -> list[Claim]:
    """The claims that a module itself makes, not those it imports."""
    from mdpkit.claim import Claim

    mine = [x for x in vars(module).values() if isinstance(x, Claim)]
    own = [claim for claim in mine if claim.function.__module__ == module.__name__]
    return list({id(claim): claim for claim in own}.values())


def _load(path: Path) -> ModuleType:
    """Run a file as a module of its own; what stands beside it can be imported."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file.")
    name = "claims_of_" + re.sub(r"\W", "_", path.stem)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # its author's mistake, said in one line
        kind = type(error).__name__
        raise ValueError(f"{path} cannot be imported: {kind}: {error}") from error
    finally:
        sys.path.pop(0)
    return module


def _matches(claim: Claim, pattern: str) -> bool:
    words = (claim.id, claim.group, claim.name)
    if any(fnmatch.fnmatchcase(word.lower(), pattern.lower()) for word in words):
        return True
    return len(pattern) > 2 and pattern.lower() in claim.name.lower()


def _order(claim: Claim) -> tuple[str, int, str]:
    number = re.search(r"\d+", claim.id)
    return claim.group, int(number.group()) if number else 0, claim.name
