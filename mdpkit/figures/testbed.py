"""Figure 2.2 and its kin: ε-greedy, UCB and optimistic values on the 10-armed testbed.

Arms pay N(μ_a, 1) with μ_a ~ N(0, 1), drawn anew for each run. Left: reward a pull; right: how
often the best arm is pulled. Source: Sutton & Barto (2018), §2.3, §2.6 and §2.7.
"""

from __future__ import annotations

import numpy as np

from mdpkit.bandits import UCB, Bandit, EpsilonGreedy, Gaussian, NormalPrior, play
from mdpkit.figures._drawn import Drawn, rows, simulated
from mdpkit.plot import Panel
from mdpkit.plot._panels import line

RUNS, PULLS = 2000, 1000
WAYS = {
    "ε = 0": EpsilonGreedy(0.0),
    "ε = 0.01": EpsilonGreedy(0.01),
    "ε = 0.1": EpsilonGreedy(0.1),
    "UCB, c = 2": UCB(2.0),
    "optimistic, Q = 5, α = 0.1": EpsilonGreedy(0.0, 0.1, 5.0),
}


def draw(rng: int) -> Drawn:
    """Two panels."""
    bandit = Bandit(NormalPrior(0.0, 1.0, 10), Gaussian(1.0))
    marks = np.arange(10, PULLS + 1, 10)
    found = {
        name: play(bandit, way, PULLS, runs=RUNS, rng=rng, checkpoints=marks)
        for name, way in WAYS.items()
    }
    late = {
        name: (
            x.reward.values[:, -10:].mean(axis=1),
            x.optimal_share.values[:, -10:].mean(axis=1),
        )
        for name, x in found.items()
    }
    known = {"reference_runs": 2000, "digit": 0.01}
    landmarks = [
        simulated("ε = 0.1, reward, pulls 901-1000", late["ε = 0.1"][0], 1.36, **known),
        simulated("ε = 0.1, best arm", late["ε = 0.1"][1], 0.786, **known),
        simulated("UCB, reward", late["UCB, c = 2"][0], 1.49, **known),
    ]
    panels = [
        Panel("Reward", [line(x.reward, name) for name, x in found.items()], "pull", "reward"),
        Panel(
            "Best arm",
            [line(x.optimal_share, name) for name, x in found.items()],
            "pull",
            "share of pulls",
            limits=(0.0, 1.0),
        ),
    ]
    data = {
        name: {"reward": rows(x.reward), "optimal": rows(x.optimal_share)}
        for name, x in found.items()
    }
    return Drawn("Figure 2.2: the 10-armed testbed", panels, data, landmarks)
