"""One-step control: what an update is on average, how it acts, and the faults it could have."""

import numpy as np
import pytest

from mdpkit import MDP, solve
from mdpkit.learn import ExpectedSarsa, QLearning, Sarsa, SoftQLearning, learn
from mdpkit.learn._act import chance, epsilon_greedy
from mdpkit.learn._world import PAIR, STATE, log, world
from mdpkit.operators import aggregate
from mdpkit.operators.bellman import aggregate as reduced
from mdpkit.operators.bellman import backup_q
from mdpkit.operators.rollout import ENDED
from mdpkit.operators.step_size import Schedule, rescaled_linear
from tests.learn_oracle import Feed, every_transition, interpreted, small
from tests.oracles import random_mdp

RATES = {"step_size": 0.25, "epsilon": 0.5}
METHODS = {
    "q": (QLearning(**RATES), aggregate.maximum),
    "sarsa": (Sarsa(**RATES), aggregate.epsilon_greedy(0.5)),
    "expected": (ExpectedSarsa(**RATES), aggregate.epsilon_greedy(0.5)),
    "target": (ExpectedSarsa(target=0.25, **RATES), aggregate.epsilon_greedy(0.25)),
    "soft": (SoftQLearning(0.7, **RATES), aggregate.soft(0.7)),
}


def instance(seed):
    """A small model whose rewards are of size 1, and action values without ties."""
    mdp = random_mdp(seed, gammas=(0.9,))
    mdp = mdp.replace(r=small(mdp.r))
    return mdp, np.random.default_rng(seed).normal(size=mdp.n_pairs)


def expected_change(method, mdp, q, fault=None):
    """(pairs,) what the method adds to q on average, every transition and choice weighed."""
    feed, total = Feed(method, mdp, fault=fault), np.zeros(mdp.n_pairs)
    for weight, pair, reward, after in every_transition(mdp):
        feed.tables.q[:], feed.tables.visits[:] = q, 0
        feed.restart()
        feed.stand(mdp.pair_states[pair], pair)
        feed.step(reward, after)
        changes = feed.tables.q - q
        assert (np.delete(changes, pair, axis=1) == 0).all()  # nothing else is touched
        total[pair] += weight * averaged(mdp, q, changes[:, pair], feed.chosen, after)
    return total


def averaged(mdp, q, changes, chosen, after):
    """Over the next action: of each that is chosen one change, weighed by its probability."""
    if after == ENDED:
        assert np.ptp(changes) == 0
        return changes[0]
    begin, end = mdp.action_ptr[after], mdp.action_ptr[after + 1]
    total = 0.0
    for pair in range(begin, end):
        own = changes[chosen == pair]
        assert own.size
        assert np.ptp(own) == 0
        total += chance.py_func(q, begin, end, 0.5, pair) * own[0]
    return total


def errors(name, seed, fault=None):
    """How far the average update is from α (B q − q)."""
    method, over = METHODS[name]
    mdp, q = instance(seed)
    operator = backup_q(mdp, q.reshape(mdp.pair_shape), over).reshape(-1)
    return abs(expected_change(method, mdp, q, fault) - 0.25 * (operator - q)).max()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("seed", [0, 3, 5, 6, 8, 28])
def test_expected_update_is_the_operator(name, seed):
    assert errors(name, seed) <= 1e-12


FAULT_SEED = 5
"""5 states, 15 pairs, ragged; some end the episode with probability ¼."""

END = ("_advance", "after != ENDED", "(after := max(after, 0)) >= 0")
FAULTS = {
    "Q-learning from the action taken": (
        "q",
        ("_reduced", "largest(q, begin, end)", "q[begin]"),
    ),
    "SARSA from the best action": (
        "sarsa",
        ("_reduced", "q[chosen]", "largest(q, begin, end)"),
    ),
    "behavior for target": (
        "target",
        ("_reduced", "epsilon if rule.follows else rule.parameter", "epsilon"),
    ),
    "target for behavior": (
        "expected",
        ("_reduced", "epsilon if rule.follows else rule.parameter", "0.0"),
    ),
    "no discount": ("q", ("_advance", "world.gamma * ", "")),
    "γ on the reward": (
        "q",
        ("_advance", "(target - q[pair])", "(world.gamma*target - q[pair])"),
    ),
    "value after the end, Q": ("q", END),
    "value after the end, SARSA": ("sarsa", END),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen_in_the_expected_update(fault):
    name, change = FAULTS[fault]
    assert errors(name, FAULT_SEED, change) > 1e-3


def bootstrapped_and_chosen(fault=None):
    """The next values SARSA learned from (α = 1), and those of the actions it then takes."""
    mdp, q = instance(FAULT_SEED)
    feed = Feed(Sarsa(step_size=1.0, epsilon=0.5), mdp, fault=fault)
    feed.tables.q[:] = q
    for _, pair, reward, after in every_transition(mdp):
        if after == ENDED or after == mdp.pair_states[pair]:
            continue
        feed.tables.q[:] = q
        feed.stand(mdp.pair_states[pair], pair)
        feed.step(reward, after)
        yield (feed.tables.q[:, pair] - reward) / 0.9, q[feed.chosen]


def test_sarsa_takes_the_action_it_has_learned_from():
    for learned, taken in bootstrapped_and_chosen():
        assert np.allclose(learned, taken, atol=1e-13)
    again = ("_advance", "rule.code != TAKEN", "(a := b) >= 0")  # chooses once more
    apart = [abs(x - y).max() for x, y in bootstrapped_and_chosen(again)]
    assert max(apart) > 1e-3


@pytest.mark.parametrize("name", METHODS)
def test_a_cut_bootstraps_and_an_end_does_not(name):
    """With α = 1 the target itself is seen; both close the episode."""
    method = type(METHODS[name][0])(step_size=1.0, epsilon=0.0)
    mdp, q = instance(FAULT_SEED)
    s = int(mdp.pair_states[-1])
    feed = Feed(method, mdp)
    over = {"soft": aggregate.soft(1.0)}.get(name, aggregate.maximum)  # ε = 0: all are greedy
    values = reduced(mdp, q.reshape(mdp.pair_shape), over)
    for after, truncated, bootstrap in ((0, True, values[0]), (ENDED, False, 0.0)):
        feed.tables.q[:] = q
        feed.stand(s, mdp.n_pairs - 1)
        feed.step(2.0, after, truncated)
        assert np.allclose(feed.tables.q[:, -1], 2.0 + 0.9 * bootstrap, atol=1e-13)
        assert feed.between.all()
    assert (feed.log.returns[:, :2] == 2.0).all()
    assert (feed.log.lengths[:, :2] == 1).all()


def test_the_longest_episode_is_cut_and_bootstraps():
    """A loop that pays 1, α = 1, cut after 3 steps: q = 1, 1.9, 2.71 and never less."""
    loop = MDP(np.ones((1, 1, 1)), np.ones((1, 1)), 0.9)
    found = learn(loop, QLearning(step_size=1.0), episodes=1, max_steps=3, rng=0)
    assert found.values.item() == pytest.approx(1 + 0.9 + 0.81, abs=1e-15)
    assert found.lengths.values.item() == 3
    assert found.returns.values.item() == pytest.approx(2.71, abs=1e-15)


@pytest.mark.stat
@pytest.mark.parametrize("name", METHODS)
def test_sampled_updates_are_unbiased(name):
    """z of the mean change of each pair over 4,000 draws, at most 8 pairs; alarm < 1e-5."""
    method, over = METHODS[name]
    mdp, q = instance(8)
    runs, wrong = 4000, 0.0
    operator = backup_q(mdp, q.reshape(mdp.pair_shape), over).reshape(-1)
    for pair in range(min(mdp.n_pairs, 8)):
        here, book = world(mdp, max_steps=100), log(pair, runs, 2)
        tables = method.family.begin(method, mdp, runs)
        tables.q[:] = q
        book.clock[:, STATE], book.clock[:, PAIR] = mdp.pair_states[pair], pair
        method.family.kernel(here, book, method.rule(), tables, 0, runs, 1)
        change = tables.q[:, pair] - q[pair]
        error = change.std() / np.sqrt(runs) + 1e-12
        assert abs(change.mean() - 0.25 * (operator - q)[pair]) < 5 * error
        wrong = max(wrong, abs(change.mean() - 0.25 * (operator * 0.9 - q)[pair]) / error)
    assert wrong > 5


@pytest.mark.stat
@pytest.mark.parametrize("fault", [None, ("epsilon_greedy", "begin + int", "begin + 1 + int")])
def test_actions_come_with_their_probabilities(fault):
    """χ² of 8,000 choices among 4 actions, 2 of them best, ε = .3; false alarm 1e-6.

    The fault never explores the first action, as if ε were spread over A − 1.
    """
    act, n = interpreted(epsilon_greedy, fault), 8_000
    q, words = np.array([1.0, 3.0, 3.0, 2.0]), np.random.default_rng(0)
    a, b = words.integers(0, 2**32, size=(2, n)).astype(np.uint64)
    chosen = [min(act(q, 0, 4, 0.3, x, y), 3) for x, y in zip(a, b, strict=True)]
    seen = np.bincount(chosen, minlength=4)
    wanted = n * np.array([chance.py_func(q, 0, 4, 0.3, pair) for pair in range(4)])
    assert np.allclose(wanted, n * np.array([0.075, 0.425, 0.425, 0.075]))
    score = ((seen - wanted) ** 2 / wanted).sum()
    assert (score < 30.66) == (fault is None)  # χ²(3) exceeds it with probability 1e-6


@pytest.mark.stat
def test_q_learning_arrives_where_robbins_and_monro_say():
    """α_k = 1/(1 + (1−γ)k): 16 times the steps leave a quarter of the error, to a factor 2.

    Mean of 8 runs × 9 pairs at a fixed seed.
    """
    mdp, _ = instance(8)
    q = solve(mdp).q
    method = QLearning(step_size=rescaled_linear(0.9), epsilon=1.0)
    left = [
        abs(learn(mdp, method, episodes=n, runs=8, rng=0, max_steps=2000).values - q).mean()
        for n in (25, 400)
    ]
    assert left[1] < 0.05
    assert 1 / 8 < left[1] / left[0] < 1 / 2


def test_schedules_of_whole_numbers_are_those_of_floats():
    """And need no machine code of their own."""
    mdp, _ = instance(FAULT_SEED)
    given = {"episodes": 5, "rng": 0, "max_steps": 20}
    one = learn(mdp, QLearning(Schedule(1.0, 1.0, 1.0, 0.0)), **given)
    kernel = QLearning.family.kernel
    compiled = len(kernel.signatures)
    other = learn(mdp, QLearning(Schedule(1, 1, 1, 0)), **given)
    assert np.array_equal(one.values, other.values)
    assert len(kernel.signatures) == compiled
