"""Monte Carlo control against the book's pseudo-code, its faults, and blackjack's optimum."""

import numpy as np
import pytest

from mdpkit import gallery, solve
from mdpkit.learn import ExploringStarts, MonteCarloControl, OffPolicyMonteCarloControl, learn
from mdpkit.operators.bellman import greedy_pairs
from mdpkit.operators.performance import performance
from tests.learn_oracle import Feed, Path, epsilon_soft, layered

LOOP = gallery.make("garnet", S=3, A=2, seed=1, gamma=0.9)


def episodes(n=12, seed=0):
    """Random episodes of 1 to 8 steps; in a model of 6 pairs most come again and again."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        length = int(rng.integers(1, 9))
        states = rng.integers(3, size=length + 1).tolist()
        pairs = [2 * s + int(rng.integers(2)) for s in states[:-1]]
        yield Path(states, pairs, rng.normal(size=length).tolist(), True, 1.0)


def by_the_book(method, paths, epsilon):
    """Sutton & Barto's pseudo-code: first or every visit; or weighted importance sampling."""
    off = isinstance(method, OffPolicyMonteCarloControl)
    q, total, seen = np.zeros(6), np.zeros(6), [[] for _ in range(6)]
    for path in paths:
        acting, G, W = epsilon_soft(LOOP, q, epsilon).reshape(-1), 0.0, 1.0
        n = len(path.pairs)
        for t in reversed(range(n)):
            pair, s = path.pairs[t], path.states[t]
            G = path.rewards[t] + 0.9 * G
            if off:
                total[pair] += W
                q[pair] += W / total[pair] * (G - q[pair])
                own = q[2 * s : 2 * s + 2]
                if q[pair] < own.max():
                    break
                W *= 1.0 / (own == own.max()).sum() / acting[pair]
            elif not (method.first_visit and pair in path.pairs[:t]):
                seen[pair].append(G)
                q[pair] = np.mean(seen[pair])
    return q


METHODS = [
    MonteCarloControl(0.3),
    MonteCarloControl(0.3, first_visit=False),
    ExploringStarts(),
    OffPolicyMonteCarloControl(0.3),
]


def learned(method, fault=None, seed=0):
    feed = Feed(method, LOOP, runs=1, fault=fault, scripted=True)
    for path in episodes(seed=seed):
        feed.walk(path)
    return feed.tables.q[0]


@pytest.mark.parametrize("method", METHODS, ids=["first", "every", "starts", "off-policy"])
@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_books_algorithm(method, seed):
    wanted = by_the_book(method, episodes(seed=seed), 0.3)
    assert abs(learned(method, seed=seed) - wanted).max() <= 1e-13


RATIO = "chance(q, begin, end, 0.0, pair)"
FAULTS = {
    "the last visit for the first": (
        METHODS[0],
        (
            "_look_back",
            "range(log.clock[run, TIME] - 1, -1, -1)",
            "range(log.clock[run, TIME])",
        ),
    ),
    "the discount from the wrong end": (
        METHODS[1],
        ("_learn", "world.gamma * G", "world.gamma ** t * G"),
    ),
    "the ratio of the pair itself": (
        METHODS[3],
        (
            "_learn",
            "tables.total[run, pair] += weight",
            "weight *= 1.0 / chance(acting, ptr[pair // 2], ptr[pair // 2 + 1], epsilon, pair)"
            "; tables.total[run, pair] += weight",
        ),
    ),
    "the behavior of afterwards": (
        METHODS[3],
        ("_learn", "acting, begin, end", "q, begin, end"),
    ),
    "goes on behind an action that is not greedy": (METHODS[3], ("_learn", RATIO, "1.0")),
    "weights without the total": (
        METHODS[3],
        ("_learn", "weight / tables.total[run, pair]", "1.0 / tables.total[run, pair]"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(fault):
    method, change = FAULTS[fault]
    apart = [
        abs(learned(method, change, seed) - by_the_book(method, episodes(seed=seed), 0.3)).max()
        for seed in range(6)
    ]
    assert max(apart) > 1e-3


def test_a_cut_episode_goes_on_with_the_value_of_its_last_state():
    """Greedy of the last state for greedy targets, its average for ε-greedy ones."""
    for method, wanted in ((METHODS[0], 0.85 * 4 + 0.15 * 1), (METHODS[2], 4), (METHODS[3], 4)):
        feed = Feed(method, LOOP, runs=1, scripted=True)
        feed.tables.q[:] = [0, 0, 1, 4, 0, 0]
        feed.script = [0, 2]
        feed.begin(0)
        feed.step(1.0, 1, truncated=True)
        assert feed.tables.q[0, 0] == pytest.approx(1.0 + 0.9 * wanted, abs=1e-14)
        assert feed.between.all()


@pytest.mark.stat
def test_exploring_starts_try_every_first_action():
    """4,000 episodes of one step: each action as often as the other, to 4.9 s.e."""
    mdp = layered(0, layers=1)
    n = 4000
    visits = learn(mdp, ExploringStarts(), episodes=n, rng=0).tables.visits[0]
    assert visits.sum() == n
    assert (abs(visits - n / 4) < 4.9 * np.sqrt(n * 3 / 16)).all()


@pytest.mark.stat
def test_blackjack_is_solved_from_exploring_starts():
    """Sutton & Barto (2018), Figure 5.2: 500,000 hands, all states and actions at first.

    The greedy policy loses less than .005 on average over the states; hands are worth ±1.
    """
    blackjack = gallery.make("blackjack")
    spread = np.full(blackjack.n_states, 1 / blackjack.n_states)
    found = learn(blackjack, ExploringStarts(), episodes=500_000, rng=0, start=spread)
    policy = blackjack.actions_of(greedy_pairs(blackjack, found.values[0]))
    best = spread @ solve(blackjack).v
    loss = best - performance(blackjack, policy, spread)
    assert -1e-9 <= loss < 0.005
    unlearned = learn(blackjack, ExploringStarts(), episodes=2_000, rng=0, start=spread)
    policy = blackjack.actions_of(greedy_pairs(blackjack, unlearned.values[0]))
    assert best - performance(blackjack, policy, spread) > 0.005


@pytest.mark.stat
@pytest.mark.parametrize(
    "method", [OffPolicyMonteCarloControl(0.5), MonteCarloControl(0.1, first_visit=False)]
)
def test_layers_are_learned(method):
    """Off-policy the greedy pairs' values are q*'s, on-policy those of ε-greedy; to .05.

    200,000 episodes with rewards of size 1: the standard errors are below .01.
    """
    mdp = layered(2)
    found = learn(mdp, method, episodes=200_000, rng=0)
    best = solve(mdp).q.reshape(-1)
    greedy = greedy_pairs(mdp, best.reshape(mdp.pair_shape))
    assert (greedy_pairs(mdp, found.values[0]) == greedy).all()
    if isinstance(method, OffPolicyMonteCarloControl):
        wanted = best
    else:
        from mdpkit.operators.bellman import action_values
        from mdpkit.operators.resolvent import policy_value

        soft = policy_value(mdp, epsilon_soft(mdp, best, 0.1))
        wanted = action_values(mdp, soft).reshape(-1)
    assert abs(found.values.reshape(-1) - wanted)[greedy].max() < 0.05
