"""Curves against the textbook's formulas, and the band's coverage."""

import itertools

import numpy as np
import pytest
from scipy.stats import trim_mean

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


def column(*runs):
    return Curves(np.array(runs, dtype=float)[:, None])


@pytest.mark.parametrize(
    ("runs", "found"),
    [
        ((7.0,), 7.0),
        ((3.0, 1.0), 2.0),
        ((0.0, 3.0, 90.0), (0.25 * 0 + 1.0 * 3 + 0.25 * 90) / 1.5),  # from .75 to 2.25 of 3
        ((0.0, 1.0, 2.0, 10.0), 1.5),
        ((100.0, 4.0, 2.0, 1.0, 0.0), (0.75 * 1 + 2 + 0.75 * 4) / 2.5),  # from 1.25 to 3.75
        ((0.0, 1.0, 2.0, 4.0, 8.0, 99.0), (0.5 * 1 + 2 + 4 + 0.5 * 8) / 3),  # from 1.5 to 4.5
    ],
)
def test_the_interquartile_mean_is_that_of_the_middle_half(runs, found):
    assert column(*runs).interquartile_mean == pytest.approx(found, abs=1e-14)
    if len(runs) > 2:  # the impostor: the mean of all
        assert abs(column(*runs).mean[0] - found) > 0.5


def trimmed(x):
    """By another way: of every run four times over, the middle half are whole ones."""
    return trim_mean(np.repeat(x, 4, axis=0), 0.25, axis=0)


def test_it_is_the_trimmed_mean_of_every_run_four_times_over():
    for k in range(1, 22):
        values = np.random.default_rng(k).normal(size=(k, 20))
        found = Curves(values).interquartile_mean
        assert np.allclose(found, trimmed(values), rtol=0, atol=1e-14)
        if k % 4 == 0:
            assert np.allclose(found, trim_mean(values, 0.25, axis=0), rtol=0, atol=1e-14)
        elif k > 2:  # whole runs cut at either end are another thing
            assert not np.allclose(found, trim_mean(values, 0.25, axis=0), rtol=0, atol=1e-3)


def test_a_run_that_failed_counts_as_the_lowest():
    assert column(np.nan, 3.0, 1.0, 2.0).interquartile_mean == 1.5
    assert column(np.inf, 3.0, 1.0, 2.0).interquartile_mean == 2.5
    assert column(np.nan, np.nan, 1.0, 2.0).interquartile_mean == -np.inf
    low, high = column(*[np.nan] * 2, *range(18)).bootstrap()
    assert np.isfinite([low, high]).all()


FIVE = (0.0, 1.0, 2.0, 3.0, 200.0)
MEANINGS = {
    "interquartile mean": trimmed,
    "mean": lambda x: x.mean(axis=0),
    "median": lambda x: np.median(x, axis=0),
}


@pytest.mark.stat
@pytest.mark.parametrize("name", MEANINGS)
def test_the_bootstraps_interval_is_that_of_all_resamples(name):
    """By Dvoretzky, Kiefer, Wolfowitz and Massart no level of 20,000 draws is off by .02, but
    with chance 2e-7. All 5⁵ resamples of five runs are as likely as one another."""
    every = np.array(list(itertools.product(FIVE, repeat=5))).T
    low, high = column(*FIVE).bootstrap(name, 0.8, resamples=20_000)
    ends = {}
    for other, statistic in MEANINGS.items():
        found = np.sort(statistic(every))
        ends[other] = found[[int(q * found.size) for q in (0.08, 0.12, 0.88, 0.92)]]
    at_least, at_most, least, most = ends[name]
    assert at_least - 1e-12 <= low[0] <= at_most + 1e-12
    assert least - 1e-12 <= high[0] <= most + 1e-12
    impostor = ends["median" if name == "interquartile mean" else "interquartile mean"]
    assert not impostor[2] - 1e-12 <= high[0] <= impostor[3] + 1e-12


def test_the_bootstrap_of_two_runs_is_a_coin():
    """0, ½ and 1 with ¼, ½, ¼: half of it is ½, and 95 % is all."""
    two = column(0.0, 1.0)
    assert two.bootstrap(level=0.4) == (0.5, 0.5)
    assert two.bootstrap(level=0.95) == (0.0, 1.0)


def test_the_bootstrap_is_its_seeds():
    runs = Curves(np.random.default_rng(0).normal(size=(7, 3)))
    first, again, other = (runs.bootstrap(rng=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.stat
def test_the_bootstrap_covers_as_often_as_it_says_of_many_runs_and_less_of_five():
    """2,000 intervals: within .03, 4.5 standard errors, of 90 % for 40 runs, and of the 89 %
    that are not 95 for five. False alarm < 1e-5; the .03 has room for what it lacks, O(1/k)."""
    rng = np.random.default_rng(0)
    for k, level, share in ((40, 0.9, 0.9), (5, 0.95, 0.89)):
        runs = Curves(rng.normal(size=(k, 2000)))
        low, high = runs.bootstrap(level=level, resamples=400)
        assert abs(np.mean((low < 0) & (high > 0)) - share) < 0.03
    assert abs(np.mean((low < 0) & (high > 0)) - 0.95) > 0.03


def test_one_run_promises_nothing_by_bootstrap_either():
    low, high = Curves(np.ones((1, 3))).bootstrap()
    assert (low == -np.inf).all()
    assert (high == np.inf).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"statistic": "mode"}, "statistic is one of interquartile mean, mean, median"),
        ({"level": 1.0}, "level"),
        ({"resamples": 0}, "resamples"),
    ],
)
def test_the_bootstraps_bad_input_is_named(options, words):
    with pytest.raises(ValueError, match=words):
        column(0.0, 1.0).bootstrap(**options)
