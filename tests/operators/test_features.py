"""Feature maps against their formulas, written one point at a time; and what is refused."""

from itertools import product

import numpy as np
import pytest

from mdpkit import gallery
from mdpkit.operators.features import (
    Aggregation,
    Fourier,
    Hats,
    OneHot,
    Polynomial,
    RadialBasis,
    active,
    pair_features,
    state_features,
)
from mdpkit.operators.tile_coding import TileCoding
from tests.oracles import random_mdp


def points(seed, n=20, d=2):
    return np.random.default_rng(seed).uniform(-1.0, 3.0, size=(n, d))


MAPS = [
    (OneHot(7), np.arange(7)),
    (Aggregation(7, 3), np.arange(7)),
    (Hats((0.0, 1.0, 4.0)), np.linspace(-1, 5, 13)),
    (Polynomial(3, -1.0, 3.0), points(0, d=1)),
    (Polynomial(2, (-1.0, -1.0), (3.0, 3.0)), points(0)),
    (RadialBasis(points(1, 4), 0.7), points(0)),
    (RadialBasis([0.0, 1.0], 0.7), points(0, d=1)[:, 0]),
    (Fourier(3, (-1.0, -1.0), (3.0, 3.0)), points(0)),
    (TileCoding((-1.0, -1.0), (3.0, 3.0), 4, 3), points(0)),
]


@pytest.mark.parametrize(("phi", "x"), MAPS)
def test_a_map_has_as_many_features_as_it_says(phi, x):
    assert phi(x).shape == (len(x), phi.size)
    assert np.isfinite(phi(x)).all()
    one_by_one = np.concatenate([phi(x[i : i + 1]) for i in range(len(x))])
    # Frequencies of up to 2·3π, and a product of one row may be added in another order.
    np.testing.assert_allclose(phi(x), one_by_one, rtol=0, atol=1e-13)


def test_groups_are_contiguous_and_as_equal_as_may_be():
    phi = Aggregation(1000, 10)(np.arange(1000))
    assert (phi.sum(axis=0) == 100).all()
    assert (np.diff(phi.argmax(axis=1)) >= 0).all()
    assert set(Aggregation(7, 3)(np.arange(7)).sum(axis=0)) == {2, 3}


def test_hats_interpolate():
    phi, x = Hats((0.0, 1.0, 4.0)), np.linspace(-2, 6, 33)
    values = np.array([3.0, -1.0, 5.0])
    np.testing.assert_allclose(phi(x) @ values, np.interp(x, phi.knots, values), atol=1e-14)
    np.testing.assert_allclose(phi(x).sum(axis=1), 1.0, rtol=1e-15)
    assert (phi(x) >= 0).all()


def test_polynomials_and_cosines_are_products_over_all_exponents():
    x = points(2)
    box = (-1.0, -1.0), (3.0, 3.0)
    exponents = list(product(range(3), repeat=2))
    unit = (x + 1) / 4
    scaled = 2 * unit - 1
    wanted = np.array([[a**i * b**j for i, j in exponents] for a, b in scaled])
    np.testing.assert_allclose(Polynomial(2, *box)(x), wanted, rtol=1e-14)
    wanted = np.array(
        [[np.cos(np.pi * (i * a + j * b)) for i, j in exponents] for a, b in unit]
    )
    np.testing.assert_allclose(Fourier(2, *box)(x), wanted, rtol=0, atol=1e-14)


def test_bumps_have_their_width_and_a_constant_beside_them():
    phi = RadialBasis([0.0, 10.0], 2.0)
    found = phi(np.array([0.0, 2.0, 10.0]))
    bump = np.exp([0.0, -0.5, -12.5])
    np.testing.assert_allclose(found[:, 0], bump, rtol=1e-14)
    assert (found[:, 2] == 1).all()
    assert found[2, 1] == 1.0


def tile_by_hand(x, low, high, tiles, n, i):
    """The tile of grid i, by its definition."""
    cell = []
    for j in range(len(x)):
        u = (x[j] - low[j]) / (high[j] - low[j])
        shift = (i * (2 * j + 1) / n) % 1
        cell.append(int(np.floor(u * tiles + shift)))
    index = 0
    for c in cell:
        index = index * (tiles + 1) + c
    return i * (tiles + 1) ** len(x) + index


@pytest.mark.parametrize("d", [1, 2, 3])
def test_one_tile_of_every_grid_is_active(d):
    low, high = (-1.0,) * d, (3.0,) * d
    phi = TileCoding(low, high, tiles=5, tilings=8)
    x = points(3, 50, d)
    wanted = [[tile_by_hand(y, low, high, 5, 8, i) for i in range(8)] for y in x]
    np.testing.assert_array_equal(phi.active(x), wanted)
    table = phi(x)
    assert set(np.unique(table)) == {0.0, 1.0}
    assert (table.sum(axis=1) == 8).all()
    assert phi.size == 8 * 6**d


def test_two_grids_never_share_a_weight_and_the_border_is_within():
    phi = TileCoding((0.0, 0.0), (1.0, 1.0), tiles=(3, 4), tilings=4)
    corners = np.array(list(product([-5.0, 0.0, 0.5, 1.0, 9.0], repeat=2)))
    found = phi.active(corners)
    each = 4 * 5
    assert (found // each == np.arange(4)).all()
    inside = phi.active(np.clip(corners, 0.0, 1.0 - 1e-6))
    np.testing.assert_array_equal(found, inside)


def test_the_resolution_is_that_of_all_grids_together():
    """Along a line, some grid changes its tile every 1/(tiles·tilings) of the box."""
    phi = TileCoding((0.0,), (1.0,), tiles=4, tilings=8)
    x = (np.arange(32) + 0.5) / 32
    rows = phi.active(x[:, None])
    assert len({tuple(row) for row in rows}) == 32
    assert ((np.diff(rows, axis=0) != 0).sum(axis=1) == 1).all()


@pytest.mark.parametrize("seed", range(6))
def test_every_action_has_a_block(seed):
    mdp = random_mdp(seed)
    phi = np.random.default_rng(seed).normal(size=(mdp.n_states, 3))
    found = pair_features(mdp, phi).reshape(mdp.n_pairs, mdp.n_actions, 3)
    for pair in range(mdp.n_pairs):
        s, a = mdp.place(pair)
        np.testing.assert_array_equal(found[pair, a], phi[s])
        assert not np.delete(found[pair], a, axis=0).any()


def test_active_entries_are_those_of_the_table():
    phi = np.random.default_rng(0).normal(size=(6, 4)) * (np.arange(24).reshape(6, 4) % 3 > 0)
    ptr, columns, values = active(phi)
    again = np.zeros_like(phi)
    for i in range(6):
        again[i, columns[ptr[i] : ptr[i + 1]]] = values[ptr[i] : ptr[i + 1]]
    np.testing.assert_array_equal(again, phi)
    assert values.size == np.count_nonzero(phi)


REFUSED = [
    (lambda: state_features(np.ones((3, 2)), 4), r"\(3, 2\); \(4, K\)"),
    (lambda: state_features(np.ones(4), 4), r"\(4, K\) is needed"),
    (lambda: state_features([[1.0], [np.nan]], 2), r"features\[1, 0\] is nan"),
    (lambda: Aggregation(4, 5), "groups"),
    (lambda: OneHot(3)(np.array([0, 3])), "0 … 2"),
    (lambda: OneHot(3)(np.array([0.5])), "whole numbers"),
    (lambda: Hats((1.0, 1.0)), "increase"),
    (lambda: RadialBasis([0.0], 0.0), "width"),
    (lambda: Fourier(2, 1.0, 1.0)(np.zeros(2)), "below high"),
    (lambda: Fourier(-1, 0.0, 1.0)(np.zeros(2)), "order"),
    (lambda: Fourier(1, 0.0, 1.0)(np.zeros((2, 2))), r"\(n, 1\) is needed"),
    (lambda: TileCoding((0.0, 0.0), (1.0, 1.0), (3,)), "2 dimensions"),
    (lambda: TileCoding((0.0,), (1.0,), 0), "tiles"),
    (lambda: TileCoding((0.0,), (np.inf,)), "finite"),
    (lambda: TileCoding((0.0,), (1.0,)).active([[np.nan]]), "points must be finite"),
]


@pytest.mark.parametrize(("call", "words"), REFUSED)
def test_what_makes_no_features_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_features_of_a_gallery_model_by_function_and_by_table_are_the_same():
    mdp = gallery.make("lspi-chain")
    phi = Polynomial(2, 0.0, 3.0)
    table = phi(np.arange(4))
    np.testing.assert_array_equal(pair_features(mdp, phi), pair_features(mdp, table))
