"""Figure 4.3: the gambler's problem, p_h = 0.4: value iteration's sweeps, and a policy.

Capital 0 … 100, stakes up to the smaller of capital and distance to 100. Many stakes are tied,
so the policy drawn, the smallest best stake, is one of many. Source: Sutton & Barto (2018),
Example 4.3; bold play: Dubins & Savage (1965).
"""

from __future__ import annotations

import numpy as np

from mdpkit.figures._drawn import Drawn, exact
from mdpkit.gallery import make
from mdpkit.operators.bellman import action_values
from mdpkit.operators.sweep import in_place_sweep
from mdpkit.plot import Line, Panel

SHOWN = (1, 2, 3, 32)


def draw(rng: int) -> Drawn:
    """Values after some sweeps and at the end; the smallest optimal stake."""
    mdp = make("gambler")
    v, iterates, order = np.zeros(mdp.n_states), {}, np.arange(mdp.n_states)
    for k in range(1, 200):
        v, change = in_place_sweep(mdp, v, order)
        if k in SHOWN:
            iterates[f"sweep {k}"] = v
        if change == 0:
            break
    iterates["optimal"] = v
    capital = np.arange(1, 100)
    q = mdp.table(action_values(mdp, v))[1:100]  # action 0 stakes 1
    stake = 1 + np.argmax(q >= q.max(axis=1, keepdims=True) - 1e-12, axis=1)
    landmarks = [
        exact(f"v({s})", v[s], wanted, 1e-12)
        for s, wanted in ((25, 0.16), (50, 0.4), (75, 0.64))
    ]
    panels = [
        Panel(
            "Value of each capital",
            [Line(name, capital, found[1:100]) for name, found in iterates.items()],
            "capital",
            "probability of reaching 100",
        ),
        Panel("Smallest optimal stake", [Line("stake", capital, stake)], "capital", "stake"),
    ]
    data = {name: found.tolist() for name, found in iterates.items()}
    return Drawn(
        "Figure 4.3: the gambler's problem",
        panels,
        {**data, "stake": stake.tolist()},
        landmarks,
    )
