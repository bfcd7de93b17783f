"""Figures: values and occupancy on a grid, small models as graphs, gaps, regret, trainings.

Every function returns a Matplotlib `Figure` and writes it where `path=` says (.svg, .png, .pdf,
or .html: one page with the figure in it); none touches pyplot's state. Names of states, actions
and curves are drawn as plain text: no mathematics, no TeX, control characters spelled out.

Checked in tests/plot.
"""

from mdpkit.plot._curves import convergence, gaps, regret
from mdpkit.plot._graph import graph
from mdpkit.plot._grid import occupancy, values
from mdpkit.plot._overview import overview
from mdpkit.plot._panels import Line, Panel, curves, panels
from mdpkit.plot._rewards import rewards, stakes
from mdpkit.plot._training import training

__all__ = [
    "Line",
    "Panel",
    "convergence",
    "curves",
    "gaps",
    "graph",
    "occupancy",
    "overview",
    "panels",
    "regret",
    "rewards",
    "stakes",
    "training",
    "values",
]
