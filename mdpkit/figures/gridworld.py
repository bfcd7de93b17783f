"""Figure 4.1: iterative policy evaluation of the equiprobable policy on a 4 × 4 grid, γ = 1.

    v_{k+1} = T_π v_k from v_0 = 0,   k = 0, 1, 2, 3, 10, ∞

Source: Sutton & Barto (2018), Example 4.1.
"""

from __future__ import annotations

import numpy as np

from mdpkit.figures._drawn import Drawn, exact
from mdpkit.gallery import make
from mdpkit.operators.aggregate import expected
from mdpkit.operators.bellman import backup
from mdpkit.operators.performance import policy_values
from mdpkit.plot import Panel
from mdpkit.policy import uniform

SHOWN = (0, 1, 2, 3, 10)


def draw(rng: int) -> Drawn:
    """Six grids of values."""
    mdp = make("grid4x4")
    pi = uniform(mdp)
    iterates, v = {}, np.zeros(mdp.n_states)
    for k in range(max(SHOWN) + 1):
        if k in SHOWN:
            iterates[str(k)] = v
        v = backup(mdp, v, expected(pi))
    limit = policy_values(mdp, pi).v
    iterates["∞"] = limit
    # One step from a corner: −1 at k = 1, then −1 − ¾ and so on, by hand.
    landmarks = [
        exact(f"cell (0, 1) after {k} sweeps", iterates[str(k)][1], wanted)
        for k, wanted in ((1, -1.0), (2, -1.75), (3, -2.4375))
    ]
    names = {1: -14.0, 2: -20.0, 3: -22.0, 5: -18.0, 6: -20.0}
    landmarks += [exact(f"cell {divmod(s, 4)}, limit", limit[s], v) for s, v in names.items()]
    panels = [Panel(f"k = {k}", grid=v.reshape(4, 4), y_label="v") for k, v in iterates.items()]
    data = {f"k={k}": v.tolist() for k, v in iterates.items()}
    return Drawn("Figure 4.1: policy evaluation, sweep by sweep", panels, data, landmarks)
