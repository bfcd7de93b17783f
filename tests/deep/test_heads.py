"""Distributions over actions against quadrature and enumeration."""

import jax
import numpy as np
import pytest

from mdpkit.deep.heads import Categorical, Gaussian, TanhGaussian

pytestmark = pytest.mark.usefixtures("float64")

# NumPy's, for JAX would make them float32 here, outside of the fixture.
LOW, HIGH = np.array([-2.0]), np.array([3.0])  # half the range is not 1, nor the center 0
MEAN, LOG_STD = np.array([0.3]), np.array([-0.8])
SQUASHED = TanhGaussian(MEAN, LOG_STD, LOW, HIGH)
PLANE = Gaussian(np.array([0.3, -0.2]), np.array([-0.8, -1.0]))

at = jax.jit(lambda head, noise: head.at(noise))
log_prob = jax.jit(lambda head, action: head.log_prob(action))
log_prob_at = jax.jit(lambda head, noise: head.at_with_log_prob(noise)[1])
drawn = jax.jit(lambda head, key: (head.sample(key), *head.sample_and_log_prob(key)))


def hermite(n=200):
    """Points (n, 1) and weights of E f(ε), ε ~ N(0, 1)."""
    x, w = np.polynomial.hermite_e.hermegauss(n)
    return x[:, None], w / w.sum()


def legendre(low, high, n=400):
    """Points (n, 1) and weights of ∫ f over an interval."""
    x, w = np.polynomial.legendre.leggauss(n)
    return low + (high - low) * (x[:, None] + 1) / 2, w * (high - low) / 2


def without_scale(head, action):
    """The density of the action measured in half ranges, not in its own units."""
    return log_prob(head, action) + np.log(2.5)


def without_slope(head, action):
    """The density of u: the change of variables forgotten."""
    u = np.arctanh((action - 0.5) / 2.5)
    return log_prob(Gaussian(head.mean, head.log_std), u) - np.log(2.5)


def test_densities_integrate_to_one():
    """The tails beyond 12 σ, and of the squashed one near its bounds, are below 1e-14."""
    points, weights = legendre(0.3 - 12 * np.exp(-0.8), 0.3 + 12 * np.exp(-0.8))
    assert abs(weights @ np.exp(log_prob(Gaussian(MEAN, LOG_STD), points)) - 1) < 1e-12
    points, weights = legendre(-2.0, 3.0)
    assert abs(weights @ np.exp(log_prob(SQUASHED, points)) - 1) < 1e-10
    for wrong in (without_scale, without_slope):
        assert abs(weights @ np.exp(wrong(SQUASHED, points)) - 1) > 0.1


@pytest.mark.parametrize(
    "head", [PLANE, TanhGaussian(*PLANE, LOW, HIGH)], ids=["gaussian", "squashed"]
)
def test_dimensions_of_an_action_are_independent_and_the_last_axis(head):
    """log π of two dimensions is the sum of each alone, and integrates to 1 over the plane."""
    points, weights = legendre(-2.0, 3.0, 80)
    plane = np.stack(np.meshgrid(points[:, 0], points[:, 0], indexing="ij"), axis=-1)
    found = log_prob(head, plane)
    assert found.shape == (80, 80)
    assert abs(weights @ np.exp(found) @ weights - 1) < 1e-4  # 4.9 σ of the Gaussian is inside
    assert abs(weights @ np.exp(found / 2) @ weights - 1) > 0.1  # a mean, not a sum
    one, other = (
        log_prob(head._replace(mean=head.mean[i : i + 1], log_std=head.log_std[i : i + 1]), x)
        for i, x in ((0, points), (1, points))
    )
    assert np.allclose(found, one[:, None] + other, rtol=0, atol=1e-12)
    many = head._replace(mean=np.tile(head.mean, (5, 1)))
    action = many.sample(jax.random.key(0))
    assert action.shape == (5, 2)
    assert log_prob(many, action).shape == (5,)
    wide = head._replace(log_std=np.tile(head.log_std, (5, 1)))
    assert len(np.unique(wide.sample(jax.random.key(0)))) == 10  # each row its own noise


def test_the_entropy_is_the_mean_of_minus_log_prob():
    noise, weights = hermite()
    exact = 0.0
    for i in range(2):
        part = Gaussian(PLANE.mean[i : i + 1], PLANE.log_std[i : i + 1])
        exact -= weights @ log_prob(part, at(part, noise))
    assert abs(PLANE.entropy() - exact) < 1e-12
    assert PLANE._replace(mean=np.zeros((5, 2))).entropy().shape == (5,)


def soft_reward(action, log_prob):
    """A polynomial, and the entropy that soft methods add to it."""
    a = action[..., 0]
    return 0.2 * a**4 - a**3 + 1.7 * a - 0.3 * log_prob


def sampled(head, noise):
    """Actions and their log π."""
    if isinstance(head, TanhGaussian):
        return head.at_with_log_prob(noise)
    action = head.at(noise)
    return action, head.log_prob(action)


def by_the_score(head):
    """E f ∇log π, the actions held still; what ∇ makes of log π in f is 0 on average."""

    def surrogate(theta, noise, weights):
        action, density = jax.lax.stop_gradient(sampled(head(theta), noise))
        return weights @ (soft_reward(action, density) * head(theta).log_prob(action))

    return jax.grad(surrogate)


def by_the_path(head):
    """E ∇f(a(θ, ε)), the noise held still."""
    return jax.grad(lambda theta, noise, w: w @ soft_reward(*sampled(head(theta), noise)))


@pytest.mark.parametrize(
    "head",
    [
        lambda theta: Gaussian(theta[:1], theta[1:]),
        lambda theta: TanhGaussian(theta[:1], theta[1:], LOW, HIGH),
    ],
    ids=["gaussian", "squashed"],
)
def test_gradients_by_the_score_are_those_through_the_sample(head):
    """E f ∇log π = E ∇f(a(θ, ε)) to 1e-8, by Gauss and Hermite."""
    noise, weights = hermite()
    theta = np.concatenate([MEAN, LOG_STD])

    def held(theta):  # a sample that no gradient passes through
        return head(jax.lax.stop_gradient(theta))

    @jax.jit
    def all_three(theta):
        ways = by_the_score(head), by_the_path(head), by_the_path(held)
        return [way(theta, noise, weights) for way in ways]

    score, path, wrong = all_three(theta)
    assert np.allclose(score, path, rtol=0, atol=1e-8)
    assert np.abs(path).max() > 0.5
    assert np.abs(wrong - score).max() > 0.5


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_the_log_prob_of_a_sample_is_the_one_it_came_with(scale):
    """artanh gives u back to within 2⁻⁵² e^{2|u|}, of which log π makes |u − μ|/σ² + 2."""
    mean = np.random.default_rng(1).normal(size=(500, 2))
    head = TanhGaussian(mean, np.full((500, 2), np.log(scale)), LOW, HIGH)
    same, action, density = drawn(head, jax.random.key(2))
    assert np.array_equal(same, action)
    assert ((action >= LOW) & (action <= HIGH)).all()
    most = 1 - 2.0**-52
    u = np.arctanh(np.clip((np.asarray(action) - 0.5) / 2.5, -most, most))
    steep = np.abs(u - mean) / scale**2 + 2
    lost = (2.0**-50 * np.exp(2 * np.abs(u)) * steep).sum(axis=1)
    known = np.abs(u).max(axis=1) < 15
    assert known.mean() > 0.9
    off = np.abs(log_prob(head, action) - density)
    assert (off <= lost + 1e-12)[known].all()


def test_far_out_nothing_is_lost():
    """log(1 − tanh² u) → log 4 − 2|u|; tanh itself is 1 there, in float32 from 9 on."""
    slope = jax.jit(
        jax.grad(lambda mean, head, noise: log_prob_at(head._replace(mean=mean), noise))
    )
    for dtype, u in ((np.float32, 40.0), (np.float64, 400.0)):
        zero = np.zeros(1, dtype)
        for sign in (-1, 1):
            head = TanhGaussian(
                zero + dtype(sign * u), zero, LOW.astype(dtype), HIGH.astype(dtype)
            )
            action, density = at(head, zero), log_prob_at(head, zero)
            exact = -0.5 * np.log(2 * np.pi) - (np.log(4) - 2 * u) - np.log(2.5)
            assert density.dtype == dtype
            assert abs(density - exact) < 8 * np.finfo(dtype).eps * u
            assert abs(slope(head.mean, head, zero)[0] - 2 * sign) < 1e-6
            for beyond in (0, sign):
                assert np.isfinite(log_prob(head, np.asarray(action) + dtype(beyond)))


def test_a_gaussian_in_float32_needs_no_variance():
    """σ = e^{−60}: σ² is 0 in float32, and log π = 60 − ½ log 2π − ½ one deviation off."""
    head = Gaussian(np.zeros(1, np.float32), np.full(1, -60, np.float32))
    assert np.exp(2 * head.log_std)[0] == 0
    found = log_prob(head, at(head, np.ones(1, np.float32)))
    assert found.dtype == np.float32
    assert abs(found - (60 - 0.5 * np.log(2 * np.pi) - 0.5)) < 1e-5  # 60 has spacing 4e-6


def test_numbered_actions_by_enumeration():
    logits = np.array([[0.3, -1.0, 2.0], [5.0, 5.0, -np.inf]])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    head = Categorical(logits)
    assert np.allclose(head.probabilities(), p, rtol=1e-14)
    for a in range(3):
        found = np.exp(log_prob(head, np.array([a, a])))
        assert np.allclose(found, p[:, a], rtol=1e-13, atol=0)
    entropy = np.array([-sum(x * np.log(x) for x in row if x > 0) for row in p])
    assert np.allclose(head.entropy(), entropy, rtol=1e-13)
    assert head.mode().tolist() == [2, 0]  # the lowest of equals
    gradient = jax.jit(jax.grad(lambda z: Categorical(z).entropy().sum()))(logits)
    inside = np.where(p > 0, p, 1)
    exact = -p * (np.log(inside) + entropy[:, None])  # ∂H/∂z_a = −p_a (log p_a + H)
    assert np.allclose(gradient, exact, rtol=0, atol=1e-14)


@pytest.mark.stat
def test_numbered_actions_come_as_often_as_they_should():
    """40,000 draws, each count within 6 deviations: false alarm < 1e-8."""
    p, n = np.array([0.5, 0.3, 0.2, 0.0]), 40_000
    with np.errstate(divide="ignore"):
        head = Categorical(np.tile(np.log(p), (n, 1)))
    seen = np.bincount(head.sample(jax.random.key(0)), minlength=4)
    assert (np.abs(seen - n * p) <= 6 * np.sqrt(n * p * (1 - p))).all()


def test_the_mode_of_a_squashed_gaussian_is_its_median():
    assert np.allclose(SQUASHED.mode(), 0.5 + 2.5 * np.tanh(0.3), rtol=1e-15)
    points, weights = legendre(-2.0, float(SQUASHED.mode()[0]))
    assert abs(weights @ np.exp(log_prob(SQUASHED, points)) - 0.5) < 1e-10
    assert Gaussian(MEAN, LOG_STD).mode() is MEAN


def test_what_has_no_bounds_cannot_be_squashed():
    for low, high in ((LOW, [np.inf]), ([np.nan], HIGH), (HIGH, LOW), (LOW, LOW)):
        head = TanhGaussian(MEAN, LOG_STD, np.array(low), np.array(high))
        for ask in (head.mode, lambda h=head: h.log_prob(MEAN), lambda h=head: h.at(MEAN)):
            with pytest.raises(ValueError, match="finite sides"):
                ask()
    with pytest.raises(ValueError, match="finite sides"):
        jax.jit(lambda m: TanhGaussian(m, m, LOW, np.array([np.inf])).mode())(MEAN)
