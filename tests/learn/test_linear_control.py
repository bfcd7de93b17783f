"""Linear control: tables as a case of it, its expected update, and continuous observations."""

import numpy as np
import pytest

from mdpkit import enumerate as every
from mdpkit import gallery
from mdpkit.learn import (
    ExpectedSarsa,
    QLearning,
    Sarsa,
    SemiGradientExpectedSarsa,
    SemiGradientQLearning,
    SemiGradientSarsa,
    learn,
)
from mdpkit.learn._world import PAIR, STATE, World, log
from mdpkit.learn.linear import control
from mdpkit.operators import linear
from mdpkit.operators.bellman import backup_q
from mdpkit.operators.features import pair_features
from mdpkit.operators.rollout import ENDED, sampler
from tests.oracles import random_mdp
from tests.prediction_oracle import looping_mdp, mutated, some_policy

NEAR = {"rtol": 0, "atol": 1e-12}

PAIRS = [
    (SemiGradientSarsa, Sarsa),
    (SemiGradientExpectedSarsa, ExpectedSarsa),
    (SemiGradientQLearning, QLearning),
]


@pytest.mark.parametrize(("linear_", "tabular"), PAIRS)
@pytest.mark.parametrize("features", ["pairs", "states"])
def test_one_weight_a_pair_is_the_tabular_method(linear_, tabular, features):
    mdp = gallery.make("cliff")
    phi = np.eye(mdp.n_pairs if features == "pairs" else mdp.n_states)
    given = {"episodes": 40, "runs": 3, "rng": 1, "max_steps": 300}
    one = learn(mdp, linear_(phi, step_size=0.5), **given)
    other = learn(mdp, tabular(step_size=0.5), **given)
    np.testing.assert_array_equal(one.returns.values, other.returns.values)
    np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize("seed", range(5))
def test_ragged_actions_have_their_blocks(seed):
    mdp = random_mdp(seed, gammas=(0.9,))
    given = {"episodes": 5, "runs": 2, "rng": 1, "max_steps": 50}
    phi = np.random.default_rng(seed).normal(size=(mdp.n_states, 2)) * 0.5
    one = learn(mdp, SemiGradientSarsa(phi, step_size=0.1), **given)
    table = pair_features(mdp, phi)
    other = learn(mdp, SemiGradientSarsa(table, step_size=0.1), **given)
    np.testing.assert_allclose(one.values, other.values, rtol=1e-9)
    w = one.tables.w
    np.testing.assert_allclose(one.values.reshape(2, -1), w @ table.T, rtol=1e-9, atol=1e-300)


def mean_update(mdp, method, w, weights, family=None):
    """Σ weight Δw over every transition of the model, from the same w."""
    family = family or method.family
    outcome, total = np.zeros(3), 0.0
    world = World(sampler(mdp), float(mdp.gamma), np.empty(0), 10**6, outcome)
    book, tables = log(0, 1, 10**4), family.begin(method, mdp, 1)
    batch = every.transitions(mdp, weights)
    for pair, reward, discount, after, weight in zip(*batch, strict=True):
        tables.w[0], tables.trace[0] = w, 0.0
        book.clock[0, STATE], book.clock[0, PAIR] = mdp.pair_states[pair], pair
        outcome[:] = reward, ENDED if discount == 0 else after, 0.0
        family.kernel(world, book, method.rule(), tables, 0, 1, 1)
        total = total + weight * (tables.w[0] - w)
    return total


def problem(seed):
    mdp = looping_mdp(seed, n_states=4)
    rng = np.random.default_rng([seed, 8])
    return mdp, rng.normal(size=(8, 3)), rng.normal(size=3), rng.random((4, 2))


@pytest.mark.parametrize("seed", range(3))
def test_q_learning_moves_toward_the_projected_backup(seed):
    """E Δw = Φᵀρ (B Φw − Φw); at rest Φw = Π B Φw."""
    mdp, phi, w, rho = problem(seed)
    moved = mean_update(mdp, SemiGradientQLearning(phi, 1.0), w, rho)
    q = (phi @ w).reshape(4, 2)
    wanted = phi.T @ (rho * (backup_q(mdp, q) - q)).reshape(-1)
    np.testing.assert_allclose(moved, wanted, **NEAR)


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_expected_sarsa_moves_by_b_less_a_w(epsilon):
    """While ε-greedy(Φw) is the policy: A and b of `projected_pair_system`."""
    mdp, phi, w, rho = problem(1)
    q = (phi @ w).reshape(4, 2)
    pi = np.full((4, 2), epsilon / 2)
    pi[np.arange(4), q.argmax(axis=1)] += 1 - epsilon
    A, b = linear.projected_pair_system(mdp, pi, phi, weights=rho.reshape(-1))
    moved = mean_update(mdp, SemiGradientExpectedSarsa(phi, 1.0, epsilon), w, rho)
    np.testing.assert_allclose(moved, b - A @ w, **NEAR)
    if epsilon == 0:
        moved = mean_update(mdp, SemiGradientSarsa(phi, 0.0, 1.0, 0.0), w, rho)
        np.testing.assert_allclose(moved, b - A @ w, **NEAR)


@pytest.mark.stat
def test_sarsa_moves_the_same_on_average():
    """20,000 runs of one step each: 5 standard errors of 3 numbers, a false alarm in 5e5."""
    mdp, phi, w, _ = problem(1)
    n, epsilon = 20_000, 0.3
    method = SemiGradientSarsa(phi, 0.0, 1.0, epsilon, initial=w)
    found = learn(mdp, method, episodes=1, runs=n, rng=3, max_steps=1)
    moved = found.tables.w - w
    q = (phi @ w).reshape(4, 2)
    pi = np.full((4, 2), epsilon / 2)
    pi[np.arange(4), q.argmax(axis=1)] += 1 - epsilon
    A, b = linear.projected_pair_system(mdp, pi, phi, weights=(pi / 4).reshape(-1))
    assert (abs(moved.mean(axis=0) - (b - A @ w)) < 5 * moved.std(axis=0) / np.sqrt(n)).all()


def test_traces_of_sarsa_fade_by_discount_and_lambda():
    """Two steps by hand, the second with the trace of the first."""
    mdp, phi, w, _ = problem(0)
    method, outcome = SemiGradientSarsa(phi, 0.5, 0.2, 0.0), np.zeros(3)
    family = method.family
    world = World(sampler(mdp), 0.9, np.empty(0), 10**6, outcome)
    book, tables = log(0, 1, 9), family.begin(method, mdp, 1)
    tables.w[0] = w
    book.clock[0, STATE], book.clock[0, PAIR] = 0, 1
    trace, now = 0.0, w
    for reward, after in ((1.0, 2), (-0.5, 3), (2.0, ENDED)):
        pair = int(book.clock[0, PAIR])
        outcome[:] = reward, after, 0.0
        family.kernel(world, book, method.rule(), tables, 0, 1, 1)
        trace = 0.9 * 0.5 * trace + phi[pair]
        value = 0.0 if after == ENDED else (phi @ now).reshape(4, 2)[after].max()
        now = now + 0.2 * (reward + 0.9 * value - phi[pair] @ now) * trace
        np.testing.assert_allclose(tables.w[0], now, **NEAR)
    assert not tables.trace.any()


FAULTS = [
    # the tile of a terminal state is worth something
    (
        "if after != ENDED:\n                n = _fill(given, w, ptr, after, q)",
        "if True:\n                n = _fill(given, w, ptr, max(after, 0), q)",
    ),
    ("reward + world.gamma * value)", "reward + value)"),
    (
        "given.row[pair], given.shift[pair], w)\n    return",
        "given.row[pair], 0, w)\n    return",
    ),
]


@pytest.mark.parametrize(("right", "wrong"), FAULTS)
def test_a_fault_is_caught(right, wrong):
    mdp, _, _, rho = problem(2)
    assert mdp.stops
    rng = np.random.default_rng(0)
    phi, w = rng.normal(size=(4, 2)), rng.normal(size=4)
    family = mutated(control, right, wrong)
    method = SemiGradientQLearning(phi, 1.0)
    good, bad = (mean_update(mdp, method, w, rho, f) for f in (None, family))
    assert abs(good - bad).max() > 1e-6


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_change_nothing(threads):
    mdp = gallery.make("lspi-chain")
    method = SemiGradientSarsa(np.vander(np.linspace(-1, 1, 4), 3), 0.5, 0.1)
    one = learn(mdp, method, episodes=10, runs=9, rng=4, max_steps=50)
    more = learn(mdp, method, episodes=10, runs=9, rng=4, max_steps=50, threads=threads)
    np.testing.assert_array_equal(one.values, more.values)


def test_a_policy_is_kept_by_the_weights_of_its_own_values():
    """At rest where Φ can say q^π: one weight a pair, and all ε-greedy policies the same."""
    mdp = looping_mdp(3, n_states=4)
    pi = some_policy(mdp, 3)
    A, b = linear.projected_pair_system(mdp, pi, np.eye(8), weights=np.ones(8))
    w = linear.solution(linear.System(A, b))
    np.testing.assert_allclose(A @ w, b, atol=1e-12)
