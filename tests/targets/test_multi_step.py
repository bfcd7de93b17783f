"""Targets of several steps: windows that end, are cut or just stop, with their probability."""

import numpy as np
import pytest

from mdpkit import enumerate as every
from mdpkit import targets
from mdpkit.operators.aggregate import expected
from mdpkit.operators.bellman import action_values, aggregate, backup_q, greedy
from mdpkit.operators.linear import state_chain
from mdpkit.policy import expected_under, probabilities
from tests.prediction_oracle import descending_mdp, looping_mdp, some_policy

NEAR = {"rtol": 0, "atol": 1e-12}


def window(mdp, b, steps):
    """Every path of so many steps from every state."""
    n = mdp.n_states
    return every.trajectories(mdp, b, steps, start=np.full(n, 1 / n))


def told(batch):
    return batch.rewards, batch.discounts, batch.boundary


def from_each_pair(mdp, batch, x):
    """E[x_0 | s_0 = s, a_0 = a], in pair layout, 0 if that is never done. x : (T, n)."""
    out, met = np.zeros((2, mdp.n_pairs))
    np.add.at(out, batch.pairs[0], batch.weight * x[0])
    np.add.at(met, batch.pairs[0], batch.weight)
    return (out / np.where(met > 0, met, 1)).reshape(mdp.pair_shape)


# ---- n steps ---------------------------------------------------------------------------------


def n_step_targets(mdp, b, q, n):
    """Σ_{k<n} γᵏ r_k + γⁿ max_a q(s_n, a), expected from each pair."""
    batch = window(mdp, b, n)
    after = aggregate(mdp, q)[batch.states[1:]]
    return from_each_pair(mdp, batch, targets.n_step_return(*told(batch), after, n))


@pytest.mark.parametrize("make", [looping_mdp, descending_mdp])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_n_steps_of_a_behavior_and_a_maximum_behind_them(make, n):
    """(B^b)ⁿ⁻¹ B q: what follows the first action is the behavior's. Bⁿ q is caught."""
    mdp = make(n, gamma=0.9)
    b = some_policy(mdp, 3)
    q = np.random.default_rng(n).normal(size=mdp.pair_shape)
    wanted, optimal = backup_q(mdp, q), backup_q(mdp, q)
    for _ in range(n - 1):
        wanted, optimal = backup_q(mdp, wanted, expected(b)), backup_q(mdp, optimal)
    found = n_step_targets(mdp, b, q, n)
    np.testing.assert_allclose(found, wanted, **NEAR)
    assert n == 1 or abs(found - optimal).max() > 1e-3


def test_n_steps_of_the_greedy_behavior_are_powers_of_optimality():
    mdp = looping_mdp(1)
    q = np.zeros(mdp.pair_shape)
    for _ in range(400):
        q = backup_q(mdp, q)
    b = probabilities(mdp, greedy(mdp, aggregate(mdp, q)))
    near = q + 1e-3 * np.random.default_rng(0).random(mdp.pair_shape)
    wanted = backup_q(mdp, backup_q(mdp, backup_q(mdp, near)))
    batch = window(mdp, b, 3)
    found = n_step_targets(mdp, b, near, 3)
    own = np.unique(batch.pairs[0])  # others the behavior never takes
    np.testing.assert_allclose(found.reshape(-1)[own], wanted.reshape(-1)[own], **NEAR)


def test_a_window_summed_up_is_one_step_with_its_discount():
    """What a replay of n-step windows hands on: Σ (Π d) r, Π d, and the last state."""
    mdp = looping_mdp(2)
    b = some_policy(mdp, 1)
    q = np.random.default_rng(5).normal(size=mdp.pair_shape)
    batch, n = window(mdp, b, 3), 3
    reward = targets.n_step_return(*told(batch), 0.0, n)[0]
    discount = batch.discounts.prod(axis=0)
    y = targets.OneStep()(reward, discount, q[batch.states[n]])
    after = aggregate(mdp, q)[batch.states[1:]]
    wanted = targets.n_step_return(*told(batch), after, n)[0]
    np.testing.assert_allclose(y, wanted, **NEAR)


# ---- generalized advantages ------------------------------------------------------------------


def expected_advantages(mdp, pi, v, lam, steps):
    """δ̄ + Σ_{1≤k<T} (γλ)ᵏ P P_π^{k−1} δ̄_π: a window of T steps, cut behind the last."""
    P = state_chain(mdp, pi).P
    delta = action_values(mdp, v) - v[:, None]
    total, ahead = delta, expected_under(mdp, pi, delta)
    for k in range(1, steps):
        total = total + (mdp.gamma * lam) ** k * mdp.expect(ahead)
        ahead = P @ ahead
    return total


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("lam", [0.0, 0.6, 1.0])
def test_advantages_of_a_window_expect_the_sum_of_its_differences(steps, lam):
    mdp = looping_mdp(steps, n_states=3)
    pi, v = some_policy(mdp, 2), np.random.default_rng(steps).normal(size=3)
    batch = window(mdp, pi, steps)
    now, after = v[batch.states[:-1]], v[batch.states[1:]]
    A = targets.generalized_advantage(*told(batch), now, after, lam)
    wanted = expected_advantages(mdp, pi, v, lam, steps)
    np.testing.assert_allclose(from_each_pair(mdp, batch, A), wanted, **NEAR)
    ended = from_each_pair(mdp, batch, one_flag(*told(batch), now, after, lam))
    assert abs(ended - wanted).max() > 1e-3 or (lam == 0 and steps > 1)  # cut far ahead


def laid_end_to_end(seed):
    """Two episodes in one array of six steps: the first is cut behind the third, or ends there.

    Rewards, discounts, boundary, V(s_t), V(s_{t+1}); the row behind a boundary is a new start.
    """
    rng = np.random.default_rng(seed)
    rewards, values = rng.normal(size=(2, 6, 2))
    boundary = np.zeros((6, 2), dtype=bool)
    boundary[2] = True
    discounts = np.full((6, 2), 0.9)
    discounts[2, 1] = 0.0  # lane 0 is cut, lane 1 ends
    after = np.concatenate([values[1:], rng.normal(size=(1, 2))])
    after[2] = rng.normal(size=2)  # of the state truly reached, before the reset
    return rewards, discounts, boundary, values, after


def piecewise(given, lam):
    """Each episode by itself, its advantages as the weighted sum of those of n steps."""
    out = np.empty((6, 2))
    for piece in (slice(0, 3), slice(3, 6)):
        r, d, _, v, after = (x[piece] for x in given)
        for t in range(3):
            total, earned, factor, L = 0.0, 0.0, 1.0, 3 - t
            for n in range(1, L + 1):
                earned = earned + factor * r[t + n - 1]
                factor = factor * d[t + n - 1]
                weight = lam ** (n - 1) * (1 if n == L else 1 - lam)
                total = total + weight * (earned + factor * after[t + n - 1] - v[t])
            out[piece][t] = total
    return out


@pytest.mark.parametrize("lam", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_advantages_neither_cross_a_boundary_nor_forget_what_lies_before_it(seed, lam):
    """(1−λ) Σ_{n<L} λⁿ⁻¹ A⁽ⁿ⁾ + λ^{L−1} A⁽ᴸ⁾ of each episode; slips of published code."""
    given = laid_end_to_end(seed)
    wanted = piecewise(given, lam)
    np.testing.assert_allclose(targets.generalized_advantage(*given, lam), wanted, **NEAR)
    for slip in (silenced, crossing, one_flag, late_boundary):
        assert abs(slip(*given, lam) - wanted).max() > 1e-3, slip.__name__


def silenced(r, d, e, v, after, lam):
    """δ struck out where the episode was cut."""
    delta = targets.temporal_differences(r, d, v, after) * ~(e & (d > 0))
    return targets.lambda_return(delta, d, e, 0.0, lam)


def crossing(r, d, e, v, after, lam):
    """δ across the boundary: V of the row behind it, where the next episode begins."""
    return targets.generalized_advantage(r, d, e, v, np.concatenate([v[1:], after[-1:]]), lam)


def one_flag(r, d, e, v, after, lam):
    """A cut taken for an end."""
    return targets.generalized_advantage(r, np.where(e, 0, d), e, v, after, lam)


def late_boundary(r, d, e, v, after, lam):
    """The boundary of the next step: the sum goes on into the next episode, or stops early."""
    late = np.concatenate([e[1:], e[-1:]])
    return targets.generalized_advantage(r, np.where(late, 0, 0.9), late, v, after, lam)
