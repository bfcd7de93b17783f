"""`train`: every seed is reported, and a stopped training goes on to the same end."""

import itertools
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

import mdpkit as mk
from mdpkit.curves import Curves
from mdpkit.deep import compiled
from mdpkit.deep.envs import make
from mdpkit.deep.presets import preset
from mdpkit.deep.settings import changed
from mdpkit.deep.train import _Runner

SETTINGS = (
    *("loop.replay=prioritized(32)", "loop.lanes=2", "loop.warm_up=8", "loop.collect=4"),
    *("loop.updates=2", "loop.batch=4", "optimizer=sgd(0.5)"),
)
LENGTHS = ("--steps", 56, "--seeds", 3, "--evaluations", 3, "--episodes", 2)
CLIFF = ("train", "dqn", "gallery:cliff", "--limit", 15, *LENGTHS)
CLIFF += tuple(itertools.chain.from_iterable(("--set", x) for x in SETTINGS))
JSON_KEYS = {"algorithm", "env", "seeds", "steps", "returns"}
SECONDS = {"compile_seconds", "run_seconds", "env_steps_per_second"}


@pytest.fixture(scope="module", autouse=True)
def programs(tmp_path_factory):
    """What is compiled is kept for this file, here and on disk, and is not optimized."""
    folder = tmp_path_factory.mktemp("programs")
    before = jax.config.jax_compilation_cache_dir
    configured(folder, seconds=0.1, plainly=True)
    whole, known = _Runner._compiled, {}

    def compiled_once(runner, keys):
        if runner.identity not in known:
            known[runner.identity] = whole(runner, keys)
        return known[runner.identity]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Runner, "_compiled", compiled_once)
        yield folder
    configured(before, seconds=1.0, plainly=False)


def configured(folder, seconds, plainly):
    jax.config.update("jax_compilation_cache_dir", folder and str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", seconds)
    jax.config.update("jax_disable_most_optimizations", plainly)
    compilation_cache.reset_cache()


def answer(found):
    """The JSON without what time it took."""
    return {key: x for key, x in found.json.items() if key not in SECONDS}


@pytest.fixture
def ctrl_c(command, monkeypatch, tmp_path):
    """Run `mdpkit …` in an empty folder, with Ctrl-C in the k-th chunk."""
    monkeypatch.chdir(tmp_path)
    whole = _Runner._chunk

    def call(k, *arguments):
        calls = itertools.count(1)

        def chunk(*given):
            if next(calls) == k:
                raise KeyboardInterrupt
            return whole(*given)

        with monkeypatch.context() as patch:
            patch.setattr(_Runner, "_chunk", chunk)
            return command(*arguments)

    return call


def test_the_json_is_what_a_program_finds(command):
    found = command(*CLIFF, "--json")
    assert (found.code, found.err) == (0, "")
    body = found.json
    assert set(body) == JSON_KEYS | SECONDS
    result = mk.deep.train(
        changed(preset("dqn", "gallery:cliff")[0], SETTINGS),
        make("gallery:cliff", limit=15),
        steps=56,
        seeds=3,
        evaluations=3,
        episodes=2,
    )
    assert body["returns"] == result.returns.tolist()
    wanted = {"algorithm": "dqn", "env": "gallery:cliff", "seeds": 3, "steps": 56}
    assert {key: body[key] for key in wanted} == wanted
    assert body["compile_seconds"] >= 0
    assert body["env_steps_per_second"] == pytest.approx(3 * 56 / body["run_seconds"])


def test_a_table_a_figure_and_a_file_that_can_be_read_again(command, tmp_path):
    npz, svg = tmp_path / "r.npz", tmp_path / "r.svg"
    found = command(*CLIFF, "--save", npz, "--plot", svg)
    assert found.code == 0
    assert found.err == f"wrote {npz}\nwrote {svg}\n"
    assert "dqn on gallery:cliff" in found.out
    assert "56 of each of 3 seeds" in found.out
    rows = [line.split() for line in found.out.splitlines()[-3:]]
    assert [row[0] for row in rows] == ["0", "1", "2"]
    assert [row[2] for row in rows] == ["finite"] * 3
    algorithm = changed(preset("dqn", "gallery:cliff")[0], SETTINGS)
    result = mk.deep.load(npz, algorithm, make("gallery:cliff", limit=15))
    assert [float(row[1]) for row in rows] == pytest.approx(result.returns, rel=1e-5)
    assert result.policy(1)(np.arange(9)).shape == (9,)
    assert svg.read_bytes().startswith(b"<?xml")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["r.npz", "r.svg"]


def test_seeds_that_failed_are_shown_and_the_code_is_1(command):
    bad = [str(x).replace("sgd(0.5)", "sgd(1e38)") for x in CLIFF]
    found = command(*bad, "--json", "--set", "kappa=null")
    assert found.code == 1
    assert len(found.json["returns"]) == 3
    (line,) = found.err.splitlines()
    assert line.startswith("error: ")
    assert "seeds failed, their parameters left the finite numbers: 0" in line


def test_a_failed_seed_has_its_line_and_a_null(command, monkeypatch):
    class Trained:
        """A result whose middle seed failed."""

        seeds, steps = (0, 1, 2), np.array([10])
        curves = Curves(np.array([[1.0], [np.nan], [3.0]]), "x on y", "return", steps, "step")
        returns, finite = curves.values[:, -1], np.array([True, False, True])
        compile_seconds, run_seconds, env_steps_per_second = 1.0, 2.0, 15.0

        class worlds:
            name = "y"

    monkeypatch.setattr("mdpkit.cli.train._trained", lambda *given: Trained)
    found = command(*CLIFF)
    assert found.code == 1
    line = found.out.splitlines()[-2]
    assert line.split() == ["1", "nan", "NOT", "FINITE:", "failed"]
    assert found.err == (
        "error: 1 of 3 seeds failed, their parameters left the finite numbers: 1.\n"
    )
    assert command(*CLIFF, "--json").json["returns"] == [1.0, None, 3.0]


# ---- stopped and taken up --------------------------------------------------------------------


def test_ctrl_c_and_resume_is_the_whole_training(command, ctrl_c, tmp_path):
    half = ctrl_c(7, *CLIFF, "--json")
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("cliff-")
    assert (half.code, half.out) == (130, "")
    assert half.err == f"wrote {path.name}; --resume goes on from there\ninterrupted.\n"
    again = ctrl_c(3, *CLIFF, "--json", "--resume")
    assert again.code == 130
    rest, whole = command(*CLIFF, "--json", "--resume"), command(*CLIFF, "--json")
    assert (rest.code, rest.err) == (0, "")
    assert answer(rest) == answer(whole)
    assert not list(tmp_path.iterdir())  # it has served


def test_a_named_checkpoint_stays_and_another_trainings_is_refused(command, ctrl_c, tmp_path):
    kept = (*CLIFF, "--json", "--checkpoint", tmp_path / "c.npz")
    half = ctrl_c(2, *kept)
    assert half.err.splitlines()[0].endswith("c.npz; --resume goes on from there")
    found = command(*kept, "--resume", "--steps", 60)
    assert (found.code, found.out) == (2, "")
    (line,) = found.err.splitlines()
    assert "c.npz: it is of another training" in line
    assert command(*kept, "--resume").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["c.npz"]


SIGNALED = """
import os, signal
from mdpkit.cli import main
from mdpkit.deep.train import _Runner
whole, calls = _Runner._chunk, []
def chunk(*given):
    calls.append(given)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.{name})
    return whole(*given)
_Runner._chunk = chunk
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_signal_is_answered_with_a_checkpoint(command, monkeypatch, tmp_path, programs):
    monkeypatch.chdir(tmp_path)
    line = [*map(str, CLIFF), "--json", "--checkpoint", "c.npz"]
    told = {"JAX_COMPILATION_CACHE_DIR": str(programs), "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    code = SIGNALED.format(name="SIGINT")
    run = subprocess.run(
        [sys.executable, "-c", code, *line], env={**os.environ, **told}, capture_output=True
    )
    assert (run.returncode, run.stdout) == (130, b"")
    assert run.stderr == b"wrote c.npz; --resume goes on from there\ninterrupted.\n"
    assert answer(command(*line, "--resume")) == answer(command(*CLIFF, "--json"))


# ---- what cannot be trained ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("pp", "CartPole-v1"), "no algorithm 'pp'. Did you mean ppo?"),
        (("xyz", "CartPole-v1"), "there are dqn, soft-q, sac, ppo, a2c"),
        (("ppo", "CartPol-v1"), "Do you mean CartPole-v1?"),
        (("ppo", "gallery:lak"), "lake"),
        (("ppo", "gallery:lake"), "has no time limit"),
        (("ppo", "gym:Nope-v1"), "Gymnasium cannot make 'Nope-v1'"),
        (("ppo", "gym:CartPole-v1", "--limit", "9"), "takes no limit"),
        (("ppo", "gym:CartPole-v1", "--resume"), "leave --checkpoint and --resume out"),
        (("dqn", "Pendulum-v1"), "DQN needs numbered actions"),
        (("sac", "Pendulum-v1", "--set", "loop.replay=prioritized"), "reports no errors"),
        (("ppo", "CartPole-v1", "--steps", "3"), "steps = 3 is less than the warm-up"),
        (("ppo", "CartPole-v1", "--steps", "0"), "'--steps'"),
        (("ppo", "CartPole-v1", "--seeds", "0"), "'--seeds'"),
        (("ppo", "CartPole-v1", "--seeds", "x"), "'--seeds'"),
        (("ppo", "CartPole-v1", "--set", "gama=1"), "--set: there is no setting gama"),
        (("ppo", "CartPole-v1", "--set", "gamma=x"), "--set: gamma=x: there is no part 'x'"),
        (("ppo", "CartPole-v1", "--set", "gamma=nan"), "gamma must lie in [0, 1]"),
        (("ppo", "CartPole-v1", "--set", "minibatches=7"), "do not part into 7"),
        (("ppo", "CartPole-v1", "--save", "x.txt"), "must end in .npz"),
        (("ppo", "CartPole-v1", "--plot", "x.npz"), "must end in .svg"),
        (("ppo", "CartPole-v1", "--save", "none/x.npz"), "there is no folder 'none'"),
        (("ppo", "CartPole-v1", "--resume"), "there is no checkpoint to resume"),
        (("ppo",), "ENV"),
    ],
)
def test_bad_input_is_one_line(command, monkeypatch, tmp_path, arguments, words):
    monkeypatch.chdir(tmp_path)
    found = command("train", *arguments)
    assert (found.code, found.out, len(found.err.splitlines())) == (2, "", 1)
    assert words in found.err
    assert not list(tmp_path.iterdir())


def test_without_jax_it_is_one_line():
    code = (
        "import sys; sys.modules['jax'] = None\n"
        "from mdpkit.cli import run; sys.exit(run(['train', 'ppo', 'CartPole-v1']))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (
        'error: deep algorithms need JAX, Equinox and Optax: pip install "mdpkit[deep]"\n'
    )


def test_help_loads_no_jax():
    code = "import sys; from mdpkit.cli import run; run(['train', '-h']); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "--evaluations" in run.stdout
    assert not {"jax", "numpy"} & set(run.stdout.split())


# ---- compiled programs are kept --------------------------------------------------------------


def test_programs_are_kept_where_caches_are(monkeypatch, tmp_path, programs):
    assert compiled.keep() == programs  # JAX was told of one
    assert any(programs.glob("jit__advance-*"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiled, "MOST", 2)
    jax.config.update("jax_compilation_cache_dir", None)
    try:
        folder = compiled.keep()
        assert folder.parent == tmp_path / "mdpkit"
        assert jax.config.jax_compilation_cache_dir == str(folder)
        for age in range(4):
            (folder / f"{age}").touch()
            os.utime(folder / f"{age}", (-age, -age))
        jax.config.update("jax_compilation_cache_dir", None)
        compiled.keep()
        assert sorted(path.name for path in folder.iterdir()) == ["0", "1"]
        jax.config.update("jax_compilation_cache_dir", None)
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "0"))  # a file
        assert compiled.keep() is None
    finally:
        configured(programs, seconds=0.1, plainly=True)
