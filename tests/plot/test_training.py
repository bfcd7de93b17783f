"""Trainings: every seed is there, and those that failed are seen."""

import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.curves import Curves

VALUES = np.array([[1.0, 5.0, 9.0], [2.0, 6.0, 7.0], [0.0, 1.0, 2.0], [3.0, 4.0, 8.0]])


class Trained(NamedTuple):
    """As much of a result of `mk.deep.train` as is drawn."""

    curves: Curves
    finite: np.ndarray


def trained(values=VALUES, finite=None):
    curves = Curves(values, "PPO on CartPole-v1", "return", np.array([10, 20, 30]), "step")
    return Trained(curves, np.ones(len(values), bool) if finite is None else finite)


def lines(axes, style):
    return [line for line in axes.lines if line.get_linestyle() == style]


def test_each_seed_is_thin_and_their_mean_is_in_its_band(tmp_path):
    path = tmp_path / "training.svg"
    (axes,) = mk.plot.training(trained(), path=path, level=0.8).axes
    assert path.read_bytes().startswith(b"<?xml")
    mean, *seeds = axes.lines
    assert np.array_equal([seed.get_ydata() for seed in seeds], VALUES)
    assert max(seed.get_linewidth() for seed in seeds) < mean.get_linewidth()
    assert np.array_equal(mean.get_ydata(), [1.5, 4.5, 7.5])  # the middle two of four
    assert np.array_equal(mean.get_xdata(), [10, 20, 30])
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices[:, 1]
    low, high = trained().curves.bootstrap(level=0.8)
    assert (corners.min(), corners.max()) == (low.min(), high.max())
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "return")
    assert axes.get_title(loc="left") == "PPO on CartPole-v1: 4 seeds"


def test_a_failed_seed_is_seen_where_it_was_lost():
    values = VALUES.copy()
    values[1, 1:] = np.nan
    values[2] = np.nan
    (axes,) = mk.plot.training(trained(values)).axes
    assert axes.get_title(loc="left").endswith("4 seeds, 2 FAILED")
    dotted = lines(axes, ":")
    assert np.array_equal([line.get_ydata()[0] for line in dotted], [2.0, np.nan], True)
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert [(*line.get_xdata(), *line.get_ydata()) for line in crosses] == [(10, 2), (10, 0)]
    mean = axes.lines[0].get_ydata()
    assert mean[0] == 1.5  # of −∞, 1, 2 and 3
    assert mean[1] == -np.inf  # of −∞ twice, 4 and 5
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    assert corners[:, 1].min() == 1.0  # the lowest seed there is, for −∞
    assert corners[:, 0].max() == 30


def test_parameters_that_are_not_finite_are_a_failure_whatever_was_returned():
    result = trained(finite=np.array([True, False, True, True]))
    (axes,) = mk.plot.training(result).axes
    (dotted,) = lines(axes, ":")
    assert np.array_equal(dotted.get_ydata(), VALUES[1])
    assert axes.get_title(loc="left").endswith("4 seeds, 1 FAILED")
    assert not lines(mk.plot.training(trained()).axes[0], ":")  # and without it there is none


def test_several_are_side_by_side_and_curves_are_enough():
    first, second = mk.plot.training([trained(), trained(VALUES[:1]).curves]).axes
    assert len(first.lines) == 5
    assert len(second.lines) == 2
    assert len(second.collections) == 0  # one seed has no band
    assert second.get_title(loc="left").endswith("1 seed")


def test_one_evaluation_is_a_point():
    (axes,) = mk.plot.training(Curves(VALUES[:, :1], "x", "return")).axes
    assert axes.lines[0].get_marker() == "o"


def test_bad_input_is_named(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        mk.plot.training([])
    with pytest.raises(ValueError, match="a figure is written as"):
        mk.plot.training(trained(), path=tmp_path / "x.txt")
    with pytest.raises(ValueError, match="level"):
        mk.plot.training(trained(), level=2.0)


def test_pictures_load_no_jax():
    code = "import sys, mdpkit.plot; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "jax" not in run.stdout.split()
    assert "matplotlib" in run.stdout.split()
