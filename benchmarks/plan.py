"""How long do exact solvers take, beside the peers and the memory's bandwidth?

    python -m benchmarks plan [--quick] [--rows TEXT] [--random SEED] [--methods] [--curve]

Every tool runs in a process of its own, one thread, to ‖v − v*‖∞ ≤ 1e-6; v* is ours certified
to 1e-9, and the error that each tool really made is printed beside its time. A peer past the
limit is stopped. Peers are in the dependency group `bench`; those not installed are left out.
--methods runs each of our methods too, and says how `auto` compares; --curve measures cost from
1e4 to 1e8 non-zeros.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np

import mdpkit as mk
from benchmarks import _problems as problems
from benchmarks._measure import bandwidth, keep, load_average, middle
from mdpkit._rows import CSR
from mdpkit.operators.bellman import sweep

TOL, LIMIT = 1e-6, 10.0
PEERS = {
    "quantecon-pi": "quantecon",
    "quantecon-mpi": "quantecon",
    "quantecon-vi": "quantecon",
    "mdpsolver": "mdpsolver",
    "storm": "stormpy",
}
OURS = ("vi", "gs", "pi", "mpi", "elimination", "topological", "ipi")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def measured(tool, path, reference, limit):
    """What a tool took in its own process, and how far off it was."""
    out = path.with_suffix(".npy")
    command = [sys.executable, "-m", "benchmarks._peer", tool, str(path), str(out), str(TOL)]
    env = {**os.environ, **dict.fromkeys(THREADS, "1")}
    # Compiling and building do not count against the limit, but have one of their own.
    try:
        run = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=30 + 2 * limit
        )
    except subprocess.TimeoutExpired:
        return {"tool": tool, "seconds": None, "words": f"> {limit:g} s"}
    if run.returncode != 0:
        lines = run.stderr.strip().splitlines()
        return {"tool": tool, "seconds": None, "words": (lines or ["failed"])[-1][:80]}
    found = json.loads(run.stdout.splitlines()[-1])
    error = float(np.abs(np.load(out) - reference).max())
    seconds = median(found["seconds"])
    words = found["words"] if seconds <= limit else f"> {limit:g} s"
    return {"tool": tool, "seconds": seconds, "words": words, "error": error}


def roof(mdp):
    """Seconds of one fused sweep, and of reading what it reads at the measured bandwidth."""
    rows = mdp.rows
    if isinstance(rows, CSR):
        nbytes = 12 * rows.values.size + 16 * (mdp.n_pairs + mdp.n_states)
    else:
        nbytes = rows.nbytes
    v = np.random.default_rng(0).random(mdp.n_states)
    return middle(lambda: sweep(mdp, v), seconds=0.5), nbytes / bandwidth(nbytes), nbytes


def row(name, mdp, folder, methods, limit):
    """One problem: every tool on it."""
    path = Path(folder) / "model.npz"
    problems.save(mdp, path)
    reference = mk.solve(mdp, tol=1e-9, throw=False).v
    swept, least, nbytes = roof(mdp)
    tools = ["mdpkit", *(t for t, package in PEERS.items() if find_spec(package))]
    tools += [f"mdpkit:{key}" for key in OURS] if methods else []
    found = [measured(tool, path, reference, limit) for tool in tools]
    return {
        "name": name,
        "states": mdp.n_states,
        "non_zeros": mdp.n_transitions,
        "sweep": swept,
        "sweep_over_roof": swept / least,
        "bytes": nbytes,
        "tools": found,
    }


def show(found):
    """Print one problem."""
    ours = found["tools"][0]["seconds"]
    head = f"{found['name']}: {found['non_zeros']:.2e} non-zeros, "
    lines = [
        head + f"a sweep {1e3 * found['sweep']:.2f} ms = {found['sweep_over_roof']:.2f}× roof"
    ]
    for tool in found["tools"]:
        seconds = tool["seconds"]
        shown = "      -  " if seconds is None else f"{seconds:8.4f}s"
        ratio = "" if not seconds or not ours else f"{seconds / ours:8.2f}×"
        error = f"{tool['error']:.1e}" if "error" in tool else ""
        lines.append(f"  {tool['tool']:20s} {shown} {ratio:>9s}  {error:8s} {tool['words']}")
    print("\n".join(lines), flush=True)


def curve(most=8):
    """Seconds per non-zero of a certified solve, from 1e4 non-zeros on."""
    rows = []
    for exponent in range(4, most + 1):
        S = 10**exponent // 100
        mdp = problems.make("garnet", S=S, A=10, b=10, gamma=0.99)
        seconds = middle(lambda m=mdp: mk.solve(m, tol=TOL), runs=3, seconds=0.5)
        rows.append({"non_zeros": mdp.n_transitions, "seconds": seconds})
        each = 1e9 * seconds / mdp.n_transitions
        print(f"{mdp.n_transitions:.1e}  {seconds:9.4f} s  {each:.2f} ns each", flush=True)
    return rows


def main():
    """Run the rows asked for; write results/plan.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the table, without --methods")
    parser.add_argument("--rows", default="", help="only rows whose name contains this")
    parser.add_argument("--random", type=int, metavar="SEED", help="ten random rows besides")
    parser.add_argument("--methods", action="store_true", help="each of our methods too")
    parser.add_argument(
        "--curve", type=int, nargs="?", const=8, metavar="E", help="cost to 1eE"
    )
    parser.add_argument("--no-keep", action="store_true", help="write nothing")
    given = parser.parse_args()
    load = load_average()
    if given.curve:
        rows = curve(given.curve)
        if not given.no_keep:
            print(f"wrote {keep('curve', rows, load=load)}")
        return 0
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        wanted = [(n, m) for n, m in problems.QUICK.items() if given.rows in n]
        for name, make in wanted:
            rows.append(row(name, make(), folder, given.methods, LIMIT))
            show(rows[-1])
        rng = np.random.default_rng(given.random)
        for _ in range(10 if given.random is not None else 0):
            rows.append(row(*problems.random_row(rng), folder, given.methods, LIMIT))
            show(rows[-1])
    if not given.no_keep and not given.rows:
        print(f"wrote {keep('plan', rows, load=load, tolerance=TOL)}")
    return 0
