"""The laws of what is drawn; every statistical test fails by chance with probability 1e-6."""

import numpy as np
import pytest
from scipy import stats

from mdpkit._random import keys
from mdpkit.bandits import BetaPrior, FinitePrior, NormalPrior, _draws

KEY = keys(11)[0]
SHAPES = [(1, 1), (2, 3), (400, 20), (0.5, 0.5), (0.2, 3), (3, 0.4), (1, 30), (0.9, 1)]


def noise(kind, runs=3, start=0, columns=40_000):
    out = np.empty((runs, columns))
    _draws.fill(kind, KEY, 0, start, out)
    return out


@pytest.mark.stat
def test_noise_has_its_law():
    """Kolmogorov–Smirnov, false alarm 1e-6 each; 5 % wider it is refused."""
    uniform, normal = noise(_draws.UNIFORM).reshape(-1), noise(_draws.NORMAL).reshape(-1)
    assert stats.kstest(uniform, "uniform").pvalue > 1e-6
    assert stats.kstest(normal, "norm").pvalue > 1e-6
    assert stats.kstest(normal * 1.05, "norm").pvalue < 1e-6
    for x in (uniform - 0.5, normal):  # neighbors are independent: n·r² ~ χ²₁
        assert np.corrcoef(x[:-1], x[1:])[0, 1] ** 2 * x.size < stats.chi2.isf(1e-6, 1)
        assert np.corrcoef(x[:-2], x[2:])[0, 1] ** 2 * x.size < stats.chi2.isf(1e-6, 1)
    assert (uniform >= 0).all()
    assert (uniform < 1).all()


@pytest.mark.parametrize("kind", [_draws.UNIFORM, _draws.NORMAL])
def test_noise_belongs_to_the_run_and_the_pull(kind):
    whole = noise(kind, runs=4, columns=100)
    part = np.empty((2, 30))
    _draws.fill(kind, KEY, 2, 40, part)
    assert np.array_equal(part, whole[2:, 40:70])
    assert len(np.unique(whole)) == whole.size


@pytest.mark.stat
@pytest.mark.parametrize(("alpha", "beta"), SHAPES)
def test_beta_numbers_have_their_law(alpha, beta):
    """Kolmogorov–Smirnov of 20,000 numbers, false alarm 1e-6 each; a neighbor is refused."""
    x = BetaPrior(alpha, beta).draw(KEY, 20_000)[:, 0]
    assert stats.kstest(x, stats.beta(alpha, beta).cdf).pvalue > 1e-6
    assert stats.kstest(x, stats.beta(1.15 * alpha, beta).cdf).pvalue < 1e-6


def test_extreme_shapes_stay_in_the_interval():
    for alpha, beta in ((1e-3, 1e-3), (1e-3, 5.0), (1e6, 1e-2), (1e7, 1e7), (1e-300, 1.0)):
        x = BetaPrior(alpha, beta).draw(KEY, 300)
        assert ((x >= 0) & (x <= 1)).all()
    x = BetaPrior(1e7, 3e7).draw(KEY, 300)
    assert abs(x - 0.25).max() < 7 * np.sqrt(0.25 * 0.75 / 4e7)


@pytest.mark.stat
def test_priors_draw_what_they_say():
    """Kolmogorov–Smirnov and χ², false alarm 1e-6 each."""
    prior = NormalPrior([1.0, -2.0], [2.0, 0.5])
    x = prior.draw(KEY, 20_000)
    for a in range(2):
        law = stats.norm(prior.mean[a], prior.scale[a])
        assert stats.kstest(x[:, a], law.cdf).pvalue > 1e-6
    assert np.corrcoef(x.T)[0, 1] ** 2 * len(x) < stats.chi2.isf(1e-6, 1)
    finite = FinitePrior([[0.1, 0.2], [0.3, 0.0], [0.5, 0.5]], [0.5, 0.125, 0.375])
    drawn = finite.draw(KEY, 20_000)
    seen = [(drawn == row).all(axis=1).sum() for row in finite.means]
    assert stats.chisquare(seen, 20_000 * finite.weights).pvalue > 1e-6
    assert stats.chisquare(seen, [20_000 / 3] * 3).pvalue < 1e-6


def test_more_runs_are_the_old_ones_and_some_new():
    for prior in (BetaPrior(2.0, 3.0, 4), NormalPrior(0.0, 1.0, 4)):
        assert np.array_equal(prior.draw(KEY, 30)[:10], prior.draw(KEY, 10))
