"""SARSA(λ) and Watkins' Q(λ): with q held, a step at a time, they are λ-returns."""

import numpy as np
import pytest

from mdpkit import gallery
from mdpkit.learn import QLearning, Sarsa, SarsaLambda, WatkinsQLambda, learn
from mdpkit.operators import aggregate
from mdpkit.operators.bellman import backup_q
from mdpkit.operators.returns import lambda_return
from mdpkit.operators.rollout import ENDED
from tests.learn_oracle import Feed, epsilon_soft, every_path, layered

RATES = {"lam": 0.7, "step_size": 0.25, "epsilon": 0.5}
METHODS = {"sarsa": SarsaLambda(**RATES), "watkins": WatkinsQLambda(**RATES)}
LOOP = gallery.make("garnet", S=4, A=3, seed=1, gamma=0.9)


def held(method, mdp, q, path, *, extra=0, fault=None, cut=False):
    """(pairs,) the sum of the updates along a path, q being put back after each of them."""
    feed = Feed(method, mdp, runs=1, fault=fault, scripted=True)
    feed.tables.q[:] = q
    feed.script = [*path.pairs, extra]
    feed.begin(path.states[0])
    total, n = np.zeros(mdp.n_pairs), len(path.pairs)
    for t, reward in enumerate(path.rewards):
        last = t + 1 == n
        after = ENDED if last and path.ended else path.states[t + 1]
        feed.step(reward, after, truncated=last and cut)
        total += feed.tables.q[0] - q
        feed.tables.q[:] = q
    return total


def returns(method, mdp, q, path, extra):
    """The λ-returns of a path whose last state, if it goes on, takes `extra`."""
    ptr, n = mdp.action_ptr, len(path.pairs)
    pairs = [*path.pairs[1:], extra]
    top = np.array([q[ptr[s] : ptr[s + 1]].max() for s in path.states[1:]])
    values = top if isinstance(method, WatkinsQLambda) else q[pairs]
    greedy = q[pairs] == values
    discounts = np.full(n, 0.9)
    discounts[-1] *= not path.ended
    over = np.zeros(n, dtype=bool)
    over[-1] = True
    return lambda_return(np.array(path.rewards), discounts, over, values, method.lam * greedy)


def paths():
    """Random episodes of 6 steps in a model of 4 states, cut; pairs come again and again."""
    rng = np.random.default_rng(0)
    q = rng.normal(size=LOOP.n_pairs)
    for path in list(every_path(LOOP, np.full((4, 3), 1 / 3), 3))[::40]:
        yield q, path, int(rng.integers(3)) + 3 * path.states[-1]


@pytest.mark.parametrize("name", METHODS)
def test_offline_sum_is_the_lambda_return_pathwise(name):
    method, seen = METHODS[name], 0
    for q, path, extra in paths():
        G = returns(method, LOOP, q, path, extra)
        wanted = np.zeros(LOOP.n_pairs)
        np.add.at(wanted, path.pairs, 0.25 * (G - q[path.pairs]))
        found = held(method, LOOP, q, path, extra=extra, cut=True)
        assert abs(found - wanted).max() <= 1e-13
        seen += 1
    assert seen > 20


FAULTS = {
    "traces live on after an exploring action": (
        "watkins",
        ("_advance", "not over and q[chosen] == value", "not over"),
    ),
    "fades without γ": ("sarsa", ("_advance", "world.gamma * rule.lam", "rule.lam")),
    "fades before the pair is added": (
        "sarsa",
        ("visit", "z[i] += alpha\n", "z[i] += 0.63 * alpha\n"),
    ),
    "the best action for the one taken": ("sarsa", ("_advance", "if rule.greedy", "if True")),
    "the action taken for the best": ("watkins", ("_advance", "if rule.greedy", "if False")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(fault):
    name, change = FAULTS[fault]
    apart = [
        abs(
            held(METHODS[name], LOOP, q, path, extra=extra, fault=change, cut=True)
            - held(METHODS[name], LOOP, q, path, extra=extra, cut=True)
        ).max()
        for q, path, extra in paths()
    ]
    assert max(apart) > 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_expected_offline_update_is_the_lambda_operator(seed):
    """Over all episodes: Σ d(s,a) α (q^(λ) − q), d how often a pair is visited.

    q^(λ) = (1−λ) Σ λⁿ⁻¹ (B^π)ⁿ q; every episode ends within 3 steps, so (B^π)³ q is q^π.
    """
    mdp = layered(seed)
    q = np.random.default_rng(seed).normal(size=mdp.n_pairs)
    pi = epsilon_soft(mdp, q, 0.5)
    found, visits = np.zeros(mdp.n_pairs), np.zeros(mdp.n_pairs)
    for path in every_path(mdp, pi, 3):
        found += path.weight * held(METHODS["sarsa"], mdp, q, path)
        np.add.at(visits, path.pairs, path.weight)
    backed, operator = q.reshape(mdp.pair_shape), 0.0
    for share in (0.3, 0.3 * 0.7, 0.7**2):
        backed = backup_q(mdp, backed, aggregate.expected(pi))
        operator = operator + share * backed
    assert abs(found - 0.25 * visits * (operator.reshape(-1) - q)).max() <= 1e-13


def test_lambda_zero_is_the_one_step_method():
    cliff, given = gallery.make("cliff", gamma=0.9), {"episodes": 30, "rng": 3, "runs": 2}
    sarsa = learn(cliff, Sarsa(0.5), **given)
    traced = learn(cliff, SarsaLambda(0.0, 0.5), **given)
    assert np.allclose(sarsa.values, traced.values, atol=1e-12)
    assert np.array_equal(sarsa.lengths.values, traced.lengths.values)
    # Q-learning chooses after its update, Watkins before: alike where that is no matter.
    mdp = layered(0)
    one = learn(mdp, QLearning(0.5, epsilon=1.0), **given)
    other = learn(mdp, WatkinsQLambda(0.0, 0.5, epsilon=1.0), **given)
    assert np.allclose(one.values, other.values, atol=1e-14)


@pytest.mark.parametrize("traces", ["accumulating", "replacing"])
def test_lists_change_nothing(traces, monkeypatch):
    """Traces passed over by list, or all of them: to rounding the same."""
    from mdpkit.learn import eligibility

    cliff, given = gallery.make("cliff", gamma=0.9), {"episodes": 5, "rng": 3, "max_steps": 300}
    method = SarsaLambda(0.95, 0.05, traces=traces)
    listed = learn(cliff, method, **given)
    assert listed.tables.eligible.size
    empty = np.zeros((1, 0), dtype=np.int64)
    monkeypatch.setattr(eligibility, "eligible_entries", lambda *_: empty)
    plain = learn(cliff, method, **given)
    assert plain.tables.eligible.size == 0
    assert np.allclose(listed.values, plain.values, atol=1e-9)


def test_traces_are_cut_where_the_episode_is():
    """A reward after the cut does not reach the pair before it; without the cut it does."""
    mdp = layered(0)
    late = ("_advance", "not over and ", "")
    for fault, untouched in ((None, True), (late, False)):
        feed = Feed(SarsaLambda(1.0, 1.0), mdp, runs=1, fault=fault, scripted=True)
        feed.script = [0, 4, 8, 8]
        feed.begin(0)
        feed.step(0.0, 2, truncated=True)
        assert feed.between.all()
        feed.begin(2)
        feed.step(5.0, ENDED)
        assert (feed.tables.q[0, 0] == 0) == untouched


@pytest.mark.stat
def test_the_windy_grid_is_learned():
    """Sutton & Barto (2018), Exercise 12.5 in spirit: the greedy path is near 15 steps.

    Mean length of the last 50 of 300 episodes, ε = .1, 20 runs: 17 to 22 (s.e. below .5).
    """
    for method in (SarsaLambda(0.9, 0.1, traces="replacing"), WatkinsQLambda(0.9, 0.1)):
        found = learn(gallery.make("windy"), method, episodes=300, runs=20, rng=0)
        assert 15.5 < found.lengths.values[:, -50:].mean() < 22


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (SarsaLambda(1.5), "λ"),
        (WatkinsQLambda(np.nan), "λ"),
        (SarsaLambda(traces="dutch"), "traces"),
        (SarsaLambda(step_size=2.0), "step_size"),
    ],
)
def test_bad_numbers_are_refused(method, said):
    with pytest.raises(ValueError, match=said):
        learn(LOOP, method, episodes=1)


def test_a_step_size_of_zero_learns_nothing():
    """No entry with an empty trace is listed twice."""
    found = learn(gallery.make("cliff"), SarsaLambda(step_size=0.0), episodes=3, rng=0)
    assert (found.values == 0).all()
    assert (found.tables.listed == 0).all()
