"""Drawing i with probability p_i / Σp while the p change a few at a time: a tree of sums.

    s_0 = p,    s_{k+1}(j) = Σ_c s_k(8j + c)              until one node of eight is left
    i   = the leaf with Σ_{l<i} p_l ≤ u Σp < Σ_{l≤i} p_l,   found from the top, a child a level

Drawing and changing take O(log N). A sum is computed anew from its children, never by a
difference, so that rounding does not grow with the number of changes. Beside each sum stands
the least p > 0 beneath it; p = 0 is a leaf that cannot be drawn.

Eight children a node, not two: a third of the levels, hence of the operations; a processor is
done twice as fast, and a compiler too. Each level is an array by itself, which a compiler can
update in place; it would copy one array of all levels again and again.

n drawn at once are stratified: the k-th has u in [k/n, (k+1)/n), so that leaf i is expected
n p_i/Σp times among them, as of independent ones, with no more variance. In float32 a uniform
number has 23 bits, too few to tell 10⁶ leaves apart, so it is drawn afresh every third level.

Checked in tests/deep/test_priority_tree.py. Source: Schaul et al. (2016), appendix B.2.1.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

Tree = tuple[Array, ...]
"""Levels, leaves first: (m_0, 8, 1), (m_1, 8, 2), …, (1, 8, 2) with m_k = ⌈m_{k−1} / 8⌉.

[j, c, 0] is the sum beneath child c of node j, [j, c, −1] the least positive p beneath it, 0 if
there is none; of a leaf both are its p. The child is node 8j + c of the level below.
"""

WIDTH = 8
"""Children of a node."""

REFRESH = 3
"""Levels that one uniform number is used for: 8³ children are far fewer than 2²³."""


def empty(n: int, dtype: Any = None) -> Tree:
    """n ≥ 1 leaves, all 0."""
    levels: list[Array] = []
    while not levels or n > 1:
        n = -(-n // WIDTH)
        levels.append(jnp.zeros((n, WIDTH, 2 if levels else 1), dtype))
    return tuple(levels)


def leaves(tree: Tree) -> Array:
    """All p, (8 m_0,); those beyond the number asked for are 0."""
    return tree[0].reshape(-1)


def smallest(tree: Tree) -> Array:
    """min {p_i : p_i > 0}, (); 0 if there is none."""
    return _least(tree[-1][0, :, -1])


def changed(tree: Tree, index: Array, p: Array, *, meant: Any = True) -> Tree:
    """The tree with p ≥ 0, (n,), at the leaves `index`, (n,).

    meant : (n,) bool, where False nothing is written. An index may occur more than once: its
    largest p remains, in whatever order a device writes.
    """
    target = jnp.where(meant, index, leaves(tree).size)  # beyond the end: dropped
    flat = leaves(tree).at[target].set(0, mode="drop").at[target].max(p, mode="drop")
    levels = [flat.reshape(tree[0].shape)]
    for level in tree[1:]:
        index = index // WIDTH
        node = levels[-1].at[index].get(mode="promise_in_bounds")
        entry = jnp.stack([node[..., 0].sum(axis=-1), _least(node[..., -1])], axis=-1)
        flat = level.reshape(-1, 2).at[index].set(entry, mode="promise_in_bounds")
        levels.append(flat.reshape(level.shape))
    return tuple(levels)


def drawn(tree: Tree, key: Array, n: int) -> tuple[Array, Array]:
    """n leaves, (n,) int32, each as often as its share of the sum, and their p, (n,).

    Stratified, in the order of the leaves.
    """
    u = jax.random.uniform(key, (-(-len(tree) // REFRESH), n), tree[0].dtype)
    return found(tree, u.at[0].set((jnp.arange(n, dtype=u.dtype) + u[0]) / n))


def found(tree: Tree, u: Array) -> tuple[Array, Array]:
    """The leaf at u of the sum, (n,) int32, and its p, (n,).

    u : (⌈levels / 3⌉, n) in [0, 1], from the top. p > 0 wherever there is such a leaf, however
    sums and u are rounded.
    """
    index, rest, p = jnp.zeros(u.shape[1], jnp.int32), u[0], u[0]
    for depth, level in enumerate(reversed(tree)):
        sums = level.at[index].get(mode="promise_in_bounds")[..., 0]
        upper = jnp.cumsum(sums, axis=-1)
        if depth % REFRESH == 0:
            rest = u[depth // REFRESH] * upper[:, -1]
        passed = upper <= rest[:, None]
        last = jnp.where(sums > 0, jnp.arange(WIDTH), 0).max(axis=-1)
        child = jnp.minimum(passed.sum(axis=-1), last).astype(jnp.int32)
        rest = rest - jnp.where(passed, upper, 0).max(axis=-1)
        index = WIDTH * index + child
        p = jnp.where(jnp.arange(WIDTH) == child[:, None], sums, 0).sum(axis=-1)
    return index, p


def _least(p: Array) -> Array:
    """The least positive entry along the last axis; 0 if there is none."""
    least = jnp.where(p > 0, p, jnp.inf).min(axis=-1)
    return jnp.where(jnp.isinf(least), 0, least)
