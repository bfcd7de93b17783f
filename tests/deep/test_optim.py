"""Steps of the optimizers, and how targets follow."""

import jax.numpy as jnp
import numpy as np
import pytest

from mdpkit.deep.optim import adam, polyak, refreshed, rmsprop, sgd


def test_sgd_subtracts_the_gradient(float64):
    params, gradient = {"w": jnp.array([1.0, 2.0])}, {"w": jnp.array([0.5, -1.0])}
    for rate in (0.25, lambda progress: 0.5 * (1 - progress)):
        method = sgd(rate)
        new, _ = method.step(gradient, method.init(params), params, 0.5)
        assert np.array_equal(new["w"], [0.875, 2.25])


def test_adam_follows_its_recursion(float64):
    method, x, m, s = adam(0.1, epsilon=1e-8), jnp.array(1.0), 0.0, 0.0
    state, slow = method.init(x), 1.0
    for t in range(1, 6):
        gradient = 2 * x - 1
        x, state = method.step(gradient, state, x)
        g = 2 * slow - 1
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g
        slow -= 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
    assert float(x) == pytest.approx(slow, abs=1e-12)


def test_rmsprop_follows_its_recursion(float64):
    method, x, s = rmsprop(0.1, decay=0.9, epsilon=1e-5), jnp.array(1.0), 0.0
    state, slow = method.init(x), 1.0
    for _ in range(5):
        x, state = method.step(2 * x, state, x)
        s = 0.9 * s + 0.1 * (2 * slow) ** 2
        slow -= 0.1 * 2 * slow / np.sqrt(s + 1e-5)
    assert float(x) == pytest.approx(slow, abs=1e-12)


def test_a_gradient_is_cut_to_its_norm(float64):
    method = sgd(1.0, clip=1.0)
    params = jnp.zeros(2)
    new, _ = method.step(jnp.array([3.0, 4.0]), method.init(params), params)
    assert new == pytest.approx([-0.6, -0.8], abs=1e-12)


def test_polyak_has_gone_its_share_of_the_way(float64):
    target, online = jnp.array(1.0), jnp.array(3.0)
    for _ in range(7):
        target = polyak(target, online, 0.1)
    assert float(target) == pytest.approx(1 + 2 * (1 - 0.9**7), abs=1e-14)


def test_a_target_is_copied_when_it_is_due():
    copied = [float(refreshed(jnp.array(0.0), jnp.array(1.0), n, 3)) for n in range(1, 7)]
    assert copied == [0, 0, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: adam(0.0), "learning rate"),
        (lambda: sgd(float("nan")), "learning rate"),
        (lambda: rmsprop(1.0, clip=-1), "clip"),
        (lambda: polyak(1.0, 2.0, 0.0), "Polyak"),
        (lambda: polyak(1.0, 2.0, 1.1), "Polyak"),
        (lambda: refreshed(1.0, 2.0, 1, 0), "refreshed every"),
    ],
)
def test_bad_input_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
