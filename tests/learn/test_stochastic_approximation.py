"""Stochastic approximation: exact mean squares, rates, and runs against them."""

from fractions import Fraction

import numpy as np
import pytest

from mdpkit import MDP
from mdpkit.learn import TD0, learn
from mdpkit.learn.stochastic_approximation import (
    approximate,
    limit_of_scaled_error,
    linear_runs,
    mean_squares,
    require_convergence,
)
from mdpkit.operators.step_size import at, constant, polynomial, rescaled_linear


def harmonic(c, n):
    """c/k for k = 1 … n, as fractions where c is one."""
    return [c / k for k in range(1, n + 1)]


def test_the_mean_of_n_samples_has_the_variance_over_n():
    """ρ = 0 and α = 1/k is the sample mean, exactly."""
    z = mean_squares(harmonic(Fraction(1), 20), modulus=0, variance=Fraction(3), initial=7)
    assert z[1:].tolist() == [Fraction(3, k) for k in range(1, 21)]


@pytest.mark.parametrize(
    ("rho", "wanted"), [(0.0, 1.0), (0.3, 2.49), (0.5, 13.5), (0.8, 4886.0)]
)
def test_the_scaled_errors_of_the_specified_moduli(rho, wanted):
    """k E z_k² at k = 2·10⁵ for α = 1/k: 1/k is lost from ρ = ½ on."""
    z = mean_squares(harmonic(1.0, 200_000), modulus=rho, variance=1.0, initial=1.0)
    found = 200_000 * z[-1]
    assert found == pytest.approx(wanted, rel=5e-3)
    if rho < 0.5:
        limit = limit_of_scaled_error(1.0, modulus=rho, variance=1.0)
        assert found == pytest.approx(limit, rel=1e-2)
    else:
        with pytest.raises(ValueError, match="slower than 1/k"):
            limit_of_scaled_error(1.0, modulus=rho, variance=1.0)


def test_the_exponent_below_one_half():
    """ρ = .8, c = 1: E z² falls as k^(−.4), with the constant 3.22."""
    z = mean_squares(harmonic(1.0, 200_000), modulus=0.8, variance=1.0, initial=1.0)
    assert z[-1] * 200_000**0.4 == pytest.approx(3.22, abs=0.005)
    slope = np.log(z[-1] / z[100_000]) / np.log(2)
    assert slope == pytest.approx(-0.4, abs=0.01)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_a_strong_enough_scale_keeps_the_rate(rho):
    """c(1−ρ) = 1 or 2: within 1 % at 10⁵, and the slope is −1 ± .02."""
    for strength in (1.0, 2.0):
        c = strength / (1 - rho)
        alphas = [min(1.0, a) for a in harmonic(c, 100_000)]
        z = mean_squares(alphas, modulus=rho, variance=1.0, initial=1.0)
        limit = limit_of_scaled_error(c, modulus=rho, variance=1.0)
        assert 100_000 * z[-1] == pytest.approx(limit, rel=1e-2)
        slope = np.log(z[-1] / z[10_000]) / np.log(10)
        assert slope == pytest.approx(-1, abs=0.02)
    rescaled = [at(rescaled_linear(rho), k) for k in range(100_000)]
    z = mean_squares(rescaled, modulus=rho, variance=1.0, initial=1.0)
    assert np.log(z[-1] / z[10_000]) / np.log(10) == pytest.approx(-1, abs=0.02)


def test_a_constant_step_never_settles_and_a_finite_sum_never_arrives():
    """The ledger's mutation: α constant. Its limit is ασ²/(2(1−ρ) − α(1−ρ)²), not 0."""
    alpha, rho = 0.1, 0.5
    z = mean_squares([alpha] * 2000, modulus=rho, variance=1.0, initial=4.0)
    limit = alpha / (2 * (1 - rho) - alpha * (1 - rho) ** 2)
    assert z[-1] == pytest.approx(limit, rel=1e-12)
    frozen = [1.0 / k**2 for k in range(2, 4000)]
    z = mean_squares(frozen, modulus=rho, variance=0.0, initial=4.0)
    assert z[-1] == pytest.approx(4 * np.prod(1 - np.array(frozen) / 2) ** 2, rel=1e-12)
    assert z[-1] > 1


@pytest.mark.parametrize(
    ("schedule", "word"),
    [(constant(0.1), "never settles"), (polynomial(1.0, power=0.5), "never settles"),
     (polynomial(1.0, power=2.0), "freezes")],
)  # fmt: skip
def test_a_schedule_that_cannot_converge_is_refused_where_asked(schedule, word):
    with pytest.raises(ValueError, match=word):
        require_convergence(schedule)
    with pytest.raises(ValueError, match=word):
        approximate(lambda x: x / 2, 1.0, schedule, steps=3, must_converge=True)
    approximate(lambda x: x / 2, 1.0, schedule, steps=3)
    assert require_convergence(polynomial(1.0, power=0.7)).converges


@pytest.mark.stat
def test_runs_have_the_mean_square_of_the_recursion():
    """χ² of 4000 normal runs: 6 standard errors of the mean square, false alarm < 1e-8."""
    schedule = polynomial(1.0, power=0.8)
    alphas = [at(schedule, k) for k in range(200)]
    z = mean_squares(alphas, modulus=0.6, variance=0.25, initial=1.0)[-1]
    runs = 4000
    found = linear_runs(
        schedule, modulus=0.6, deviation=0.5, start=1.0, steps=200, runs=runs, rng=0
    )
    spread = z * np.sqrt(2 / runs)
    assert abs((found**2).mean() - z) < 6 * spread
    other = approximate(
        lambda x: 3 + 0.6 * (x - 3), 4.0, schedule, steps=200, runs=runs, noise=0.5, rng=1
    )
    assert other.x.shape == (1, runs)
    assert abs(((other.x[-1] - 3) ** 2).mean() - z) < 6 * spread
    late = mean_squares(alphas, modulus=0.9, variance=0.25, initial=1.0)[-1]
    assert abs(late - z) > 6 * spread  # another modulus would be seen


@pytest.mark.stat
def test_td_on_one_state_is_this_recursion():
    """TD(0) of a loop with noisy rewards: ρ = γ. 6 standard errors of 4000 runs, < 1e-8."""
    gamma, sigma, runs, steps = 0.5, 0.5, 4000, 100
    mdp = MDP(np.ones((1, 1, 1)), np.ones((1, 1)), gamma)
    schedule = polynomial(1.0, power=0.8)
    method = TD0(np.array([0]), schedule, initial=1 / (1 - gamma) + 1)
    found = learn(
        mdp, method, episodes=1, runs=runs, max_steps=steps, reward_noise=sigma, rng=2
    ).values[:, 0]
    alphas = [at(schedule, k) for k in range(steps)]
    z = mean_squares(alphas, modulus=gamma, variance=sigma**2, initial=1.0)[-1]
    assert abs(((found - 2) ** 2).mean() - z) < 6 * z * np.sqrt(2 / runs)


def test_threads_and_blocks_change_nothing():
    given = {"modulus": 0.5, "deviation": 1.0, "start": 0.0, "runs": 40, "rng": 3}
    one = linear_runs(constant(0.1), steps=50_000, **given)
    for threads in (2, 4):
        assert np.array_equal(
            one, linear_runs(constant(0.1), steps=50_000, threads=threads, **given)
        )


def test_what_is_recorded_is_where_the_runs_stood():
    """Without noise h(x) = x/2 and α = 1 halve x at every step; vectors go by entries."""
    found = approximate(lambda x: x / 2, [1.0, 4.0], 1.0, steps=3, runs=2, record=[3, 0, 1])
    assert found.times.tolist() == [0, 1, 3]
    assert found.x.shape == (3, 2, 2)
    assert found.x[:, 0, 1].tolist() == [4.0, 2.0, 0.5]
    noisy = approximate(
        lambda x: 0 * x, 0.0, 1.0, steps=2, runs=3, noise=lambda x, rng: 1 + 0 * x
    )
    assert noisy.x.tolist() == [[1.0, 1.0, 1.0]]
    with pytest.raises(ValueError, match="record"):
        approximate(lambda x: x, 0.0, 0.1, steps=2, record=[5])
