"""Prioritized replay against a dictionary of priorities, and its weights by enumeration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdpkit.deep import priority_tree
from mdpkit.deep.batch import Batch
from mdpkit.deep.replay import Prioritized
from mdpkit.deep.ring import Index

pytestmark = pytest.mark.usefixtures("float64")

ROWS, LANES, N_STEP = 5, 2, 3
REPLAY = Prioritized(ROWS * LANES, N_STEP, alpha=1.0, beta=(0.4, 1.0), epsilon=0.25)

add = jax.jit(lambda replay, *rest: replay.add(*rest), static_argnums=0)
update = jax.jit(lambda replay, *rest: replay.update(*rest), static_argnums=0)
sample = jax.jit(lambda replay, *rest: replay.sample(*rest), static_argnums=(0, 4))


def row(t):
    """Row t; each step has its own number as observation and as reward."""
    own = t * LANES + np.arange(LANES)
    every, no = np.full(LANES, 0.5), np.zeros(LANES, bool)
    return Batch(own, own * 0, own * 1.0, every, no, own + LANES, every)


class Priorities:
    """p of each (row, lane) whose window is complete and which is not written over."""

    def __init__(self):
        self.p, self.largest, self.rows = {}, 1.0, 0

    def add(self):
        t, self.rows = self.rows, self.rows + 1
        if t + 1 >= N_STEP:
            self.p |= {(t + 1 - N_STEP, i): self.largest for i in range(LANES)}
        self.p = {(k, i): p for (k, i), p in self.p.items() if k > t - ROWS}

    def update(self, rows, lanes, errors):
        seen = {}
        for key, error in zip(zip(rows, lanes, strict=True), errors, strict=True):
            if key in self.p:
                seen[key] = max(seen.get(key, 0), abs(error) + REPLAY.epsilon)
        self.p |= seen
        self.largest = max([self.largest, *seen.values()])

    def leaves(self):
        """In the order of the ring."""
        flat = np.zeros(ROWS * LANES)
        for (k, i), p in self.p.items():
            flat[k % ROWS * LANES + i] = p
        return flat


def random_life(seed, add=add, update=update, steps=24):
    """Does a replay keep the same p as the dictionary, with updates early, late and twice?"""
    rng = np.random.default_rng(seed)
    state, model = REPLAY.init(row(0)), Priorities()
    for t in range(steps):
        state, _ = add(REPLAY, state, t, row(t)), model.add()
        rows = rng.integers(max(0, t - 2 * ROWS), t + 1, 8).astype(np.int32)
        lanes = rng.integers(0, LANES, 8).astype(np.int32)
        errors = rng.integers(-12, 12, 8) / 4  # exact, with ε = ¼ and α = 1
        state = update(REPLAY, state, Index(rows, lanes), errors)
        model.update(rows, lanes, errors)
        leaves = np.asarray(priority_tree.leaves(state.tree))[: ROWS * LANES]
        if not np.array_equal(leaves, model.leaves()) or state.largest != model.largest:
            return False
    return True


@pytest.mark.parametrize("seed", range(8))
def test_priorities_are_those_of_a_dictionary(seed):
    assert random_life(seed)


def forgets_the_largest(replay, state, t, row):
    """New rows begin with p = 1, whatever errors there were."""
    after = add(replay, state._replace(largest=jnp.ones(())), t, row)
    return after._replace(largest=state.largest)


def keeps_what_is_written_over(replay, state, t, row):
    """The new row inherits the priority of the old one until its own window is complete."""
    after, place = add(replay, state, t, row), t % ROWS * LANES + np.arange(LANES)
    old = priority_tree.leaves(state.tree)[place]
    return after._replace(tree=priority_tree.changed(after.tree, jnp.asarray(place), old))


def takes_places_for_rows(replay, state, index, error):
    """A row that is gone passes its error on to the one in its place."""
    newest = state.written - 1
    return update(
        replay, state, index._replace(row=newest - (newest - index.row) % ROWS), error
    )


def lets_the_last_of_two_stand(replay, state, index, error):
    """One of two errors of a row counts, and which is up to the device."""
    for i in range(error.size):
        one = Index(np.resize(index.row[i], 8), np.resize(index.lane[i], 8))
        state = update(replay, state, one, np.resize(error[i], 8))
    return state


@pytest.mark.parametrize("wrong", [forgets_the_largest, keeps_what_is_written_over])
def test_a_wrong_begin_would_be_seen(wrong):
    assert not random_life(0, add=wrong)


@pytest.mark.parametrize("wrong", [takes_places_for_rows, lets_the_last_of_two_stand])
def test_a_wrong_update_would_be_seen(wrong):
    assert not random_life(0, update=wrong)


def test_priorities_are_powers_of_the_error():
    replay = Prioritized(ROWS * LANES, alpha=0.6, epsilon=1e-6)
    state = add(replay, replay.init(row(0)), 0, row(0))
    index = Index(np.zeros(2, np.int32), np.arange(2, dtype=np.int32))
    found = priority_tree.leaves(update(replay, state, index, np.array([-2.0, 0.0])).tree)
    wanted = [(2 + 1e-6) ** 0.6, (1e-6) ** 0.6]
    assert np.allclose(found[:2], wanted, rtol=1e-14)  # two powers, a few units each
    with pytest.raises(TypeError, match="Use Uniform"):
        replay.update(state, index, None)
    with pytest.raises(ValueError, match=r"error has shape \(2, 1\)"):
        replay.update(state, index, np.ones((2, 1)))


def unlike(seed=0):
    """A full ring with unlike priorities, a gradient of each window, and which is which."""
    rng = np.random.default_rng(seed)
    state = REPLAY.init(row(0))
    for t in range(ROWS + 3):
        state = add(REPLAY, state, t, row(t))
    rows = np.repeat(np.arange(3, 6), LANES).astype(np.int32)
    lanes = np.tile(np.arange(LANES), 3).astype(np.int32)
    index = Index(np.resize(rows, 8), np.resize(lanes, 8))
    state = update(REPLAY, state, index, np.resize(rng.uniform(0, 9, 6), 8))
    leaf = rows % ROWS * LANES + lanes
    return state, rng.normal(size=(6, 3)), rows * LANES + lanes, leaf


def expected(state, leaf, gradient, weights):
    """(max_j w̃_j) E_P[w ∇L], with w̃ = 1/(N P) the weights before their division."""
    p = np.asarray(priority_tree.leaves(state.tree))[leaf]
    P = p / p.sum()
    largest = (1 / (P.size * P)).max()
    return largest * (P * weights(state, p)) @ gradient


def right(state, p):
    return np.asarray(REPLAY.weights(state, jnp.asarray(p), 1.0))


def alone(state, p):
    """Divided by the largest of a batch of one."""
    return right(state, p) / right(state, p)


def in_pairs(state, p):
    """Divided by the largest of a batch of two; averaged over the other, drawn by P too."""
    w, P = right(state, p), p / p.sum()
    return w * (P / np.maximum(w[:, None], w)).sum(axis=1)


def test_the_weights_undo_the_priorities_at_the_end():
    """(max_j w̃_j) E_P[w ∇L] is the mean of ∇L over all windows; 10⁻¹² is rounding."""
    for seed in range(5):
        state, gradient, _, leaf = unlike(seed)
        mean = gradient.mean(axis=0)
        assert np.allclose(expected(state, leaf, gradient, right), mean, rtol=0, atol=1e-12)
        for wrong in (lambda _, p: np.ones_like(p), alone, in_pairs):
            off = expected(state, leaf, gradient, wrong)
            cosine = off @ mean / np.linalg.norm(off) / np.linalg.norm(mean)
            assert cosine < 1 - 1e-3  # not even in direction


def test_beta_goes_from_its_begin_to_its_end():
    state, _, _, leaf = unlike()
    p = priority_tree.leaves(state.tree)[leaf]
    for progress, beta in ((0.0, 0.4), (0.5, 0.7), (1.0, 1.0)):
        weights = REPLAY.weights(state, p, progress)
        assert np.allclose(weights, (p.min() / p) ** beta, rtol=1e-14)
        assert weights.max() == 1
    even = Prioritized(10, beta=(0.0, 0.0)).weights(state, p, 0.5)
    assert np.array_equal(even, np.ones(6))


@pytest.mark.stat
def test_windows_are_drawn_by_priority_and_weighed():
    """Counts of 200 × 50 draws, and (max w̃) Σ weight ∇L against the mean of ∇L.

    A count is a sum of independent draws with variance ≤ nP: Bernstein's bound keeps each of 6
    within t = √(2Lv) + L of its mean but for 2e^{−L}, L = 20: false alarm < 3e-8. Of 3 means of
    200 batches none is 6 standard errors off: false alarm < 1e-7.
    """
    state, gradient, names, leaf = unlike()
    p = np.asarray(priority_tree.leaves(state.tree))[leaf]
    P, seen, estimates, unweighed = p / p.sum(), np.zeros(6), [], []
    largest = (1 / (6 * P)).max()
    for seed in range(200):
        batch, index = sample(REPLAY, state, ROWS + 3, jax.random.key(seed), 50, 1.0)
        which = np.searchsorted(names, np.asarray(index.row) * LANES + np.asarray(index.lane))
        assert np.array_equal(names[which], batch.observation)
        seen += np.bincount(which, minlength=6)
        assert np.allclose(batch.weight, right(state, p)[which] / 50, rtol=1e-14)
        estimates.append(largest * np.asarray(batch.weight) @ gradient[which])
        unweighed.append(gradient[which].mean(axis=0))
    n, log = 200 * 50, 20
    assert (np.abs(seen - n * P) < np.sqrt(2 * log * n * P) + log).all()
    assert (np.abs(seen - n / 6) > np.sqrt(2 * log * n / 6) + log).any()  # not merely even
    for drawn, caught in ((estimates, False), (unweighed, True)):
        error = np.std(drawn, axis=0, ddof=1) / np.sqrt(200)
        off = np.abs(np.mean(drawn, axis=0) - gradient.mean(axis=0)) > 6 * error
        assert off.any() == caught


@pytest.mark.parametrize(
    "setting",
    [
        {"alpha": -0.1},
        {"alpha": 1.1},
        {"alpha": float("nan")},
        {"beta": (0.4, 1.1)},
        {"beta": (0.4,)},
        {"beta": 0.4},
        {"epsilon": 0.0},
        {"epsilon": float("inf")},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        Prioritized(10, **setting)
