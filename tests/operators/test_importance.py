"""Importance sampling and control variates, by enumeration of small laws."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from mdpkit import enumerate as every
from mdpkit import gallery
from mdpkit.errors import ModelError
from mdpkit.operators.control_variates import controlled_mean, optimal_coefficient
from mdpkit.operators.importance import (
    effective_sample_size,
    importance_mean,
    importance_weights,
    optimal_proposal,
    pair_ratios,
    proposal_variance,
    ratio_growth,
    ratio_second_moment,
)
from mdpkit.policy import uniform
from tests.prediction_oracle import looping_mdp, some_policy


def fractions(*x):
    return np.array([Fraction(y) for y in x])


def test_the_optimal_proposal_is_in_the_absolute_value():
    p, f = fractions("1/2", "1/4", "1/4"), fractions(1, -2, 3)
    q = optimal_proposal(p, f)
    assert q.tolist() == [Fraction(2, 7), Fraction(2, 7), Fraction(3, 7)]
    least = proposal_variance(p, f, q)
    assert least == Fraction(7, 4) ** 2 - Fraction(3, 4) ** 2
    rng = np.random.default_rng(0)
    for _ in range(50):
        other = rng.dirichlet(np.ones(3))
        assert proposal_variance(p.astype(float), f.astype(float), other) >= float(least)
    signed = f * p / (f * p).sum()  # f p / E f is no distribution where f changes its sign
    assert (signed < 0).any()
    with pytest.raises(ModelError, match=r"q\[1\] is 0"):
        proposal_variance(p, f, fractions("1/2", 0, "1/2"))


def test_a_function_of_one_sign_has_an_estimate_without_variance():
    p, f = fractions("1/2", "1/4", "1/4"), fractions(1, 2, 3)
    assert proposal_variance(p, f, optimal_proposal(p, f)) == 0
    assert optimal_proposal(p, 0 * f).tolist() == p.tolist()


def test_weights_neither_overflow_nor_vanish():
    """The mutation that takes exponentials first: e^1000 is infinite, e^−1000 is 0."""
    log_p, log_q = np.array([1000.0, 999.0]), np.zeros(2)
    w = importance_weights(log_p, log_q)
    assert w == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.e)])
    with np.errstate(over="ignore", invalid="ignore"):
        naive = np.exp(log_p) / np.exp(log_p).sum()
    assert np.isnan(naive).all()
    assert effective_sample_size(w) == pytest.approx(1 / (w**2).sum())


def samples(n, log_p, log_q, f):
    """Every sample of n draws of q with its probability, and both estimates of E_p f."""
    q = np.exp(log_q)
    for draws in product(range(q.size), repeat=n):
        i = list(draws)
        given = f[i], log_p[i], log_q[i]
        plain, shared = importance_mean(*given), importance_mean(*given, normalize=True)
        yield np.prod(q[i]), plain, shared


def test_the_mean_is_unbiased_and_the_normalized_one_is_not():
    """E[w] = 1 and E[w f] = E_p f by all 3⁴ samples; the error bars are right on average."""
    p, q, f = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5]), np.array([1.0, -2.0, 4.0])
    truth, found, biased, spread = p @ f, 0.0, 0.0, 0.0
    for weight, plain, shared in samples(4, np.log(p), np.log(q), f):
        found += weight * plain.mean
        biased += weight * shared.mean
        spread += weight * plain.standard_error**2
        assert 1 - 1e-12 <= shared.effective_size <= 4 + 1e-12
    assert found == pytest.approx(truth, abs=1e-14)
    assert abs(biased - truth) > 1e-2
    assert spread == pytest.approx(proposal_variance(p, f, q) / 4, rel=1e-12)
    with pytest.raises(ValueError, match="at least 2"):
        importance_mean([1.0], [0.0], [0.0])


def test_a_control_variate_leaves_one_minus_the_squared_correlation():
    p = fractions("1/6", "1/3", "1/2")
    f, g = fractions(1, 4, -2), fractions(0, 3, 1)
    c = optimal_coefficient(f, g, p)
    centered = f - p @ f, g - p @ g
    var_f, var_g = p @ centered[0] ** 2, p @ centered[1] ** 2
    covariance = p @ (centered[0] * centered[1])
    assert c == -covariance / var_g

    def variance(c):
        return p @ (centered[0] + c * centered[1]) ** 2

    assert variance(c) == var_f - covariance**2 / var_g  # Var f (1 − ρ²)
    assert all(variance(c + d) > variance(c) for d in (Fraction(1, 100), Fraction(-1)))
    with pytest.raises(ValueError, match="constant"):
        optimal_coefficient(f, 0 * g + 1, p)


def test_a_coefficient_from_the_same_samples_is_biased():
    """By all 3⁶ samples of a skew law: halves serve each other without bias; together not."""
    p, f, g = np.array([0.2, 0.3, 0.5]), np.array([4.0, 1.0, 0.0]), np.array([3.0, 0.1, 0.5])
    truth, mean, honest, same = p @ f, p @ g, 0.0, 0.0
    for draws in product(range(3), repeat=6):
        i = list(draws)
        weight, c = np.prod(p[i]), 0.0
        honest += weight * controlled_mean(f[i], g[i], mean).mean
        if np.ptp(g[i]) > 0:
            c = optimal_coefficient(f[i], g[i])
        same += weight * (f[i].mean() + c * (g[i].mean() - mean))
    assert honest == pytest.approx(truth, abs=1e-13)
    assert abs(same - truth) > 1e-2
    with pytest.raises(ValueError, match="at least 4"):
        controlled_mean(f, g, mean)


@pytest.mark.parametrize("seed", range(3))
def test_the_second_moment_of_a_product_of_ratios(seed):
    """Against every path of four steps, some of which end."""
    mdp = looping_mdp(seed)
    pi, b = some_policy(mdp, seed), some_policy(mdp, seed + 50)
    ratio = pair_ratios(pi.reshape(-1), b.reshape(-1), mdp.place)
    for horizon in (1, 2, 4):
        batch = every.trajectories(mdp, b, horizon)
        each = np.where(batch.pairs >= 0, ratio[batch.pairs], 1.0).prod(axis=0)
        assert batch.weight @ each == pytest.approx(1, abs=1e-13)
        wanted = batch.weight @ each**2
        assert ratio_second_moment(mdp, pi, b, horizon) == pytest.approx(wanted, rel=1e-13)
    assert ratio_second_moment(mdp, b, b, 9) == pytest.approx(1, abs=1e-13)


def test_the_growth_of_the_classic_example_is_log_1_8():
    """π = left, b = ½: M = .9/½ = 1.8, though the policies agree wherever the episode ends."""
    mdp = gallery.make("is-infinite-variance")
    assert ratio_growth(mdp, np.array([0]), uniform(mdp)) == pytest.approx(np.log(1.8))
    assert ratio_growth(mdp, np.array([1]), uniform(mdp)) == -np.inf
    with pytest.raises(ModelError, match="behavior"):
        ratio_growth(mdp, uniform(mdp), np.array([1]))
    with pytest.raises(ValueError, match="horizon"):
        ratio_second_moment(mdp, np.array([0]), uniform(mdp), -1)
