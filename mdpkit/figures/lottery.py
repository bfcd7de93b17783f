"""The lottery: with more at stake inference gambles more surely, causal entropy less.

Safe: pay 1. Risky: pay 0 or 10, evenly. Source: Levine (2018), §3.2.
"""

from __future__ import annotations

import numpy as np

from mdpkit.figures._drawn import Drawn, exact
from mdpkit.gallery import make
from mdpkit.operators import messages
from mdpkit.plot import Line, Panel


def draw(rng: int) -> Drawn:
    """The probability of the gamble under both ways to decide, as the stakes grow."""
    mdp = make("lottery")
    levels = np.linspace(0.0, 3.0, 61)
    kinds = {"inference": messages.INFERENCE, "causal": messages.VARIATIONAL}
    curves: dict[str, list[float]] = {name: [] for name in kinds}
    for level in levels:
        staked = mdp.replace(r=level * mdp.r)
        for name, kind in kinds.items():
            found = messages.backward(staked, 2, kind)
            gamble = messages.posterior_policy(staked, found).reshape(2, -1)[0, 1]
            curves[name].append(float(gamble))
    top = np.log(0.5 * (1 + np.exp(-30.0))) + 3
    landmarks = [
        exact("inference at stakes 3", curves["inference"][-1], 1 / (1 + np.exp(-top)), 1e-12),
        exact("causal at stakes 3", curves["causal"][-1], 1 / (1 + np.exp(12.0)), 1e-12),
    ]
    panel = Panel(
        "Pay 1 for sure, or draw from {0, 10} to pay",
        [Line(name, levels, y) for name, y in curves.items()],
        "stakes: factor on every reward",
        "probability of the gamble",
        limits=(-0.02, 1.02),
    )
    return Drawn("Optimism", [panel], {"stakes": levels.tolist(), **curves}, landmarks)
