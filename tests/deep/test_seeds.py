"""Several seeds at once: each is named, none harms another; evaluations are spread evenly."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mdpkit as mk
from mdpkit.deep import DQN, PPO, SAC, train
from mdpkit.deep.envs import Moment, Tabular
from mdpkit.deep.explore import EpsilonGreedy
from mdpkit.deep.loops import OffPolicy, OnPolicy
from mdpkit.deep.optim import sgd
from mdpkit.deep.presets import preset
from mdpkit.deep.replay import Uniform
from mdpkit.deep.train import Plan
from mdpkit.envs.spaces import Box, Discrete
from mdpkit.errors import NonFiniteError
from tests.deep_oracle import Recorder

LOOP = OffPolicy(Uniform(64), warm_up=4, collect=4, updates=4, batch=4)


def begins_with(seed):
    """The uniform number that the only lane of a seed draws at its begin."""
    _, second, _ = jax.random.split(jax.random.key(seed), 3)
    first, _ = jax.random.split(second)
    return jax.random.split(first, 1)[0]


def test_a_seed_that_diverges_is_marked_and_harms_no_other(quickly):
    """Two states that are never left, one paying 1 and one 1e38: γ = .99 is too much for it."""
    P = np.broadcast_to(np.eye(2)[:, None], (2, 2, 2))
    mdp = mk.MDP(P, np.array([[1.0, 1.0], [1e38, 1e38]]), 0.99)
    env = Tabular(mdp, limit=1_000)
    seeds = [0, 1, 2, 3, 4, 5]
    lost = [int(env.reset(begins_with(seed))[0]) == 1 for seed in seeds]
    assert 0 < sum(lost) < len(seeds)
    learner = DQN(
        kappa=None, refresh=1, behavior=EpsilonGreedy(1.0), optimizer=sgd(1.0), loop=LOOP
    )
    settings: dict[str, Any] = {"steps": 100, "evaluations": 1, "episodes": 1}
    result = train(learner, env, seeds=seeds, **settings)
    assert result.finite.tolist() == [not x for x in lost]
    assert result.returns.shape == (6,)  # none is dropped
    # At rate 1 the first update that sees a pair makes it 1, and 4 · 24 sweeps no more than
    # 1 + γ + … of as many.
    most = (1 - 0.99**97) / 0.01
    for seed in np.flatnonzero(np.logical_not(lost)):
        q = np.asarray(result.learner(int(seed)).params.values)
        assert 5 < q[0].max() < most
        assert not q[1].any()  # where it never was


@dataclass(frozen=True, eq=False)
class Fused:
    """Half of the episodes pay NaN at their sixth step; no episode ends."""

    limit: int | None = 100
    name: str = "fused"
    observation_space = Box(np.zeros(2), np.full(2, np.inf))
    action_space = Discrete(2)

    def reset(self, key):
        state = jnp.stack([jax.random.uniform(key), 0.0])
        return state, state

    def step(self, key, state, action):
        after = state + jnp.array([0.0, 1.0])
        burns = (state[0] < 0.5) & (after[1] == 6)
        return Moment(after, after, jnp.where(burns, jnp.nan, 1.0), jnp.asarray(False))


def test_a_reward_that_is_no_number_names_the_step_and_the_first_seed_it_befell(quickly):
    burns = [float(jax.random.uniform(begins_with(seed))) < 0.5 for seed in range(8)]
    bad, good = burns.index(True), burns.index(False)
    recorder = Recorder(LOOP, keeps=40)
    settings: dict[str, Any] = {"steps": 20, "evaluations": 1, "episodes": 1}
    with pytest.raises(NonFiniteError, match=rf"fused paid .* step 5 of seed {bad}\.") as found:
        train(recorder, Fused(), seeds=[good, bad], **settings)
    assert found.value.step == 5  # counted from 0: five were played before it


def test_evaluations_are_as_many_as_asked_for_and_the_last_is_at_the_end():
    for chunks in (1, 7, 51, 98, 100):
        for asked in (1, 2, 10, 60, 100, 1_000):
            plan = Plan((0,), chunks, 1, asked, 1, chunks)
            judged = [done for done in range(1, chunks + 1) if plan.is_judged(done)]
            assert len(judged) == min(asked, chunks)
            assert judged[-1] == chunks
            assert np.ptp(np.diff(judged, prepend=0)) <= 1


@pytest.mark.parametrize(
    ("seeds", "kind", "words"),
    [
        ([2**32], ValueError, "a seed lies in"),  # its key would be that of seed 0
        ([0.5], TypeError, "a seed is an int; got 0.5"),
        ("12", TypeError, "a seed is an int; got '1'"),
        ([], ValueError, "seeds must be"),
    ],
)
def test_seeds_are_whole_numbers_of_32_bits(seeds, kind, words):
    with pytest.raises(kind, match=words):
        train(Recorder(LOOP), Fused(), steps=100, seeds=seeds)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: train(Recorder(LOOP), Fused(), steps=1e3), TypeError, "steps must be an"),
        (lambda: train("ppo", Fused(), steps=100), TypeError, "an algorithm is needed"),
        (lambda: PPO(loop=OnPolicy(1, 7), minibatches=5), ValueError, "5 minib.*; 7 would do"),
        (lambda: PPO(minibatches=0), ValueError, "0 minibatches; 1 would do"),
        (lambda: PPO(epochs=0), ValueError, "epochs must be"),
        (lambda: PPO(lam=float("nan")), ValueError, "lam must lie"),
        (lambda: PPO(clip=float("nan")), ValueError, "clip must be > 0"),
        (lambda: DQN(kappa=0.0), ValueError, "kappa must be > 0"),
        (lambda: DQN(refresh=0), ValueError, "refresh must be"),
        (lambda: SAC(polyak=1.5), ValueError, "polyak must lie"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_two_modules_of_one_name_leave_the_function_to_its_callers():
    import mdpkit.deep.train as module

    for _ in range(2):
        assert callable(mk.deep.train)
    assert module is mk.deep.train


@pytest.mark.slow
@pytest.mark.parametrize(("name", "env"), [("ppo", "CartPole-v1"), ("sac", "Pendulum-v1")])
def test_networks_mapped_over_seeds_learn_what_they_learn_alone_up_to_rounding(name, env):
    """A step of Adam moves a weight by up to 1e-3: rounding, which is all that differs, by less
    than a tenth of one in so few steps; another draw of rows by several.
    """
    algorithm, _ = preset(name, env)
    if name == "sac":
        algorithm = replace(algorithm, loop=OffPolicy(Uniform(200), warm_up=100, batch=32))
    steps = algorithm.loop.warm_up + 2 * algorithm.loop.round
    many, one = (
        train(algorithm, env, steps=steps, seeds=seeds, evaluations=1, episodes=1).learner(2)
        for seeds in ([0, 1, 2], [2])
    )
    pairs = zip(*map(jax.tree.leaves, (many.params, one.params)), strict=True)
    for x, y in pairs:
        assert np.asarray(x) == pytest.approx(np.asarray(y), abs=1e-4)
