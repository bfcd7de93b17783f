"""Figure 6.5: the maximum of estimates is no estimate of the maximum; two tables say less.

From A one goes right for 0, or left to B, whose ten actions pay −0.1 ± 1. The share of episodes
that go left: the best under ε = 0.1 is 5 %. α = 0.1. The book does not say how many actions B
has. Source: Sutton & Barto (2018), Example 6.7; van Hasselt (2010).
"""

from __future__ import annotations

import numpy as np

from mdpkit.curves import Curves
from mdpkit.figures._drawn import Drawn, rows, simulated
from mdpkit.gallery import make
from mdpkit.gallery.counterexamples import max_bias_noise
from mdpkit.learn import DoubleQLearning, QLearning, learn
from mdpkit.plot import Line, Panel
from mdpkit.plot._panels import line

RUNS, EPISODES = 10_000, 300


def draw(rng: int) -> Drawn:
    """How often both go left, episode by episode."""
    mdp, noise = make("max-bias"), max_bias_noise()
    left = {}
    for method in (QLearning(0.1, 0.1), DoubleQLearning(0.1, 0.1)):
        found = learn(mdp, method, episodes=EPISODES, runs=RUNS, rng=rng, reward_noise=noise)
        went = (found.lengths.values == 2).astype(float)  # to the right it is over at once
        left[method.key] = Curves(went, method.key, "share of runs that go left")
    q, double = left["q-learning"].values, left["double-q-learning"].values
    peak, other = np.argmax(q.mean(axis=0)), np.argmax(double.mean(axis=0))
    known = {"reference_runs": 10_000, "digit": 0.01}
    landmarks = [
        simulated("Q-learning, highest", q[:, peak], 0.94, **known),
        simulated("Q-learning, episodes 281-300", q[:, 280:].mean(axis=1), 0.123, **known),
        simulated("double Q-learning, highest", double[:, other], 0.50, **known),
        simulated("double Q-learning, 281-300", double[:, 280:].mean(axis=1), 0.070, **known),
    ]
    best = Line("best under ε = 0.1", [1, EPISODES], [0.05, 0.05], dashed=True)
    lines = [*(line(curves) for curves in left.values()), best]
    panel = Panel("Going left", lines, "episode", "share of runs", limits=(0.0, 1.0))
    data = {name: rows(curves) for name, curves in left.items()}
    return Drawn("Figure 6.5: maximization bias", [panel], data, landmarks)
