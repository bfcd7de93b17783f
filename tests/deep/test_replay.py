"""Replay against Python lists: what is kept, and windows written down step by step.

Every step has a reward of its own, a whole number, and γ = ½, so that comparisons are exact.
"""

from collections import deque
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdpkit.deep import ring
from mdpkit.deep.batch import Batch
from mdpkit.deep.replay import Prioritized, Uniform

pytestmark = pytest.mark.usefixtures("float64")

REPLAYS = [Uniform, Prioritized]
SIZES = [(5, 2, 3), (4, 1, 4)]  # rows in the ring, lanes, steps of a window

# Compiled once for each replay and shape, whichever test comes first.
add = jax.jit(lambda replay, *rest: replay.add(*rest), static_argnums=0)
sample = jax.jit(lambda replay, *rest: replay.sample(*rest), static_argnums=(0, 4))
windows = jax.jit(ring.windows, static_argnums=1)


class Step(NamedTuple):
    """One step of one lane, as a person would write it down."""

    observation: int
    action: int
    reward: float
    discount: float
    boundary: bool
    next_observation: int


def history(rows, lanes, seed=0):
    """rows × lanes steps; episodes end, or are cut, and what follows is another episode."""
    rng = np.random.default_rng(seed)
    told = []
    for t in range(rows):
        end, cut = rng.random((2, lanes)) < 0.2
        told.append(
            [
                Step(
                    10 * t + i,
                    int(rng.integers(4)),
                    1.0 + t * lanes + i,
                    0.0 if end[i] else 0.5,
                    bool(end[i] | cut[i]),
                    10 * t + i + 1000,
                )
                for i in range(lanes)
            ]
        )
    return told


def as_row(steps):
    """A Batch of (lanes,) of it, with extras and an observation of two parts."""
    columns = [np.array(column) for column in zip(*steps, strict=True)]
    first, action, reward, discount, boundary, after = columns
    weight = np.full(len(steps), 7.0)  # is not kept
    seen = {"place": np.stack([first, -first], axis=1), "clock": first}
    return Batch(seen, action, reward, discount, boundary, after, weight, reward * 3)


def window(told, t, i, n):
    """Reward, discount, boundary, next observation of the window from row t, lane i."""
    total, factor = 0.0, 1.0
    for k in range(t, t + n):
        step = told[k][i]
        total += factor * step.reward
        factor *= step.discount
        if step.boundary:
            break
    return total, factor, step.boundary, step.next_observation


def played(replay, told):
    """The state after all rows."""
    state = replay.init(as_row(told[0]))
    for t, steps in enumerate(told):
        state = add(replay, state, t, as_row(steps))
    return state


def looked_up(kept, n, pairs):
    """The windows from these (row, lane); repeated to one shape, for one program."""
    rows, lanes = (np.resize(column, kept.reward.size) for column in np.transpose(pairs))
    index = ring.Index(rows.astype(np.int32), lanes.astype(np.int32))
    batch = windows(kept, n, index, weight=np.ones(kept.reward.size))
    columns = (np.asarray(x)[: len(pairs)].tolist() for x in batch[2:6])
    return list(zip(*columns, strict=True))


@pytest.mark.parametrize(
    ("kind", "rows", "lanes", "n"),
    [(Uniform, 5, 2, 3), (Prioritized, 5, 2, 1)],
)
def test_what_is_drawn_is_among_the_last_rows_and_complete(kind, rows, lanes, n):
    """First in, first out; all of it is drawn, and its index says where it was written."""
    replay, told = kind(rows * lanes, n), history(3 * rows, lanes)
    state, kept = replay.init(as_row(told[0])), deque(maxlen=rows)
    for t, steps in enumerate(told):
        state = add(replay, state, t, as_row(steps))
        kept.append(t)
        if t + 1 < n:
            continue
        batch, index = sample(replay, state, t + 1, jax.random.key(t), 400, 0.5)
        row, lane = np.asarray(index.row), np.asarray(index.lane)
        wanted = {(k, i) for k in kept if k + n <= t + 1 for i in range(lanes)}
        assert set(zip(row, lane, strict=True)) == wanted  # misses one: 10 (9/10)^400 < 1e-17
        assert np.array_equal(batch.observation["clock"], 10 * row + lane)
        assert np.array_equal(batch.observation["place"][:, 1], -10 * row - lane)
        actions = [told[k][i].action for k, i in zip(row, lane, strict=True)]
        assert np.array_equal(batch.action, actions)
        assert np.array_equal(batch.extras, 3 * (1 + row * lanes + lane))
        assert np.allclose(batch.weight, 1 / 400, rtol=1e-15)  # no errors yet: all alike


@pytest.mark.parametrize(("rows", "lanes", "n"), SIZES)
def test_windows_are_their_sums(rows, lanes, n):
    """At every time, from every row whose window is complete, round and round the ring."""
    replay = Uniform(rows * lanes, n)
    for seed in range(3):
        told = history(3 * rows, lanes, seed)
        state = replay.init(as_row(told[0]))
        for t, steps in enumerate(told):
            state = add(replay, state, t, as_row(steps))
            begins = range(max(0, t + 1 - rows), t + 2 - n)
            pairs = [(k, i) for k in begins for i in range(lanes)]
            found = looked_up(state.rows, n, pairs) if pairs else []
            assert found == [window(told, k, i, n) for k, i in pairs]


def test_a_window_that_ran_past_a_boundary_would_be_seen():
    told = history(12, 2)
    blind = [[step._replace(boundary=False) for step in steps] for steps in told]
    pairs = [(k, i) for k in range(10) for i in range(2)]
    right = [window(told, k, i, 3)[3] for k, i in pairs]
    wrong = [window(blind, k, i, 3)[3] for k, i in pairs]
    cut = [any(told[k + j][i].boundary for j in range(2)) for k, i in pairs]
    assert [a != b for a, b in zip(right, wrong, strict=True)] == cut
    assert sum(cut) > 4


def test_a_window_that_ran_over_the_newest_row_would_be_seen():
    """From the newest row but one it holds a step of 4 rows ago: hence it is not drawn."""
    told = [[Step(t, 0, 2.0**t, 0.5, False, t + 1)] * 2 for t in range(14)]
    kept = played(Uniform(10, 3), told[:12]).rows
    over, within = looked_up(kept, 3, [(10, 0), (9, 0)])
    assert over != window(told, 10, 0, 3)
    assert over[3] == told[7][0].next_observation
    assert within == window(told, 9, 0, 3)


def test_an_end_and_a_cut_differ_in_the_discount_alone():
    """The window of a truncated episode bootstraps from what was truly reached."""
    told = [[Step(t, 0, 1.0, 0.5, False, 100 + t)] * 2 for t in range(3)]
    told[1] = [Step(1, 0, 1.0, discount, True, 999) for discount in (0.0, 0.5)]
    found = looked_up(played(Uniform(10, 3), told).rows, 3, [(0, 0), (0, 1)])
    assert found == [(1.5, 0.0, True, 999), (1.5, 0.25, True, 999)]


def test_seeds_side_by_side_are_the_seeds_alone():
    """Bit for bit, with one counter for all; rewards and errors differ from seed to seed."""
    replay, told = Prioritized(10, 1), history(9, 2)
    keys, shifts = jax.random.split(jax.random.key(0), 2), (0.0, 2.0)
    add_all = jax.jit(jax.vmap(replay.add, (0, None, 0)))
    index = ring.Index(np.arange(4, 10, dtype=np.int32), np.arange(6, dtype=np.int32) % 2)

    def end(state, key, shift):
        state = replay.update(state, index, jnp.arange(6.0) + shift)
        return replay.sample(state, 9, key, 16, 0.0)

    alone = [replay.init(as_row(told[0]))] * 2
    side = jax.tree.map(lambda x: np.stack([x, x]), alone[0])
    for t, steps in enumerate(told):
        rows = [as_row(steps)._replace(reward=as_row(steps).reward + by) for by in shifts]
        alone = [add(replay, one, t, row) for one, row in zip(alone, rows, strict=True)]
        side = add_all(side, t, jax.tree.map(lambda *x: np.stack(x), *rows))
    found = jax.jit(jax.vmap(end))(side, keys, np.array(shifts))
    for i in range(2):
        one = jax.tree.leaves(jax.jit(end)(alone[i], keys[i], shifts[i]))
        same = zip(one, jax.tree.leaves(found), strict=True)
        assert all(np.array_equal(a, np.asarray(b)[i]) for a, b in same)


def test_writing_is_a_slice_for_all_seeds_at_once():
    """A counter of its own for each seed would make it a scatter."""
    row = as_row(history(1, 2)[0])
    state = jax.tree.map(lambda x: np.stack([x, x]), ring.empty(row, 10, 1))
    rows = jax.tree.map(lambda x: np.stack([x, x]), row)

    def program(axis, t):
        add = jax.jit(jax.vmap(ring.written, (0, axis, 0)))
        return add.lower(state, jnp.asarray(t), rows).compile().as_text()

    assert " scatter(" not in program(None, 3)
    assert " scatter(" in program(0, [3, 3])


@pytest.mark.stat
def test_rows_are_drawn_evenly():
    """Pearson's χ² over the 6 complete windows, 40,000 drawn; false alarm < 1e-6."""
    replay, told = Uniform(10, 3), history(17, 2)
    state, seen = played(replay, told), np.zeros(6)
    for seed in range(100):
        _, index = sample(replay, state, 17, jax.random.key(seed), 400, 0.5)
        row, lane = map(np.asarray, index)
        seen += np.bincount((row - 12) * 2 + lane, minlength=6)
    most = 35.9  # χ² of 5 degrees of freedom exceeds it with probability 1e-6
    assert ((seen - seen.mean()) ** 2 / seen.mean()).sum() < most
    seen[-1] *= 2  # the newest twice as often
    assert ((seen - seen.mean()) ** 2 / seen.mean()).sum() > most


@pytest.mark.parametrize(("kind", "n"), [(Uniform, 3), (Prioritized, 1)])
def test_sampling_before_a_window_is_complete_is_refused(kind, n):
    """Where t is known; under jit what is drawn weighs nothing."""
    replay, told = kind(10, n), history(1, 2)
    state = replay.init(as_row(told[0]))
    with pytest.raises(ValueError, match=f"{n - 1} rows are written, no window of {n} rows"):
        replay.sample(state, n - 1, jax.random.key(0), 400, 0.5)
    batch, _ = sample(replay, state, n - 1, jax.random.key(0), 400, 0.5)
    assert not np.any(batch.weight)


def test_under_jit_it_is_refused_where_debugging():
    replay = Uniform(10, 3, debug=True)
    state = replay.init(as_row(history(1, 2)[0]))
    with pytest.raises(RuntimeError, match="no window of 3 rows"):
        jax.block_until_ready(sample(replay, state, 2, jax.random.key(0), 400, 0.5))
    sample(replay, state, 3, jax.random.key(0), 400, 0.5)


@pytest.mark.parametrize("kind", REPLAYS)
def test_sizes_that_cannot_be_are_refused(kind):
    row = as_row(history(1, 4)[0])
    for capacity, n in ((0, 1), (8, 0), (2, 3)):
        with pytest.raises(ValueError, match=r"n_step|capacity"):
            kind(capacity, n)
    with pytest.raises(TypeError, match="capacity must be an int"):
        kind(1e5)
    with pytest.raises(ValueError, match="8 is"):
        kind(10).init(row)
    with pytest.raises(ValueError, match="3 or more whole rows of 4 lanes; 12 is"):
        kind(8, 3).init(row)


@pytest.mark.parametrize("name", ["reward", "discount", "boundary"])
def test_a_column_beside_rows_is_refused(name):
    """(n, 1) beside (n,) would pair every row with every other."""
    row = as_row(history(1, 4)[0])
    with pytest.raises(ValueError, match=rf"{name} of a row has shape \(4, 1\)"):
        Uniform(8).init(row._replace(**{name: getattr(row, name)[:, None]}))
    with pytest.raises(TypeError, match="floats"):
        Uniform(8).init(row._replace(reward=np.arange(4)))
