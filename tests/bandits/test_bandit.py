"""What is a bandit and what is none; noise; Hoeffding against exact binomial tails."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from mdpkit._exact import rational
from mdpkit.bandits import (
    Bandit,
    Bernoulli,
    BetaPrior,
    FinitePrior,
    Gaussian,
    NormalPrior,
    Uniform,
    bernoulli_divergence,
    hoeffding_radius,
    lai_robbins_slope,
)
from mdpkit.errors import ModelError

BAD = {
    "no arm": lambda: Bandit([]),
    "a table": lambda: Bandit([[0.5]]),
    "a number": lambda: Bandit(0.5),
    "not a number": lambda: Bandit([0.5, np.nan]),
    "infinite": lambda: Bandit([np.inf], Gaussian(1.0)),
    "no probability": lambda: Bandit([0.5, 1.1]),
    "negative": lambda: Bandit([-0.1]),
    "normal coins": lambda: Bandit(NormalPrior(0.5, 0.1)),
    "finite coins": lambda: Bandit(FinitePrior([[0.5, 1.5]], [1.0])),
    "too many sigmas": lambda: Bandit([0.0, 1.0], Gaussian([1.0, 2.0, 3.0])),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_bandit(name):
    with pytest.raises(ModelError):
        BAD[name]()


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan, np.inf, [1.0, 0.0], [[1.0]]])
def test_what_is_no_width(sigma):
    with pytest.raises(ValueError, match="sigma"):
        Gaussian(sigma)
    with pytest.raises(ValueError, match="half_width"):
        Uniform(sigma)


def test_noise_is_an_object():
    with pytest.raises(TypeError, match="noise"):
        Bandit([0.5], "bernoulli")


def test_errors_carry_their_witness():
    with pytest.raises(ModelError) as caught:
        Bandit([0.5, np.nan])
    assert caught.value.witness == {"arm": 1}


def test_the_range_of_rewards():
    assert Bandit([0.2, 0.7]).reward_range == (0, 1)
    assert Bandit([0.25, 0.5], Uniform([0.25, 0.125])).reward_range == (0, 0.625)
    assert Bandit([0.2], Gaussian(1.0)).reward_range == (-math.inf, math.inf)
    assert Bandit(BetaPrior(1.0, 1.0)).reward_range == (0, 1)
    assert Bandit(FinitePrior([[0.25, 0.5]], [1.0]), Uniform(0.25)).reward_range == (0, 0.75)


def test_gaps_and_arms():
    assert Bandit([0.25, 0.5]).gaps.tolist() == [0.25, 0]
    assert Bandit(BetaPrior(1.0, 1.0, 3)).n_arms == 3
    assert Bandit([rational("1/3"), rational("1/2")]).gaps.tolist() == [rational("1/6"), 0]
    with pytest.raises(ValueError, match="prior"):
        _ = Bandit(BetaPrior(1.0, 1.0, 3)).gaps
    with pytest.raises(TypeError, match="enumerated"):
        Bandit([rational("1/3")]).draw(0, 1)


def test_callers_arrays_are_copied():
    means = np.array([0.1, 0.2])
    bandit = Bandit(means)
    means[0] = 0.9
    assert bandit.means[0] == 0.1
    with pytest.raises(ValueError, match="read-only"):
        bandit.means[0] = 0.5


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_hoeffding_holds_against_exact_binomial_tails(p):
    """P(|X̄ − p| ≥ ε) ≤ δ at ε = √(ln(2/δ)/(2n)); with ν = ¼ for ½ it fails at p = ½."""
    n = np.arange(1, 201)[:, None]
    delta = np.array([1e-9, 1e-4, 0.01, 0.1, 0.5, 1.0])
    tail = two_sided(n, p, hoeffding_radius(n, delta))
    assert (tail <= delta * (1 + 1e-9)).all()
    if p == 0.5:
        assert (two_sided(n, p, hoeffding_radius(n, delta, nu=0.25)) > delta).any()


def two_sided(n, p, radius):
    """P(|S/n − p| ≥ ε), a lattice point within rounding of the edge counted in."""
    edge = 1e-9
    above = stats.binom.sf(np.ceil(n * (p + radius) - edge) - 1, n, p)
    return above + stats.binom.cdf(np.floor(n * (p - radius) + edge), n, p)


def test_gaussian_noise_meets_the_same_radius():
    for n in (1, 10, 1000):
        tail = 2 * stats.norm.sf(hoeffding_radius(n, 0.05, nu=2.0) * math.sqrt(n) / 2.0)
        assert tail <= 0.05


def test_nu_is_the_moment_bound():
    """E e^{λ(X − μ)} ≤ e^{λ²ν²/2}, an equality for Gaussian noise."""
    for s in np.linspace(-4, 4, 17):
        for p in (0.1, 0.5, 0.8):
            moment = (1 - p) * np.exp(-s * p) + p * np.exp(s * (1 - p))
            assert moment <= np.exp((s * Bernoulli().nu) ** 2 / 2) * (1 + 1e-12)
        h = 0.7
        moment = np.sinh(s * h) / (s * h) if s else 1.0
        assert moment <= np.exp((s * Uniform(h).nu) ** 2 / 2) * (1 + 1e-12)
    assert Gaussian([1.0, 3.0]).nu == 3.0


def test_divergences():
    assert abs(bernoulli_divergence(0.5, 0.25) - 0.5 * math.log(4 / 3)) < 1e-15
    assert bernoulli_divergence(0.0, 0.5) == math.log(2)
    assert bernoulli_divergence(0.5, 1.0) == math.inf
    assert bernoulli_divergence(1.0, 1.0) == 0

    def integrand(x):
        return stats.norm.pdf(x, 1, 2) * (
            stats.norm.logpdf(x, 1, 2) - stats.norm.logpdf(x, 0, 2)
        )

    assert abs(Gaussian(2.0).divergence(1.0, 0.0) - quad(integrand, -30, 30)[0]) < 1e-9
    assert Uniform(0.1).divergence([0.2, 0.3], 0.3).tolist() == [math.inf, 0]


def test_lai_and_robbins_slope():
    """Δ²/(2σ²) for Gaussian arms makes it 2σ²/Δ; coins by their own kl."""
    assert abs(lai_robbins_slope(Bandit([1.0, 0.5, 1.0], Gaussian(2.0))) - 8 / 0.5) < 1e-12
    expected = 0.25 / (0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5))
    assert abs(lai_robbins_slope(Bandit([0.25, 0.5])) - expected) < 1e-12
    assert lai_robbins_slope(Bandit([0.5, 0.5])) == 0
