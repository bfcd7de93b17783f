"""Figure 7.2: n-step TD on a walk of 19 states: neither one step nor the whole episode is best.

Root-mean-square error over states, averaged over the first ten episodes, by step size. The walk
begins in its middle, ends with −1 or +1, and v starts at 0.
Source: Sutton & Barto (2018), Example 7.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mdpkit.figures._drawn import Drawn, finite, simulated
from mdpkit.figures.random_walk import exits
from mdpkit.gallery import make
from mdpkit.learn import NStepTD, learn
from mdpkit.mdp import MDP
from mdpkit.plot import Line, Panel
from mdpkit.policy import uniform

RUNS, EPISODES = 200, 10
STEPS = (1, 2, 4, 8, 16, 32, 64, 128)
ALPHAS = tuple(np.round(np.arange(0.05, 1.001, 0.05), 2))
HIGHEST = 0.55
"""Errors above this are not drawn."""


def draw(rng: int) -> Drawn:
    """One curve for each n."""
    mdp = make("random-walk")
    pi = uniform(mdp)
    found = {n: errors(mdp, lambda a, n=n: NStepTD(pi, n, a), ALPHAS, rng) for n in STEPS}
    at = {a: i for i, a in enumerate(ALPHAS)}
    best = min((x.mean(axis=1).min(), n) for n, x in found.items())
    known = {"reference_runs": 100, "digit": 0.001}
    landmarks = [
        simulated("n = 4, α = 0.4", found[4][at[0.4]], 0.263, **known),
        simulated("n = 1, α = 0.8", found[1][at[0.8]], 0.34, reference_runs=100, digit=0.01),
    ]
    panel = panel_of("n-step TD", {f"n = {n}": x for n, x in found.items()}, ALPHAS)
    data: dict[str, Any] = {f"n={n}": finite(x.mean(axis=1)) for n, x in found.items()}
    data |= {"alpha": list(map(float, ALPHAS)), "best n": best[1]}
    return Drawn("Figure 7.2: n-step TD on a walk of 19 states", [panel], data, landmarks)


def errors(
    mdp: MDP, method: Callable[[float], Any], alphas: Sequence[float], rng: int
) -> np.ndarray:
    """(step sizes, RUNS) error of each run, averaged over its episodes."""
    truth = np.arange(-9, 10) / 10
    given = {"episodes": EPISODES, "runs": RUNS, "rng": rng, "truth": truth}
    given["end_reward"] = exits(mdp)
    with np.errstate(over="ignore", invalid="ignore"):
        found = [learn(mdp, method(float(a)), **given).errors.values for a in alphas]
        return np.array([x.mean(axis=1) for x in found])


def panel_of(title: str, found: dict[str, np.ndarray], alphas: Sequence[float]) -> Panel:
    """Mean errors by step size, as far as they are in the picture."""
    lines = []
    for name, runs in found.items():
        mean = runs.mean(axis=1)
        seen = np.isfinite(mean) & (mean < 2 * HIGHEST)
        lines.append(Line(name, np.asarray(alphas)[seen], mean[seen]))
    return Panel(title, lines, "step size α", "error, first 10 episodes", limits=(0.2, HIGHEST))
