"""Settings by name: every algorithm has them, and known ones fit their environment."""

import jax
import pytest

from mdpkit import deep
from mdpkit.deep.envs import CLASSIC, worlds_of
from mdpkit.deep.presets import _KNOWN, ALGORITHMS, STEPS, preset


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_has_settings_and_knows_its_name(name):
    algorithm, steps = preset(name, "no environment of ours")
    assert algorithm.key == name
    assert steps == STEPS
    assert repr(algorithm) == repr(ALGORITHMS[name]())
    assert name in deep.ALGORITHMS


@pytest.mark.parametrize(("name", "env"), _KNOWN)
def test_known_settings_fit_their_environment(name, env):
    algorithm, steps = preset(name, env)
    assert repr(algorithm) != repr(ALGORITHMS[name]())
    assert algorithm.key == name
    assert env in CLASSIC
    loop = algorithm.loop
    assert steps >= loop.warm_up + 50 * loop.round
    shapes = jax.eval_shape(
        lambda key: loop.begin(algorithm, worlds_of(env), key), jax.random.key(0)
    )
    assert shapes[0].play.observation.shape[0] == loop.lanes


def test_an_unknown_name_is_told_those_there_are():
    with pytest.raises(ValueError, match=r"no algorithm 'dnq'; there are dqn, .*ppo"):
        preset("dnq", "CartPole-v1")
