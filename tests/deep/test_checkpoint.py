"""A training taken up is one that was never stopped, to the bit; anything else is refused."""

import itertools
import json
import sys
import zipfile
from dataclasses import replace

import jax
import numpy as np
import pytest

import mdpkit as mk
from mdpkit.checkpoint import Checkpoint
from mdpkit.deep import DQN, PPO
from mdpkit.deep.checkpoint import Keeper
from mdpkit.deep.envs import make, worlds_of
from mdpkit.deep.loops import OffPolicy, OnPolicy
from mdpkit.deep.replay import Prioritized
from mdpkit.deep.train import _plan, _Runner
from mdpkit.errors import CheckpointWarning, FormatError

SEEDS = (3, 5)


def runner_of(algorithm, steps, seeds=SEEDS, limit=15, evaluations=3, episodes=2):
    worlds = worlds_of(make("gallery:lake", limit=limit))
    plan = _plan(algorithm, worlds, steps, seeds, evaluations, episodes)
    return _Runner(algorithm, worlds, plan)


def learner(**changes):
    """A table, with all that a state may hold: priorities, windows, counters, moments."""
    replay = Prioritized(32, n_step=2)
    loop = OffPolicy(replay, lanes=2, warm_up=8, collect=4, updates=2, batch=4)
    return replace(DQN(loop=loop), **changes)


@pytest.fixture(scope="module")
def runner():
    """A training of twelve chunks; it is compiled once, for all of this file."""
    jax.config.update("jax_disable_most_optimizations", True)
    made = runner_of(learner(), 56)
    made.run(SEEDS, Keeper(None, False, ""), False)
    jax.config.update("jax_disable_most_optimizations", False)
    assert made.plan.chunks == 12
    return made


@pytest.fixture(scope="module")
def whole(runner):
    return runner.run(SEEDS, Keeper(None, False, ""), False)


def keeper(runner, given, resume=False):
    return Keeper(given, resume, runner.identity)


def words(result):
    """All that was computed, as bytes."""
    leaves = [result.curve, result.steps, result.finite, *jax.tree.leaves(result.learners)]
    return [np.asarray(x).tobytes() for x in leaves]


def stopped(runner, monkeypatch, given, place, k):
    """The training, with Ctrl-C in the k-th call of begin, advance or judge, or behind it."""
    begin, advance, judge = runner.programs
    calls = itertools.count(1)

    def played(*arguments):
        found = {"advance": advance, "judge": judge}[place.split()[-1]](*arguments)
        if next(calls) == k:
            raise KeyboardInterrupt
        return found

    programs = (begin, played, judge) if "advance" in place else (begin, advance, played)
    with monkeypatch.context() as patch:
        patch.setattr(runner, "programs", programs)
        with pytest.raises(KeyboardInterrupt):
            runner.run(SEEDS, keeper(runner, given), False)


@pytest.mark.parametrize(("place", "k"), [("advance", 1), ("advance", 7), ("judge", 2)])
def test_wherever_it_is_stopped_it_ends_where_it_would_have(
    runner, whole, monkeypatch, tmp_path, place, k
):
    path = tmp_path / "c.npz"
    stopped(runner, monkeypatch, Checkpoint(path, every=None), place, k)
    rest = runner.run(SEEDS, keeper(runner, path, True), False)
    assert words(rest) == words(whole)
    assert len(rest.steps) == 3
    assert runner.run_seconds > 0


def test_each_line_may_be_the_last(runner, whole, monkeypatch, tmp_path):
    """Ctrl-C between two lines of the loop: state, count and curve belong together."""
    source = _Runner.run.__code__, _Runner._chunk.__code__
    for k in range(1, 40, 3):
        path, lines = tmp_path / f"{k}.npz", itertools.count()

        def trace(frame, event, _, k=k, lines=lines):
            if frame.f_code not in source:
                return None
            if event == "line" and frame.f_locals.get("kept") is not None and next(lines) == k:
                sys.settrace(None)
                raise KeyboardInterrupt
            return trace

        sys.settrace(trace)
        try:
            runner.run(SEEDS, keeper(runner, Checkpoint(path, every=None)), False)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        if path.exists():  # not where it was stopped before the loop
            rest = runner.run(SEEDS, keeper(runner, path, True), False)
            assert words(rest) == words(whole), k
    assert len(list(tmp_path.iterdir())) > 10


def test_a_counter_that_is_forgotten_would_be_seen(runner, whole, monkeypatch, tmp_path):
    """Impostor: taken up one chunk earlier than it stood."""
    path = tmp_path / "c.npz"
    stopped(runner, monkeypatch, path, "advance", 7)
    late = keeper(runner, path, True)
    read = late.read
    late.read = lambda like: read(like)._replace(done=5)
    rest = runner.run(SEEDS, late, False)
    assert words(rest) != words(whole)


def test_it_is_written_when_it_is_due_and_else_not(runner, tmp_path):
    for every, there in ((0.0, True), (1e9, False), (None, False)):
        path = tmp_path / f"{every}.npz"
        runner.run(SEEDS, keeper(runner, Checkpoint(path, every=every)), False)
        assert path.exists() == there
    path = tmp_path / "0.0.npz"
    rest = runner.run(SEEDS, keeper(runner, path, True), False)  # of the last chunk but none
    assert len(rest.steps) == 3


# ---- what is refused -------------------------------------------------------------------------


@pytest.fixture
def kept(runner, monkeypatch, tmp_path):
    path = tmp_path / "c.npz"
    stopped(runner, monkeypatch, path, "advance", 7)
    return path


OTHERS = {
    "gamma": lambda: runner_of(learner(gamma=0.5), 56),
    "steps": lambda: runner_of(learner(), 60),
    "seeds": lambda: runner_of(learner(), 56, seeds=(3, 6)),
    "limit": lambda: runner_of(learner(), 56, limit=16),
    "episodes": lambda: runner_of(learner(), 56, episodes=3),
    "optimizer": lambda: runner_of(learner(optimizer=PPO().optimizer), 56),
    "algorithm": lambda: runner_of(PPO(loop=OnPolicy(2, 2), minibatches=1), 56),
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_trainings_checkpoint_is_refused_by_name(runner, kept, what):
    other = OTHERS[what]()
    assert other.identity != runner.identity
    with pytest.raises(FormatError, match=r"c\.npz: it is of another training: algorithm"):
        Keeper(kept, True, other.identity).read(None)
    assert runner_of(learner(), 56).identity == runner.identity  # of the same it is the same


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_file_that_was_cut_is_refused_by_name(runner, kept, share):
    raw = kept.read_bytes()
    kept.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(FormatError, match=r"c\.npz"):
        runner.run(SEEDS, keeper(runner, kept, True), False)


def test_a_bit_that_flipped_is_refused_by_name_or_means_nothing(runner, whole, kept):
    """The zip's directory has bits that nobody reads; all of arrays and manifest count."""
    raw, refused = kept.read_bytes(), 0
    for place in range(0, len(raw), len(raw) // 60):
        flipped = bytearray(raw)
        flipped[place] ^= 1
        kept.write_bytes(flipped)
        try:
            rest = runner.run(SEEDS, keeper(runner, kept, True), False)
        except FormatError as error:
            refused += str(kept) in str(error)
        else:
            assert words(rest) == words(whole), place
    assert refused > 30


def test_arrays_of_another_size_are_refused(runner, kept):
    """A file whose sums are right and whose arrays are not those of this state."""
    from mdpkit.io import _zip

    with zipfile.ZipFile(kept) as archive:
        about = json.loads(archive.read("manifest.json"))
        arrays = {name: np.load(archive.open(f"{name}.npy")) for name in about["arrays"]}
    del about["arrays"], about["sha256"]
    name = max(arrays, key=lambda name: arrays[name].size)
    _zip.write(kept, arrays | {name: arrays[name][1:]}, about)
    with pytest.raises(FormatError, match=r"c\.npz: an array has \d+ bytes where \d+ belong"):
        runner.run(SEEDS, keeper(runner, kept, True), False)
    del arrays[name]
    _zip.write(kept, arrays, about)
    with pytest.raises(FormatError, match=f"{name} missing"):
        runner.run(SEEDS, keeper(runner, kept, True), False)


def test_what_is_no_checkpoint_is_not_replaced(runner, tmp_path):
    path = tmp_path / "m.npz"
    mk.save(mk.load("gallery:lake"), path)
    before = path.read_bytes()
    with pytest.raises(FormatError, match=r"m\.npz is there and is no checkpoint"):
        keeper(runner, path)
    with pytest.raises(FormatError, match=r"m\.npz"):
        runner.run(SEEDS, keeper(runner, path, True), False)
    assert path.read_bytes() == before


def test_one_of_a_training_is_replaced(runner, kept):
    before = kept.read_bytes()
    runner.run(SEEDS, keeper(runner, Checkpoint(kept, every=0.0)), False)
    assert kept.read_bytes() != before


def test_where_nothing_can_be_written_is_said_first(runner, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        keeper(runner, tmp_path / "none" / "c.npz")
    with pytest.raises(FileNotFoundError, match="no checkpoint to resume"):
        keeper(runner, tmp_path / "c.npz", True)
    with pytest.raises(ValueError, match="resume=True needs checkpoint="):
        keeper(runner, None, True)


def test_a_folder_that_is_gone_ends_no_training(runner, whole, tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    keeps = keeper(runner, Checkpoint(folder / "c.npz", every=0.0))
    folder.rmdir()
    with pytest.warns(CheckpointWarning, match="the training goes on without"):
        found = runner.run(SEEDS, keeps, False)
    assert words(found) == words(whole)


def test_train_itself_takes_up(runner, whole, tmp_path, monkeypatch):
    path = tmp_path / "c.npz"
    stopped(runner, monkeypatch, path, "advance", 7)
    monkeypatch.setattr(_Runner, "_compiled", lambda self, keys: runner.programs)
    found = mk.deep.train(
        learner(),
        make("gallery:lake", limit=15),
        steps=56,
        seeds=SEEDS,
        evaluations=3,
        episodes=2,
        checkpoint=path,
        resume=True,
    )
    assert words(found) == words(whole)
