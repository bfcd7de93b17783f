"""mk.map: the same results in the same order, wherever computed (BAD_INPUTS 71, 72)."""

import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

import mdpkit as mk
from mdpkit import errors, parallel
from tests import map_jobs


class Lazy:
    """A `submit` whose work is done when somebody asks, latest first, and in odd types."""

    def __init__(self):
        self.waiting = []

    def submit(self, fn, *given):
        future = Future()
        self.waiting.append((future, fn, given))
        future.result = lambda: self.finished(future)
        return future

    def finished(self, asked):
        while self.waiting:
            future, fn, given = self.waiting.pop()
            if future.cancelled():
                continue
            try:
                future.set_result(fn(*given))
            except BaseException as error:
                future.set_exception(error)
        return Future.result(asked)


class Pool:
    """Only `map`, as multiprocessing's pools have it."""

    def map(self, fn, jobs):
        return [fn(job) for job in jobs]


class Joblib:
    """Called with functions and arguments, as joblib.Parallel is."""

    n_jobs = 2

    def __call__(self, tasks):
        return [fn(*given, **named) for fn, given, named in tasks]


EXECUTORS = [None, ThreadPoolExecutor(3), Lazy(), Pool(), Joblib()]
HERE = pytest.mark.parametrize("executor", EXECUTORS, ids=lambda x: type(x).__name__)


@HERE
def test_bad_input_72_results_are_bit_equal_and_in_order(executor):
    found = mk.map(map_jobs.drawn, range(40), executor, rng=7)
    alone = [
        map_jobs.drawn(i, rng=np.random.default_rng(int(key)))
        for i, key in enumerate(np.random.SeedSequence(7).generate_state(40, np.uint64))
    ]
    again = mk.map(map_jobs.drawn, range(40), rng=7)
    assert [x[:2] for x in found] == [x[:2] for x in alone]
    assert found == again


@pytest.mark.parametrize("chunks", [1, 3, 1000])
def test_how_work_is_cut_changes_nothing(monkeypatch, chunks):
    whole = mk.map(map_jobs.drawn, range(20), rng=0)
    monkeypatch.setattr(parallel, "CHUNKS", chunks)
    assert mk.map(map_jobs.drawn, iter(range(20)), Pool(), rng=0) == whole


def test_one_generator_for_a_whole_job_would_be_seen(monkeypatch):
    """Impostor: items of one job share a seed, so the cut shows."""
    whole = parallel._jobs

    def shared(*given):
        return [
            parallel._Job(j.fn, j.first, j.items, [j.seeds[0]] * len(j.items), j.parent)
            for j in whole(*given)
        ]

    monkeypatch.setattr(parallel, "_jobs", shared)
    fine = mk.map(map_jobs.drawn, range(20), rng=0)
    monkeypatch.setattr(parallel, "CHUNKS", 2)
    assert mk.map(map_jobs.drawn, range(20), rng=0) != fine


def test_more_items_are_the_old_ones_and_some_new_and_a_sequence_is_not_used_up():
    seeds = np.random.SeedSequence(3)
    first = mk.map(map_jobs.drawn, range(4), rng=seeds)
    assert mk.map(map_jobs.drawn, range(9), rng=seeds)[:4] == first
    assert len({x[1] for x in first}) == 4


@HERE
def test_linear_algebra_has_one_thread_and_then_as_many_as_before(executor):
    before = map_jobs.threads(0)
    found = mk.map(map_jobs.threads, range(6), executor)
    assert all(set(each) == {1} for each in found)
    assert map_jobs.threads(0) == before


@HERE
def test_the_first_item_that_fails_is_named(executor):
    with pytest.raises(KeyError, match="no 3") as caught:
        mk.map(map_jobs.odd, range(8), executor)
    assert caught.value.__notes__ == ["in item 3 of mdpkit.map: 3"]


def test_nothing_begins_after_an_error_or_ctrl_c():
    for stop in (ValueError, KeyboardInterrupt):
        seen = []

        def work(item, stop=stop, seen=seen):
            seen.append(item)
            time.sleep(0.01)
            if item == 1:
                raise stop

        with ThreadPoolExecutor(1) as pool, pytest.raises(stop):
            mk.map(work, range(200), pool)
        assert len(seen) < 20


def test_progress_counts_items(capsys):
    assert mk.map(map_jobs.odd, [0, 1], progress=True) == [0, 1]
    assert mk.map(map_jobs.odd, []) == mk.map(map_jobs.odd, [], 2) == []


@pytest.mark.parametrize(
    ("fn", "executor", "error", "message"),
    [
        (3, None, TypeError, "fn must be a function"),
        (map_jobs.odd, 0, ValueError, "at least 1 process"),
        (map_jobs.odd, True, TypeError, "a whole number of processes"),
        (map_jobs.odd, 2.0, TypeError, "a whole number of processes"),
        (map_jobs.odd, "dask", TypeError, "a whole number of processes"),
        (lambda item: item, 2, TypeError, "Define it at the top of a module"),
    ],
)
def test_what_cannot_work_is_refused_before_any_process(
    monkeypatch, fn, executor, error, message
):
    monkeypatch.setattr(parallel, "ProcessPoolExecutor", lambda *_, **__: pytest.fail("begun"))
    with pytest.raises(error, match=message):
        mk.map(fn, [1, 2], executor)


def test_a_function_of_a_session_is_refused(monkeypatch):
    def local(item):
        return item

    local.__module__ = "__main__"
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    with pytest.raises(TypeError, match="defined in a session"):
        mk.map(partial(local), [1], 1)


def test_a_star_import_leaves_the_builtin_alone():
    assert "map" not in mk.__all__
    assert mk.map is parallel.map
    assert "map" in dir(mk)


# ---- processes -------------------------------------------------------------------------------


def models():
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(5), size=(5, 2))
    r = rng.normal(size=(5, 2))
    mask = rng.random((5, 2)) < 0.8
    mask[:, 0] = True
    dense = mk.MDP(P, r, 0.9, states=list("abcde"), start=np.eye(5)[2])
    yield dense
    yield mk.MDP(csr_array(P.reshape(10, 5)), r, 0.9)
    yield mk.MDP(P, r, 0.9, mask=mask)
    yield dense.exact(dyadic=True)
    yield mk.load("gym:FrozenLake-v1", gamma=1)


def fields(solution):
    arrays = ("v", "q", "policy", "lower", "upper", "gaps")
    same = [np.asarray(getattr(solution, name)) for name in arrays]
    shown = [x.tolist() if x.dtype == object else x.tobytes() for x in same]
    return shown, solution.status, solution.method, solution.why, solution.mdp.states


def test_bad_input_71_models_and_solutions_travel_and_processes_are_spawned():
    given = list(models())
    for mdp in given:
        _ = mdp.pair_states, mdp.n_actions  # what is cached does not travel
    found, alone = mk.map(map_jobs.solved, given, 2), mk.map(map_jobs.solved, given)
    for ours, theirs in zip(found, alone, strict=True):
        assert fields(ours[0]) == fields(theirs[0])
        assert ours[1]
        assert ours[2].startswith("SpawnProcess")
        assert theirs[2] == "MainProcess"
    for mdp in given:
        assert (
            not {"pair_states", "n_actions"} & pickle.loads(pickle.dumps(mdp)).__dict__.keys()
        )


def test_bad_input_72_one_process_or_here_or_three_threads():
    found = mk.map(map_jobs.drawn, range(12), 1, rng=5)
    assert found == mk.map(map_jobs.drawn, range(12), rng=5)
    assert found == mk.map(map_jobs.drawn, range(12), ThreadPoolExecutor(3), rng=5)


def test_every_error_of_the_house_comes_back_as_it_was():
    made = [
        errors.ModelError("m", s=1),
        errors.FormatError("f", line=3),
        errors.UnboundedError("u", states=[1]),
        errors.NotSolvedError("n", solution=(1, 2)),
        errors.NonFiniteError("i", step=4, state=2),
        errors.SingularError("s", rank=3),
        errors.NotDifferentiableError("d", s=0),
        errors.SourceError("o"),
        errors.DeviceError("v", reason="memory"),
    ]
    kinds = {
        x
        for x in vars(errors).values()
        if isinstance(x, type) and issubclass(x, Exception) and not issubclass(x, Warning)
    }
    assert {type(error) for error in made} == kinds
    for error in made:
        back = pickle.loads(pickle.dumps(error))
        assert (type(back), str(back), back.__dict__) == (
            type(error),
            str(error),
            error.__dict__,
        )


def test_an_error_in_a_process_names_its_item():
    mdp = next(models())
    with pytest.raises(errors.NotSolvedError, match="Certified: gap") as caught:
        mk.map(map_jobs.unsolved, [mdp], 1)
    assert caught.value.solution.status is mk.Status.MAX_STEPS
    assert caught.value.__notes__ == [f"in item 0 of mdpkit.map: {mdp!r}"]


def test_an_error_that_cannot_travel_is_told_instead(monkeypatch):
    assert parallel._travels(KeyError(1))
    assert not parallel._travels(map_jobs.Stubborn(1, 2))
    job = parallel._Job(map_jobs.stubborn, 4, ["x"], None, parent=os.getpid() + 1)
    with pytest.raises(RuntimeError, match="Stubborn: x") as caught:
        parallel._run(job)
    assert caught.value.__notes__ == ["in item 4 of mdpkit.map: 'x'"]


SCRIPT = """
import mdpkit as mk
from tests import map_jobs
if __name__ == "__main__":
    mk.map(map_jobs.{}, range(4), 2)
"""


def running(tmp_path, fn):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(fn))
    root = str(Path(__file__).resolve().parents[1])
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "PYTHONPATH": root}
    return subprocess.Popen([sys.executable, str(path)], env=environment, **given)


def gone(pid):
    """Whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
@pytest.mark.parametrize(
    "sent",
    [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)],
    ids=lambda s: s.name,
)
def test_workers_end_with_their_parent_in_the_middle_of_their_work(tmp_path, sent):
    run = running(tmp_path, "forever")
    workers = [int(run.stdout.readline()) for _ in range(2)]
    assert not any(gone(pid) for pid in workers)
    run.send_signal(sent)
    run.wait(timeout=30)
    until = time.monotonic() + 20
    while not all(gone(pid) for pid in workers) and time.monotonic() < until:
        time.sleep(0.02)
    assert all(gone(pid) for pid in workers)
    if sent is signal.SIGINT:
        words = run.stderr.read()
        assert words.rstrip().endswith("KeyboardInterrupt")
        assert words.count("Traceback") == 1
    run.stdout.close()
    run.stderr.close()


@pytest.mark.slow
def test_a_worker_that_dies_is_an_error_that_says_so(tmp_path):
    run = running(tmp_path, "killed")
    _, words = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "BrokenProcessPool" in words
    assert "ended before its work did: perhaps killed for its memory" in words
