"""Prioritized sweeping: no state is forgotten, and where errors travel backward it is short."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit._array import EPS, sup
from mdpkit.operators.bellman import backup, rounding
from mdpkit.plan import PolicyIteration, PrioritizedSweeping, ValueIteration
from mdpkit.plan import prioritized_sweeping as module
from mdpkit.plan.prioritized_sweeping import linked, run_batch
from tests.oracles import exact_optimum, inside, pair_rows, random_mdp

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")
SEEDS = range(25)


def batch(mdp, links, shrink=1e-3):
    """v from 0 after one batch, the priorities left, and how many backups it took."""
    v = np.zeros(mdp.n_states)
    error = np.abs(backup(mdp, v) - v)
    count = run_batch(mdp, links, v, error, shrink * sup(error))
    return v, error, count


def forgotten(mdp, links):
    """States whose Bellman error exceeds their priority after a batch."""
    v, error, count = batch(mdp, links)
    # Each backup leaves its own rounding behind, and adds to the priorities that it raises.
    size = max(sup(v), mdp.reward_size / (1 - mdp.gamma))
    slack = 2 * rounding(mdp, v) + 4 * (count + 1) * EPS * size
    return np.flatnonzero(np.abs(backup(mdp, v) - v) > error + slack).tolist()


def swept_one_by_one(mdp, shrink):
    """A batch written with lists: the largest priority, its backup, its predecessors."""
    rows, n = pair_rows(mdp), mdp.n_states
    pairs = [range(mdp.action_ptr[s], mdp.action_ptr[s + 1]) for s in range(n)]
    v = [0.0] * n
    error = [abs(max(mdp._r[i] for i in pairs[s])) for s in range(n)]
    goal, count = shrink * max(error), 0
    while max(error) > goal:
        s = error.index(max(error))
        new = max(
            mdp._r[i] + mdp.gamma * sum((p * v[t] for t, p in rows[i]), 0.0) for i in pairs[s]
        )
        change, v[s], error[s], count = abs(new - v[s]), new, 0.0, count + 1
        for p in range(n):
            weight = max(dict(rows[i]).get(s, 0.0) for i in pairs[p])
            error[p] += mdp.gamma * weight * change
    return np.array(v), count


def corridor(n, gamma=0.9):
    """Leave for nothing or move right; the last step pays 1 and ends the episode."""
    P, r, stop = np.zeros((n, 2, n)), np.zeros((n, 2)), np.zeros((n, 2))
    P[np.arange(n - 1), 1, np.arange(1, n)] = 1
    r[-1, 1] = stop[-1, 1] = 1
    stop[:, 0] = 1
    return mk.MDP(P, r, gamma, stop=stop)


def acyclic(n, seed, reach=5):
    """Two actions to one of the next states, random rewards; the last one ends the episode."""
    rng = np.random.default_rng(seed)
    P, stop = np.zeros((n, 2, n)), np.zeros((n, 2))
    stop[-1] = 1
    for s in range(n - 1):
        P[s, [0, 1], rng.integers(s + 1, min(s + 1 + reach, n), size=2)] = 1
    return mk.MDP(P, rng.normal(size=(n, 2)), 0.9, stop=stop)


# ---- correctness -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_predecessors_are_those_of_the_rows(seed):
    mdp = random_mdp(seed)
    links, rows = linked(mdp), pair_rows(mdp)
    expected = {}
    for pair, row in enumerate(rows):
        for t, p in row:
            key = (int(t), int(mdp.pair_states[pair]))
            expected[key] = max(expected.get(key, 0.0), p)
    target = np.repeat(np.arange(mdp.n_states), np.diff(links.pointer))
    found = zip(target.tolist(), links.predecessors.tolist(), strict=True)
    assert dict(zip(found, links.weights.tolist(), strict=True)) == expected
    assert links.predecessors.size == len(expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_priorities_bound_the_errors_at_the_end_of_a_batch(seed):
    mdp = random_mdp(seed, gammas=(0.5, 0.9, 0.99))
    assert forgotten(mdp, linked(mdp)) == []


def test_priorities_that_are_never_refreshed_are_caught():
    deaf = 0
    for seed in SEEDS:
        mdp = random_mdp(seed, gammas=(0.9,))
        links = linked(mdp)
        deaf += bool(forgotten(mdp, links._replace(weights=0 * links.weights)))
    assert deaf >= 10


def test_priorities_add_up():
    # Both successors of state 0 change by 1; the larger of the two changes alone would tell it
    # 0.45, half of its Bellman error.
    P = [[[0, 0.5, 0.5]], [[0, 0, 0]], [[0, 0, 0]]]
    mdp = mk.MDP(P, [[0], [1], [1]], 0.9, stop=[[0], [1], [1]])
    v, error, count = batch(mdp, linked(mdp), shrink=0.95)
    assert (v.tolist(), count) == ([0, 1, 1], 2)
    assert error == pytest.approx([0.9, 0, 0], abs=2 * EPS)


@pytest.mark.parametrize("seed", range(6))
def test_a_batch_is_the_algorithm_as_it_is_written(seed):
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.full(12, 0.3), size=(12, 3))
    mdp = mk.MDP(P, rng.normal(size=(12, 3)), 0.8)
    v, count = swept_one_by_one(mdp, 1e-3)
    ours, _, backups = batch(mdp, linked(mdp))
    assert backups == count
    assert ours == pytest.approx(v, abs=count * rounding(mdp, v))


def test_a_step_leaves_the_old_state_as_it_was():
    mdp, method = acyclic(20, 0), PrioritizedSweeping()
    state = method.init(mdp)
    v, error = state.v.copy(), state.error.copy()
    assert (method.step(mdp, state).v != v).any()
    assert (state.v == v).all()
    assert (state.error == error).all()


@pytest.mark.parametrize("seed", range(10))
def test_batches_cut_short_lose_nothing(seed, monkeypatch):
    monkeypatch.setattr(module, "WORK", 3)
    mdp = random_mdp(seed, gammas=(0.5, 0.9))
    solution = mk.solve(mdp, PrioritizedSweeping())
    assert inside(exact_optimum(mdp.exact())[0], solution.lower, solution.upper)


def test_a_small_error_far_from_the_large_ones_is_not_missed():
    part = corridor(6)
    P = np.zeros((12, 2, 12))
    P[:6, :, :6] = P[6:, :, 6:] = part.P
    r, stop = np.vstack([1e6 * part.r, 1e-3 * part.r]), np.vstack([part.stop, part.stop])
    solution = mk.solve(mk.MDP(P, r, 0.9, stop=stop), PrioritizedSweeping(), tol=1e-7)
    assert solution.v[6:] == pytest.approx(1e-3 * 0.9 ** np.arange(5, -1, -1), abs=1e-7)


def test_an_optimum_is_left_alone():
    mdp = corridor(9)
    best = mk.solve(mdp, PolicyIteration()).v
    solution = mk.solve(mdp, PrioritizedSweeping(), start=best)
    assert solution.state.backups == 2 * 9  # the full sweeps before and after an empty batch


@pytest.mark.parametrize("shrink", [0, 1, -0.5, 2, np.nan])
def test_a_shrink_out_of_range_is_refused(shrink):
    with pytest.raises(ValueError, match="shrink must"):
        PrioritizedSweeping(shrink)


# ---- backups, counted ------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 10, 30])
def test_a_corridor_takes_one_backup_a_state(n):
    mdp = corridor(n)
    v, error, count = batch(mdp, linked(mdp), shrink=0.0)
    assert count == n
    assert error.tolist() == [0] * n
    assert v == pytest.approx(0.9 ** np.arange(n - 1, -1, -1), rel=n * EPS)


def test_a_corridor_takes_far_fewer_backups_than_value_iteration():
    n = 30
    mdp = corridor(n)
    ours, theirs = mk.solve(mdp, PrioritizedSweeping()), mk.solve(mdp, ValueIteration())
    # One a state, and the n of the first sweep and of the one after each batch. Errors fall
    # from 1 to 0.9²⁹ = 0.047, a batch ends at a tenth: two batches.
    assert (ours.steps, ours.state.backups) == (2, n + 3 * n)
    assert theirs.steps >= n  # news travels one state a sweep
    assert ours.v == pytest.approx(theirs.v, abs=ours.gap + theirs.gap)


@pytest.mark.parametrize("seed", range(8))
def test_an_acyclic_model_takes_a_quarter_of_the_backups_of_value_iteration(seed):
    mdp = acyclic(200, seed)
    ours, theirs = mk.solve(mdp, PrioritizedSweeping()), mk.solve(mdp, ValueIteration())
    assert 4 * ours.state.backups < theirs.steps * mdp.n_states
    assert ours.v == pytest.approx(theirs.v, abs=ours.gap + theirs.gap)
