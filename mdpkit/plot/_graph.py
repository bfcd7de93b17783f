"""A small model as a graph: states as circles, actions as dots, transitions as arrows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mdpkit._array import number
from mdpkit._rows import CSR
from mdpkit.plot._page import COLORS, GRAY, check, drawn, new_figure, plain, write
from mdpkit.structure import edges

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mdpkit.mdp import MDP
    from mdpkit.solution import Solution

MOST_STATES, MOST_EDGES = 24, 120
CHOSEN, OTHER = COLORS[1], "#999999"
END = "end"


@drawn
def graph(model: MDP | Solution, path: Any = None) -> Figure:
    """A model of at most 24 states: what each action may lead to, with probability and reward.

    model   an MDP, or a Solution: then states show v*, and the policy's actions are in color
    path    file to write

    A state is a circle, an action a dot on the way out of it, the end of an episode a square.
    Raises ValueError if the model is too large to be read as a graph.
    """
    check(path)
    mdp: Any = getattr(model, "mdp", model)
    if too_large(mdp):
        raise ValueError(
            f"{mdp.n_states} states and {mdp.n_transitions} transitions make no readable "
            f"graph; at most {MOST_STATES} and {MOST_EDGES} do."
        )
    figure = new_figure(*size(mdp))
    draw_graph(figure.subplots(), mdp, None if mdp is model else model)
    return write(figure, path, "The model as a graph")


def size(mdp: MDP) -> tuple[float, float]:
    """Inches that leave room for every label."""
    side = 3.5 + 0.9 * math.sqrt(mdp.n_states + mdp.n_pairs)
    return 1.25 * side, side


def too_large(mdp: MDP) -> bool:
    """Whether a model has too many states or transitions for a graph."""
    return mdp.n_states > MOST_STATES or mdp.n_transitions > MOST_EDGES


def draw_graph(axes: Axes, mdp: MDP, solution: Any) -> None:
    """The same on axes that are there."""
    places = _layout(mdp)
    chosen = np.zeros(mdp.n_pairs, dtype=bool)
    if solution is not None:
        from mdpkit.policy import as_pairs

        chosen[as_pairs(mdp, solution.policy)] = True
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.margins(0.12)
    for i in range(mdp.n_pairs):
        _draw_pair(axes, mdp, i, places, CHOSEN if chosen[i] else OTHER)
    for s in range(mdp.n_states):
        name = plain(s if mdp.states is None else mdp.states[s], 12)
        value = "" if solution is None else f"\n{number(solution.v[s]):.4g}"
        text = name + value.replace("-", "−")
        look = {"boxstyle": "circle,pad=0.35", "facecolor": "white", "edgecolor": COLORS[0]}
        first = mdp._start is not None and number(mdp.start[s]) > 0
        look |= {"linewidth": 2.4 if first else 1.2}
        _text(axes, places[s], text, 8, "black", look)
    if mdp.stops:
        look = {"boxstyle": "square,pad=0.3", "facecolor": "#EEEEEE", "edgecolor": GRAY}
        _text(axes, places[END], END, 7, GRAY, look)
    axes.autoscale_view()


def _text(axes: Axes, at: Any, text: str, size: int, color: str, box: dict[str, Any]) -> None:
    x, y = at
    axes.plot(x, y, ".", alpha=0)  # so that the view holds it
    middle = {"ha": "center", "va": "center", "zorder": 4}
    axes.text(x, y, text, fontsize=size, color=color, bbox=box, **middle)


def _layout(mdp: MDP) -> dict[Any, np.ndarray]:
    """Places of states, pairs (as ("pair", i)) and the end; the same for the same model."""
    import networkx as nx

    links = nx.Graph()
    links.add_nodes_from(range(mdp.n_states))
    links.add_edges_from((("pair", i), int(s)) for i, s in enumerate(mdp.pair_states))
    links.add_edges_from((("pair", int(i)), int(t)) for i, t in zip(*edges(mdp), strict=True))
    links.add_edges_from((("pair", int(i)), END) for i in np.flatnonzero(_stop(mdp)))
    first = nx.circular_layout(links)
    return nx.kamada_kawai_layout(links, pos=first) if len(links) > 2 else first


def _stop(mdp: MDP) -> np.ndarray:
    return np.array([number(p) for p in mdp.stop.reshape(-1)])


def _draw_pair(axes: Axes, mdp: MDP, i: int, places: dict, color: str) -> None:
    """A dot for the action, a line to it, and an arrow to each next state."""
    s, a = mdp.place(i)
    here = places["pair", i]
    name = plain(a if mdp.actions is None else mdp.actions[a], 10)
    reward = number(mdp._r[i])
    axes.plot(*zip(places[s], here, strict=True), color=color, linewidth=1.4, zorder=1)
    axes.plot(*here, "o", color=color, markersize=5, zorder=3)
    axes.annotate(
        name + (f", {reward:.4g}".replace("-", "−") if reward else ""),
        (here[0], here[1]),
        xytext=(5, 4),
        textcoords="offset points",
        fontsize=7,
        color=color if color == CHOSEN else GRAY,
        zorder=5,
    )
    for node, p in _ways(mdp, i):
        _arrow(axes, here, places[node], p, color, back=node == s)


def _ways(mdp: MDP, i: int) -> list[tuple[Any, float]]:
    """Where a pair leads, and with what probability."""
    rows = mdp.rows
    if isinstance(rows, CSR):
        part = slice(rows.row_ptr[i], rows.row_ptr[i + 1])
        columns, values = rows.columns[part], rows.values[part]
    else:
        columns = np.flatnonzero(rows[i])
        values = rows[i][columns]
    ways: list[tuple[Any, float]] = [
        (t, number(p)) for t, p in zip(columns.tolist(), values, strict=True)
    ]
    p = _stop(mdp)[i]
    return [*ways, (END, p)] if p > 0 else ways


def _arrow(
    axes: Axes, here: np.ndarray, there: np.ndarray, p: float, color: str, *, back: bool
) -> None:
    bend = 0.35 if back else 0.08
    style: Any = {"arrowstyle": "-|>", "color": color, "linewidth": 0.5 + 1.2 * p}
    style |= {"connectionstyle": f"arc3,rad={bend}", "shrinkA": 3, "shrinkB": 14}
    axes.annotate(
        "", (there[0], there[1]), xytext=(here[0], here[1]), arrowprops=style, zorder=2
    )
    if p < 1:
        across = np.array([there[1] - here[1], here[0] - there[0]])
        middle = (here + there) / 2 + bend / 2 * across
        box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "linewidth": 0, "alpha": 0.8}
        _text(axes, middle, f"{p:.3g}", 6, GRAY, box)
