"""Regret beside its bound, drawn."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.bandits import UCB1, Bandit, Thompson, play


def test_regret_is_drawn_beside_its_bound(tmp_path):
    coins = Bandit([0.4, 0.6])
    ucb = play(coins, UCB1(), 1000, runs=30, rng=0)
    thompson = play(coins, Thompson(), 1000, runs=30, rng=0)
    bound = UCB1().bound(coins, ucb.pulls)
    figure = mk.plot.regret(
        {"UCB1": ucb.regret, "Thompson": thompson.regret},
        tmp_path / "regret.svg",
        bounds={"UCB1": bound},
    )
    axes = figure.axes[0]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    mean, dashed = axes.lines[0], axes.lines[1]
    assert np.array_equal(mean.get_xdata(), ucb.pulls)
    assert np.array_equal(mean.get_ydata(), ucb.regret.mean)
    assert np.array_equal(dashed.get_ydata(), bound)
    assert dashed.get_linestyle() == "--"
    assert dashed.get_color() == mean.get_color()
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == ucb.regret.quantile(0.95).max()
    assert (tmp_path / "regret.svg").stat().st_size > 1000


def test_a_bound_of_no_curve_is_a_mistake():
    with pytest.raises(ValueError, match="bounds are for"):
        mk.plot.regret({"a": [1.0, 2.0]}, bounds={"b": [1.0, 2.0]})
