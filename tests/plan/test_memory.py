"""Solving a large sparse model takes little memory beside the model's own."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import mdpkit as mk
from mdpkit.gallery import garnet
from mdpkit.plan import ValueIteration
mk.solve(garnet(10, 3, 3, seed=0), ValueIteration())
mdp = garnet({S}, 10, 10, seed=0, gamma=0.99)
rows = mdp.rows
size = sum(x.nbytes for x in (*rows[:3], mdp.r, mdp.action_ptr))
if {S} > 10:
    mk.solve(mdp, ValueIteration())
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, size)
"""


def peak(n_states):
    """Peak resident bytes of a fresh process that solves a Garnet, and its model's bytes."""
    out = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(S=n_states)],
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(int(x) for x in out.stdout.split())


@pytest.mark.slow
def test_ten_million_transitions_take_little_more_than_themselves():
    base, _ = peak(10)
    most, size = peak(100_000)
    assert size > 1.2e8
    assert most - base <= 1.3 * size
