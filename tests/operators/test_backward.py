"""The backward recursion that all returns share: its sum in fractions, its rounding."""

import numpy as np
import pytest

from mdpkit._array import EPS, backward
from mdpkit._exact import exact_array
from mdpkit.operators.returns import lambda_return
from tests.gradient_oracle import whole
from tests.oracles import rational

SEEDS = range(8)


def summed(first, factor, last):
    """Σ_{k≥t} (Π_{t≤i<k} factor_i) first_k, and behind them all Π factor · last."""
    T = len(first)
    rows = []
    for t in range(T):
        weight, total = 0 * first[t] + 1, 0 * first[t]
        for k in range(t, T):
            total = total + weight * first[k]
            weight = weight * factor[k]
        rows.append(total + weight * last)
    return np.array(rows)


@pytest.mark.parametrize("shape", [(1,), (5,), (4, 3), (3, 2, 2)])
def test_it_is_the_sum_in_fractions(shape):
    rng = np.random.default_rng(shape)
    first, factor, last = (whole(rng, n) for n in (shape, shape, shape[1:]))
    last = last if shape[1:] else last[()]
    for end in (last, 0, rational(2) / 3):
        found = backward(first, factor, end)
        assert found.shape == shape
        assert (found == summed(first, factor, end)).all()
    assert (backward(first, factor) == summed(first, factor, 0)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_floats_lose_what_is_lost_in_a_row_at_a_time(seed):
    """|x̃_t − x_t| ≤ e_t = |f_t| e_{t+1} + u (|f_t x̃_{t+1}| + |x̃_t|) with u = 2⁻⁵³, to O(u²)."""
    rng = np.random.default_rng(seed)
    first, factor = rng.normal(size=(2, 40, 3))
    found = backward(first, factor)
    exact = [exact_array(x, dyadic=True) for x in (first, factor)]
    off = abs(exact_array(found, dyadic=True) - backward(*exact))
    bound = backward(*lost(first, factor, found))
    assert (off <= exact_array(1.001 * bound, dyadic=True)).all()
    assert off.max() > 0


def lost(first, factor, found, roundings=1):
    """What each step may add to the rounding, and how much of the next step's it keeps."""
    later = np.concatenate([found[1:], found[-1:]])
    kept = abs(factor * later)
    return EPS / 2 * roundings * (kept + abs(first) + abs(found)), abs(factor)


def by_the_book(rewards, discounts, boundary, after, lam):
    """G_t = r_t + d_t ((1 − λ_t) V_{t+1} + λ_t G_{t+1}), as it stands."""
    rows, G = [], after[-1]
    for t in reversed(range(len(rewards))):
        kept = lam * (1 - 1 * boundary[t])
        G = rewards[t] + discounts[t] * ((1 - kept) * after[t] + kept * G)
        rows.append(G)
    return np.array(rows[::-1])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("lam", [0.0, 0.95, 1.0])
def test_lambda_returns_are_those_of_the_book(seed, lam):
    """Bit for bit at λ = 0 and 1; else each of the six products and sums of a step rounds."""
    rng = np.random.default_rng(seed)
    rewards, after = rng.normal(size=(2, 30, 4))
    ended, cut = rng.random((2, 30, 4)) < 0.1
    discounts = np.where(ended, 0.0, 0.99)
    given = rewards, discounts, ended | cut, after
    found, wanted = lambda_return(*given, lam), by_the_book(*given, lam)
    if lam in (0.0, 1.0):
        np.testing.assert_array_equal(found, wanted)
    size = abs(rewards) + discounts * abs(after)
    both = 2 * backward(*lost(size, discounts * lam, abs(found), roundings=6))
    assert (abs(found - wanted) <= both).all()


def test_the_row_before_in_place_of_the_row_behind_is_caught():
    first, factor = np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.25, 0.125])
    assert backward(first, factor, 8.0).tolist() == [2.625, 3.25, 5.0]
    forward = backward(first[::-1], factor[::-1], 8.0)[::-1]
    assert forward.tolist() != backward(first, factor, 8.0).tolist()
