"""Proximal policy optimization row by row: advantages, ratios, minibatches, A2C's corner."""

from dataclasses import dataclass, replace
from functools import cache
from math import inf

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdpkit.deep import PPO, a2c
from mdpkit.deep.actors import Logits
from mdpkit.deep.batch import Batch
from mdpkit.deep.envs import Moment, Vector
from mdpkit.deep.loops import OnPolicy
from mdpkit.deep.loops.play import Play, played
from mdpkit.deep.nets import Table
from mdpkit.deep.optim import sgd
from mdpkit.deep.policy.ppo import Params, State, values
from mdpkit.envs.spaces import Box

pytestmark = pytest.mark.usefixtures("float64", "quickly")

KEY, GAMMA, LAM = jax.random.key(0), 0.9, 0.8
T, N, S = 6, 2, 12


def window(seed=0):
    """T steps of N lanes through S states, none twice; it ends, is cut, and runs on."""
    rng = np.random.default_rng(seed)
    state = np.arange(S).reshape(T, N)
    ended, cut = np.zeros((2, T, N), bool)
    ended[2, 0], cut[1, 1], cut[4, 0] = True, True, True
    reached = np.where(ended, state, rng.integers(0, S, (T, N)))
    log_prob = np.log(rng.uniform(0.3, 0.7, (T, N)))
    return Batch(
        state, rng.integers(0, 2, (T, N)), rng.normal(size=(T, N)), GAMMA * ~ended,
        ended | cut, reached, np.full((T, N), 1 / (T * N)), log_prob,
    )  # fmt: skip


def networks(seed=1):
    rng = np.random.default_rng(seed)
    logits, v = rng.normal(size=(S, 2)), rng.normal(size=(S, 1))
    return Params(Logits(Table(jnp.asarray(logits))), Table(jnp.asarray(v)))


def by_definition(batch, v, late=False):
    """(1−λ) Σ_n λⁿ⁻¹ A⁽ⁿ⁾ + λᴸ⁻¹ A⁽ᴸ⁾ of each row, L steps up to the boundary or the end."""
    found = np.zeros((T, N))
    for lane in range(N):
        cut = batch.boundary[:, lane]
        cut = np.append(cut[1:], False) if late else cut
        for t in range(T):
            length = next((k + 1 for k in range(T - t) if cut[t + k]), T - t)
            total, so_far, ways = 0.0, 1.0, []
            for k in range(length):
                total += so_far * batch.reward[t + k, lane]
                so_far *= batch.discount[t + k, lane]
                after = v[batch.next_observation[t + k, lane]]
                ways.append(total + so_far * after - v[batch.observation[t, lane]])
            share = LAM ** np.arange(length) * (1 - LAM)
            share[-1] = LAM ** (length - 1)
            found[t, lane] = share @ ways
    return found


def test_advantages_are_the_mixture_of_all_lengths_up_to_the_boundary():
    params, batch = networks(), window()
    rows = PPO(GAMMA, LAM).rows(params, batch)
    v = np.asarray(params.critic.values[:, 0])
    wanted = by_definition(batch, v).reshape(-1)
    assert np.asarray(rows.advantage) == pytest.approx(wanted, abs=1e-13)
    assert np.asarray(rows.target) == pytest.approx(wanted + v[np.arange(S)], abs=1e-13)
    # What is seen after a reset, and a boundary one row late, are other numbers.
    after = np.concatenate([batch.observation[1:], batch.next_observation[-1:]])
    for wrong in (
        by_definition(batch._replace(next_observation=after), v),
        by_definition(batch, v, late=True),
        by_definition(batch._replace(discount=GAMMA * ~batch.boundary), v),
    ):
        assert abs(np.asarray(rows.advantage) - wrong.reshape(-1)).max() > 0.1


@cache
def learner(parts=1, normalize=True):
    """The gradient itself at rate 1, once over the window."""
    return PPO(
        GAMMA, LAM, epochs=1, minibatches=parts, normalize=normalize, optimizer=sgd(1.0),
        loop=OnPolicy(N, T),
    )  # fmt: skip


@cache
def compiled(learner):
    return jax.jit(learner.update)


def updated(learner, params, batch):
    state = State(params, learner.optimizer.init(params))
    return compiled(learner)(state, batch, KEY)[0].params


def test_each_minibatch_weighs_as_much_as_the_whole():
    """Every state is one row, so V moves by rate · (parts / rows) of its way, in any order."""
    params, batch = networks(), window()
    rows = PPO(GAMMA, LAM).rows(params, batch)
    for parts in (1, 3):
        after = values(updated(learner(parts), params, batch), np.arange(S))
        moved = after - (rows.target - rows.advantage)
        wanted = np.asarray(rows.advantage) * parts / (T * N)
        assert np.asarray(moved) == pytest.approx(wanted, abs=1e-13)


def played_by(params, batch):
    """The window with the probabilities of these logits, and 1{a} − π of each row."""
    logits = np.asarray(params.actor.net.values)
    pi = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    action = batch.action.reshape(-1)
    log_prob = np.log(pi[np.arange(S), action]).reshape(T, N)
    return batch._replace(extras=log_prob), np.eye(2)[action] - pi


def test_advantages_are_normalized_behind_the_targets_and_by_weight():
    params = networks()
    batch, score = played_by(params, window())
    a = np.asarray(learner().rows(params, batch).advantage)

    def found(normalize, batch):
        after = updated(learner(1, normalize), params, batch)
        return np.asarray(after.actor.net.values - params.actor.net.values), after.critic.values

    normal, plain = found(True, batch), found(False, batch)
    assert np.array_equal(normal[1], plain[1])  # the critic never sees it
    for moved, advantage in ((normal[0], (a - a.mean()) / (a.std() + 1e-8)), (plain[0], a)):
        assert moved == pytest.approx(score * advantage[:, None] / S, abs=1e-13)
    # Rows of double weight count like rows that stand there twice.
    weight = batch.weight.copy()
    weight[0] *= 2
    twice = np.concatenate([a, a[:N]])
    advantage = (a - twice.mean()) / (twice.std() + 1e-8)
    heavy, _ = found(True, batch._replace(weight=weight))
    wanted = score * (weight.reshape(-1) * advantage)[:, None]
    assert heavy == pytest.approx(wanted, abs=1e-13)


def test_unclipped_and_in_one_part_it_is_the_plain_actor_critic_to_the_bit():
    params, batch = networks(), window()
    log_prob = params.actor(batch.observation).log_prob(batch.action)
    batch = batch._replace(extras=log_prob)  # the same bits, so that ρ is 1
    algorithm = replace(
        a2c(), gamma=GAMMA, lam=LAM, entropy_weight=0.01, optimizer=sgd(0.5),
        loop=OnPolicy(N, T),
    )  # fmt: skip
    rows = algorithm.rows(params, batch)

    def plain(params):
        head = params.actor(rows.observation)
        gain = (rows.weight * head.log_prob(rows.action) * rows.advantage).sum()
        off = (rows.weight * (rows.target - values(params, rows.observation)) ** 2 / 2).sum()
        return -gain + off - 0.01 * (rows.weight * head.entropy()).sum()

    gradient = jax.grad(plain)(params)
    found = jax.grad(algorithm.loss)(params, rows, algorithm.clip)
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(gradient), strict=True):
        assert np.array_equal(x, y)
    assert algorithm.clip == inf


@dataclass(frozen=True, eq=False)
class Echo:
    """Observes the action it was given; two real actions within ±½ and ±1."""

    limit: int | None = 5
    name: str = "echo"
    observation_space = Box(np.full(2, -1.0), np.ones(2))
    action_space = Box(np.array([-0.5, -1.0]), np.array([0.5, 1.0]))

    def reset(self, key):
        return jnp.zeros(2), jnp.zeros(2)

    def step(self, key, state, action):
        return Moment(action, action, action.sum(), jnp.asarray(False))


def test_the_world_is_given_what_fits_and_the_ratio_what_was_drawn():
    algorithm, worlds = PPO(widths=(), loop=OnPolicy(32, 1)), Vector(Echo())

    @jax.jit
    def played_once(key):
        state = algorithm.init(worlds, key)
        play = Play.begin(worlds, key, 32)
        return state, played(algorithm, worlds, state, play, 0, 0.0)[1]

    state, row = played_once(KEY)
    given, drawn = np.asarray(row.next_observation), np.asarray(row.action)
    box = Echo.action_space
    assert np.array_equal(given, np.clip(drawn, box.low, box.high))
    assert (given != drawn).any(axis=1).sum() > 8
    head = state.params.actor(row.observation)
    ratio = np.exp(head.log_prob(row.action) - row.extras)
    assert np.asarray(ratio) == pytest.approx(1, abs=1e-13)
    assert abs(np.exp(head.log_prob(given) - row.extras) - 1).max() > 0.1
