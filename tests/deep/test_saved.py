"""What was saved is what is loaded, to the bit; what does not fit is refused by name."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mdpkit as mk
from mdpkit.deep import DQN, PPO, SAC
from mdpkit.deep.envs import make, worlds_of
from mdpkit.deep.result import Result
from mdpkit.errors import FormatError

LAKE = "gallery:lake"
CASES = {
    "table": (DQN(), LAKE),
    "two heads, a tuple of moments": (PPO(widths=(4, 3)), "CartPole-v1"),
    "an ensemble, a number": (SAC(widths=(4,)), "Pendulum-v1"),
}


def trained(algorithm, env):
    """As much of a training as is saved: three seeds whose arrays are any numbers."""
    worlds, rng = worlds_of(make(env, limit=9)), np.random.default_rng(0)
    like = jax.eval_shape(lambda key: algorithm.init(worlds, key), jax.random.key(0))
    learners = jax.tree.map(
        lambda x: jnp.asarray(rng.normal(size=(3, *x.shape)) * 100, x.dtype), like
    )
    curve = np.array([[1.0, np.nan], [0.1, -np.inf], [3.0, 4.0]])
    finite, steps = np.array([True, False, True]), np.array([10, 20])
    return Result(algorithm, worlds, (4, 2, 7), steps, curve, finite, learners, 1.5, 0.25)


def same(x, y):
    x, y = np.asarray(x), np.asarray(y)
    return x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind == "f")


@pytest.mark.parametrize("case", CASES)
def test_what_is_loaded_is_what_was_saved(tmp_path, case):
    algorithm, env = CASES[case]
    result, path = trained(algorithm, env), tmp_path / "r.npz"
    mk.deep.save(result, path)
    found = mk.deep.load(path, algorithm, result.worlds)
    assert found.seeds == (4, 2, 7)
    for name in ("steps", "curve", "finite", "compile_seconds", "run_seconds"):
        assert same(getattr(found, name), getattr(result, name))
    assert jax.tree.structure(found.learners) == jax.tree.structure(result.learners)
    assert jax.tree.all(jax.tree.map(same, found.learners, result.learners))
    space = result.worlds.observation_space
    seen = jnp.arange(5) if not space.shape else jnp.ones((5, *space.shape))
    assert same(found.policy(2)(seen), result.policy(2)(seen))
    other = jax.tree.map(lambda x: x[::-1], result.learners)  # an impostor: seeds in disorder
    assert not jax.tree.all(jax.tree.map(same, found.learners, other))


def test_numpy_opens_it_and_the_names_say_what_is_what(tmp_path):
    result, path = trained(PPO(widths=(4, 3)), "CartPole-v1"), tmp_path / "r.npz"
    mk.deep.save(result, path)
    with np.load(path, allow_pickle=False) as arrays:
        first = arrays["learner/params/critic/weights/0"]
        assert np.array_equal(first, result.learners.params.critic.weights[0])
        assert first.shape == (3, 4, 4)
        assert np.array_equal(arrays["seeds"], [4, 2, 7])
        assert b'"env":"CartPole-v1"' in arrays["manifest.json"]
    mk.deep.save(result, tmp_path / "again.npz")
    assert path.read_bytes() == (tmp_path / "again.npz").read_bytes()


@pytest.mark.parametrize(
    ("algorithm", "env", "words"),
    [
        (DQN(widths=(4, 3)), "CartPole-v1", r"r\.npz: its algorithm is 'ppo', not 'dqn'"),
        (PPO(widths=(4, 3)), "Acrobot-v1", r"its env is 'CartPole-v1', not 'Acrobot-v1'"),
        (PPO(widths=(4, 4)), "CartPole-v1", r"is \(3, .*\), and \(3, .*\) is needed here"),
        (PPO(widths=(4,)), "CartPole-v1", "unknown key 'learner/"),
        (PPO(widths=(4, 3, 2)), "CartPole-v1", "learner/.* missing"),
    ],
)
def test_another_algorithm_or_environment_is_refused(tmp_path, algorithm, env, words):
    path = tmp_path / "r.npz"
    mk.deep.save(trained(PPO(widths=(4, 3)), "CartPole-v1"), path)
    with pytest.raises(FormatError, match=words):
        mk.deep.load(path, algorithm, env)


def test_damage_is_refused_and_so_is_another_file(tmp_path):
    path, algorithm = tmp_path / "r.npz", PPO(widths=(4, 3))
    mk.deep.save(trained(algorithm, "CartPole-v1"), path)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(FormatError, match=r"r\.npz: .*(sha256|CRC)"):
        mk.deep.load(path, algorithm, "CartPole-v1")
    mk.save(mk.load("gallery:lake"), path)
    with pytest.raises(FormatError, match=r"r\.npz: "):
        mk.deep.load(path, algorithm, "CartPole-v1")


def test_arrays_that_do_not_belong_together_are_refused(tmp_path):
    result, path = trained(PPO(widths=(4, 3)), "CartPole-v1"), tmp_path / "r.npz"
    mk.deep.save(replace(result, steps=np.array([10])), path)
    with pytest.raises(FormatError, match="of different lengths"):
        mk.deep.load(path, result.algorithm, "CartPole-v1")
    mk.deep.save(replace(result, steps=np.array([1.5, 2.5])), path)
    with pytest.raises(FormatError, match="steps is float64"):
        mk.deep.load(path, result.algorithm, "CartPole-v1")


def test_bfloat16_comes_back_as_it_was(tmp_path):
    algorithm, path = PPO(widths=(4,), dtype=jnp.bfloat16), tmp_path / "r.npz"
    result = trained(algorithm, "CartPole-v1")
    mk.deep.save(result, path)
    found = mk.deep.load(path, algorithm, result.worlds)
    assert found.learners.params.critic.weights[0].dtype == jnp.bfloat16
    assert jax.tree.all(
        jax.tree.map(lambda x, y: (x == y).all(), found.learners, result.learners)
    )
