"""Occupancies in exact rationals against their definition, and in floats against those."""

from fractions import Fraction

import numpy as np
import pytest

import mdpkit as mk
from mdpkit._array import EPS, sup
from mdpkit.errors import ModelError, UnboundedError
from mdpkit.gallery import leak, random_walk, short_corridor
from mdpkit.operators.occupancy import (
    flow_residual,
    inflow,
    occupancy,
    pair_occupancy,
    policy_of,
)
from mdpkit.operators.resolvent import solve_chain
from mdpkit.plan.linear_program import optimize
from mdpkit.policy import probabilities, under, uniform
from tests.oracles import exact_policy_value, pair_rows, random_mdp, rational

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")
SEEDS = range(25)


def draw(seed):
    """A random exact model, a stochastic policy and a start, in rationals."""
    mdp, rng = random_mdp(seed).exact(), np.random.default_rng([seed, 1])
    weight = np.array([rational(int(x)) for x in rng.integers(0, 5, mdp.n_pairs)], dtype=object)
    weight[mdp.action_ptr[:-1]] += 1
    total = np.add.reduceat(weight, mdp.action_ptr[:-1])
    policy = (weight / np.repeat(total, np.diff(mdp.action_ptr))).reshape(mdp.pair_shape)
    mu = np.array([rational(int(x)) for x in rng.integers(1, 9, mdp.n_states)], dtype=object)
    return mdp, policy, mu / mu.sum()


def pushed(mdp, policy, d):
    """P_πᵀ d, from the rows one by one."""
    out = [rational(0)] * mdp.n_states
    for pair, row in enumerate(pair_rows(mdp)):
        s = mdp.pair_states[pair]
        for t, p in row:
            out[t] += d[s] * policy.reshape(-1)[pair] * p
    return np.array(out, dtype=object)


def floats(x):
    return np.array([float(Fraction(int(y.p), int(y.q))) for y in x.reshape(-1)]).reshape(
        x.shape
    )


# ---- the definition --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_an_occupancy_is_the_fixed_point_of_its_flow(seed):
    mdp, policy, mu = draw(seed)
    d = occupancy(mdp, policy, mu)
    assert (d == (1 - mdp.gamma) * mu + mdp.gamma * pushed(mdp, policy, d)).all()
    assert (d >= (1 - mdp.gamma) * mu).all()
    x = pair_occupancy(mdp, policy, mu)
    assert (flow_residual(mdp, x, mu) == 0).all()
    assert (inflow(mdp, x) == pushed(mdp, policy, d)).all()
    assert (policy_of(mdp, x) == policy).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_stops_take_is_missing_from_the_sum(seed):
    mdp, policy, mu = draw(seed)
    d = occupancy(mdp, policy, mu)
    ended = (pair_occupancy(mdp, policy, mu) * mdp.stop).sum()
    assert d.sum() == 1 - mdp.gamma / (1 - mdp.gamma) * ended
    assert mdp.stops or d.sum() == 1


def test_a_sum_below_one_is_not_renormalized():
    mdp = mk.MDP([[[0.75]]], [[1.0]], 0.5, stop=[[0.25]]).exact()
    assert occupancy(mdp, np.array([0])).tolist() == [rational(Fraction(4, 5))]


@pytest.mark.parametrize("seed", SEEDS)
def test_rewards_under_an_occupancy_are_the_performance(seed):
    mdp, _, mu = draw(seed)
    pairs = mdp.action_ptr[:-1]
    x = pair_occupancy(mdp, mdp.pair_actions[pairs], mu)
    v = exact_policy_value(mdp, [int(i) for i in pairs])
    assert (x * mdp.r).sum() / (1 - mdp.gamma) == sum(m * y for m, y in zip(mu, v, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_floats_agree_with_rationals(seed):
    mdp = random_mdp(seed)
    exact, policy, mu = draw(seed)
    d = occupancy(mdp, floats(policy), floats(mu))
    # Elimination is backward stable, ‖(I − γPᵀ)⁻¹‖₁ = H; entries may be read 2⁻⁵² away.
    n, horizon = mdp.n_states, 1 / (1 - mdp.gamma)
    allowed = 8 * n * (n + mdp.n_actions) * EPS * (1 + mdp.gamma) * horizon
    assert sup(d - floats(occupancy(exact, policy, mu))) <= allowed
    assert sup(
        flow_residual(mdp, pair_occupancy(mdp, floats(policy), floats(mu)), floats(mu))
    ) <= (allowed)
    assert policy_of(mdp, pair_occupancy(mdp, floats(policy), floats(mu))) == pytest.approx(
        floats(policy), abs=4 * mdp.n_actions * EPS
    )


def test_the_transpose_forgotten_is_caught():
    caught = 0
    for seed in SEEDS:
        mdp, policy, mu = draw(seed)
        rows, _, _ = under(mdp, policy)
        impostor = solve_chain(rows, (1 - mdp.gamma) * mu, mdp.gamma)
        right = (1 - mdp.gamma) * mu + mdp.gamma * pushed(mdp, policy, impostor)
        caught += (impostor != right).any()
    assert caught >= 12


def test_large_sparse_models_give_what_their_flow_says():
    mdp = mk.gallery.make("lake", size=50)  # beyond dense LU, along a narrow band
    x = pair_occupancy(mdp, uniform(mdp))
    assert sup(flow_residual(mdp, x)) <= 1e-14
    ended = float((x * mdp.stop).sum())
    assert x.sum() == pytest.approx(1 - mdp.gamma / (1 - mdp.gamma) * ended, abs=1e-11)


# ---- closed forms, and γ = 1 -----------------------------------------------------------------


def test_a_leak_drains():
    # From state 1: P(still there at time k) = (1 − δ)ᵏ.
    d = occupancy(leak(0.01, gamma=0.9), np.array([0, 0]))
    assert d[1] == pytest.approx(0.1 / (1 - 0.9 * 0.99), rel=1e-13)
    assert d.sum() == pytest.approx(1, rel=1e-13)


@pytest.mark.parametrize("n", [3, 19])
def test_without_discount_visits_are_counted(n):
    # The Green's function of a fair walk on 1 … n absorbed at 0 and N = n + 1:
    # G(i, j) = 2·min(i,j)·(N − max(i,j))/N, in all i(N − i) steps.
    mdp, i, N = random_walk(n).exact(), (n + 1) // 2, n + 1
    expected = [Fraction(2 * min(i, j) * (N - max(i, j)), N) for j in range(1, N)]
    visits = occupancy(mdp, np.zeros(n, dtype=int))
    assert visits.tolist() == [rational(x) for x in expected]
    assert visits.sum() == i * (N - i)
    assert (flow_residual(mdp, visits[:, None]) == 0).all()
    rounded = occupancy(random_walk(n), np.zeros(n, dtype=int))
    assert rounded == pytest.approx([float(x) for x in expected], rel=1e-12)


def test_an_episode_that_never_ends_is_named():
    left = np.array([0, 1, 1])  # episodes begin in state 0, which stays for ever
    for mdp in (short_corridor(), short_corridor().exact()):
        with pytest.raises(
            UnboundedError, match="from state 0 the episode never ends"
        ) as caught:
            occupancy(mdp, left)
        assert caught.value.witness["states"] == [0]


@pytest.mark.parametrize("sparse", [False, True])
def test_an_endless_state_that_is_never_entered_does_no_harm(sparse):
    P, stop = np.zeros((3, 1, 3)), np.zeros((3, 1))
    P[0, 0, 0], P[1, 0, 2], P[2, 0, 2], stop[2] = 1, 1, 0.5, 0.5
    mdp = mk.MDP(P, np.zeros((3, 1)), 1.0, stop=stop)
    if sparse:
        from scipy.sparse import csr_array

        mdp = mk.MDP(csr_array(P[:, 0]), np.zeros((3, 1)), 1.0, stop=stop)
    for model in (mdp, mdp.exact()):
        assert occupancy(
            model, np.zeros(3, dtype=int), model.start * 0 + [0, 1, 0]
        ).tolist() == [
            0,
            1,
            2,
        ]
        with pytest.raises(UnboundedError):
            occupancy(model, np.zeros(3, dtype=int))


# ---- the policy of a flow --------------------------------------------------------------------


def test_a_state_never_visited_gets_the_uniform_policy():
    mdp = mk.MDP(np.full((2, 2, 2), 0.5), np.zeros((2, 2)), 0.9)
    assert policy_of(mdp, [[3.0, 1.0], [0.0, 0.0]]).tolist() == [[0.75, 0.25], [0.5, 0.5]]
    assert policy_of(mdp, [[3.0, -1e-12], [0, 1]]).tolist() == [[1, 0], [0, 1]]


def test_a_negative_flow_is_refused():
    mdp = mk.MDP(np.full((2, 2, 2), 0.5), np.zeros((2, 2)), 0.9)
    with pytest.raises(ValueError, match=r"x\[1, 0\] is -1"):
        policy_of(mdp, [[3.0, 1.0], [-1.0, 2.0]])
    with pytest.raises(ValueError, match="x has shape"):
        policy_of(mdp, [3.0, 1.0])
    with pytest.raises(ModelError, match="distribution"):
        occupancy(mdp, np.array([0, 0]), [0.5, 0.4])
    with pytest.raises(ValueError, match="start has shape"):
        occupancy(mdp, np.array([0, 0]), [1.0])


@pytest.mark.parametrize("seed", range(12))
def test_the_dual_program_is_an_occupancy_of_an_optimal_policy(seed):
    mdp = random_mdp(seed, gammas=(0.5, 0.9))
    x = optimize(mdp, "dual").x
    size = max(1.0, float(mdp.reward_size))
    assert sup(flow_residual(mdp, (1 - mdp.gamma) * x)) <= 1e-6  # HiGHS's tolerance
    policy = policy_of(mdp, x)
    assert mk.certify(mdp, policy=policy).loss <= 1e-5 * size
    assert probabilities(mdp, policy) is not None


def test_a_flow_of_another_scale_is_no_occupancy():
    mdp = mk.MDP(np.full((2, 2, 2), 0.5), np.zeros((2, 2)), 0.9)
    x = pair_occupancy(mdp, uniform(mdp))
    assert sup(flow_residual(mdp, x)) <= 1e-15
    assert sup(flow_residual(mdp, 10 * x)) == pytest.approx(0.9 * 0.5)
