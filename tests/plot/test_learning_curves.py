"""Learning curves: means in their bands, over axes they share."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.curves import Curves


def two():
    rng = np.random.default_rng(0)
    return [
        Curves(rng.normal(size=(5, 30)), name, "return") for name in ("sarsa", "q-learning")
    ]


def test_means_are_drawn_in_their_bands(tmp_path):
    runs, path = two(), tmp_path / "curves.svg"
    figure = mk.plot.curves(runs, path=path, title="Cliff", level=0.9)
    assert path.read_bytes().startswith(b"<?xml")
    (axes,) = figure.axes
    for one, drawn, band in zip(runs, axes.lines, axes.collections, strict=True):
        assert np.array_equal(drawn.get_ydata(), one.mean)
        assert np.array_equal(drawn.get_xdata(), np.arange(1, 31))
        low, high = one.band(0.9)
        corners = band.get_paths()[0].vertices
        assert np.isclose(corners[:, 1].min(), low.min())
        assert np.isclose(corners[:, 1].max(), high.max())
    assert axes.get_xlabel() == "episode"
    assert axes.get_ylabel() == "return"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "sarsa",
        "q-learning",
    ]


def test_a_single_run_has_no_band():
    (axes,) = mk.plot.curves([Curves(np.ones((1, 3)), "one", "steps")]).axes
    assert len(axes.lines) == 1
    assert len(axes.collections) == 0
    assert axes.get_title(loc="left") == "one"


def test_what_learning_returns_can_be_drawn():
    from mdpkit import gallery
    from mdpkit.learn import QLearning, Sarsa, learn

    cliff = gallery.make("cliff")
    found = [learn(cliff, m, episodes=5, runs=3, rng=0) for m in (Sarsa(), QLearning())]
    (axes,) = mk.plot.curves([one.lengths for one in found]).axes
    assert axes.get_ylabel() == "steps"


def test_other_axes_and_nothing_are_refused(tmp_path):
    runs = two()
    with pytest.raises(ValueError, match="return over episode, steps over episode"):
        mk.plot.curves([runs[0], Curves(np.ones((2, 3)), "x", "steps")])
    with pytest.raises(ValueError, match="at least one"):
        mk.plot.curves([])
    with pytest.raises(ValueError, match="level"):
        mk.plot.curves(runs, level=1.5)
    with pytest.raises(ValueError, match="a figure is written as"):
        mk.plot.curves(runs, path=tmp_path / "x.txt")
