"""Monte Carlo: unbiased at the first visit, biased at every visit as the theory says."""

import numpy as np
import pytest

from mdpkit import MDP, gallery
from mdpkit import enumerate as every
from mdpkit.learn import MonteCarlo, _episodes, learn
from mdpkit.operators.performance import policy_values
from tests.prediction_oracle import (
    expected,
    fed,
    fed_in_turn,
    looping_mdp,
    mutated,
    some_policy,
)

NEAR = {"rtol": 0, "atol": 1e-12}  # of numbers of order 1, after at most 50 operations


def loop_chain(p):
    """Stay with probability p for a reward of 1, else end for nothing: V = p/(1−p).

    Two actions, so that the reward is the step's and not its mean.
    """
    P = np.array([[[1.0], [0.0]]])
    mdp = MDP(P, [[1.0, 0.0]], 1.0, stop=[[0.0, 1.0]])
    return mdp, np.array([[p, 1 - p]])


def returns_of_one_state(mdp, pi, horizon=7):
    """A looping model cut at a horizon, whose values are true: every return has its mean."""
    v = policy_values(mdp, pi).v
    return v, every.trajectories(mdp, pi, horizon)


@pytest.mark.parametrize("seed", range(3))
def test_the_first_visit_is_unbiased_in_every_state(seed):
    """E[G 1{visited}] = v^π P(visited): what is not visited keeps the true value here."""
    mdp = looping_mdp(seed, n_actions=1)
    pi = some_policy(mdp, seed)
    v, batch = returns_of_one_state(mdp, pi)
    found = expected(mdp, MonteCarlo(pi, initial=v), batch)
    np.testing.assert_allclose(found, v, **NEAR)
    every_visit = expected(mdp, MonteCarlo(pi, first_visit=False, initial=v), batch)
    assert abs(every_visit - v).max() > 1e-4


FAULTS = {
    "the last visit for the first": (
        "        tables.held[run, i] = tables.values[run, i]\n        tables.seen[run, i] = t",
        "        if t == n - 1:\n            tables.seen[run] = -1\n"
        "        tables.held[run, i] = tables.values[run, i]\n"
        "        if tables.seen[run, i] < 0:\n            tables.seen[run, i] = t",
    ),
    "discounts from the wrong end": (
        "G = log.rewards[run, t] + world.gamma * ((1.0 - rule.lam) * following + rule.lam * G)",
        "G = world.gamma**t * log.rewards[run, t] + G",
    ),
    "a cut episode is worth no more": ("if after != ENDED:\n        following", "if False:\n"
        "        following"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_kernel_is_caught(name):
    mdp = looping_mdp(0, n_actions=1)
    pi = some_policy(mdp, 0)
    v, batch = returns_of_one_state(mdp, pi, 5)
    wrong = expected(mdp, MonteCarlo(pi, initial=v), batch, mutated(_episodes, *FAULTS[name]))
    assert abs(wrong - v).max() > 1e-4


@pytest.mark.parametrize("n", [1, 2])
def test_every_visit_expects_n_of_n_plus_one_parts_of_the_value(n):
    """E V̂_n = V n/(n+1) on the loop chain, by enumeration; p = 1/5, so V = 1/4.

    Episodes of length above 14 have probability (1/5)^14 < 2e-10; they are left out.
    """
    p, longest = 0.2, 14
    mdp, pi = loop_chain(p)
    batch = every.trajectories(mdp, pi, longest)
    ended = np.flatnonzero(batch.discounts[-1] == 0)
    method = MonteCarlo(pi, first_visit=False)
    if n == 1:
        found = batch.weight[ended] @ fed(mdp, method, batch, ended)[:, 0]
    else:
        found = sum(
            batch.weight[i] * batch.weight[j]
            * fed_in_turn(mdp, method, [(batch, i), (batch, j)], method.family)[0]
            for i in ended for j in ended
        )  # fmt: skip
    value = p / (1 - p)
    assert found == pytest.approx(value * n / (n + 1), abs=1e-8)
    assert abs(found - value) > value / 4


@pytest.mark.stat
@pytest.mark.parametrize("n", [1, 2, 5])
def test_sampled_visits_have_the_bias_of_the_theory(n):
    """5 standard errors of 20,000 runs, 2 checks each: false alarm < 2e-6 a case."""
    mdp, pi = loop_chain(0.7)
    value = 7 / 3
    for first_visit, wanted in ((True, value), (False, value * n / (n + 1))):
        found = learn(mdp, MonteCarlo(pi, first_visit), episodes=n, runs=20_000, rng=n).values[
            :, 0
        ]
        error = found.std() / np.sqrt(20_000)
        assert abs(found.mean() - wanted) < 5 * error
        other = value if not first_visit else value * n / (n + 1)
        assert abs(found.mean() - other) > 5 * error


def test_an_average_does_not_depend_on_where_it_began():
    mdp, pi = loop_chain(0.5)
    one = learn(mdp, MonteCarlo(pi), episodes=5, rng=0)
    other = learn(mdp, MonteCarlo(pi, initial=7.0), episodes=5, rng=0)
    np.testing.assert_allclose(one.values, other.values, **NEAR)
    returns = one.returns.values.mean()
    assert one.values[0, 0] == pytest.approx(returns, rel=1e-14)  # one state: visited at once


def test_the_book_keeps_whole_episodes_however_long():
    """3000 steps of one loop, cut there: 3000 rewards of 1, and then the value 5."""
    mdp = MDP(np.ones((1, 1, 1)), np.ones((1, 1)), 1.0)
    method = MonteCarlo(np.array([0]), initial=5.0)
    found = learn(mdp, method, episodes=1, max_steps=3000)
    assert found.values[0, 0] == 3005.0


@pytest.mark.stat
def test_blackjack_is_evaluated_within_its_error():
    """Sticking on 20: 4.5 standard errors of 30 runs in each state seen often; < 2e-4 in all.

    A naive estimate, every value 0, is caught.
    """
    mdp = gallery.make("blackjack")
    pi = gallery.get("blackjack").known[0].policy(mdp).reshape(mdp.pair_shape)
    truth = policy_values(mdp, pi).v
    assert truth[(10 - 1) * 10 + 8] == pytest.approx(0.434958, abs=5e-7)
    found = learn(mdp, MonteCarlo(pi), episodes=3000, runs=30, rng=0)
    often = (found.tables.visits >= 5).all(axis=0)
    error = found.values.std(axis=0, ddof=1) / np.sqrt(30) + 1e-12
    apart = abs(found.values.mean(axis=0) - truth) / error
    # Student's t with 29 degrees: beyond 6 less often than 2e-6, times 150 states
    assert often.sum() > 100
    assert (apart[often] < 6).all()
    assert (abs(truth / error)[often] > 6).mean() > 0.5


def test_threads_change_nothing():
    mdp = looping_mdp(0)
    pi = some_policy(mdp, 0)
    one = learn(mdp, MonteCarlo(pi), episodes=30, runs=5, rng=3, max_steps=20)
    for threads in (2, 4):
        more = learn(
            mdp, MonteCarlo(pi), episodes=30, runs=5, rng=3, max_steps=20, threads=threads
        )
        assert np.array_equal(one.values, more.values)
