"""Posteriors against Bayes' rule on a grid, and the best arm against closed forms."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy import stats

from mdpkit._exact import rational
from mdpkit.bandits import (
    Bernoulli,
    BetaPrior,
    FinitePrior,
    Gaussian,
    NormalPrior,
    Uniform,
    entropy,
)
from mdpkit.errors import ModelError


def by_bayes(prior, likelihood, grid):
    """Mean and variance of prior × likelihood on a fine grid."""
    w = prior * likelihood
    mean = (w * grid).sum() / w.sum()
    return mean, (w * (grid - mean) ** 2).sum() / w.sum()


def test_the_normal_posterior_is_bayes_rule():
    """v = 1/(1/s² + n/σ²), m = v (m₀/s² + Σr/σ²), against the product of densities."""
    rewards = np.array([1.3, 0.2, 2.2])
    post = NormalPrior(0.5, 1.5).posterior([3], [rewards.sum()], Gaussian(0.7))
    grid = np.linspace(-6, 8, 200_001)
    likelihood = np.prod([stats.norm.pdf(r, grid, 0.7) for r in rewards], axis=0)
    mean, variance = by_bayes(stats.norm.pdf(grid, 0.5, 1.5), likelihood, grid)
    np.testing.assert_allclose([post.mean[0], post.scale[0] ** 2], [mean, variance], rtol=1e-9)
    wrong = NormalPrior(0.5, 1.5).posterior([3], [rewards.sum()], Gaussian(0.7**0.5))
    assert abs(wrong.mean[0] - mean) > 1e-3  # σ for σ²


def test_the_beta_posterior_is_bayes_rule():
    post = BetaPrior([1.0, 2.0], [1.0, 3.0]).posterior([0, 5], [0, 2], Bernoulli())
    assert (post.alpha.tolist(), post.beta.tolist()) == ([1, 4], [1, 6])
    grid = np.linspace(0, 1, 100_001)
    mean, _ = by_bayes(stats.beta.pdf(grid, 2, 3), grid**2 * (1 - grid) ** 3, grid)
    assert abs(post.mean[1] - mean) < 1e-9


def test_the_finite_posterior_is_bayes_rule_exactly():
    """Against the product of chances along one history, in fractions."""
    rows = [["1/2", "1/3"], ["1/5", "3/4"], ["0", "1"]]
    means = np.array([[rational(Fraction(x)) for x in row] for row in rows])
    weights = np.array([rational(Fraction(x)) for x in ("1/2", "1/4", "1/4")])
    history = [(0, 0), (1, 1), (1, 1), (0, 0), (1, 1)]
    joint = []
    for w, row in zip(weights, means, strict=True):
        for arm, r in history:
            w = w * (row[arm] if r else 1 - row[arm])
        joint.append(w)
    counts = [sum(a == arm for a, _ in history) for arm in (0, 1)]
    sums = [sum(r for a, r in history if a == arm) for arm in (0, 1)]
    post = FinitePrior(means, weights).posterior(counts, sums, Bernoulli())
    assert [x / sum(joint) for x in joint] == post.weights.tolist()
    with pytest.raises(ValueError, match="impossible"):
        FinitePrior(means[2:], np.array([rational(1)])).posterior([1, 0], [1, 0], Bernoulli())


def test_the_finite_posterior_of_gaussian_rewards():
    prior = FinitePrior([[0.0, 1.0], [2.0, -1.0]], [0.3, 0.7])
    rewards = [(0, 1.7), (1, 0.2), (0, -0.4)]
    w = np.array(prior.weights)
    for arm, r in rewards:
        w = w * stats.norm.pdf(r, prior.means[:, arm], 1.3)
    post = prior.posterior([2, 1], [1.3, 0.2], Gaussian(1.3))
    np.testing.assert_allclose(post.weights, w / w.sum(), rtol=1e-12)


def test_the_best_of_beta_arms():
    """P(U² best) and friends: polynomials, integrated by hand."""
    best = BetaPrior([2.0, 1.0], 1.0).best()  # ∫ 2x·x dx = 2/3
    np.testing.assert_allclose(best.probabilities, [2 / 3, 1 / 3], atol=1e-12)
    assert abs(best.value - 3 / 4) < 1e-12  # F = x³: E = 3/4
    many = BetaPrior(1.0, 1.0, 7).best()
    np.testing.assert_allclose(many.probabilities, 1 / 7, atol=1e-12)
    assert abs(many.value - 7 / 8) < 1e-12
    low = BetaPrior(0.5, 1.0, 2).best()  # F = √x each: E max = ½
    np.testing.assert_allclose([*low.probabilities, low.value], 0.5, atol=1e-12)


def beta_beats(a, b, c, d):
    """P(Beta(a, b) > Beta(c, d)) for integers, in fractions: a sum over successes."""
    from math import comb

    total = Fraction(0)
    n = c + d - 1
    # P(Y < x) = Σ_{j ≥ c} C(n, j) xʲ(1−x)ⁿ⁻ʲ; its mean under Beta(a, b) is beta-binomial
    for j in range(c, n + 1):
        p = Fraction(comb(n, j))
        for i in range(j):
            p *= Fraction(a + i)
        for i in range(n - j):
            p *= Fraction(b + i)
        for i in range(n):
            p /= Fraction(a + b + i)
        total += p
    return total


@pytest.mark.parametrize("shapes", [(3, 5, 2, 2), (40, 60, 45, 55), (1, 30, 2, 200)])
def test_the_better_of_two_coins_is_beta_binomial(shapes):
    a, b, c, d = shapes
    best = BetaPrior([a, c], [b, d]).best()
    assert abs(best.probabilities[0] - float(beta_beats(*shapes))) < 1e-11
    assert abs(best.probabilities.sum() - 1) < 1e-12


def test_the_best_of_normal_arms():
    """P(X > Y) = Φ((m − m′)/√(s² + s′²)); E max by Clark's formula."""
    m, s = np.array([0.3, 1.1]), np.array([2.0, 0.01])
    best = NormalPrior(m, s).best()
    theta = np.sqrt((s**2).sum())
    d = (m[0] - m[1]) / theta
    np.testing.assert_allclose(best.probabilities[0], stats.norm.cdf(d), atol=1e-12)
    clark = m[0] * stats.norm.cdf(d) + m[1] * stats.norm.cdf(-d) + theta * stats.norm.pdf(d)
    np.testing.assert_allclose(best.value, clark, atol=1e-12)
    three = NormalPrior(0.0, 1.0, 3).best()
    np.testing.assert_allclose(three.value, 1.5 / np.sqrt(np.pi), atol=1e-12)


def test_the_best_of_finitely_many_breaks_ties_by_index():
    prior = FinitePrior([[0.5, 0.5], [0.1, 0.2], [0.4, 0.3]], [0.5, 0.25, 0.25])
    assert prior.best().probabilities.tolist() == [0.75, 0.25]
    assert prior.best().value == 0.5 * 0.5 + 0.25 * 0.2 + 0.25 * 0.4
    assert prior.best().value > prior.mean.max()  # not the maximum of the means


def test_entropy_is_in_nats():
    assert abs(entropy([0.5, 0.5]) - np.log(2)) < 1e-15
    assert entropy([1.0, 0.0]) == 0


BAD = [
    lambda: BetaPrior(0.0, 1.0),
    lambda: BetaPrior([1.0, -1.0], 1.0),
    lambda: BetaPrior(np.nan, 1.0),
    lambda: BetaPrior(np.inf, 1.0),
    lambda: BetaPrior([1.0, 2.0], [1.0, 2.0, 3.0]),
    lambda: BetaPrior([1.0, 2.0], 1.0, n_arms=3),
    lambda: BetaPrior([], []),
    lambda: BetaPrior(1.0, 1.0, n_arms=0),
    lambda: BetaPrior([[1.0]], 1.0),
    lambda: NormalPrior(0.0, 0.0),
    lambda: NormalPrior(np.nan, 1.0),
    lambda: FinitePrior([[0.1, 0.2]], [0.5]),
    lambda: FinitePrior([[0.1, 0.2]], [0.5, 0.5]),
    lambda: FinitePrior([[0.1], [0.2]], [1.5, -0.5]),
    lambda: FinitePrior([[np.nan]], [1.0]),
    lambda: FinitePrior([0.1, 0.2], [0.5, 0.5]),
    lambda: FinitePrior(np.empty((0, 2)), []),
    lambda: FinitePrior([[0.1], [0.2]], [np.nan, 1.0]),
]


@pytest.mark.parametrize("make", BAD)
def test_what_is_no_prior(make):
    with pytest.raises(ModelError):
        make()


@pytest.mark.parametrize(
    ("prior", "noise"),
    [
        *product([BetaPrior(1.0, 1.0)], [Gaussian(1.0), Uniform(0.1)]),
        *product([NormalPrior(0.0, 1.0)], [Bernoulli(), Uniform(0.1)]),
        (FinitePrior([[0.5]], [1.0]), Uniform(0.1)),
    ],
)
def test_priors_that_are_not_conjugate(prior, noise):
    with pytest.raises(TypeError):
        prior.posterior([1], [0.5], noise)
