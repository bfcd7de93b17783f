"""Loops play, keep and show what they say, in the order they say it: against lanes by hand."""

from functools import cache
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdpkit.deep.envs import Vector
from mdpkit.deep.loops import OffPolicy, OnPolicy
from mdpkit.deep.loops.evaluate import evaluated
from mdpkit.deep.loops.play import Play, played, within
from mdpkit.deep.replay import Prioritized, Uniform
from mdpkit.envs.spaces import Box, Discrete
from tests.deep_oracle import LIMIT, ByHand, Journal, Recorder, columns, differences

pytestmark = pytest.mark.usefixtures("quickly")

KEY, ROUNDS, ROWS = jax.random.key(3), 5, 40
OFF = OffPolicy(Uniform(2 * ROWS), lanes=2, warm_up=24, collect=4, updates=3, batch=8)
RANKED = OffPolicy(Prioritized(2 * ROWS), lanes=2, warm_up=24, collect=4, updates=1, batch=8)
ON = OnPolicy(lanes=3, steps=5)


@cache
def compiled(loop):
    """The run after ROUNDS rounds, and the log of the warm-up and of each round."""
    algorithm = Recorder(loop, ROUNDS * getattr(loop, "updates", 1))

    @jax.jit
    def run(key, spoils):
        worlds = Vector(Journal(spoils))
        begun, log = loop.begin(algorithm, worlds, key)

        def one(run, i):
            t = (loop.warm_up + i * loop.round) // loop.lanes
            return loop.advance(algorithm, worlds, run, t, i / ROUNDS)

        return *jax.lax.scan(one, begun, jnp.arange(ROUNDS)), log

    return run


def by_hand_off(loop, key):
    """All rows, and how many episodes were over, with their returns, at each log."""
    _, second, key = jax.random.split(key, 3)
    lanes, rows = ByHand(jax.random.split(second)[0], loop.lanes), []

    def collect(key, n, extras):
        for _ in range(n // loop.lanes):
            key, own, other = jax.random.split(key, 3)
            actions = jax.random.randint(own, (loop.lanes,), 0, 2)
            rows.append(lanes.step(other, actions, extras))
        return key

    key = collect(key, loop.warm_up, (0.0, 0))
    marks = [len(lanes.episodes)]
    for i in range(ROUNDS):
        key = collect(key, loop.collect, (np.float32(i) / ROUNDS, i * loop.updates))
        key, _ = jax.random.split(key)
        marks.append(len(lanes.episodes))
    return columns(rows), lanes.episodes, marks


def by_hand_on(loop, key):
    """The windows, one a round, and the episodes as for `by_hand_off`."""
    _, second = jax.random.split(key)
    first, key = jax.random.split(second)
    lanes, windows, marks = ByHand(first, loop.lanes), [], [0]
    for i in range(ROUNDS):
        rows = []
        for _ in range(loop.steps):
            key, own, other = jax.random.split(key, 3)
            actions = jax.random.randint(own, (loop.lanes,), 0, 2)
            rows.append(lanes.step(other, actions, (np.float32(i) / ROUNDS, i)))
        key, _ = jax.random.split(key)
        windows.append(columns(rows))
        marks.append(len(lanes.episodes))
    return windows, lanes.episodes, marks


def logged(logs):
    return np.asarray(logs.episodes).tolist(), np.asarray(logs.returns).tolist()


def wanted_log(episodes, marks):
    spans = [episodes[a:b] for a, b in pairwise(marks)]
    return [len(span) for span in spans], [sum(span) for span in spans]


def test_what_is_kept_for_replay_is_what_happened():
    run, logs, warm = compiled(OFF)(KEY, -1)
    rows, episodes, marks = by_hand_off(OFF, KEY)
    n = (OFF.warm_up + ROUNDS * OFF.collect) // OFF.lanes
    assert rows.reward.shape == (n, OFF.lanes)
    kept = jax.tree.map(lambda x: x[:n], run.replay.rows)
    assert differences(kept, rows) == []
    assert not np.asarray(run.replay.rows.reward[n:]).any()  # and no row more
    assert logged(logs) == wanted_log(episodes, marks)
    assert (int(warm.episodes), float(warm.returns)) == (marks[0], sum(episodes[: marks[0]]))
    assert int(run.play.bad) == -1


def test_a_row_that_shows_what_comes_after_the_reset_would_be_seen():
    run, _, _ = compiled(OFF)(KEY, -1)
    rows, _, _ = by_hand_off(OFF, KEY)
    after = np.roll(rows.observation, -1, axis=0)
    n = len(rows.reward) - 1
    assert rows.boundary[:n].sum() > 3
    kept = jax.tree.map(lambda x: x[:n], run.replay.rows)
    wrong = jax.tree.map(lambda x: x[:n], rows._replace(next_observation=after))
    assert differences(kept, wrong) == ["next_observation"]


def places(found, rows):
    """In which row each observation was written; they are all different."""
    flat = rows.observation.reshape(-1, 2).astype(np.float32)
    same = (np.asarray(found)[..., None, :] == flat).all(axis=-1)
    assert (same.sum(axis=-1) == 1).all()
    return same.argmax(axis=-1) // rows.observation.shape[1]


def test_updates_draw_from_all_rows_written_before_them():
    run, logs, _ = compiled(OFF)(KEY, -1)
    rows, _, _ = by_hand_off(OFF, KEY)
    seen = run.learner
    assert int(seen.updates) == ROUNDS * OFF.updates
    drawn = places(seen.batches.observation, rows).reshape(ROUNDS, -1)
    written = (OFF.warm_up + OFF.collect * np.arange(1, ROUNDS + 1)) // OFF.lanes
    assert (drawn < written[:, None]).all()
    assert (drawn.max(axis=1) == written - 1).any()  # the row just played is among them
    assert (np.asarray(seen.batches.weight) == 1 / OFF.batch).all()
    assert np.asarray(logs.loss).tolist() == [1.0, 4.0, 7.0, 10.0, 13.0]  # means of 0, 1, 2; …


def test_errors_become_priorities_of_the_rows_they_belong_to():
    run, _, _ = compiled(RANKED)(KEY, -1)
    rows, _, _ = by_hand_off(RANKED, KEY)
    state, drawn = run.replay, np.zeros(rows.reward.shape, bool)
    flat = rows.observation.reshape(-1, 2).astype(np.float32)
    for observation in np.asarray(run.learner.batches.observation).reshape(-1, 2):
        drawn.reshape(-1)[(flat == observation).all(axis=1)] = True
    p = np.asarray(state.tree[0]).reshape(-1)[: drawn.size].reshape(drawn.shape)
    own = (rows.reward + RANKED.replay.epsilon) ** RANKED.replay.alpha
    assert 3 < drawn.sum() < drawn.size
    np.testing.assert_allclose(p[drawn], own[drawn], rtol=1e-6)
    assert not np.isclose(p[~drawn], own[~drawn], rtol=1e-6).all()  # they never were


def test_windows_go_on_where_the_last_one_ended():
    run, logs, nothing = compiled(ON)(KEY, -1)
    windows, episodes, marks = by_hand_on(ON, KEY)
    for i, window in enumerate(windows):
        found = jax.tree.map(lambda x, i=i: x[i], run.learner.batches)
        assert differences(found, window) == []
        assert (np.asarray(found.weight) == np.float32(1 / ON.lanes) / ON.steps).all()
    lasts = np.stack([window.boundary[-1] for window in windows])
    assert not lasts.all()  # the end of a window is no boundary
    assert logged(logs) == wanted_log(episodes, marks)
    assert (int(nothing.episodes), float(nothing.returns)) == (0, 0.0)
    assert np.asarray(logs.loss).tolist() == list(range(ROUNDS))


@pytest.mark.parametrize(("loop", "by_hand"), [(OFF, by_hand_off), (ON, by_hand_on)])
def test_the_first_reward_that_is_not_finite_is_noted(loop, by_hand):
    rows, _, _ = by_hand(loop, KEY)
    rows = rows if loop is OFF else jax.tree.map(lambda *x: np.concatenate(x), *rows)
    for spoils in (4, 6):
        tag, t = rows.next_observation[..., 0], rows.next_observation[..., 1]
        spoiled = ((t == spoils) & (tag >= 0.5)).any(axis=1)
        run, _, _ = compiled(loop)(KEY, spoils)
        assert spoiled.sum() > 1  # so that "the last" would be another
        assert int(run.play.bad) == spoiled.argmax()


def test_a_learner_that_is_lost_is_no_fault_of_the_world():
    class Lost:
        gamma = 0.9

        def act(self, learner, observation, key, progress):
            return jnp.array([[jnp.nan], [0.0]]), None

    class Square:
        action_space = Box(-np.ones(1), np.ones(1))

        def __init__(self, pays):
            self.pays = pays

        def begin(self, key, n):
            return None, jnp.zeros((n, 1))

        def advance(self, key, lanes, action):
            no, nothing = jnp.zeros(2, bool), jnp.zeros((2, 1))
            reward = action[:, 0] ** 2 + jnp.asarray(self.pays)
            return None, Journal_step(nothing, reward, no, no, nothing, reward, no)

    from mdpkit.deep.envs import Step as Journal_step

    for pays, bad in (([0.0, 0.0], -1), ([0.0, np.inf], 5), ([np.nan, 0.0], -1)):
        world = Square(pays)
        play = Play.begin(world, KEY, 2)
        assert int(played(Lost(), world, None, play, 5, 0.0)[0].bad) == bad


def test_each_lane_counts_its_first_episode_alone():
    """Short episodes of 1 + 2 + 3 beside long ones of 28: as many as begin."""
    n, algorithm, worlds = 16, Recorder(ON), Vector(Journal())
    learner = algorithm.init(worlds, KEY)
    found = jax.jit(lambda key: evaluated(algorithm, worlds, learner, key, n))(KEY)
    lanes = ByHand(jax.random.split(KEY)[0], n)
    first = [6.0 if tag < 0.5 else 28.0 for tag in lanes.tags]
    assert float(found) == np.mean(first)
    for key in jax.random.split(jax.random.split(KEY)[1], LIMIT):
        lanes.step(key, np.zeros(n, int))
    every = np.mean(lanes.episodes)
    assert len(lanes.episodes) > n
    assert abs(every - np.mean(first)) > 1  # counted whenever they end, they would be more


def test_real_actions_are_cut_to_their_box_and_numbers_left_alone():
    box = Box(np.array([-1.0, 0.0]), np.array([1.0, np.inf]))
    assert within(box, jnp.array([[-3.0, -1.0], [0.5, 9.0]])).tolist() == [[-1, 0], [0.5, 9]]
    assert within(Discrete(2), jnp.array([7])).tolist() == [7]
