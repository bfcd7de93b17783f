"""Softmax policy gradients stay on a plateau for as long as the best arm is unlikely.

Three arms paying 1, .9 and .1, π_0 = (e, 1 − 2e, e): the steps to a gap below .05 grow as 1/e;
those of the natural gradient as log 1/e. Source: Mei et al. (2020).
"""

from __future__ import annotations

from mdpkit.figures._drawn import Drawn, exact
from mdpkit.improve.pathologies import plateau
from mdpkit.plot import Line, Panel

SOFTMAX, NATURAL = (390, 4569, 45876, 458435), (52, 115, 173, 231)
"""Steps computed elsewhere by the same recursions."""


def draw(rng: int) -> Drawn:
    """The gap over steps, and the steps over e."""
    found = plateau()
    landmarks = [
        exact(f"softmax, e = {e:g}", n, wanted, 0.0)
        for e, n, wanted in zip(found.mass, found.softmax, SOFTMAX, strict=True)
    ]
    landmarks += [
        exact(f"natural, e = {e:g}", n, wanted, 0.0)
        for e, n, wanted in zip(found.mass, found.natural, NATURAL, strict=True)
    ]
    gaps = [
        Line(f"e = {e:g}", found.at, y) for e, y in zip(found.mass, found.gaps, strict=True)
    ]
    both = [
        Line("softmax gradient", found.mass, found.softmax),
        Line("natural gradient", found.mass, found.natural),
        Line("1/e", found.mass, 40 / found.mass, dashed=True),
    ]
    panels = [
        Panel("Plateaus", gaps, "step", "best reward − J", ("log", "log")),
        Panel("Steps to a gap of .05", both, "e = π_0(best arm)", "steps", ("log", "log")),
    ]
    data = {
        "mass": found.mass.tolist(),
        "softmax": found.softmax.tolist(),
        "natural": found.natural.tolist(),
    }
    return Drawn("Softmax policy gradient: plateaus", panels, data, landmarks)
