"""Several threads: the bits of one, nothing left running, and nothing lost after a fork."""

from __future__ import annotations

import multiprocessing
import threading
import time

import numpy as np
import pytest

from mdpkit import _threads
from mdpkit._jit import config
from mdpkit._rows import CSR
from mdpkit.gallery import make
from mdpkit.mdp import MDP
from mdpkit.operators import krylov
from mdpkit.operators.aggregate import soft
from mdpkit.operators.bellman import (
    action_values,
    action_values_reference,
    aggregate_reference,
    backup,
    equal_rows,
    greedy_pairs_reference,
    rounding,
    sweep,
)
from mdpkit.operators.elimination import everyone, surviving_sweep
from mdpkit.operators.expect import log_mean_exp
from mdpkit.operators.sweep import Padded, chain_change, gathered, policy_rows


def large(equal: bool) -> MDP:
    """A model that is worth several threads; its rows differ in length if not `equal`."""
    mdp = make("garnet", S=6000, A=10, b=10, gamma=0.9)
    if equal:
        return mdp
    values, columns, ptr, _ = mdp.rows
    keep = np.ones(values.size, dtype=bool)
    keep[7::31] = False
    cut = np.concatenate([[0], np.cumsum(keep)])[ptr].astype(ptr.dtype)
    left, stop = values[keep], 1 - np.add.reduceat(values[keep], cut[:-1])
    rows = CSR(left, columns[keep], cut, mdp.n_states)
    return MDP(rows, mdp.r.reshape(-1), 0.9, action_ptr=mdp.action_ptr, stop=stop)


@pytest.fixture(scope="module", params=[True, False], ids=["equal rows", "rows"])
def mdp(request):
    return large(request.param)


def everything(mdp):
    """What every kernel that is shared out gives."""
    v = np.random.default_rng(0).normal(size=mdp.n_states)
    best = sweep(mdp, v).best
    rows, chain = policy_rows(mdp, best), gathered(mdp.rows, best)
    out, q = np.empty(mdp.n_states), np.empty(mdp.n_pairs)
    found = [
        *sweep(mdp, v),
        backup(mdp, v, soft(0.3)),
        backup(mdp, v, expect=log_mean_exp(2.0)),
    ]
    found += [*chain_change(rows, mdp._r[best], 0.9, v), *chain_change(chain, v, 0.9, v)]
    found += [*rows[:2], *chain[:3], *surviving_sweep(mdp, v, everyone(mdp), q), q]
    found += [*krylov.apply(rows, 0.9, v, v, out), out.copy()]
    return [*found, *krylov.apply(chain, 0.9, v, v, out), out]


def test_the_models_are_what_they_should_be(mdp):
    assert mdp.rows.values.size >= 2 * _threads.CHUNK >= _threads.WORTH
    width = equal_rows(mdp)
    assert width in (0, 10)
    assert isinstance(policy_rows(mdp, mdp.action_ptr[:-1]), Padded) == (width == 10)


def test_the_number_of_threads_changes_no_bit(mdp, monkeypatch):
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", 1)
    alone = everything(mdp)
    for threads in (2, 5):
        monkeypatch.setattr(config, "NUMBA_NUM_THREADS", threads)
        for one, other in zip(alone, everything(mdp), strict=True):
            np.testing.assert_array_equal(one, other)


def test_rows_of_one_length_give_what_the_definition_gives():
    mdp = large(equal=True)
    v = np.random.default_rng(1).normal(size=mdp.n_states)
    q, found = action_values_reference(mdp, v), sweep(mdp, v)
    allowed = 2 * rounding(mdp, v)
    assert np.abs(action_values(mdp, v) - q).max() <= allowed
    assert np.abs(found.v - aggregate_reference(mdp, q)).max() <= allowed
    np.testing.assert_array_equal(found.best, greedy_pairs_reference(mdp, q))
    padded, chain = policy_rows(mdp, found.best), gathered(mdp.rows, found.best)
    np.testing.assert_array_equal(padded.values, chain.values)
    np.testing.assert_array_equal(padded.columns, chain.columns)


def test_a_limit_holds_meanwhile_and_the_least_of_several_counts(monkeypatch):
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", 8)
    with _threads.limited(3), _threads.limited(5):
        assert _threads.most_threads() == 3
    assert _threads.most_threads() == 8


def ranges(n, entries, threads, monkeypatch):
    """Which ranges were given out, and by how many threads they were taken."""
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", threads)
    names = set()

    def work(begin, end):
        names.add(threading.get_ident())
        time.sleep(0.005)
        return begin, end

    return _threads.over_states(work, n, entries), len(names)


def test_every_state_has_its_turn_once_and_in_order(monkeypatch):
    for threads in (1, 2, 4):
        found, takers = ranges(1001, 4_000_000, threads, monkeypatch)
        assert [begin for begin, _ in found] == [0, *(end for _, end in found[:-1])]
        assert found[-1][1] == 1001
        assert takers <= threads
        assert takers > 1 or threads == 1
    assert ranges(10, _threads.WORTH - 1, 4, monkeypatch) == ([(0, 10)], 1)
    assert ranges(1, 10**9, 4, monkeypatch) == ([(0, 1)], 1)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_ends_the_work_of_all(error):
    done = []

    def work(begin, end):
        done.append(begin)
        time.sleep(0.002)
        if begin == 6:
            raise error("here")

    with pytest.raises(error, match="here"):
        _threads.over_runs(work, 1000, cost=_threads.BUDGET, threads=3)
    count = len(done)
    assert count < 30
    time.sleep(0.02)
    assert len(done) == count


def in_a_child(pipe):
    found = []
    _threads.over_runs(lambda *part: found.append(part), 64, cost=_threads.BUDGET, threads=3)
    pipe.send(sorted(found))


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system"
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_a_forked_child_has_threads_of_its_own():
    _threads.over_runs(lambda *_: None, 64, cost=_threads.BUDGET, threads=3)
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=in_a_child, args=(there,))
    child.start()
    try:
        assert here.poll(20), "the child waits for threads it does not have"
        assert here.recv() == [(i, i + 1) for i in range(64)]
    finally:
        child.kill()
        child.join()
