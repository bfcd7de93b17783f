"""Rows of every model are distributions, to the last ulp where their entries are rational."""

import math

import numpy as np
import pytest

from mdpkit import gallery

ULP = 2.0**-52
VARIANTS = [
    *((name, {}) for name in gallery.names()),
    ("gambler", {"p_heads": 1 / 3}),
    ("forest", {"n": 50, "p_fire": 1 / 7}),
    ("lake", {"size": 30, "success": 0.7}),
    ("lake", {"success": 0.0}),
    ("queue", {"capacity": 1}),
    ("queue", {"capacity": 300, "n_rates": 1, "arrival": 1 / 3}),
    ("inventory", {"capacity": 60, "max_order": 7, "demand": 40}),
    ("windy", {"kings": True, "gusts": True}),
    ("garnet", {"S": 40, "b": 40, "concentration": 0.01}),
    ("garnet", {"S": 40, "b": 15, "concentration": 5}),
]


def row_sums(mdp):
    """Σ_t P[pair, t] + stop, without rounding."""
    stop = np.asarray(mdp.stop).reshape(-1)
    ptr = mdp.rows.row_ptr if mdp.is_sparse else np.arange(mdp.n_pairs + 1) * mdp.n_states
    values = mdp.rows.values if mdp.is_sparse else mdp.rows.reshape(-1)
    return [math.fsum([*values[ptr[i] : ptr[i + 1]], stop[i]]) for i in range(mdp.n_pairs)]


@pytest.mark.parametrize(("name", "parameters"), VARIANTS)
def test_rows_sum_to_one_to_the_last_ulp(name, parameters):
    mdp = gallery.make(name, **parameters)
    # Poisson rows are products of two that are each right to an ulp or two.
    allowed = 4 * ULP if name == "jack-car" else ULP
    assert max(abs(total - 1) for total in row_sums(mdp)) <= allowed


@pytest.mark.parametrize(("name", "parameters"), VARIANTS)
def test_names_cover_states_and_actions(name, parameters):
    mdp = gallery.make(name, **parameters)
    assert mdp.states is None or len(set(mdp.states)) == mdp.n_states
    assert mdp.actions is None or len(set(mdp.actions)) == len(mdp.actions) == mdp.n_actions


@pytest.mark.parametrize("name", sorted(set(gallery.names()) - {"jack-car", "blackjack"}))
def test_a_model_is_read_exactly_without_a_warning(name):
    """A row whose fractions did not sum to 1 would warn, and warnings are errors here."""
    exact = gallery.make(name).exact()
    assert set(map(type, np.asarray(exact.r).reshape(-1))) == {type(exact.gamma)}


@pytest.mark.parametrize("name", gallery.names())
def test_a_model_is_the_same_every_time(name):
    one, two = gallery.make(name), gallery.make(name)
    for a, b in [(one.r, two.r), (one.stop, two.stop), (one.start, two.start)]:
        np.testing.assert_array_equal(a, b)
    for a, b in zip(one.rows[:3], two.rows[:3], strict=True):
        np.testing.assert_array_equal(a, b)
