"""n-step SARSA, expected SARSA and tree backup: over all paths, the powers of an operator."""

import numpy as np
import pytest

from mdpkit import gallery
from mdpkit.learn import (
    ExpectedSarsa,
    NStepExpectedSarsa,
    NStepSarsa,
    Sarsa,
    TreeBackup,
    learn,
)
from mdpkit.operators import aggregate
from mdpkit.operators.bellman import action_values, backup_q
from mdpkit.operators.rollout import ENDED
from mdpkit.policy import expected_under
from tests.learn_oracle import Feed, epsilon_soft, every_path, layered

RATES = {"step_size": 0.25, "epsilon": 0.5}


def powers(mdp, q, pi, n):
    """(B^π)ⁿ q."""
    for _ in range(n):
        q = backup_q(mdp, q, aggregate.expected(pi))
    return q


def tree(mdp, q, pi, acting, n):
    """Y_n of the tree backup: Y_n = B^π q + γ P Σ_b μ π (Y_{n−1} − q)."""
    first = found = backup_q(mdp, q, aggregate.expected(pi))
    for _ in range(n - 1):
        found = (
            first + action_values(mdp, expected_under(mdp, acting, pi * (found - q))) - mdp.r
        )
    return found


def case(name, n, mdp, q):
    """The method, and what its targets are on average."""
    acting, shaped = epsilon_soft(mdp, q, 0.5), q.reshape(mdp.pair_shape)
    if name == "tree":
        target = epsilon_soft(mdp, q, 0.2)
        return TreeBackup(n, 0.2, **RATES), tree(mdp, shaped, target, acting, n)
    if name == "own tree":
        return TreeBackup(n, None, **RATES), tree(mdp, shaped, acting, acting, n)
    kind = {"sarsa": NStepSarsa, "expected": NStepExpectedSarsa}[name]
    return kind(n, **RATES), powers(mdp, shaped, acting, n)


def expected_change(method, n, mdp, q, fault=None):
    """(pairs,) the mean update of an episode's first pair, made at step n or at its end."""
    acting, total = epsilon_soft(mdp, q, 0.5), np.zeros(mdp.n_pairs)
    came = np.zeros(mdp.n_pairs)
    for path in every_path(mdp, acting, n + 1):
        feed = Feed(method, mdp, runs=1, fault=fault, scripted=True)
        feed.tables.q[:] = q
        feed.script = [*path.pairs, 0]
        feed.begin(path.states[0])
        for t, reward in enumerate(path.rewards[:n]):
            ends = path.ended and t + 1 == len(path.rewards)
            feed.step(reward, ENDED if ends else path.states[t + 1])
        total[path.pairs[0]] += path.weight * (feed.tables.q[0] - q)[path.pairs[0]]
        came[path.pairs[0]] += path.weight
    return total / came


@pytest.mark.parametrize("name", ["sarsa", "expected", "tree", "own tree"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_expected_update_is_the_operator(name, n):
    """No pair comes twice in these models, and all end within 3 steps."""
    for seed in range(2):
        mdp = layered(seed)
        q = np.random.default_rng(seed).normal(size=mdp.n_pairs)
        method, operator = case(name, n, mdp, q)
        found = expected_change(method, n, mdp, q)
        assert abs(found - 0.25 * (operator.reshape(-1) - q)).max() <= 1e-13


FAULTS = {
    "waits a step too few": ("sarsa", ("_advance", "now + 1 - n)", "now + 2 - n)")),
    "no discount between": ("sarsa", ("_look_back", "world.gamma * X", "X")),
    "a tree without the target's probability": (
        "tree",
        ("_look_back", "likely * (G - q[pair])", "(G - q[pair])"),
    ),
    "a tree of the policy that acts": (
        "tree",
        ("_advance", "epsilon if rule.target < 0 else rule.target", "epsilon"),
    ),
    "bootstraps at the end": (
        "expected",
        ("_advance", "after != ENDED", "(after := max(after, 0)) >= 0"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(fault):
    name, change = FAULTS[fault]
    mdp = layered(1)
    q = np.random.default_rng(0).normal(size=mdp.n_pairs)
    method, operator = case(name, 2, mdp, q)
    found = expected_change(method, 2, mdp, q, change)
    assert abs(found - 0.25 * (operator.reshape(-1) - q)).max() > 1e-3


def test_sarsa_uses_the_action_taken_and_expected_sarsa_their_average():
    """On average they are alike; along a path they are not."""
    mdp = layered(1)
    q = np.random.default_rng(0).normal(size=mdp.n_pairs)
    found = {}
    for method in (NStepSarsa(2, **RATES), NStepExpectedSarsa(2, **RATES)):
        for last in (8, 9):
            feed = Feed(method, mdp, runs=1, scripted=True)
            feed.tables.q[:], feed.script = q, [0, 4, last]
            feed.begin(0)
            feed.step(1.0, 2)
            feed.step(2.0, 4)
            found[method.key, last] = (feed.tables.q[0, 0] - q[0]) / 0.25 + q[0]
    average = float(expected_under(mdp, epsilon_soft(mdp, q, 0.5), q.reshape(6, 2))[4])
    for last in (8, 9):
        assert found["n-step-sarsa", last] == pytest.approx(2.8 + 0.81 * q[last], abs=1e-14)
        assert found["n-step-expected-sarsa", last] == pytest.approx(
            2.8 + 0.81 * average, abs=1e-14
        )


def test_one_step_is_the_one_step_method():
    cliff, given = gallery.make("cliff", gamma=0.9), {"episodes": 20, "rng": 3, "runs": 2}
    assert np.array_equal(
        learn(cliff, NStepSarsa(1), **given).values, learn(cliff, Sarsa(), **given).values
    )
    # Expected SARSA chooses after its update, n-step before it.
    mdp, given = layered(0), given | {"episodes": 200}
    one = learn(mdp, ExpectedSarsa(epsilon=1.0, target=0.3), **given).values
    other = learn(mdp, TreeBackup(1, 0.3, epsilon=1.0), **given).values
    assert np.allclose(one, other, atol=1e-14)


def test_more_steps_than_the_episode_has_are_monte_carlo():
    """α = 1: each pair of the episode holds its whole return."""
    mdp = layered(0)
    found = learn(mdp, NStepSarsa(50, step_size=1.0, epsilon=1.0), episodes=1, rng=1)
    q, n = found.values.reshape(-1), int(found.lengths.values.item())
    assert n > 1
    assert (q != 0).sum() == n
    assert any(abs(q - found.returns.values.item()) < 1e-14)


def test_a_cut_bootstraps_all_that_wait():
    """Two steps, then a cut: both pairs move toward returns with the value behind the last."""
    mdp = layered(0)
    feed = Feed(NStepSarsa(5, step_size=1.0), mdp, runs=1, scripted=True)
    feed.tables.q[:] = np.arange(mdp.n_pairs)
    feed.script = [0, 4, 8]
    feed.begin(0)
    feed.step(1.0, 2)
    feed.step(2.0, 4, truncated=True)
    q = feed.tables.q[0]
    assert q[4] == 2.0 + 0.9 * 8
    assert q[0] == 1.0 + 0.9 * q[4]
    assert feed.between.all()


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (NStepSarsa(0), "n must be"),
        (NStepExpectedSarsa(1.5), "n must be"),
        (TreeBackup(2, 1.5), "epsilon"),
        (TreeBackup(2, epsilon=-1), "epsilon"),
    ],
)
def test_bad_numbers_are_refused(method, said):
    with pytest.raises(ValueError, match=said):
        learn(layered(0), method, episodes=1)
