"""Cost and memory of a certified solve, from 1e4 non-zeros to 1e8; every size its own process.

python -m benchmarks._curve EXPONENT TOL        one size; prints a line of JSON
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from statistics import median

from benchmarks._measure import RESULTS, keep, load_average, times


def one(exponent, tol):
    """A Garnet of 10^exponent non-zeros: seconds, bytes of the model, most bytes in use."""
    import mdpkit as mk
    from mdpkit.gallery import make

    def garnet(S):
        return make("garnet", S=S, A=10, b=10, gamma=0.99)

    mk.solve(garnet(600), tol=tol)  # compiles
    base = _resident()
    mdp = garnet(10**exponent // 100)
    seconds = median(times(lambda: mk.solve(mdp, tol=tol), runs=2, seconds=1.0, most=20))
    model = sum(x.nbytes for x in (*mdp.rows[:3], mdp.r, mdp.action_ptr))
    found = {"non_zeros": mdp.n_transitions, "seconds": seconds, "model_bytes": model}
    return found | {"peak_bytes": _resident() - base}


def _resident():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def curve(most, tol, *, write=True):
    """Print and keep the table, and draw it."""
    load, rows = load_average(), []
    for exponent in range(4, most + 1):
        command = [sys.executable, "-m", "benchmarks._curve", str(exponent), str(tol)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(json.loads(run.stdout.splitlines()[-1]))
        now = rows[-1]
        each = 1e9 * now["seconds"] / now["non_zeros"]
        memory = now["peak_bytes"] / now["model_bytes"]
        start = (
            f"{now['non_zeros']:.1e} non-zeros  {now['seconds']:9.4f} s  {each:6.2f} ns each"
        )
        print(f"{start}  memory {memory:5.2f}× the model", flush=True)
    if write:
        print(f"wrote {keep('curve', rows, load=load, tolerance=tol)} and {picture(rows)}")
    return 0


def picture(rows):
    """Seconds against non-zeros, both in powers of ten, with a line of slope 1."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    n, t = ([row[key] for row in rows] for key in ("non_zeros", "seconds"))
    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    axes.loglog(n, t, "o-", label="certified solve")
    axes.loglog(n, [t[-1] / n[-1] * x for x in n], "--", color="gray", label="in proportion")
    axes.set(xlabel="non-zeros", ylabel="seconds", title="Garnet, 10 actions, 10 successors")
    axes.legend()
    path = RESULTS / "curve.svg"
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path


if __name__ == "__main__":
    print(json.dumps(one(int(sys.argv[1]), float(sys.argv[2]))))
