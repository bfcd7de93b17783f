"""The tree against running sums of NumPy, in whole numbers, where both are exact."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdpkit.deep import priority_tree as tree

pytestmark = pytest.mark.usefixtures("float64")

found, drawn = jax.jit(tree.found), jax.jit(tree.drawn, static_argnums=2)
SIZES = [8, 600]  # one level, full; four levels, some not
GRID = 2**12  # u = k/GRID, so that u Σp is exact


def changed(levels, index, p, meant=True):
    """By the compiled program of one shape for each size."""
    meant = np.broadcast_to(meant, len(index))
    return _changed(levels, jnp.asarray(index), jnp.asarray(p, levels[0].dtype), meant=meant)


_changed = jax.jit(tree.changed)


def wrong_entries(levels, p):
    """Entries of the tree that are not the sum and the least positive p beneath them."""
    wrong, span = 0, 1
    for level in levels:
        flat = np.asarray(level).reshape(-1, level.shape[-1])
        padded = np.zeros(len(flat) * span)
        padded[: p.size] = p
        under = padded.reshape(len(flat), span)
        least = np.where(under > 0, under, np.inf).min(axis=1)
        wrong += np.sum(flat[:, 0] != under.sum(axis=1))
        wrong += np.sum(flat[:, -1] != np.where(np.isinf(least), 0, least))
        span *= tree.WIDTH
    return wrong


def filled(n, seed):
    """A tree after random changes, and its p; a fifth of them are 0."""
    rng = np.random.default_rng(seed)
    levels, p = tree.empty(n, jnp.float64), np.zeros(n)
    for _ in range(12):
        index = rng.integers(0, n, 16)
        index[1:] = np.where(index[1:] == index[0], (index[0] + 1) % n, index[1:])
        new = rng.integers(0, 5, 16).astype(float)
        meant = rng.random(16) < 0.8
        levels = changed(levels, index, new, meant)
        for i in set(index[meant]):
            p[i] = max(new[meant & (index == i)])
    return levels, p


@pytest.mark.parametrize("n", SIZES)
def test_every_node_holds_the_sum_and_the_least_of_its_leaves(n):
    for seed in range(5):
        levels, p = filled(n, seed)
        assert wrong_entries(levels, p) == 0
        assert tree.smallest(levels) == min(p[p > 0], default=0)
    assert np.array_equal(tree.leaves(levels)[:n], p)
    assert not np.any(tree.leaves(levels)[n:])


def test_a_node_that_is_not_brought_up_to_date_would_be_seen():
    levels, p = filled(600, 0)
    index = int(np.argmax(p))
    after = changed(levels, [index] * 16, np.full(16, p[index] + 1.0))
    p[index] += 1
    assert wrong_entries(after, p) == 0
    assert wrong_entries((after[0], *levels[1:]), p) > 0


def test_of_one_leaf_named_twice_the_largest_remains():
    levels = changed(tree.empty(600, jnp.float64), np.full(16, 4), np.arange(16.0)[::-1])
    assert tree.leaves(levels)[4] == 15
    later = changed(levels, np.full(16, 4), np.arange(3.0, 19.0) % 7)  # smaller than before
    assert tree.leaves(later)[4] == 6


def test_the_leaf_found_is_where_the_running_sum_passes():
    """Three levels share one number; the fourth has one of its own, within its node."""
    u = (np.arange(GRID) / GRID)[None]
    levels, p = filled(8, 1)
    index, of = found(levels, jnp.asarray(u))
    assert np.array_equal(index, np.searchsorted(np.cumsum(p), u[0] * p.sum(), "right"))
    assert np.array_equal(of, p[np.asarray(index)])
    levels, p = filled(600, 1)
    both = np.random.default_rng(0).integers(0, GRID, (2, 2000)) / GRID
    nodes = p.reshape(-1, tree.WIDTH)
    node = np.searchsorted(np.cumsum(nodes.sum(axis=1)), both[0] * p.sum(), "right")
    within = np.cumsum(nodes[node], axis=1)
    child = (within <= (both[1] * within[:, -1])[:, None]).sum(axis=1)
    index, _ = found(levels, jnp.asarray(both))
    assert np.array_equal(index, tree.WIDTH * node + child)
    assert len(set(node)) > 50


def test_a_leaf_is_found_as_often_as_its_share():
    """A grid of 64 · 10 numbers meets a leaf with p = k of Σp = 64 exactly 10 k times."""
    p = np.random.default_rng(3).multinomial(64, np.full(40, 1 / 40)).astype(float)
    levels = changed(tree.empty(40, jnp.float64), np.arange(40), p)
    index, _ = found(levels, jnp.asarray((np.arange(640) + 0.5)[None] / 640))
    assert np.array_equal(np.bincount(index, minlength=40), 10 * p)


def test_what_is_drawn_is_stratified_and_in_order():
    """The k-th of n lies in the k-th part: with 64 parts and p = k/64, k or so of each."""
    p = np.array([0.0, 1, 3, 0, 20, 40])
    levels = changed(tree.empty(6, jnp.float64), np.arange(6), p)
    for key in jax.random.split(jax.random.key(0), 5):
        index, of = drawn(levels, key, 64)
        assert np.array_equal(np.bincount(index, minlength=6), p)
        assert np.array_equal(of, p[index])
        assert np.array_equal(index, np.sort(index))
    independent = np.random.default_rng(0).choice(6, 64, p=p / 64)
    assert not np.array_equal(np.bincount(independent, minlength=6), p)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_what_cannot_be_drawn_is_not_found_however_sums_are_rounded(dtype):
    rng = np.random.default_rng(4)
    edge = np.array([0.0, 1.0, np.nextafter(1.0, 0), np.nextafter(1, 0, dtype=np.float32)])
    for _ in range(20):
        p = 10.0 ** rng.uniform(-30, 30, 600) * (rng.random(600) < 0.3)
        levels = changed(tree.empty(600, dtype), np.arange(600), p)
        u = np.concatenate([np.stack([edge, edge[::-1]]), rng.random((2, 60))], axis=1)
        index, of = found(levels, jnp.asarray(u, dtype))
        assert (p[np.asarray(index)] > 0).all()
        assert (np.asarray(of) > 0).all()


def test_numbers_that_are_none_stay_within_the_tree():
    """A run that diverged must not read beyond its arrays."""
    for bad in (np.nan, np.inf):
        p = np.where(np.arange(600) % 7 == 3, bad, 1.0)
        levels = changed(tree.empty(600, jnp.float64), np.arange(600), p)
        index, _ = drawn(levels, jax.random.key(0), 64)
        assert ((index >= 0) & (index < 600)).all()


def test_an_empty_tree_finds_its_first_leaf():
    nothing = tree.empty(600, jnp.float64)
    index, p = drawn(nothing, jax.random.key(0), 64)
    assert not np.any(index)
    assert not np.any(p)
    assert tree.smallest(nothing) == 0
