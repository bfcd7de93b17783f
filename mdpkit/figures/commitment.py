"""Natural gradients from samples may commit to the worse of two arms for ever.

Arms pay 1 and .8; θ_a += η r/π(a) for the arm pulled. P(never the better arm) = Π_t π_t(worse)
is positive for every η, and grows with it; with exact gradients it is 0.
Source: Chung et al. (2021), "Beyond variance reduction".
"""

from __future__ import annotations

import numpy as np

from mdpkit.figures._drawn import Drawn, exact
from mdpkit.improve.pathologies import commitment
from mdpkit.plot import Line, Panel

KNOWN = (0.00055, 0.1823, 0.3645, 0.4758)
"""For η = 0.1, 0.5, 1, 2; computed elsewhere."""


def draw(rng: int) -> Drawn:
    """The probability that only the worse arm was pulled, by pulls."""
    found = commitment()
    digits = (5e-6, 5e-5, 5e-5, 5e-5)
    landmarks = [
        exact(f"η = {eta:g}, never the better arm", p, wanted, within)
        for eta, p, wanted, within in zip(
            found.step_size, found.probability, KNOWN, digits, strict=True
        )
    ]
    pulls = np.arange(found.survival.shape[1])
    lines = [
        Line(f"η = {eta:g}", pulls[1:], y[1:])
        for eta, y in zip(found.step_size, found.survival, strict=True)
    ]
    words = "pulls", "P(all were of the worse arm)"
    panel = Panel("Commitment", lines, *words, ("log", "log"), (1e-4, 1.0))
    data = {"step_size": found.step_size.tolist(), "probability": found.probability.tolist()}
    return Drawn("Natural policy gradient: commitment", [panel], data, landmarks)
