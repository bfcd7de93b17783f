"""SMPyBandits in its own environment: `PYTHON _smpybandits.py POLICY HORIZON RUNS`.

Prints a JSON line: seconds of each run, and its regret. Its switch for numba looks for a module
that numba has renamed; it is repaired here, or KL-UCB would be five times slower. Its KL-UCB
takes c = 1 (ours is 0) and stops its search at 10⁻⁴.
"""

import contextlib
import io
import json
import sys
import time
import types
import warnings

import numpy as np

MEANS = np.linspace(0.05, 0.45, 10)


def policy(name):
    """The class, imported in silence."""
    warnings.simplefilter("ignore")
    import numba

    sys.modules["numba.decorators"] = types.SimpleNamespace(jit=numba.njit)
    with contextlib.redirect_stdout(io.StringIO()):
        from SMPyBandits import Policies
    return getattr(Policies, name)


def main(name, horizon, runs):
    """Play, and say how long it took."""
    make, seconds, regrets = policy(name), [], []
    for run in range(-1, runs):
        np.random.seed(run + 1)  # noqa: NPY002 - the library draws from there
        luck = np.random.random(horizon)  # noqa: NPY002
        learner, regret = make(len(MEANS)), 0.0
        learner.startGame()
        begin = time.perf_counter()
        for t in range(horizon if run >= 0 else 100):  # the first may compile
            arm = learner.choice()
            learner.getReward(arm, float(luck[t] < MEANS[arm]))
            regret += MEANS[-1] - MEANS[arm]
        if run >= 0:
            seconds.append(time.perf_counter() - begin)
            regrets.append(regret)
    sys.stdout.write(json.dumps({"seconds": seconds, "regrets": regrets}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
