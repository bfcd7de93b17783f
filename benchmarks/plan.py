"""How long do exact solvers take, beside the peers and the memory's bandwidth?

    python -m benchmarks plan [--quick] [--rows TEXT] [--random SEED] [--methods] [--curve]

Every tool runs in a process of its own, one thread, to ‖v − v*‖∞ ≤ 1e-6; v* is ours certified
to 1e-9, and the error that each tool really made is printed beside its processor time. Ours
runs before and, but for --quick, after the peers: what else the machine does weighs on both,
the start of the next tool's process included. A peer past the limit is stopped. Peers are in
the dependency group `bench`; those not installed are left out.
--methods runs each of our methods too, and says how `auto` compares with the best of them;
--random adds ten rows that nobody tuned for; --curve measures cost and memory from 1e4 to 1e8
non-zeros. --quick is the table alone, in less than five minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

import mdpkit as mk
from benchmarks import _problems as problems
from benchmarks._curve import curve
from benchmarks._measure import bandwidth, keep, load_average, middle
from mdpkit._rows import CSR
from mdpkit._threads import limited
from mdpkit.operators.bellman import sweep

TOL, LIMIT, QUICK_LIMIT = 1e-6, 60.0, 10.0
PEERS = {
    "quantecon-mpi": "quantecon",
    "quantecon-pi": "quantecon",
    "mdpsolver": "mdpsolver",
    "quantecon-vi": "quantecon",
    "storm": "stormpy",
}
"""Tool → package; those that build for long stand behind those that solve for long."""
OURS = ("vi", "gs", "pi", "mpi", "elimination", "topological", "ipi")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
GOALS = {"quantecon": 1 / 1.1, "quantecon-vi": 50.0, "mdpsolver": 15.0, "storm": 1.7}
"""How many times slower each peer should be; "quantecon" is the best of its methods."""

OWN_GOALS = {
    "garnet-1e4": 2.0,
    "garnet-1e5": 1.0,
    "lake-300 γ=.99": 5.0,
    "lake-300 γ=.999": 2.0,
    "queue-1e5": 1.3,
}
"""Rows where more is asked of quantecon's best."""


class Tool:
    """A tool in a process of its own, which makes its model at once and then waits."""

    def __init__(self, tool, path, limit, number):
        self.tool, self.limit, self.out = tool, limit, path.with_name(f"{number}.npy")
        self.errors = path.with_name(f"{number}.txt")
        command = [sys.executable, "-m", "benchmarks._peer", tool, path, self.out]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        env = {**os.environ, **dict.fromkeys(THREADS, "1")}
        with self.errors.open("w") as errors:
            self.run = subprocess.Popen(
                [*command, str(TOL), str(limit)], env=env, stderr=errors, **pipes
            )

    def answer(self):
        """Let it solve; the last line it writes, or what became of it in words."""
        # A busy machine may give a process a third of its time.
        waits = (2 * self.limit, "building took too long"), (6 * self.limit, ""), (60, "")
        with self.run as run:
            line = ""
            for seconds, words in waits:
                line, stopped = _line(run, seconds)
                if not line:
                    stopped = run.wait() == -signal.SIGPROF or stopped
                    text = self.errors.read_text(errors="replace")
                    last = (text.strip().splitlines() or ["failed"])[-1][:80]
                    return None, (words or f"> {self.limit:g} s") if stopped else last
                if run.stdin and not run.stdin.closed:
                    run.stdin.close()  # what it waits for
        return json.loads(line), ""


def measured(tools, path, mdp, limit):
    """What each tool took, and how far off it was; the next builds while one solves."""
    found, begun = [], [Tool(tools[0], path, limit, 0)]
    reference = mk.solve(mdp, tol=1e-9, throw=False).v
    for i, tool in enumerate(tools):
        begun += [Tool(t, path, limit, i + 1) for t in tools[i + 1 : i + 2]]
        answer, words = begun[i].answer()
        found.append({"tool": tool, "seconds": None, "words": words})
        if answer:
            found[-1] = judged(tool, answer, np.load(begun[i].out), reference, limit)
    return found


def judged(tool, found, v, reference, limit):
    """A row of the table from a tool's answer."""
    error = float(np.abs(v - reference).max())
    seconds = median(found["seconds"])
    words = found["words"] if seconds <= limit else f"> {limit:g} s"
    return {"tool": tool, "seconds": seconds, "words": words, "error": error}


def _line(run, seconds):
    """The next line that a process writes, and whether it was stopped for taking too long."""
    stopped = []
    timer = threading.Timer(seconds, lambda: (stopped.append(True), run.kill()))
    timer.start()
    line = run.stdout.readline()
    timer.cancel()
    return line, bool(stopped)


def roof(mdp):
    """Seconds of one fused sweep, and of reading what it reads at the measured bandwidth."""
    rows = mdp.rows
    if isinstance(rows, CSR):
        nbytes = 12 * rows.values.size + 16 * (mdp.n_pairs + mdp.n_states)
    else:
        nbytes = rows.nbytes
    v = np.random.default_rng(0).random(mdp.n_states)
    with limited(1), threadpool_limits(1):
        swept = middle(lambda: sweep(mdp, v), seconds=0.3)
    return swept, nbytes / bandwidth(nbytes), nbytes


def made(name, make):
    """A row's name and its model."""
    return name, make()


def row(name, mdp, roofs, folder, methods, limit):
    """One problem: every tool on it."""
    path = Path(folder) / "model.npz"
    problems.save(mdp, path)
    swept, least, nbytes = roofs
    peers = [t for t, package in PEERS.items() if find_spec(package)]
    tools = ["mdpkit", *([f"mdpkit:{key}" for key in OURS] if methods else peers)]
    again = ["mdpkit"] if limit > QUICK_LIMIT else []
    found = measured([*tools, *again], path, mdp, limit)
    for last in found[len(tools) :]:
        if found[0]["seconds"] and last["seconds"]:
            found[0]["seconds"] = (found[0]["seconds"] + last["seconds"]) / 2
    found = found[: len(tools)]
    return {
        "name": name,
        "states": mdp.n_states,
        "non_zeros": mdp.n_transitions,
        "sweep": swept,
        "sweep_over_roof": swept / least,
        "over_roof": (found[0]["seconds"] or np.nan) / least,
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


def best(found, package, limit):
    """(seconds, words) of the best method of a peer; what it was stopped at if none ended."""
    tools = [t for t in found["tools"] if t["tool"].startswith(package)]
    ended = [t for t in tools if t["seconds"] and t["seconds"] <= limit]
    if ended:
        one = min(ended, key=lambda t: t["seconds"])
        return one["seconds"], f"{one['seconds']:.4f}"
    return None, tools[0]["words"] if tools else "-"


def table(rows, limit):
    """One line a row: ours, each peer's best and how many times slower it is."""
    lines = [f"{'model':20s} {'ours':>8s} {'roofs':>6s}   best of each peer, and × ours"]
    for found in rows:
        ours = found["tools"][0]["seconds"]
        line = f"{found['name']:20s} {ours:8.4f} {found['over_roof']:6.0f}"
        for package in ("quantecon", "mdpsolver", "storm"):
            seconds, words = best(found, package, limit)
            goal = GOALS[package]
            if package == "quantecon":
                goal = OWN_GOALS.get(found["name"], goal)
            if seconds:
                words += f" {seconds / ours:.1f}×"
                words += "" if seconds >= goal * ours else f" (goal {goal:.2g}×)"
            line += f"   {package} {words}"
        lines.append(line)
    return "\n".join(lines)


def chosen_well(rows):
    """How many times slower `auto` is than the best of our methods, on each row."""
    worst = 0.0
    for found in rows:
        ours, *others = found["tools"]
        ended = [t for t in others if t["seconds"] and t["words"][:1] != ">"]
        if not ended or not ours["seconds"]:
            continue
        fastest = min(ended, key=lambda t: t["seconds"])
        found["auto_over_best"] = ours["seconds"] / fastest["seconds"]
        worst = max(worst, found["auto_over_best"])
        said = f"{found['auto_over_best']:5.2f}× {fastest['tool']}"
        print(f"{found['name']:28s} auto takes {said} ({ours['words']})")
    print(f"at worst {worst:.2f}×")


def main():
    """Run the rows asked for; write results/plan.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="stop peers after ten seconds")
    parser.add_argument("--rows", default="", help="only rows whose name contains this")
    parser.add_argument("--random", type=int, metavar="SEED", help="ten random rows besides")
    parser.add_argument("--methods", action="store_true", help="our methods, and no peers")
    parser.add_argument(
        "--curve", type=int, nargs="?", const=8, metavar="E", help="cost to 1eE"
    )
    parser.add_argument("--no-keep", action="store_true", help="write nothing")
    given = parser.parse_args()
    if given.curve:
        return curve(given.curve, TOL, write=not given.no_keep)
    load, rows = load_average(), []
    limit = QUICK_LIMIT if given.quick else LIMIT
    wanted = [partial(made, n, m) for n, m in problems.QUICK.items() if given.rows in n]
    rng = np.random.default_rng(given.random)
    wanted += 10 * [partial(problems.random_row, rng)] if given.random is not None else []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as ahead:
        upcoming = (ahead.submit(one) for one in wanted)  # begun when it is asked for
        now = next(upcoming, None)
        while now:
            name, mdp = now.result()
            roofs, now = roof(mdp), next(upcoming, None)
            rows.append(row(name, mdp, roofs, folder, given.methods, limit))
            show(rows[-1])
    chosen_well(rows) if given.methods else print(table(rows, limit))
    if not given.no_keep and not given.rows:
        name = "plan-methods" if given.methods else "plan"
        print(f"wrote {keep(name, rows, load=load, tolerance=TOL, limit=limit)}")
    return 0
