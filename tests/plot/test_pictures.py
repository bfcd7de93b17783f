"""Values, occupancy, graphs, regret: what must be on them, and names that try to be more."""

import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

import mdpkit as mk
from mdpkit.plan import ValueIteration

HOSTILE = [
    "</script><script>alert(1)</script>",
    "-->",
    "$\\input{/etc/passwd}$",
    "a\x1b[31m\nb",
]
HOSTILE += ["_hidden", '"/><image href="x"/>']


@pytest.fixture(scope="module")
def lake():
    return mk.solve(mk.load("gallery:lake"))


@pytest.fixture(scope="module")
def puterman():
    return mk.solve(mk.load("gallery:puterman"))


def hostile_solution():
    n = len(HOSTILE)
    P = np.eye(n)[:, None].repeat(2, axis=1) * 0.5
    P[:, 0, 0] += 0.5
    P[:, 1] *= 2
    mdp = mk.MDP(P, np.arange(2.0 * n).reshape(n, 2), 0.5, states=HOSTILE, actions=HOSTILE[:2])
    return mk.solve(mdp)


def words(figure):
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


# ---- values ----------------------------------------------------------------------------------


def test_values_shows_each_cell_and_a_move_unless_all_is_over(lake):
    figure = mk.plot.values(lake)
    axes = figure.axes[0]
    image = axes.images[0].get_array()
    np.testing.assert_allclose(image, lake.v.reshape(4, 4), rtol=0, atol=lake.gap)
    (arrows,) = (c for c in axes.collections if hasattr(c, "U"))
    assert arrows.N == 16 - 5  # four holes and the goal
    assert (np.abs(arrows.U) + np.abs(arrows.V) > 0).all()
    assert "0.542" in words(figure)
    assert not any("e−1" in word for word in words(figure))  # rounding is shown as 0


def test_an_arrow_points_where_its_action_moves():
    """A corridor whose goal is on the right: every arrow points there."""
    P = np.zeros((4, 2, 4))
    for s in range(4):
        P[s, 0, max(s - 1, 0)] = P[s, 1, min(s + 1, 3)] = 1
    r = np.zeros((4, 2))
    r[2, 1] = 1
    states, actions = [(0, s) for s in range(4)], ["left", "right"]
    figure = mk.plot.values(mk.solve(mk.MDP(P, r, 0.9, states=states, actions=actions)))
    (arrows,) = (c for c in figure.axes[0].collections if hasattr(c, "U"))
    assert (arrows.U[:3] > 0).all()
    assert (arrows.V == 0).all()


def test_a_grid_may_have_holes_and_any_order():
    mdp = mk.load("gallery:puterman")
    figure = mk.plot.values(mk.solve(mdp), cells=[[1, 2], [0, 0]])
    image = figure.axes[0].images[0].get_array()
    assert image.shape == (2, 3)
    assert np.isfinite(image).sum() == 2
    assert image[0, 0] == pytest.approx(-20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no cells"),
        ({"shape": (3, 3)}, "9 cells for 2 states"),
        ({"cells": [[0, 0], [0, 0]]}, "several states are in the cell"),
        ({"cells": [[0, 0]]}, r"cells must be int \(2, 2\)"),
        ({"cells": [[0.0, 0], [0, 1]]}, "cells must be int"),
        ({"cells": [[0, 0], [0, 10**9]]}, "rows and columns are"),
        ({"cells": [[0, 0], [0, -1]]}, "rows and columns are"),
        ({"shape": (1, 2), "moves": "←"}, "1 moves for 2 actions"),
        ({"shape": (1, 2), "path": "x.bmp"}, "a figure is written as"),
    ],
)
def test_what_is_no_grid(puterman, options, message):
    with pytest.raises(ValueError, match=message):
        mk.plot.values(puterman, **options)


# ---- occupancy, graph, regret ----------------------------------------------------------------


def test_occupancy_is_a_distribution_on_the_grid_or_in_bars(lake, puterman):
    grid = mk.plot.occupancy(lake.mdp, lake.policy, shape=(4, 4)).axes[0].images[0].get_array()
    assert 0 < grid.sum() <= 1 + 1e-12
    bars = mk.plot.occupancy(puterman.mdp, puterman.policy).axes[0].patches
    assert sum(bar.get_height() for bar in bars) == pytest.approx(1)
    large = mk.load("gallery:garnet?S=61&A=2")
    with pytest.raises(ValueError, match="61 bars are too many"):
        mk.plot.occupancy(large, np.zeros(61, dtype=int))


def test_a_graph_has_its_states_actions_and_numbers(puterman):
    texts = words(mk.plot.graph(puterman))
    assert {"s1\n−8.571", "s2\n−20", "stay, 5", "leave, 10", "stay, −1", "0.5"} <= set(texts)
    assert "end" not in texts
    assert "s1" in words(mk.plot.graph(puterman.mdp))


def test_a_graph_shows_the_end_of_the_episode():
    mdp = mk.MDP([[[0.5]]], [[1.0]], 0.9, stop=[[0.5]])
    texts = words(mk.plot.graph(mdp))
    assert texts.count("0.5") == 2
    assert "end" in texts


def test_a_model_too_large_for_a_graph_is_refused():
    with pytest.raises(ValueError, match="no readable graph"):
        mk.plot.graph(mk.load("gallery:garnet?S=25&A=2"))


def test_regret_is_the_mean_in_a_band():
    runs = np.cumsum(np.arange(20.0).reshape(2, 10), axis=1)
    figure = mk.plot.regret({"a": runs, "b": runs[0]}, title="two")
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), runs.mean(axis=0))
    assert len(axes.collections) == 1
    for wrong in ({}, {"a": []}, {"a": np.zeros((1, 2, 3))}):
        with pytest.raises(ValueError, match=r"at least one|shape"):
            mk.plot.regret(wrong)


def test_the_overview_shows_what_the_model_is(lake, puterman):
    assert len(mk.plot.overview(lake, tol=1e-8).axes) == 3  # grid, its scale, gap
    assert len(mk.plot.overview(puterman).axes) == 2
    assert len(mk.plot.overview(mk.solve(mk.load("gallery:garnet"))).axes) == 1


def test_one_step_has_an_axis_of_whole_numbers(puterman):
    axes = mk.plot.gaps(puterman).axes[0]
    if puterman.steps == 1:
        assert axes.get_xlim() == (0.5, 1.5)


def test_what_is_not_known_to_be_anything_is_shown_as_0():
    mdp = mk.load("gym:FrozenLake-v1", gamma=0.9)
    sol = mk.solve(mdp, ValueIteration(), tol=1e-3)
    image = mk.plot.values(sol, shape=(4, 4)).axes[0].images[0].get_array()
    assert image[1, 1] == 0  # a hole, worth 0; the bounds are ±5e-4


@pytest.mark.parametrize("exact", [False, True])
def test_a_total_reward_has_its_gap_at_the_end(exact):
    """At γ = 1 no step knows its gap; an exact answer has none."""
    mdp = mk.MDP([[[0.5]]], [[1.0]], 1.0, stop=[[0.5]])
    sol = mk.solve(mdp.exact() if exact else mdp)
    axes = mk.plot.gaps(sol).axes[0]
    assert ("gap 0: exact" in [t.get_text() for t in axes.texts]) == (sol.gap == 0)


# ---- names that try to be more (BAD_INPUTS 59) -----------------------------------------------


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = set()

    def handle_starttag(self, tag, attrs):
        self.found |= {tag} | {f"@{name}" for name, _ in attrs if name.startswith("on")}


def drawings(path):
    solution = hostile_solution()
    learners = {name: [1.0, 2.0] for name in HOSTILE}
    curves = {name: {"errors": [1.0, 0.5], "bounds": None} for name in HOSTILE}
    yield lambda: mk.plot.graph(solution, path=path)
    yield lambda: mk.plot.regret(learners, path=path, title=HOSTILE[0])
    yield lambda: mk.plot.convergence(curves, path=path, title=HOSTILE[2])
    yield lambda: mk.plot.occupancy(solution.mdp, solution.policy, path=path)
    yield lambda: mk.plot.overview(solution, path=path, title=HOSTILE[0] + HOSTILE[1])


@pytest.mark.parametrize("suffix", [".svg", ".html"])
def test_hostile_names_stay_names(tmp_path, suffix):
    path = tmp_path / f"figure{suffix}"
    for draw in drawings(path):
        draw()
        text = path.read_text(encoding="utf-8")
        tags = Tags()
        tags.feed(text)
        assert not {"script", "image", "@onload", "@onclick"} & tags.found
        assert "\x1b" not in text
        if suffix == ".svg":
            root = ElementTree.fromstring(text)
            used = {element.tag.rpartition("}")[2] for element in root.iter()}
            assert not {"script", "image", "foreignObject"} & used


def test_mathematics_and_tex_are_never_run(tmp_path):
    """Even where the reader's own settings ask for TeX."""
    with mpl.rc_context({"text.usetex": True}):
        figure = mk.plot.graph(hostile_solution(), path=tmp_path / "figure.svg")
    texts = [t for t in figure.findobj(mpl.text.Text) if "input" in t.get_text()]
    assert texts
    assert not any(t.get_usetex() for t in texts)
    assert all(r"\$" in t.get_text() for t in texts)


def test_a_page_is_one_file_without_links(lake, tmp_path):
    path = tmp_path / "page.html"
    mk.plot.overview(lake, path=path, title="lake & <co>")
    text = path.read_text(encoding="utf-8")
    assert "<title>lake &amp; &lt;co&gt;</title>" in text
    assert text.count("<svg") == 1
    tags = Tags()
    tags.feed(text)
    assert not {"script", "link", "img", "iframe"} & tags.found
    first = path.read_bytes()
    mk.plot.overview(lake, path=path, title="lake & <co>")
    assert path.read_bytes() == first


def test_pyplot_is_never_loaded():
    code = (
        "import sys, mdpkit as mk;"
        "mk.plot.graph(mk.load('gallery:puterman'));"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "False\n", run.stderr
