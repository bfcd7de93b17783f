"""Curves against the textbook's formulas, and the band's coverage."""

import numpy as np
import pytest

from mdpkit.curves import Curves


def test_mean_error_and_band_are_the_textbooks():
    """Two runs 1 and 3: mean 2, s² = 2, error 1; t(1) at 95 % is 12.7062."""
    curve = Curves(np.array([[1.0], [3.0]]))
    assert curve.mean == 2
    assert curve.standard_error == pytest.approx(1)
    low, high = curve.band()
    assert high[0] - 2 == pytest.approx(12.7062, abs=1e-4)
    assert 2 - low[0] == pytest.approx(12.7062, abs=1e-4)


@pytest.mark.stat
def test_band_covers_as_often_as_it_says():
    """4,000 bands at 90 %: the share lies within 4.9 standard errors, false alarm < 1e-6."""
    rng = np.random.default_rng(0)
    low, high = Curves(rng.normal(size=(5, 4000))).band(0.9)
    share = np.mean((low < 0) & (high > 0))
    assert abs(share - 0.9) < 4.9 * np.sqrt(0.09 / 4000)
    normal = 1.645 * Curves(rng.normal(size=(5, 4000))).standard_error  # the wrong quantile
    mean = rng.normal(size=(5, 4000)).mean(axis=0)
    assert abs(np.mean(abs(mean) < normal) - 0.9) > 4.9 * np.sqrt(0.09 / 4000)


def test_one_run_promises_nothing():
    low, high = Curves(np.ones((1, 3))).band()
    assert (low == -np.inf).all()
    assert (high == np.inf).all()


def test_windows_average_neighbors():
    curve = Curves(np.arange(7.0)[None]).averaged(3)
    assert np.array_equal(curve.values, [[1.0, 4.0]])
    assert np.array_equal(curve.x, [3, 6])
    with pytest.raises(ValueError, match="window"):
        curve.averaged(3)
    with pytest.raises(ValueError, match="runs"):
        Curves(np.ones(3))
