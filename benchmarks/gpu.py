"""How near do a device's sweeps come to its memory's bandwidth, and how soon is a model solved?

    python -m benchmarks gpu [--quick] [--no-cpu]

Bytes a second of each sweep beside those of a copy within the device in the same run, read and
written alike; small models a second; seconds to a certified gap of 1e-6, beside the CPU's, the
model's way to the device counted apart. Each answer is checked against its own bounds.
"""

from __future__ import annotations

import argparse
import sys
import time
from statistics import median
from typing import NamedTuple

import numpy as np

import mdpkit as mk
from benchmarks._measure import keep, load_average
from benchmarks._problems import dense
from benchmarks.twins import nbytes
from mdpkit import _cuda
from mdpkit.errors import DeviceError
from mdpkit.gallery import make
from mdpkit.operators.aggregate import maximum, mellowmax, soft, sparsemax
from mdpkit.operators.bellman import sweep
from mdpkit.operators.sweep import chain_change, gathered
from mdpkit.plan import solve_batch


class Sizes(NamedTuple):
    """States of the Garnet (10 actions, 10 successors), side of the lake, states of the dense
    model (20 actions), small models, and bytes of the copy."""

    garnet: int
    lake: int
    dense: int
    models: int
    copy: int


FULL = Sizes(1_000_000, 3000, 4000, 4_000_000, 1 << 32)
QUICK = Sizes(100_000, 300, 1000, 100_000, 1 << 28)
GOALS = {"lake": 0.70, "garnet": 0.40, "dense": 0.80}
"""Shares of the copy's bandwidth: local successors, random ones, and dense rows."""

MODELS_PER_SECOND = 1e7


def seconds_of(device, work, runs=20):
    """The median over runs of a device's work, after three that warm up."""
    found = []
    for k in range(runs + 3):
        device.cuda.Device().synchronize()
        begin = time.perf_counter()
        work()
        device.cuda.Device().synchronize()
        found.append(time.perf_counter() - begin)
        if k == 2:
            found.clear()
    return median(found)


def copy_bandwidth(device, size):
    """Bytes read and written a second, copying an array of that many bytes."""
    x, y = device.zeros(size // 8), device.zeros(size // 8)

    def copy():
        y[:] = x

    return 2 * x.nbytes / seconds_of(device, copy)


def sweeps(device, name, mdp, bandwidth):
    """One row a kernel: its time, its bytes a second, and its share of the copy's."""
    there, v = mdp.to("gpu"), device.zeros(mdp.n_states)
    overs = {"max": maximum, "soft": soft(0.1), "mellowmax": mellowmax(5.0)}
    overs["sparsemax"] = sparsemax(0.1)
    work = {
        f"sweep, {key}": (lambda o=over: sweep(there, v, o), nbytes(mdp))
        for key, over in overs.items()
    }
    pairs = sweep(there, v).best
    chain, r = gathered(there.rows, pairs), there._r[pairs]
    share = nbytes(mdp) * mdp.n_states / mdp.n_pairs
    work["policy sweep"] = (lambda: chain_change(chain, r, mdp.gamma, v), share)
    rows = []
    for kernel, (run, size) in work.items():
        seconds = seconds_of(device, run)
        row = {"model": name, "kernel": kernel, "seconds": seconds, "bytes": size}
        row |= {"gb_per_second": size / seconds / 1e9, "share": size / seconds / bandwidth}
        goal = GOALS[name] if kernel == "sweep, max" else None
        rows.append(row | {"goal": goal})
        shown = f"goal {goal:.0%}" if goal else ""
        speed = f"{row['gb_per_second']:8.0f} GB/s {row['share']:6.1%} of a copy"
        print(f"{name:8s} {kernel:18s} {1e3 * seconds:9.3f} ms {speed} {shown}", flush=True)
    return rows


def small_models(device, count):
    """Models of 5 states and 3 actions a second: the kernel, and the call with its bounds."""
    rng = np.random.default_rng(0)
    P, r = rng.dirichlet(np.ones(5), (count, 5, 3)), rng.random((count, 5, 3))
    there, size = device.asarray(P), (count, 5)
    out = _cuda.empty(size), _cuda.empty(size), _cuda.empty(size, np.int64)
    given = there, device.asarray(r), device.asarray(np.full(count, 0.95)), 5, 3, 1000, *out
    options = {"threads": 32, "shared": 8 * 5 * 6}
    kernel = seconds_of(
        device,
        lambda: _cuda.launch("plan/batch.cu", "solve_models", 32 * count, *given, **options),
    )
    whole = seconds_of(device, lambda: solve_batch(there, r, 0.95, tol=1e-8), runs=3)
    rows = []
    for name, seconds in (("kernel", kernel), ("solve_batch", whole)):
        rate = count / seconds
        rows.append({"small models": name, "models_per_second": rate})
        print(f"{name:12s} {rate:14,.0f} models a second (goal {MODELS_PER_SECOND:,.0f})")
    return rows


def solved(device, name, mdp, *, cpu):
    """Seconds to a certified gap of 1e-6, there and here."""
    begin = time.perf_counter()
    there = mdp.to("gpu")
    device.cuda.Device().synchronize()
    row = {"model": name, "move_seconds": time.perf_counter() - begin}
    mk.solve(there, tol=1e-6, throw=False, max_steps=1)  # the kernels compile
    sol = mk.solve(there, tol=1e-6)
    row |= {"gpu_seconds": sol.seconds, "steps": sol.steps, "gap": sol.gap}
    words = f"{name:8s} to {sol.gap:.0e}: {sol.seconds:8.3f} s on the device"
    if cpu:
        mine = mk.solve(mdp, tol=1e-6)
        if not ((sol.lower <= mine.upper) & (mine.lower <= sol.upper)).all():
            raise AssertionError(f"{name}: the bounds of device and CPU do not meet.")
        row |= {"cpu_seconds": mine.seconds, "cpu_method": repr(mine.method)}
        words += f", {mine.seconds:8.3f} s on the CPU, {mine.seconds / sol.seconds:.1f}×"
    print(words, flush=True)
    return row


def measured(device, sizes, *, cpu):
    """All rows of the table."""
    bandwidth = copy_bandwidth(device, sizes.copy)
    print(f"copy     {bandwidth / 1e9:.0f} GB/s, read and written")
    rows = [{"copy": sizes.copy, "gb_per_second": bandwidth / 1e9}]
    models = {
        "lake": lambda: make("lake", size=sizes.lake, seed=0, gamma=0.99),
        "garnet": lambda: make("garnet", S=sizes.garnet, A=10, b=10, gamma=0.99),
        "dense": lambda: dense(sizes.dense, 20, 0.99),
    }
    for name, build in models.items():
        mdp = build()
        rows += sweeps(device, name, mdp, bandwidth)
        rows.append(solved(device, name, mdp, cpu=cpu))
    return rows + small_models(device, sizes.models)


def main():
    """Measure, or say in one line what is needed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a hundredth of the sizes")
    parser.add_argument("--no-cpu", action="store_true", help="leave the CPU's times out")
    given, load = parser.parse_args(), load_average()
    try:
        device = _cuda.library()
    except DeviceError as reason:
        sys.stderr.write(f"benchmarks gpu needs an NVIDIA device: {reason}\n")
        return 2
    properties = device.cuda.runtime.getDeviceProperties(device.cuda.Device().id)
    name = properties["name"].decode()
    print(name)
    rows = measured(device, QUICK if given.quick else FULL, cpu=not given.no_cpu)
    file = "gpu-quick" if given.quick else "gpu"
    print(f"wrote {keep(file, rows, load=load, device=name, cupy=device.__version__)}")
    return 0
