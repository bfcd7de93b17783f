"""An MDP in JAX: the NumPy functions to the bit, frequencies, and missing actions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2

import mdpkit as mk
from mdpkit.deep.envs import Tabular, Vector
from mdpkit.envs.spaces import Discrete
from mdpkit.envs.tabular import reset, step, table
from mdpkit.errors import ModelError
from tests.env_oracle import dyadic_model, outcomes


@pytest.mark.parametrize("kind", ["stop", "csr", "gaps"])
def test_numpy_and_jax_play_the_same(kind, float64):
    mdp = dyadic_model(kind)
    world, rng = table(mdp), np.random.default_rng(3)
    s, a = np.array([mdp.place(i) for i in rng.integers(mdp.n_pairs, size=2000)]).T
    # Uniform numbers, and those where one interval ends and the next begins.
    u = np.where(rng.random(2000) < 0.5, rng.random(2000), rng.integers(128, size=2000) / 128)
    ours = jax.jit(partial(step, world))(*map(jnp.asarray, (s, a, u)))
    assert isinstance(ours.state, jax.Array)
    for x, y in zip(ours, step(world, s, a, u), strict=True):
        assert (np.asarray(x) == y).all()
        assert x.dtype == y.dtype
    begun = jax.jit(partial(reset, world))(jnp.asarray(u))
    assert np.asarray(begun).tolist() == reset(world, u).tolist()


def counted(env, play, n, shift=0):
    """Σ (found − expected)² / expected over what follows each pair, and its cells."""
    true, total, cells = outcomes(env.mdp), 0.0, 0
    for i, ((s, a), p) in enumerate(true.items()):
        keys = jax.random.split(jax.random.key(i), n)
        after = play(keys, s, (a + shift) % env.mdp.n_actions)
        reached = np.where(after.terminated, env.mdp.n_states, after.state)
        found, expected = np.bincount(reached, minlength=p.size), n * p
        if found[p == 0].any():
            return np.inf, 1
        total += (((found - expected) ** 2)[p > 0] / expected[p > 0]).sum()
        cells += (p > 0).sum() - 1
    return total, cells


@pytest.mark.stat
@pytest.mark.parametrize("kind", ["full", "stop"])
def test_keys_draw_the_models_probabilities(kind):
    """χ² over all pairs at 1e-6, in two models: fails by chance at 2e-6; the key is fixed."""
    env = Tabular(dyadic_model(kind))
    play = jax.jit(jax.vmap(env.step, in_axes=(0, None, None)))
    total, cells = counted(env, play, 4000)
    assert cells > 10
    assert total < chi2.isf(1e-6, cells)
    assert counted(env, play, 4000, shift=1)[0] > chi2.isf(1e-6, cells)  # another row is seen


def test_what_lanes_show_is_the_state():
    worlds = Vector(Tabular(dyadic_model("stop"), limit=6))
    lanes, observation = jax.jit(worlds.begin, static_argnums=1)(jax.random.key(0), 5)
    assert (worlds.observation_space, worlds.action_space) == (Discrete(5), Discrete(3))
    advance = jax.jit(worlds.advance)
    for t in range(12):
        lanes, step = advance(jax.random.key(t), lanes, jnp.zeros(5, int))
        step, state = jax.tree.map(np.asarray, (step, lanes.state))
        ended = step.terminated
        assert (step.next_observation[ended] == np.asarray(observation)[ended]).all()
        assert (state == step.observation).all()
        observation = step.observation
    assert observation.dtype == jnp.result_type(int)


def test_a_model_with_missing_actions_asks_what_they_are():
    mdp = dyadic_model("gaps")
    with pytest.raises(ModelError, match="state 1 has no action 0, and algorithms") as caught:
        Tabular(mdp)
    assert caught.value.witness == {"s": 1, "a": 0}
    repeated = Tabular(mdp, lacking="repeat")
    for s, a, own in ((1, 0, 1), (3, 0, 2), (3, 1, 2)):
        assert repeated.table.pairs[s, a] == repeated.table.pairs[s, own]
    assert repeated.mask.all()
    masked = Tabular(mdp, lacking="mask")
    assert not masked.mask[3, 1]
    after = jax.jit(masked.step)(jax.random.key(0), 3, 1)
    assert jnp.isnan(after.reward)
    assert (after.state, after.terminated) == (3, False)
    with pytest.raises(ValueError, match="lacking is 'ignore'; it is one of"):
        Tabular(mdp, lacking="ignore")
    with pytest.raises(TypeError, match="takes an MDP"):
        Tabular("gallery:puterman")  # pyright: ignore[reportArgumentType]
    assert Tabular(mk.load("gallery:river-swim").exact()).mask.shape == (6, 2)
