"""LSTD and LSTDQ: fed with everything there is they are exact; and written out as sums."""

import numpy as np
import pytest

from mdpkit import enumerate as every
from mdpkit import gallery
from mdpkit.batch import Transitions
from mdpkit.errors import SingularError
from mdpkit.learn import lstd, lstdq, merged
from mdpkit.learn.linear.least_squares import expected_features, pair_system, trajectory_system
from mdpkit.operators import linear
from mdpkit.operators.features import Hats
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.performance import policy_values
from mdpkit.operators.rollout import rollout
from mdpkit.operators.stationary import stationary
from tests.oracles import random_mdp
from tests.prediction_oracle import descending_mdp, looping_mdp, some_policy

NEAR = {"rtol": 0, "atol": 1e-12}


def features(seed, n, k):
    return np.random.default_rng([seed, 6]).normal(size=(n, k))


# ---- along trajectories ----------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.8, 1.0])
@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
def test_every_trajectory_gives_the_system_of_the_model(lam, gamma):
    """Of episodes that all end, D the expected visits: A and b to rounding."""
    mdp = descending_mdp(1, gamma=gamma)
    pi, phi, start = some_policy(mdp, 1), features(1, 4, 2), np.array([0.1, 0.2, 0.3, 0.4])
    batch = every.trajectories(mdp, pi, 4, start=start)
    visits = occupancy(mdp.replace(gamma=1.0), pi, start)
    wanted = linear.bellman_system(linear.state_chain(mdp, pi), phi, visits, gamma, lam)
    found = lstd(batch, phi, lam=lam)
    np.testing.assert_allclose(found.system.A, wanted.A, **NEAR)
    np.testing.assert_allclose(found.system.b, wanted.b, **NEAR)
    np.testing.assert_allclose(found.w, linear.solution(wanted), rtol=1e-10)


def test_a_sum_over_the_steps_of_a_cut_path_is_this():
    """z, A and b step by step in scalars, with an end and a cut within the arrays."""
    mdp = looping_mdp(3, n_states=3)
    pi, phi, lam = some_policy(mdp, 3), features(3, 3, 2), 0.7
    batch = rollout(mdp, pi, 6, n=5, rng=0)
    assert (batch.pairs < 0).any()
    cut = batch.boundary.copy()
    cut[2] = True  # everybody is cut after the third step, and goes on from where it was
    batch = batch._replace(boundary=cut)
    A, b = np.zeros((2, 2)), np.zeros(2)
    for i in range(5):
        z = np.zeros(2)
        for t in range(6):
            if batch.pairs[t, i] < 0:
                break
            now, after = phi[batch.states[t, i]], phi[batch.states[t + 1, i]]
            z = z + now
            for k in range(2):
                b[k] += batch.weight[i] * z[k] * batch.rewards[t, i]
                for j in range(2):
                    discounted = batch.discounts[t, i] * after[j]
                    A[k, j] += batch.weight[i] * z[k] * (now[j] - discounted)
            z = np.zeros(2) if cut[t, i] else lam * batch.discounts[t, i] * z
    found = trajectory_system(batch, phi, lam)
    np.testing.assert_allclose(found.A, A, **NEAR)
    np.testing.assert_allclose(found.b, b, **NEAR)


def test_boyans_chain_is_solved_by_any_data_that_see_all_of_it():
    """v is linear there, so that at λ = 1 every path gives it, and at λ = 0 the whole tree."""
    mdp, phi = gallery.make("boyan-chain"), Hats((0, 4, 8, 12))(np.arange(13))
    batch = every.trajectories(mdp, np.zeros(13, int), 13)
    for lam in (0.0, 0.4, 1.0):
        w = lstd(batch, phi, lam=lam).w
        np.testing.assert_allclose(w, [0, -8, -16, -24], rtol=0, atol=1e-10)
    few = rollout(mdp, np.zeros(13, int), 13, n=400, rng=0)
    assert abs(lstd(few, phi).w - [0, -8, -16, -24]).max() < 1.0


def test_exact_trajectories_give_exact_weights():
    mdp = gallery.make("boyan-chain", n=5).exact()
    from mdpkit._exact import exact_array

    phi = exact_array(Hats((0, 2, 4))(np.arange(5)))
    batch = every.trajectories(mdp, np.zeros(5, int), 5)
    assert [str(x) for x in lstd(batch, phi, lam=mdp.start[0] + 1).w] == ["0", "-4", "-8"]


# ---- pairs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_every_transition_gives_the_system_of_action_values(seed):
    mdp = random_mdp(seed, gammas=(0.9,))
    rng = np.random.default_rng(seed)
    pi = some_policy(mdp, seed)
    phi, rho = rng.normal(size=(mdp.n_pairs, 2)), rng.random(mdp.n_pairs)
    batch = every.transitions(mdp, rho)
    found = pair_system(batch, phi, expected_features(phi, mdp.action_ptr, pi))
    wanted = linear.projected_pair_system(mdp, pi, phi, weights=rho)
    size = max(1.0, mdp.reward_size)
    np.testing.assert_allclose(found.A, wanted.A, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.b, wanted.b, rtol=0, atol=1e-12 * size)


def test_one_weight_a_pair_gives_the_action_values_of_any_policy_from_any_data():
    mdp = looping_mdp(4, n_states=3)
    rho = np.random.default_rng(0).random(6) + 0.1
    batch = every.transitions(mdp, rho)
    for policy in (np.array([1, 0, 1]), some_policy(mdp, 4)):
        found = lstdq(batch, np.eye(6), policy, action_ptr=mdp.action_ptr)
        wanted = policy_values(mdp, policy).q.reshape(-1)
        np.testing.assert_allclose(found.w, wanted, rtol=0, atol=1e-11)


def test_states_are_pairs_of_one_action():
    """LSTD(0) from transitions: Φ of the state at each pair, and Φ itself."""
    mdp = looping_mdp(4, n_states=3)
    pi, phi = some_policy(mdp, 4), features(4, 3, 2)
    d = stationary(mdp, pi)
    found = pair_system(every.transitions(mdp, d[:, None] * pi), phi[mdp.pair_states], phi)
    wanted = linear.projected_system(mdp, pi, phi)
    np.testing.assert_allclose(found.A, wanted.A, **NEAR)
    np.testing.assert_allclose(found.b, wanted.b, **NEAR)


def test_counts_say_what_the_steps_say():
    mdp = looping_mdp(2, n_states=3)
    batch = rollout(mdp, some_policy(mdp, 2), 200, n=3, rng=1)
    taken = batch.pairs >= 0
    steps = Transitions(
        batch.pairs[taken],
        batch.rewards[taken] + np.random.default_rng(0).normal(size=taken.sum()),
        batch.discounts[taken],
        batch.states[1:][taken],
        np.random.default_rng(1).random(taken.sum()),
    )
    few = merged(steps)
    assert few.pair.size < 30 < steps.pair.size
    assert few.weight.sum() == pytest.approx(steps.weight.sum())
    keys = list(zip(few.pair, few.next_state, few.discount, strict=True))
    assert len(set(keys)) == len(keys)
    phi = features(2, 6, 3)
    for policy in (np.array([0, 1, 0]), np.array([1, 1, 1])):
        after = expected_features(phi, mdp.action_ptr, policy)
        one, other = pair_system(steps, phi, after), pair_system(few, phi, after)
        np.testing.assert_allclose(one.A, other.A, rtol=0, atol=1e-10)
        np.testing.assert_allclose(one.b, other.b, rtol=0, atol=1e-10)


def test_what_the_data_do_not_determine_is_refused_with_the_rank():
    mdp = looping_mdp(4, n_states=3)
    batch = every.transitions(mdp, np.array([1.0, 1, 1, 1, 1, 0]))
    kept = batch.weight > 0
    batch = Transitions(*(x[kept] for x in batch))
    with pytest.raises(SingularError, match="rank 5, below 6"):
        lstdq(batch, np.eye(6), np.zeros(3, int), action_ptr=mdp.action_ptr)
    found = lstdq(batch, np.eye(6), np.zeros(3, int), action_ptr=mdp.action_ptr, ridge=1e-6)
    assert found.ridge == 1e-6
    wanted = policy_values(mdp, np.zeros(3, int)).q.reshape(-1)
    np.testing.assert_allclose(found.w[:5], wanted[:5], atol=1e-3)
    assert found.w[5] == 0


def test_a_policy_of_another_size_is_refused():
    with pytest.raises(ValueError, match="6 pairs are needed"):
        expected_features(np.eye(6), np.arange(0, 7, 2), np.ones(5))
