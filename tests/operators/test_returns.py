"""Returns against the forward view, sum by sum, in fractions; and the usual slips."""

import numpy as np
import pytest

from mdpkit.operators.returns import (
    discount_so_far,
    generalized_advantage,
    lambda_return,
    n_step_return,
    temporal_differences,
)
from tests.gradient_oracle import floats, whole
from tests.oracles import rational

SEEDS = range(12)
T, N = 6, 4


def window(seed):
    """Rewards, discounts, boundary, V(s_t), V(s_{t+1}), as (T, n); episodes end and are cut.

    What follows a boundary is another episode, so V(s_{t+1}) is not V of the next row.
    """
    rng = np.random.default_rng(seed)
    rewards, values = whole(rng, (T, N)), whole(rng, (T, N), -9, 9)
    terminated = rng.random((T, N)) < 0.2
    boundary = terminated | (rng.random((T, N)) < 0.2)
    gamma = rational(9) / 10
    discounts = np.where(terminated, 0 * gamma, gamma)
    after = np.concatenate([values[1:], whole(rng, (1, N), -9, 9)])
    after = np.where(boundary, whole(rng, (T, N), -9, 9), after)
    return rewards, discounts, boundary, values, after


def steps_until_cut(boundary, t, i):
    """How many steps there are from t to the boundary, or the end of the data."""
    cut = [k for k in range(t, T) if boundary[k, i]]
    return (cut[0] if cut else T - 1) - t + 1


def n_step_sum(batch, t, i, n):
    """Σ_{k<n} (Π d) r_{t+k} + (Π d) V(s_{t+n}), written down; n within the window."""
    rewards, discounts, _, _, after = batch
    total, factor = rational(0), rational(1)
    for k in range(t, t + n):
        total += factor * rewards[k, i]
        factor *= discounts[k, i]
    return total + factor * after[t + n - 1, i]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_recursion_is_the_forward_view(seed):
    """(1−λ) Σ_{n<L} λⁿ⁻¹ G⁽ⁿ⁾ + λ^{L−1} G⁽ᴸ⁾, L the steps to the boundary."""
    rewards, discounts, boundary, _, after = batch = window(seed)
    for lam in (rational(0), rational(3) / 5, rational(1)):
        found = lambda_return(rewards, discounts, boundary, after, lam)
        for t in range(T):
            for i in range(N):
                length = steps_until_cut(boundary, t, i)
                forward = lam ** (length - 1) * n_step_sum(batch, t, i, length)
                for n in range(1, length):
                    forward += (1 - lam) * lam ** (n - 1) * n_step_sum(batch, t, i, n)
                assert found[t, i] == forward


@pytest.mark.parametrize("seed", SEEDS)
def test_n_step_returns_are_their_sums(seed):
    rewards, discounts, boundary, _, after = batch = window(seed)
    for n in (1, 2, 3, T, T + 5):
        found = n_step_return(rewards, discounts, boundary, after, n)
        for t in range(T):
            for i in range(N):
                length = min(n, steps_until_cut(boundary, t, i))
                assert found[t, i] == n_step_sum(batch, t, i, length)


@pytest.mark.parametrize("seed", SEEDS)
def test_generalized_advantages_are_sums_of_temporal_differences(seed):
    rewards, discounts, boundary, values, after = window(seed)
    lam = rational(4) / 5
    delta = temporal_differences(rewards, discounts, values, after)
    found = generalized_advantage(rewards, discounts, boundary, values, after, lam)
    for t in range(T):
        for i in range(N):
            total, factor = rational(0), rational(1)
            for k in range(t, t + steps_until_cut(boundary, t, i)):
                total += factor * delta[k, i]
                factor *= discounts[k, i] * lam
            assert found[t, i] == total
    zero = generalized_advantage(rewards, discounts, boundary, values, after, rational(0))
    assert (zero == delta).all()


def test_the_weights_of_the_advantages_need_the_factor_one_minus_lambda():
    """Σ_{n≥1} λⁿ⁻¹ A⁽ⁿ⁾ without it is 1/(1−λ) as large: 5 times at λ = ⅘."""
    rewards, discounts, boundary, values, after = batch = window(3)
    lam = rational(4) / 5
    right = generalized_advantage(rewards, discounts, boundary, values, after, lam)
    for t, i in np.ndindex(T, N):
        length = steps_until_cut(boundary, t, i)
        parts = [n_step_sum(batch, t, i, n) - values[t, i] for n in range(1, length + 1)]
        wrong = sum(lam**n * part for n, part in enumerate(parts[:-1]))
        wrong += lam ** (length - 1) / (1 - lam) * parts[-1]  # A⁽ⁿ⁾ = A⁽ᴸ⁾ from L on
        assert wrong == 5 * right[t, i]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cut_bootstraps_and_an_end_does_not(seed):
    rewards, discounts, boundary, _, after = window(seed)
    G = lambda_return(rewards, discounts, boundary, after)
    ended = boundary & (discounts == 0)
    cut = boundary & (discounts != 0)
    assert (G[ended] == rewards[ended]).all()
    assert (G[cut] == rewards[cut] + rational(9) / 10 * after[cut]).all()
    done = np.where(boundary, 0 * discounts, discounts)  # one flag for both
    if (after[cut] != 0).any():
        assert (lambda_return(rewards, done, boundary, after) != G).any()


def test_the_boundary_of_the_next_step_is_another_thing():
    caught = 0
    for seed in SEEDS:
        rewards, discounts, boundary, _, after = window(seed)
        late = np.concatenate([boundary[1:], boundary[-1:]])
        G = lambda_return(rewards, discounts, boundary, after, rational(1) / 2)
        caught += (lambda_return(rewards, discounts, late, after, rational(1) / 2) != G).any()
    assert caught == len(SEEDS)


def test_the_last_row_bootstraps_whether_marked_or_not():
    rewards, discounts, boundary, _, after = window(0)
    marked, open_ = boundary.copy(), boundary.copy()
    marked[-1], open_[-1] = True, False
    lam = rational(1) / 3
    one = lambda_return(rewards, discounts, marked, after, lam)
    assert (one == lambda_return(rewards, discounts, open_, after, lam)).all()


def test_lambda_may_differ_from_step_to_step():
    """With λ_t = ρ_{t+1} and V = 0 it is r_0 + d_0 ρ_1 (r_1 + d_1 ρ_2 r_2)."""
    r, d = np.array([[1.0], [2.0], [4.0]]), np.array([[0.5], [0.25], [0.0]])
    rho = np.array([[3.0], [5.0], [1.0]])  # ρ_1, ρ_2, none
    cut = np.array([[False], [False], [True]])
    found = lambda_return(r, d, cut, 0.0, rho)
    assert found[:, 0].tolist() == [1 + 0.5 * 3 * (2 + 0.25 * 5 * 4), 2 + 0.25 * 5 * 4, 4.0]


def test_discounts_so_far_vanish_after_the_end():
    d = np.array([[0.5, 0.5], [0.0, 0.5], [0.5, 0.5]])
    assert discount_so_far(d).tolist() == [[1, 1], [0.5, 0.5], [0, 0.25]]


@pytest.mark.slow  # JAX compiles each operation by itself: seconds
def test_other_libraries_compute_the_same():
    jax = pytest.importorskip("jax")
    rewards, discounts, boundary, values, after = (x[:2, :1] for x in window(1))
    numbers = [floats(x) for x in (rewards, discounts, values, after)]
    with jax.enable_x64(True):
        r, d, v, w = (jax.numpy.asarray(x) for x in numbers)
        found = generalized_advantage(r, d, jax.numpy.asarray(boundary), v, w, 0.8)
    r, d, v, w = numbers
    true = generalized_advantage(r, d, boundary, v, w, 0.8)
    # Two steps of multiplications and additions of numbers ≤ 40, each rounded in either.
    assert np.abs(np.asarray(found) - true).max() <= 1e-13


def test_n_below_one_is_refused():
    with pytest.raises(ValueError, match="n must be ≥ 1"):
        n_step_return(*window(0)[:3], 0, 0)
