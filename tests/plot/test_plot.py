"""Figures: every format, atomically, without pyplot, and what must be on them."""

import subprocess
import sys

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.plan import GaussSeidel, PolicyIteration, ValueIteration

STARTS = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}
CURVES = {
    "vi": {"errors": [1.0, 0.5, 0.25], "bounds": [1.0, 0.9, 0.81], "gaps": [None, 2.0, 1.0]},
    "pi": {"errors": [1.0, 0.0], "bounds": [1.0, 0.9], "gaps": [3.0, 0.0]},
    "lp": {"errors": [2.0, 1e-9], "bounds": None, "gaps": [3.0, 1e-9]},
}


@pytest.fixture(scope="module")
def solutions():
    mdp = mk.load("gallery:lake")
    return mk.solve(mdp, ValueIteration()), mk.solve(mdp, PolicyIteration())


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("suffix", STARTS)
def test_gaps_are_written_in_each_format(solutions, tmp_path, suffix):
    path = tmp_path / f"gaps{suffix}"
    mk.plot.gaps(*solutions, tol=1e-8, path=path)
    first = path.read_bytes()
    assert first.startswith(STARTS[suffix])
    mk.plot.gaps(*solutions, tol=1e-8, path=path)
    assert path.read_bytes() == first  # no dates, no random ids
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_gaps_draw_each_solution_and_the_tolerance(solutions):
    figure = mk.plot.gaps(*solutions, tol=1e-8)
    (axes,) = figure.axes
    first, second, asked = axes.lines
    assert axes.get_yscale() == "log"
    np.testing.assert_array_equal(first.get_ydata(), solutions[0].gaps)
    np.testing.assert_array_equal(second.get_xdata(), np.arange(1, solutions[1].steps + 1))
    assert asked.get_ydata()[0] == 1e-8
    assert legend(figure) == ["ValueIteration", "PolicyIteration"]


def test_two_solutions_of_one_method_are_told_apart():
    mdp = mk.load("gallery:lake")
    both = [mk.solve(mdp, GaussSeidel(order)) for order in ("natural", "reverse")]
    natural, reverse = legend(mk.plot.gaps(*both))
    assert "natural" in natural
    assert "reverse" in reverse


def test_convergence_draws_bounds_that_agree_once():
    figure = mk.plot.convergence(CURVES)
    (axes,) = figure.axes
    solid = [line for line in axes.lines if line.get_linestyle() == "-"]
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert len(solid) == 3
    assert [list(line.get_ydata()) for line in dashed] == [[1.0, 0.9, 0.81], []]
    assert legend(figure) == ["vi", "pi", "lp", "theorem's bound"]


def test_an_error_of_zero_leaves_the_axis_finite():
    (axes,) = mk.plot.convergence({"pi": CURVES["pi"]}).axes
    assert 0 < axes.get_ylim()[0] < axes.get_ylim()[1] < np.inf


def test_an_unknown_suffix_writes_nothing(solutions, tmp_path):
    for draw in (
        lambda path: mk.plot.gaps(*solutions, path=path),
        lambda path: mk.plot.convergence(CURVES, path=path),
    ):
        with pytest.raises(ValueError, match="a figure is written as"):
            draw(tmp_path / "figure.bmp")
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        mk.plot.gaps()
    with pytest.raises(ValueError, match="at least one"):
        mk.plot.convergence({})


def test_pyplot_is_never_loaded():
    code = (
        "import sys, mdpkit as mk;"
        "mk.plot.convergence({'a': {'errors': [1.0], 'bounds': None}});"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "False\n", run.stderr
