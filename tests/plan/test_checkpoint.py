"""Long runs, stopped and resumed, end where they would have ended.

Numbers are those of spec/BAD_INPUTS.md.
"""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

import mdpkit as mk
from mdpkit import checkpoint
from mdpkit.checkpoint import Checkpoint, Keeper, Progress
from mdpkit.errors import CheckpointWarning
from mdpkit.improve import IMPROVE_METHODS, SOFT_IMPROVE_METHODS
from mdpkit.plan import (
    AVERAGE_METHODS,
    METHODS,
    SOFT_METHODS,
    ApproximateValueIteration,
    BackwardInduction,
    GaussSeidel,
    ValueIteration,
)
from tests.plan.long_runs import interrupted, model, same, two_generations

KNOWN = METHODS | SOFT_METHODS | AVERAGE_METHODS | IMPROVE_METHODS | SOFT_IMPROVE_METHODS
EACH = {key: made() for key, made in KNOWN.items()} | {
    "backward": BackwardInduction(9),
    "random order": GaussSeidel("random", rng=5),
    "noisy": ApproximateValueIteration((1e-3, 4)),
}
STEPS = 14


# ---- resumed is never stopped ----------------------------------------------------------------


@pytest.mark.parametrize("key", EACH)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_bad_input_66_a_resumed_run_ends_where_it_would_have(
    monkeypatch, tmp_path, key, sparse
):
    mdp, method, path = model(sparse=sparse), EACH[key], tmp_path / "c.npz"
    whole = mk.solve(mdp, method, max_steps=STEPS, throw=False)
    k = (whole.steps + 1) // 2
    half = interrupted(monkeypatch, mdp, method, k, path, max_steps=STEPS)
    assert (half.status, half.steps) == (mk.Status.INTERRUPTED, k - 1)
    rest = mk.solve(mdp, method, max_steps=STEPS, throw=False, checkpoint=path, resume=True)
    assert same(rest, whole)


def test_a_state_that_loses_its_count_would_be_seen(monkeypatch, tmp_path):
    """Impostor: the number of sweeps, which the random order depends on, is forgotten."""
    mdp, method, path = model(), EACH["random order"], tmp_path / "c.npz"
    whole = mk.solve(mdp, method, max_steps=STEPS, throw=False)
    interrupted(monkeypatch, mdp, method, 7, path)
    remembered = checkpoint.unflatten
    monkeypatch.setattr(
        checkpoint, "unflatten", lambda *given: remembered(*given)._replace(sweeps=0)
    )
    rest = mk.solve(mdp, method, max_steps=STEPS, throw=False, checkpoint=path, resume=True)
    assert rest.steps == whole.steps
    assert not same(rest, whole)


@pytest.mark.parametrize("call", ["gap", "step"])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_wherever_the_interrupt_falls_state_and_counters_agree(monkeypatch, tmp_path, call, k):
    mdp, path = model(), tmp_path / "c.npz"
    method = ValueIteration()
    whole, calls = getattr(ValueIteration, call), []

    def once(*given):
        calls.append(given)
        if len(calls) == k:
            raise KeyboardInterrupt
        return whole(*given)

    with monkeypatch.context() as patch:
        patch.setattr(ValueIteration, call, once)
        mk.solve(mdp, method, checkpoint=path, throw=False)
    full = mk.solve(mdp, method)
    assert same(mk.solve(mdp, method, checkpoint=path, resume=True), full)
    assert len(full.gaps) == full.steps


def test_total_reward_and_the_choice_of_a_method_are_resumed_too(monkeypatch, tmp_path):
    path = tmp_path / "c.npz"
    mdp = mk.load("gym:FrozenLake-v1", gamma=1)
    whole = mk.solve(mdp, ValueIteration(), tol=1e-3)
    interrupted(monkeypatch, mdp, ValueIteration(), 50, path)
    rest = mk.solve(mdp, ValueIteration(), tol=1e-3, checkpoint=path, resume=True)
    assert same(rest, whole)
    mdp, path = mk.load("gallery:lake?size=23", gamma=0.9), tmp_path / "d.npz"
    whole = mk.solve(mdp)
    half = interrupted(monkeypatch, mdp, whole.method, 3, path, chosen=True)
    rest = mk.solve(mdp, checkpoint=path, resume=True)
    assert (same(rest, whole), half.steps, rest.why) == (True, 2, whole.why)


def test_a_finer_goal_goes_on_and_more_steps_too(tmp_path):
    mdp, path = model(), tmp_path / "c.npz"
    part = mk.solve(mdp, ValueIteration(), max_steps=10, checkpoint=path, throw=False)
    assert (part.status, part.steps) == (mk.Status.MAX_STEPS, 10)
    again = mk.solve(
        mdp, ValueIteration(), max_steps=10, checkpoint=path, resume=True, throw=False
    )
    assert same(again, part)
    before = Keeper(path, mdp, ValueIteration(), resume=True).read().seconds
    rest = mk.solve(mdp, ValueIteration(), tol=1e-3, checkpoint=path, resume=True)
    assert same(rest, mk.solve(mdp, ValueIteration(), tol=1e-3))
    assert rest.seconds >= before > 0  # the time of all its runs


KILLED = """
import sys, numpy as np, mdpkit as mk
from mdpkit.checkpoint import Checkpoint
from mdpkit.plan import ValueIteration
n = 50
P = np.zeros((n, 1, n)); P[np.arange(n), 0, (np.arange(n) + 1) % n] = 1
mdp = mk.MDP(P, np.arange(n, dtype=float)[:, None], 1 - 1e-7)
mk.solve(mdp, ValueIteration(), tol=1e-3, checkpoint=Checkpoint(sys.argv[1], every=0))
"""


def test_bad_input_61_killed_at_any_moment_leaves_a_checkpoint_to_resume(tmp_path):
    path = tmp_path / "c.npz"
    run = subprocess.Popen([sys.executable, "-c", KILLED, str(path)])
    while not (tmp_path / "c.previous.npz").exists():
        time.sleep(0.01)
    time.sleep(0.1)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    n = 50
    P = np.zeros((n, 1, n))
    P[np.arange(n), 0, (np.arange(n) + 1) % n] = 1
    mdp = mk.MDP(P, np.arange(n, dtype=float)[:, None], 1 - 1e-7)
    steps = Keeper(path, mdp, ValueIteration(), resume=True).read().gaps.size
    assert steps > 1
    options = {"tol": 1e-3, "max_steps": steps + 50, "throw": False}
    rest = mk.solve(mdp, ValueIteration(), checkpoint=path, resume=True, **options)
    assert same(rest, mk.solve(mdp, ValueIteration(), **options))


# ---- when, and what happens where it cannot be written ---------------------------------------


class Clock:
    """A monotonic clock that tells what it is set to, and moves by `tick` at each look."""

    def __init__(self, tick=0.0):
        self.now, self.tick = 1000.0, tick

    def __call__(self):
        self.now += self.tick
        return self.now


def test_it_is_due_every_thirty_seconds_or_where_writing_took_a_twentieth(
    monkeypatch, tmp_path
):
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    mdp = model()
    keeper = Keeper(tmp_path / "c.npz", mdp, ValueIteration())
    stand = Progress(ValueIteration().init(mdp), np.array([]), np.inf, 0, 0.0)
    clock.now += 29.9
    assert not keeper.due()
    clock.now += 0.2
    assert keeper.due()
    keeper.write(stand)
    assert not keeper.due()
    write = checkpoint._zip.write

    def slow(*given):
        clock.now += 10
        write(*given)

    monkeypatch.setattr(checkpoint._zip, "write", slow)
    keeper.write(stand)
    clock.now += 199
    assert not keeper.due()
    clock.now += 2
    assert keeper.due()


def test_without_an_interval_only_an_interrupt_is_kept(monkeypatch, tmp_path):
    path = tmp_path / "c.npz"
    monkeypatch.setattr(time, "monotonic", Clock(tick=60.0))
    only = Checkpoint(path, every=None)
    mk.solve(model(), ValueIteration(), checkpoint=only, max_steps=9, throw=False)
    mk.solve(model(), ValueIteration(), checkpoint=only, deadline=100.0, throw=False)
    assert not path.exists()
    interrupted(monkeypatch, model(), ValueIteration(), 4, only)
    assert path.exists()


def test_bad_input_75_the_deadline_follows_the_monotonic_clock_alone(monkeypatch, tmp_path):
    """The wall clock jumps by years, either way; seconds are those of the other clock."""
    jumps = np.random.default_rng(0)
    wall = lambda: float(jumps.normal() * 1e9)  # noqa: E731
    for name in ("time", "perf_counter"):
        monkeypatch.setattr(time, name, wall)
    clock, path = Clock(tick=1.0), tmp_path / "c.npz"
    monkeypatch.setattr(time, "monotonic", clock)
    sol = mk.solve(model(), ValueIteration(), deadline=20.0, checkpoint=path, throw=False)
    assert sol.status is mk.Status.DEADLINE
    assert 5 <= sol.steps <= 20  # at each step the clock is asked once or twice
    assert 20 <= sol.seconds <= 40
    monkeypatch.undo()
    rest = mk.solve(model(), ValueIteration(), checkpoint=path, resume=True)
    assert same(rest, mk.solve(model(), ValueIteration()))
    assert rest.seconds >= 20


def test_bad_input_62_where_the_disk_is_full_the_solve_goes_on_with_a_warning(
    monkeypatch, tmp_path
):
    path, _ = two_generations(tmp_path)
    old = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(CheckpointWarning, match="could not be written .No space left"):
        sol = mk.solve(model(), ValueIteration(), checkpoint=Checkpoint(path, every=0))
    assert sol.status is mk.Status.SOLVED
    assert path.read_bytes() == old
    assert sorted(os.listdir(tmp_path)) == ["c.npz", "c.previous.npz"]


def test_a_file_system_without_links_keeps_a_copy(monkeypatch, tmp_path):
    def no_links(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    path, previous = two_generations(tmp_path)
    runs = [Keeper(p, model(), ValueIteration(), resume=True).read() for p in (path, previous)]
    assert 1 <= runs[1].gaps.size <= runs[0].gaps.size == 9
    assert sorted(os.listdir(tmp_path)) == ["c.npz", "c.previous.npz"]


def test_bad_input_76_of_two_writers_the_last_one_wins_whole(tmp_path):
    mdp, path = model(), tmp_path / "c.npz"
    state = ValueIteration().init(mdp)

    def write(kind):
        keeper = Keeper(path, mdp, ValueIteration())
        for _ in range(25):
            keeper.write(Progress(state, np.full(kind, float(kind)), 1.0, 0, 0.0))

    writers = [threading.Thread(target=write, args=(kind,)) for kind in (3, 5000)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            if path.exists():
                gaps = Keeper(path, mdp, ValueIteration(), resume=True).read().gaps
                assert (gaps == gaps.size).all()
    for file in (path, tmp_path / "c.previous.npz"):
        gaps = Keeper(file, mdp, ValueIteration(), resume=True).read().gaps
        assert gaps.size in (3, 5000)
        assert (gaps == gaps.size).all()
    assert sorted(os.listdir(tmp_path)) == ["c.npz", "c.previous.npz"]
