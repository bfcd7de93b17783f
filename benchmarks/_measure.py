"""Clocks, the roof, the machine, and results that are kept: what every benchmark shares."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from importlib import metadata
from pathlib import Path
from statistics import median

import numpy as np

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "scipy", "numba", "quantecon", "mdpsolver", "stormpy")


def times(function, *, runs=3, seconds=2.0, most=1000):
    """Seconds of each run after one that warms up: at least `runs`, until time is up."""
    function()
    found, clock = [], time.perf_counter()
    while len(found) < runs or (time.perf_counter() - clock < seconds and len(found) < most):
        begin = time.perf_counter()
        function()
        found.append(time.perf_counter() - begin)
    return found


def middle(function, **options):
    """The median of `times`."""
    return median(times(function, **options))


def bandwidth(nbytes):
    """Bytes a second at which one core reads an array of that size: a sum, the best of many."""
    x = np.ones(max(nbytes // 8, 1))
    return x.nbytes / min(times(lambda: x.sum(), seconds=0.3))


def machine():
    """Processor, cores and versions; nothing that names the place."""
    found = {"python": platform.python_version(), "system": platform.system()}
    found["cores"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        names = [line for line in cpu.read_text().splitlines() if line.startswith("model name")]
        found["processor"] = names[0].split(":", 1)[1].strip() if names else "unknown"
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def commit():
    """The commit that was measured, with + if the tree had changes."""
    run = ["git", "describe", "--always", "--dirty=+", "--abbrev=10"]
    found = subprocess.run(run, cwd=Path(__file__).parent, capture_output=True, text=True)
    return found.stdout.strip() or None


def keep(name, rows, **more):
    """Write results/NAME.json; return its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    body = {"benchmark": name, "machine": machine(), "commit": commit(), **more, "rows": rows}
    path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")
    return path


def load_average():
    """How many others want the processor now; results taken above 1 say little."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
