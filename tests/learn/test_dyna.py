"""Dyna: what planning does to q on average, what the model holds, and the book's maze."""

import numpy as np
import pytest

from mdpkit import MDP, gallery, solve
from mdpkit.learn import DynaQ, QLearning, learn
from mdpkit.operators.bellman import backup_q
from mdpkit.operators.rollout import ENDED
from tests.learn_oracle import COPIES, Feed, every_transition, small
from tests.oracles import random_mdp

SEED = 5


def instance():
    """5 states, 15 pairs, ragged; some end the episode with probability ¼."""
    mdp = random_mdp(SEED, gammas=(0.9,))
    return mdp.replace(r=small(mdp.r)), np.random.default_rng(SEED).normal(size=mdp.n_pairs)


def steps(mdp, n=60, seed=0):
    """Random steps: (pair, reward, next state or ENDED), rewards with noise."""
    rng = np.random.default_rng(seed)
    rows = list(every_transition(mdp))
    for i in rng.integers(len(rows), size=n):
        _, pair, reward, after = rows[i]
        yield pair, reward + float(rng.normal()), after


def taught(method, mdp, fault=None, runs=COPIES):
    """A learner that has been shown the steps, and the model that they count out."""
    feed = Feed(method, mdp, runs=runs, fault=fault)
    for pair, reward, after in steps(mdp):
        feed.stand(mdp.pair_states[pair], pair)
        feed.step(reward, after)
    return feed


def counted(mdp):
    """Empirical P̂, stop and r̂, dense over the pairs; a pair never tried loops for nothing."""
    P, stop, r = np.zeros((mdp.n_pairs, mdp.n_states)), np.zeros(mdp.n_pairs), 0.0
    r, n = np.zeros(mdp.n_pairs), np.zeros(mdp.n_pairs)
    for pair, reward, after in steps(mdp):
        n[pair] += 1
        r[pair] += reward
        if after == ENDED:
            stop[pair] += 1
        else:
            P[pair, after] += 1
    never = n == 0
    P[never, mdp.pair_states[never]] = 1
    total = np.maximum(n, 1)
    ptr = np.array(mdp.action_ptr)
    rows = P / total[:, None]
    from scipy.sparse import csr_array

    return MDP(csr_array(rows), r / total, 0.9, action_ptr=ptr, stop=stop / total), n


def test_without_planning_it_is_q_learning_to_the_bit():
    given = {"episodes": 40, "runs": 2, "rng": 3}
    plain = learn(gallery.make("cliff"), QLearning(), **given)
    dyna = learn(gallery.make("cliff"), DynaQ(0), **given)
    assert np.array_equal(plain.values, dyna.values)
    assert np.array_equal(plain.lengths.values, dyna.lengths.values)


def test_the_model_is_what_was_seen():
    mdp, _ = instance()
    feed = taught(DynaQ(1, "counts", "expectation"), mdp, runs=1)
    model, n = counted(mdp)
    assert np.array_equal(feed.tables.visits[0], n)
    tried = n > 0
    assert np.allclose(feed.tables.reward[0, tried], model.r[tried], atol=1e-13)
    shares = feed.tables.counts[0, tried] / n[tried, None]
    assert np.allclose(shares[:, :-1], model.P.toarray()[tried], atol=1e-15)
    assert np.allclose(shares[:, -1], model.stop[tried], atol=1e-15)
    listed = feed.tables.tried[0, : feed.tables.listed[0]]
    assert sorted(listed) == np.flatnonzero(tried).tolist()
    last = taught(DynaQ(1), mdp, runs=1).tables
    outcomes = {pair: (reward, after) for pair, reward, after in steps(mdp)}
    for pair, outcome in outcomes.items():
        assert (last.reward[0, pair], last.after[0, pair]) == outcome


def changes(method, fault=None, runs=COPIES):
    """One step of the world more, at known q: what it and one planned update make of q.

    Returns the q after the world's update, that update's pair, and (runs, pairs) the changes.
    """
    mdp, q = instance()
    feed = taught(method, mdp, fault, runs)
    feed.tables.q[:], feed.tables.updates[:] = q, 0
    pair, reward, after = list(steps(mdp))[-1]
    feed.stand(mdp.pair_states[pair], pair)
    feed.step(reward, after)
    moved = feed.tables.q - q
    q[pair] += np.median(moved[:, pair])  # most runs plan elsewhere
    return q, pair, moved


def targets(method, fault=None, runs=COPIES):
    """{pair: (planned targets, the backup of the counted model)}; α = ¼, r̂ and P̂ as seen."""
    q, acted, moved = changes(method, fault, runs)
    operator = backup_q(counted(instance()[0])[0], q)
    own = moved[:, acted] == np.median(moved[:, acted])
    planned = {pair: moved[own & (moved[:, pair] != 0), pair] for pair in range(q.size)}
    return {
        pair: (x / 0.25 + q[pair], operator[pair])
        for pair, x in planned.items()
        if pair != acted and x.size
    }


EXPECTED = DynaQ(1, "counts", "expectation", step_size=0.25)


def test_an_expected_update_is_the_backup_of_the_counted_model():
    found = targets(EXPECTED)
    assert len(found) > 10
    assert max(abs(x - wanted).max() for x, wanted in found.values()) < 1e-12


@pytest.mark.parametrize(
    "fault",
    [
        ("_modeled", "counts.size - 1", "counts.size - 2"),  # a state is forgotten
        ("_modeled", "counts[s] / n", "1.0 / n"),
        ("_plan", "tables.reward[run, pair] + bonus", "0.0 + bonus"),
        ("_modeled", "world.gamma * total", "total"),
        ("_note", "counts[run, pair, after]", "counts[run, pair, max(after, 0)]"),
    ],
)
def test_a_fault_in_the_expectation_is_seen(fault):
    found = targets(EXPECTED, fault)
    assert max(abs(x - wanted).max() for x, wanted in found.values()) > 1e-3


@pytest.mark.stat
def test_sampled_updates_have_that_mean():
    """z of each pair's mean, about 250 draws of each of 14 pairs; false alarm < 1e-4."""
    found = targets(DynaQ(1, "counts", step_size=0.25), runs=4000)
    assert len(found) > 10
    scores = []
    for x, wanted in found.values():
        error = x.std() / np.sqrt(x.size) + 1e-12
        assert abs(x.mean() - wanted) < 5 * error
        scores.append(abs(x.mean() - 0.9 * wanted) / error)
    assert max(scores) > 5


@pytest.mark.parametrize("backup", ["sample", "expectation"])
def test_much_planning_solves_the_model(backup):
    """On a model without chance what was seen is what is: q becomes q* where it was tried."""
    maze = gallery.make("dyna-maze")
    method = DynaQ(200, "counts", backup, step_size=1.0, epsilon=0.3)
    found = learn(maze, method, episodes=40, rng=0)
    tried = found.tables.visits[0] > 0
    assert tried.mean() > 0.6
    best = solve(maze).q.reshape(-1)
    known = np.abs(found.values.reshape(-1) - best)[tried]
    assert np.median(known) < 1e-12
    assert found.values.max() <= best.max() + 1e-12


@pytest.mark.stat
def test_the_maze_of_the_book():
    """Sutton & Barto (2018), Figure 8.2: steps of the third episode, 30 runs, α = .1, ε = .1.

    With 50 planned steps 17.6 (the shortest way is 14; s.e. about 1), without hundreds.
    """
    maze, given = gallery.make("dyna-maze"), {"episodes": 3, "runs": 30, "rng": 0}
    steps = {n: learn(maze, DynaQ(n), **given).lengths.mean[2] for n in (0, 5, 50)}
    assert 14 < steps[50] < 22 < steps[5] < 200 < steps[0]


def test_a_bonus_leads_to_what_was_long_not_tried():
    """κ√τ exactly: one state, two loops that pay nothing, α = 1, γ = 0."""
    loops = MDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.0)
    feed = Feed(DynaQ(1, bonus=0.5, step_size=1.0, epsilon=0.0), loops)
    feed.begin(0)
    for _ in range(9):
        feed.stand(0, 0)
        feed.step(0.0, 0)
    assert (feed.tables.listed == 2).all()  # the untried one too, modeled as a loop
    assert (feed.tables.visits[:, 1] == 0).all()
    used = feed.log.clock[:, 0]
    planned = feed.tables.q[:, 1]
    before = {0.0} | {0.5 * np.sqrt(k) for k in range(used[0] + 1)}
    assert all(min(abs(x - y) for y in before) < 1e-14 for x in planned)
    assert planned.max() == pytest.approx(0.5 * np.sqrt(used[0]), abs=1e-14)
    plain = Feed(DynaQ(1, step_size=1.0), loops)
    plain.begin(0)
    plain.stand(0, 0)
    plain.step(0.0, 0)
    assert (plain.tables.listed == 1).all()


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (DynaQ(-1), "planning"),
        (DynaQ(2.5), "planning"),
        (DynaQ(model="mean"), "model"),
        (DynaQ(backup="full"), "backup"),
        (DynaQ(backup="expectation"), "counts"),
        (DynaQ(bonus=-1.0), "bonus"),
        (DynaQ(bonus=np.inf), "bonus"),
    ],
)
def test_bad_numbers_are_refused(method, said):
    with pytest.raises(ValueError, match=said):
        learn(gallery.make("dyna-maze"), method, episodes=1)


def test_counts_that_would_not_fit_are_refused():
    with pytest.raises(ValueError, match="fewer runs"):
        learn(gallery.make("cliff"), DynaQ(model="counts"), episodes=1, runs=10**6)
