"""Ctrl-C inside a kernel: heard between blocks, answered with the last complete sweep."""

import os
import signal
import subprocess
import sys
import time

SCRIPT = """
import sys
import numpy as np, mdpkit as mk
from mdpkit.plan import ValueIteration
n = 2000
P = np.zeros((n, 1, n)); P[np.arange(n), 0, (np.arange(n) + 1) % n] = 1
mdp = mk.MDP(P, np.arange(n, dtype=float)[:, None], 1 - 1e-7)
mk.solve(mdp, ValueIteration(), max_steps=1, throw=False)  # compile first
print("ready", flush=True)
try:
    mk.solve(mdp, ValueIteration(), tol=1e-6)
except KeyboardInterrupt as interrupt:
    s = interrupt.solution
    print(s.status.name, s.steps > 0, bool((s.lower <= s.upper).all()), np.isfinite(s.v).all())
    sys.exit(130)
"""


def test_an_interrupt_returns_bounds():
    run = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert run.stdout.readline() == "ready\n"
    time.sleep(0.5)  # well inside a solve that would take minutes
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert out.startswith("INTERRUPTED")
