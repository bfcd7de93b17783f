"""Who may import whom, and that the front door is light."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"jax", "cupy", "hypothesis", "matplotlib", "numba", "scipy.sparse", "networkx"}


def loaded_by(statement: str) -> set[str]:
    """The modules in `sys.modules` of a fresh process that ran the statement."""
    code = f"import sys; {statement}; print(*sys.modules, sep='\\n')"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def test_the_front_door_is_light():
    assert not HEAVY & loaded_by("import mdpkit")


def test_a_heavy_import_would_be_seen():
    assert HEAVY & loaded_by("import mdpkit, networkx") == {"networkx"}


def test_every_floor_imports_only_the_floors_below():
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_methods_know_the_protocol_and_not_the_driver():
    for path in sorted((ROOT / "mdpkit" / "plan").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "mdpkit.solve":
                assert not {"solve", "iterate"} & {alias.name for alias in node.names}, (
                    path.name
                )


def test_the_front_door_has_at_most_twenty_names_and_each_opens():
    door = importlib.import_module("mdpkit")
    assert 0 < len(door.__all__) <= 20
    assert [name for name in door.__all__ if getattr(door, name, None) is None] == []
