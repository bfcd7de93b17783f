"""How many steps a second does a deep algorithm train for, beside PyTorch and other JAX?

    python -m benchmarks deep [--peers DIR] [--purejaxrl DIR] [--tasks NAME …] [--repeats N]

Beside mdpkit: Stable-Baselines3 and a plain PyTorch loop of our own in the manner of CleanRL,
where `benchmarks/peers.sh DIR torch` has made their environment, and PureJaxRL where its
sources are given (and `peers.sh DIR purejaxrl`). Same algorithm, hyper-parameters and number of
steps (`_deep_tasks.py`), one core each, one after the other in every repeat; processor seconds.
Whole trainings, but for peers in PyTorch behind their first, which are shortened and extended
by their rate. Compiling is counted beside, evaluation nowhere; the returns are reported.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, median

from benchmarks._deep_tasks import TASKS
from benchmarks._measure import keep, load_average

SEEDS = (4, 8, 16)
"""Trainings of ours side by side: their steps a second are those of all seeds together."""

SHORT = 0.1
"""The part of a training that a peer in PyTorch is timed on when it has trained once."""

GOALS = {"ppo-zoo": 20, "ppo-cleanrl": 20, "dqn-64": 6, "dqn-cleanrl": 6, "sac-64": 6}
"""How many times the steps a second of the peers in PyTorch; of PureJaxRL, once."""

OURS, SB3, PYTORCH, PUREJAXRL = "mdpkit", "Stable-Baselines3", "PyTorch", "PureJaxRL"


def tools_of(name):
    """Who takes part: PyTorch's play one lane of DQN, and PureJaxRL's DQN plays ten."""
    task = TASKS[name]
    if task["algorithm"] == "DQN" and task["lanes"] > 1:
        return OURS, PUREJAXRL
    others = (PUREJAXRL,) if task["algorithm"] == "PPO" else ()
    return OURS, SB3, PYTORCH, *others


def interpreters(given):
    """Tool → its Python, or None with a word about it."""
    torch = Path(given.peers) / "torch" / "bin" / "python"
    jax = Path(given.peers) / "purejaxrl" / "bin" / "python"
    found = {OURS: sys.executable}
    for tool, python, whole in (
        (SB3, torch, True),
        (PYTORCH, torch, True),
        (PUREJAXRL, jax, given.purejaxrl is not None),
    ):
        found[tool] = str(python) if whole and python.exists() else None
    return found


def report(python, script, *arguments):
    """What a script says in its last line."""
    path = Path(__file__).with_name(f"_deep_{script}.py")
    found = subprocess.run(
        [python, str(path), *map(str, arguments)], capture_output=True, text=True
    )
    if found.returncode:
        raise SystemExit(f"{path.name} {arguments}:\n{found.stderr}")
    return json.loads(found.stdout.splitlines()[-1])


def once(tool, python, name, repeat, folder):
    """One run of one tool, with the seed of that repeat."""
    if tool == OURS:
        return report(python, "mdpkit", name, 1, repeat, 1)
    if tool == PUREJAXRL:
        return report(python, "purejaxrl", name, repeat, folder)
    script = "sb3" if tool == SB3 else "torch"
    return report(python, script, name, repeat, SHORT if repeat else 1)


def row(name, tool, runs, seeds=1):
    """Medians of some runs."""
    seconds = median(run["seconds"] for run in runs)
    returns = [x for run in runs for x in run.get("returns", [run.get("return")])]
    return {
        "task": name,
        "tool": tool,
        "seeds": seeds,
        "runs": len(runs),
        "steps_per_second": seeds * runs[0]["steps"] / seconds,
        "seconds": seconds,
        "compile_seconds": median(run.get("compile", 0.0) for run in runs),
        "returns": [x for x in returns if x is not None],
        "share_of_core": mean(run["share_of_core"] for run in runs),
        "versions": runs[0]["versions"],
    }


def compared(rows):
    """With how often ours is faster, in steps a second and with compiling in a training."""
    own = rows[0]
    for one in rows:
        whole = one["seconds"] + one["compile_seconds"]
        alone = one["seeds"] == 1
        one["ratio"] = own["steps_per_second"] / one["steps_per_second"] if alone else None
        of_own = whole / (own["seconds"] + own["compile_seconds"])
        one["ratio_with_compiling"] = of_own if alone else None
    return rows


def told(one):
    """A line of the table."""
    label = one["tool"] if one["seeds"] == 1 else f"{one['tool']}, {one['seeds']} seeds"
    ratios = ""
    if one["ratio"] is not None:
        ratios = f"{one['ratio']:7.1f}x {one['ratio_with_compiling']:7.1f}x"
    returns = " ".join(f"{x:.0f}" for x in one["returns"])
    return (
        f"{label:20s} {one['steps_per_second']:9,.0f}/s {one['compile_seconds']:6.1f} s "
        f"+ {one['seconds']:6.1f} s {ratios:17s} {returns}"
    )


def measured(name, given):
    """The rows of a task."""
    pythons, runs = interpreters(given), {}
    for repeat in range(given.repeats):
        for tool in tools_of(name):
            if pythons[tool] is not None:
                found = once(tool, pythons[tool], name, repeat, given.purejaxrl)
                runs.setdefault(tool, []).append(found)
    goal = GOALS.get(name)
    print(f"\n{name}, {TASKS[name]['steps']:,} steps" + (f", goal {goal}x" if goal else ""))
    print(
        f"{'':20s} {'steps':>11s} {'compile':>8s} + {'train':>8s} {'ratio':>8s} {'whole':>8s}"
    )
    rows = compared([row(name, tool, found) for tool, found in runs.items()])
    for one in rows:
        print(told(one), flush=True)
    for tool in tools_of(name):
        if pythons[tool] is None:
            print(f"{tool:20s} not given")
    for seeds in given.seeds if len(rows) > 1 or name in GOALS else ():
        found = report(pythons[OURS], "mdpkit", name, seeds, 0, 1)
        rows.append(compared([row(name, OURS, [found], seeds)])[0])
        print(told(rows[-1]), flush=True)
    return rows


def main():
    """Measure, print tables, and keep the rows."""
    parser = argparse.ArgumentParser(description="Steps a second of deep algorithms.")
    parser.add_argument("--peers", default=".venv/peers", help="where peers.sh put them")
    parser.add_argument("--purejaxrl", help="the folder with PureJaxRL's ppo.py and dqn.py")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS, help="side by side")
    given, load = parser.parse_args(), load_average()
    rows = [one for name in given.tasks for one in measured(name, given)]
    print(f"wrote {keep('deep', rows, load=load, tasks={x: TASKS[x] for x in given.tasks})}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
