"""How many small models are solved in a second, in one call and one by one?

    python -m benchmarks batch [--models N]

S = 5 states, A = 3 actions, γ = 0.95, every answer certified; one thread. The loop over `solve`
takes the same models, so the ratio says what one call saves.
"""

from __future__ import annotations

import argparse

import numpy as np

import mdpkit as mk
from benchmarks._measure import keep, load_average, middle
from mdpkit.plan import solve_batch


def main():
    """Measure, check against each other, and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=100_000)
    given, load = parser.parse_args(), load_average()
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(5), (given.models, 5, 3))
    r = rng.random((given.models, 5, 3))
    few = min(200, given.models)
    at_once = middle(lambda: solve_batch(P, r, 0.95, tol=1e-8)) / given.models
    found = solve_batch(P, r, 0.95, tol=1e-8)

    def one_by_one():
        return [mk.solve(mk.MDP(P[i], r[i], 0.95), tol=1e-8) for i in range(few)]

    alone = middle(one_by_one) / few
    apart = max(np.abs(x.v - found.v[i]).max() for i, x in enumerate(one_by_one()))
    rows = [
        {"way": "solve_batch", "models_per_second": 1 / at_once},
        {"way": "loop over solve", "models_per_second": 1 / alone},
    ]
    for row in rows:
        print(f"{row['way']:16s} {row['models_per_second']:12,.0f} models a second")
    print(f"ratio {alone / at_once:.0f}, largest gap {found.gap.max():.1e}, apart {apart:.1e}")
    print(f"wrote {keep('batch', rows, load=load, ratio=alone / at_once)}")
    return 0
