"""What trust-region bounds promise, and what is true: J along π_t ∝ π e^{tA} on the river.

    J(π_t) ≥ J(π) + surrogate − penalty      the penalty by E_d TV (Achiam) or by max TV (TRPO)

Both bounds are true and loose: they forbid steps that double the return.
Source: Schulman et al. (2015), Theorem 1; Achiam et al. (2017), Corollary 1.
"""

from __future__ import annotations

import numpy as np

from mdpkit.figures._drawn import Drawn, exact
from mdpkit.gallery import make
from mdpkit.improve.pathologies import trust_region_path
from mdpkit.operators.performance import performance
from mdpkit.plot import Line, Panel
from mdpkit.policy import uniform


def draw(rng: int) -> Drawn:
    """J, the surrogate and both lower bounds over the step."""
    mdp = make("river-swim")
    found = trust_region_path(mdp)
    own = performance(mdp, uniform(mdp))
    first = np.argmin(found.size)
    over = max(float(np.max(x - found.truth)) for x in (found.average, found.largest))
    landmarks = [
        exact("bounds above the truth", max(over, 0.0), 0.0, 1e-9),
        exact("J at the first step", found.truth[first], float(own), abs(float(own))),
    ]
    ways = {
        "J, the truth": found.truth,
        "surrogate": found.surrogate,
        "bound, average TV": found.average,
        "bound, largest TV": found.largest,
    }
    low = float(min(found.truth.min(), 0.0)) - 1.0
    lines = [Line(name, found.size, y, dashed="bound" in name) for name, y in ways.items()]
    high = float(max(found.truth.max(), 1.0)) * 1.5
    panel = Panel("River swim", lines, "t", "return", ("log", "linear"), (low - high / 2, high))
    data = {"t": found.size.tolist(), **{name: y.tolist() for name, y in ways.items()}}
    return Drawn("Trust regions: the bound and the truth", [panel], data, landmarks)
