"""Trainings: seeds, what went wrong and when, and what is refused before any work."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import pytest

import mdpkit as mk
from mdpkit.deep import DQN, PPO, SAC, a2c, soft_q, train
from mdpkit.deep.envs import Moment, make, worlds_of
from mdpkit.deep.explore import EpsilonGreedy
from mdpkit.deep.loops import OffPolicy, OnPolicy
from mdpkit.deep.optim import sgd
from mdpkit.deep.replay import Prioritized, Uniform
from mdpkit.envs.spaces import Box

LOOP = OffPolicy(Uniform(64), lanes=2, warm_up=8, collect=4, updates=2, batch=8)
MODEL = mk.MDP(np.full((3, 2, 3), 1 / 3), np.arange(6.0).reshape(3, 2), 0.9)


def tabular():
    return make(MODEL, limit=5)


def learner(**settings):
    return replace(DQN(behavior=EpsilonGreedy(0.5), loop=LOOP, optimizer=sgd(0.5)), **settings)


def test_a_seed_among_others_does_what_it_does_alone(quickly):
    # On a table of a model nothing is added in another order, so to the bit.
    both = train(learner(), tabular(), steps=40, seeds=[3, 8], evaluations=2, episodes=3)
    alone = train(learner(), tabular(), steps=40, seeds=[8], evaluations=2, episodes=3)
    assert np.array_equal(both.learner(8).params.values, alone.learner(8).params.values)
    assert np.array_equal(both.curve[1], alone.curve[0])
    assert not np.array_equal(both.learner(3).params.values, both.learner(8).params.values)
    assert both.steps[-1] == 40
    assert both.seeds == (3, 8)
    assert both.finite.all()
    with pytest.raises(ValueError, match="seed 5 was not run"):
        both.policy(5)


@dataclass(frozen=True, eq=False)
class Pushed:
    """One observation, m real actions within ±bound, three steps."""

    bound: float = 1.0
    limit: int | None = 3
    name: str = "pushed"
    observation_space = Box(np.zeros(1), np.ones(1))

    @property
    def action_space(self):
        return Box(np.full(2, -self.bound), np.full(2, self.bound))

    def reset(self, key):
        return jnp.zeros(1), jnp.zeros(1)

    def step(self, key, state, action):
        return Moment(state, state, -(action**2).sum(), jnp.asarray(False))


REFUSED = [
    (lambda: train(DQN(), Pushed(), steps=9_999), TypeError, "numbered actions.*SAC or PPO"),
    (lambda: train(SAC(), Pushed(np.inf), steps=9_999), ValueError, "no finite bounds"),
    (lambda: train(SAC, "CartPole-v1", steps=9_999), TypeError, "an algorithm is needed"),
    (lambda: train(DQN(), MODEL, steps=9_999), ValueError, "no time limit"),
    (lambda: train(DQN(gamma=1.0), MODEL, steps=9_999), ValueError, "gamma = 1"),
    (lambda: train(DQN(gamma=1.1), tabular(), steps=9_999), ValueError, "gamma must lie"),
    (lambda: train(DQN(), tabular(), steps=100), ValueError, "less than the warm-up"),
    (lambda: train(DQN(), tabular(), steps=9_999, seeds=0), ValueError, "seeds must be"),
    (lambda: train(DQN(), tabular(), steps=9_999, seeds=[-1]), ValueError, "a seed lies in"),
    (lambda: train(DQN(), tabular(), steps=9_999, episodes=0), ValueError, "episodes must"),
    (lambda: train(learner(loop=replace(LOOP, replay=Prioritized(64))), "nowhere", steps=99),
     ValueError, "nowhere"),
    (lambda: PPO(loop=OnPolicy(3, 5), minibatches=4), ValueError, "4 minibatches; 3 would do"),
    (lambda: PPO(loop=OnPolicy(2, 1), minibatches=2), ValueError, "no deviation"),
    (lambda: PPO(lam=1.5), ValueError, "lam must lie"),
    (lambda: PPO(clip=0.0), ValueError, "clip must be > 0"),
    (lambda: SAC(polyak=0.0), ValueError, "polyak must lie"),
    (lambda: SAC(tau=0.0), ValueError, "tau must be > 0.*DQN"),
    (lambda: SAC(entropy=float("nan")), ValueError, "entropy is NaN"),
    (lambda: soft_q(0.0), ValueError, "tau must be > 0"),
    (lambda: OffPolicy(lanes=4, collect=6), ValueError, "no multiple of the 4 lanes"),
    (lambda: OffPolicy(Uniform(64, n_step=5), warm_up=4), ValueError, "leaves nothing"),
    (lambda: OffPolicy(batch=0), ValueError, "batch must be"),
    (lambda: OnPolicy(steps=0), ValueError, "steps must be"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "words"), REFUSED, ids=[w for *_, w in REFUSED])
def test_bad_input_is_refused_before_any_work(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_priorities_need_errors():
    loop = replace(LOOP, replay=Prioritized(64))
    with pytest.raises(TypeError, match="reports no errors"):
        train(SAC(loop=loop), tabular(), steps=40)


def test_the_parts_of_deep_q_learning_go_together(quickly):
    from mdpkit.targets import Double

    parts = learner(
        target=Double(), dueling=True, loop=replace(LOOP, replay=Prioritized(64, n_step=3))
    )
    result = train(parts, tabular(), steps=40, evaluations=1, episodes=2)
    assert result.finite.all()
    policy = result.policy()
    assert policy(jnp.arange(3)).shape == (3,)


def test_an_environment_of_gymnasium_trains_in_the_same_loop(quickly):
    pytest.importorskip("gymnasium")
    small = replace(a2c(), widths=(8,), loop=OnPolicy(2, 4))
    steps, seeds = 32, [1, 2]
    result = train(
        small, "gym:CartPole-v1?max_episode_steps=8", steps=steps, seeds=seeds, evaluations=1,
        episodes=2,
    )  # fmt: skip
    assert result.returns.shape == (2,)
    assert (result.returns == 8).all()  # no pole falls within eight steps
    assert not worlds_of("gym:CartPole-v1").vectorizes
    with pytest.raises(TypeError, match="cannot be taken up again"):
        train(small, "gym:CartPole-v1", steps=steps, checkpoint="x.npz")
