"""Example 6.2 and Figure 6.2: TD(0) and Monte Carlo on a walk of five states.

Left: root-mean-square error of v over episodes, for constant step sizes. Right: both in batch,
all episodes so far gone through until nothing changes, where TD has the value of the model that
the counts describe and Monte Carlo the mean returns. v starts at ½.
Source: Sutton & Barto (2018), Examples 6.2 and 6.3.
"""

from __future__ import annotations

import numpy as np

from mdpkit.curves import Curves
from mdpkit.figures._drawn import Drawn, rows, simulated
from mdpkit.gallery import make
from mdpkit.learn import TD0, MonteCarlo, learn
from mdpkit.learn.batch_prediction import Sums, batch_sums, solve_sums
from mdpkit.mdp import MDP
from mdpkit.operators.rollout import rollout
from mdpkit.plot import Panel
from mdpkit.plot._panels import line
from mdpkit.policy import uniform

RUNS, EPISODES, LONGEST = 400, 100, 300
TD = {0.05: 0.035, 0.1: 0.055, 0.15: 0.070}
MC = {0.01: 0.097, 0.02: 0.082, 0.03: 0.094, 0.04: 0.108}
BATCH = {"batch TD": 0.037, "batch Monte Carlo": 0.056}
"""Errors after 100 episodes that were simulated elsewhere, by step size."""


def draw(rng: int) -> Drawn:
    """Two panels."""
    mdp = make("random-walk", n=5, left=0)
    truth, pi = np.arange(1, 6) / 6, uniform(mdp)
    given = {"episodes": EPISODES, "runs": RUNS, "rng": rng, "truth": truth}
    given["end_reward"] = exits(mdp)
    found, wanted = {}, {}
    for alpha, error in TD.items():
        name = f"TD(0), α = {alpha}"
        found[name], wanted[name] = learn(mdp, TD0(pi, alpha, 0.5), **given).errors, error
    for alpha, error in MC.items():
        name = f"Monte Carlo, α = {alpha}"
        method = MonteCarlo(pi, False, alpha, 0.5)
        found[name], wanted[name] = learn(mdp, method, **given).errors, error
    batch = {"batch TD": in_batch(mdp, 0.0, rng), "batch Monte Carlo": in_batch(mdp, 1.0, rng)}
    landmarks = [
        simulated(
            f"{name}, at 100", curves.values[:, -1], error, reference_runs=100, digit=0.001
        )
        for name, curves, error in (
            *((name, found[name], wanted[name]) for name in found),
            *((name, batch[name], BATCH[name]) for name in BATCH),
        )
    ]
    words = "episodes", "root-mean-square error"
    panels = [
        Panel("Step by step", [line(c, n) for n, c in found.items()], *words, limits=(0, 0.25)),
        Panel("In batch", [line(c, n) for n, c in batch.items()], *words, limits=(0, 0.25)),
    ]
    data = {name: rows(curves) for name, curves in (found | batch).items()}
    return Drawn("Figure 6.2: TD and Monte Carlo on a random walk", panels, data, landmarks)


def in_batch(mdp: MDP, lam: float, rng: int) -> Curves:
    """Errors of the batch's fixed point after 1 … EPISODES episodes."""
    drawn = rollout(
        mdp, uniform(mdp), LONGEST, n=RUNS * EPISODES, rng=rng, end_reward=exits(mdp)
    )
    each = batch_sums(drawn._replace(weight=np.ones(RUNS * EPISODES)), 5, lam)
    matrix = each.matrix.reshape(RUNS, EPISODES, 5, 5).cumsum(axis=1)
    right = each.right.reshape(RUNS, EPISODES, 5).cumsum(axis=1)
    v = solve_sums(Sums(matrix, right), 0.5)
    return Curves(np.sqrt(((v - np.arange(1, 6) / 6) ** 2).mean(axis=2)))


def exits(mdp: MDP) -> np.ndarray:
    """What a step out of the walk pays: r = stop · reward, where one side only is the end's."""
    stop = np.where(mdp.stop > 0, mdp.stop, 1.0)
    return mdp.r / stop
