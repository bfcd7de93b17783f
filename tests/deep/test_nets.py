"""Networks compute their formulas, on any leading axes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdpkit.deep import nets
from mdpkit.envs.spaces import Box, Discrete

KEY = jax.random.key(0)


def test_a_table_is_rows_looked_up():
    net = nets.Table(jnp.arange(6.0).reshape(3, 2))
    assert np.array_equal(net(jnp.array([[2, 0]])), [[[4, 5], [0, 1]]])


def test_an_mlp_is_its_formula(float64):
    net = nets.mlp(KEY, (3, 5, 2), activation=jnp.tanh)
    x = jax.random.normal(KEY, (4, 7, 3))
    hidden = np.tanh(x @ net.weights[0] + net.biases[0])
    assert net(x) == pytest.approx(np.asarray(hidden @ net.weights[1]), abs=1e-14)


def test_first_weights_are_orthogonal_and_scaled(float64):
    net = nets.mlp(KEY, (8, 8, 4), last=0.01)
    first, last = np.asarray(net.weights[0]), np.asarray(net.weights[1])
    assert first.T @ first == pytest.approx(2 * np.eye(8), abs=1e-12)
    assert last.T @ last == pytest.approx(1e-4 * np.eye(4), abs=1e-15)


def test_dueling_parts_are_identified(float64):
    table = nets.Table(jax.random.normal(KEY, (5, 4)))
    q = nets.Dueling(table)(jnp.arange(5))
    assert q.mean(axis=1) == pytest.approx(np.asarray(table.values[:, 0]), abs=1e-14)
    by_max = (
        table.values[:, :1] + table.values[:, 1:] - table.values[:, 1:].max(1, keepdims=True)
    )
    assert abs(by_max.mean(axis=1) - table.values[:, 0]).max() > 0.1  # another value for V


def test_members_of_an_ensemble_are_the_networks_they_were_made_of():
    def make(key):
        return nets.mlp(key, (3, 4, 2))

    both = nets.ensemble(make, KEY, 2)
    x = jax.random.normal(KEY, (6, 3))
    alone = jnp.stack([make(key)(x) for key in jax.random.split(KEY, 2)])
    assert both(x).shape == (2, 6, 2)
    assert np.asarray(both(x)) == pytest.approx(np.asarray(alone), abs=1e-6)
    assert abs(both(x)[0] - both(x)[1]).max() > 0.1


def test_an_action_value_sees_observation_and_action():
    net = nets.ActionValue(nets.MLP((jnp.array([[1.0], [10.0]]),), (jnp.zeros(1),), jnp.tanh))
    assert net(jnp.array([[2.0]]), jnp.array([[3.0]])) == pytest.approx([32.0])


def test_memory_restarts_behind_a_boundary(float64):
    net = nets.recurrent(KEY, 2, 4, 3)
    x = jax.random.normal(KEY, (5, 1, 2))
    cut = jnp.zeros((5, 1), bool).at[2].set(True)
    empty = jnp.zeros((1, 4))
    y, hidden = net(x, cut, empty)
    first, _ = net(x[:3], cut[:3], empty)
    second, last = net(x[3:], cut[3:], empty)
    apart = jnp.concatenate([first, second])
    assert y == pytest.approx(np.asarray(apart), abs=1e-14)
    assert hidden == pytest.approx(np.asarray(last), abs=1e-14)
    through, _ = net(x, jnp.zeros((5, 1), bool), empty)
    assert abs(through - y)[3:].max() > 1e-3  # one that runs on is another


def test_a_network_fits_its_space():
    box = Box(-np.ones(3), np.ones(3))
    assert isinstance(nets.network(KEY, Discrete(4), 2), nets.Table)
    assert nets.network(KEY, box, 2)(jnp.zeros((5, 3))).shape == (5, 2)
    picture = Box(np.zeros((4, 4)), np.ones((4, 4)))
    with pytest.raises(TypeError, match=r"\(4, 4\), not vectors"):
        nets.network(KEY, picture, 2)


def test_networks_of_any_shapes_are_orthogonal_and_made_without_lapack(float64):
    """Whose QR of a batch, mapped over seeds, can wait for itself: two of them on two cores."""
    sizes = (3, 8, 5, 1)

    def make(key):
        return nets.ensemble(lambda k: nets.mlp(k, sizes), key, 2).members.weights

    keys = jax.random.split(KEY, 3)
    for w in jax.vmap(make)(keys):
        tall = np.asarray(w if w.shape[-2] >= w.shape[-1] else w.mT)
        scale = 1 if w.shape[-1] == 1 else 2
        wanted = np.broadcast_to(scale * np.eye(tall.shape[-1]), (3, 2, *[tall.shape[-1]] * 2))
        assert tall.swapaxes(-1, -2) @ tall == pytest.approx(wanted, abs=1e-12)
    assert "lapack" not in jax.jit(jax.vmap(make)).lower(keys).as_text()
    assert "lapack" in jax.jit(jnp.linalg.qr).lower(jnp.eye(3)).as_text()
