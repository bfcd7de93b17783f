"""Figure 6.4: on the cliff SARSA learns the safe path, Q-learning the optimal one, and falls.

Return of each episode while learning: ε = 0.1, α = 0.5, γ = 1. Q-learning's policy is the
better one and its returns while it explores the worse. Source: Sutton & Barto (2018), Ex. 6.6.
"""

from __future__ import annotations

import numpy as np

from mdpkit.figures._drawn import Drawn, exact, rows, simulated
from mdpkit.gallery import make
from mdpkit.learn import ExpectedSarsa, QLearning, Sarsa, learn
from mdpkit.mdp import MDP
from mdpkit.operators.aggregate import epsilon_greedy
from mdpkit.operators.bellman import backup
from mdpkit.plot import Line, Panel
from mdpkit.plot._panels import line

RUNS, EPISODES, EPSILON = 400, 500, 0.1


def draw(rng: int) -> Drawn:
    """Returns of both, averaged over runs and over ten neighboring episodes."""
    mdp = make("cliff")
    found = {
        method.key: learn(mdp, method, episodes=EPISODES, runs=RUNS, rng=rng).returns
        for method in (
            Sarsa(0.5, EPSILON),
            QLearning(0.5, EPSILON),
            ExpectedSarsa(0.5, EPSILON),
        )
    }
    late = {name: curves.values[:, -200:].mean(axis=1) for name, curves in found.items()}
    best = best_soft(mdp)
    landmarks = [
        simulated(
            "SARSA, episodes 301-500", late["sarsa"], -26.7, reference_runs=40, digit=0.1
        ),
        simulated(
            "Q-learning, episodes 301-500",
            late["q-learning"],
            -50.2,
            reference_runs=40,
            digit=0.1,
        ),
        exact("best ε-soft policy", best, -20.71, 0.005),
    ]
    smooth = [line(curves.averaged(10)) for curves in found.values()]
    limit = Line("best ε-soft policy", [0, EPISODES], [best, best], dashed=True)
    panel = Panel(
        "Learning on the cliff",
        [*smooth, limit],
        "episode",
        "return of the episode",
        limits=(-100.0, 0.0),
    )
    data = {name: rows(curves.averaged(10)) for name, curves in found.items()}
    return Drawn("Figure 6.4: SARSA and Q-learning on the cliff", [panel], data, landmarks)


def best_soft(mdp: MDP) -> float:
    """The best return of a policy that errs with probability ε, from the start."""
    v = np.zeros(mdp.n_states)
    while True:
        new = backup(mdp, v, epsilon_greedy(EPSILON))
        if np.abs(new - v).max() <= 1e-10:
            return float(mdp.start @ new)
        v = new
