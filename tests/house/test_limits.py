"""Every deep algorithm has its tabular limit: a claim in proofs_checks/lifting about it."""

import ast
from pathlib import Path

from mdpkit.deep import ALGORITHMS

LIFTING = Path(__file__).resolve().parents[2] / "proofs_checks" / "lifting"


def subjects(source: str) -> set[str]:
    """What a module of claims imports from mdpkit.deep; nothing if it makes no claim."""
    tree = ast.parse(source)
    found = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "mdpkit.deep"
        for alias in node.names
    }
    claims = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "claim"
    ]
    return found if claims else set()


def missing(algorithms: dict[str, str], sources: list[str]) -> list[str]:
    """The algorithms that no module of claims imports."""
    known = set().union(*map(subjects, sources))
    return sorted(key for key, home in algorithms.items() if home.split(".")[-1] not in known)


def test_every_algorithm_has_a_tabular_limit():
    sources = [path.read_text() for path in LIFTING.glob("*.py")]
    assert missing(ALGORITHMS, sources) == []


def test_one_without_is_named():
    claimed = "from mdpkit.deep import DQN\n\n@claim(id='x')\ndef f(): ...\n"
    without = "from mdpkit.deep import DDPG\n"
    both = {"dqn": "value.dqn.DQN", "ddpg": "actor_critic.ddpg.DDPG"}
    assert missing(both, [claimed, without]) == ["ddpg"]
