"""What one update does, where the tabular limits do not look."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mdpkit as mk
from mdpkit.deep import PPO, SAC
from mdpkit.deep.actors import Logits, Squashed
from mdpkit.deep.batch import Batch
from mdpkit.deep.heads import TanhGaussian
from mdpkit.deep.loops import OnPolicy
from mdpkit.deep.nets import Ensemble, Table
from mdpkit.deep.optim import sgd
from mdpkit.deep.policy.ppo import Params as Both
from mdpkit.deep.policy.ppo import State as Proximal
from mdpkit.enumerate import trajectories
from mdpkit.envs.spaces import Box, Discrete
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import softmax_gradient
from mdpkit.operators.projection import softmax_policy
from mdpkit.operators.returns import discount_so_far

KEY = jax.random.key(0)

# ---- PPO -------------------------------------------------------------------------------------


def ending():
    """Three states in a row, two actions; every episode ends within three steps."""
    P = np.zeros((3, 2, 3))
    P[0, 0, 1], P[0, 0, 2], P[0, 1, 2] = 0.5, 0.25, 0.75
    P[1, 0, 2], P[1, 1, 2] = 1.0, 0.5
    r = np.array([[1.0, -1.0], [0.5, 2.0], [3.0, -2.0]])
    return mk.MDP(P, r, 0.9, stop=1 - P.sum(axis=2), start=np.array([0.5, 0.25, 0.25]))


@pytest.mark.parametrize("lam", [0.0, 0.7, 1.0])
def test_over_all_trajectories_ppo_begins_with_the_policy_gradient(float64, lam):
    mdp, theta = ending(), np.array([[0.3, -0.2], [0.0, 0.5], [-0.4, 0.1]])
    pi = softmax_policy(mdp, theta)
    rows = trajectories(mdp, pi, 3)
    pair = np.maximum(rows.pairs, 0)
    state, action = mdp.pair_states[pair], mdp.pair_actions[pair]
    weight = rows.weight * discount_so_far(rows.discounts) * (rows.pairs >= 0)
    # Behind an end the discounts are 0, so γᵗ is counted up to it alone.
    weight[1:] = rows.weight * 0.9 ** np.arange(1, 3)[:, None] * (rows.pairs[1:] >= 0)
    batch = Batch(
        state, action, rows.rewards, rows.discounts, rows.boundary, rows.states[1:], weight,
        np.log(pi)[state, action],
    )  # fmt: skip
    learner = PPO(lam=lam, minibatches=1, normalize=False, loop=OnPolicy(1, 3))
    v = policy_values(mdp, pi).v
    params = Both(Logits(Table(jnp.asarray(theta))), Table(jnp.asarray(v[:, None])))

    def ascent(batch):
        fixed = learner.rows(params, batch)
        return -np.asarray(jax.grad(learner.loss)(params, fixed, 0.2).actor.net.values)

    wanted = softmax_gradient(mdp, pi)
    assert ascent(batch) == pytest.approx(wanted, abs=1e-12)
    without = batch._replace(weight=rows.weight * (rows.pairs >= 0))
    assert abs(ascent(without) - wanted).max() > 1e-3  # γᵗ forgotten
    late = batch._replace(discount=0.9 * (rows.pairs >= 0))
    assert abs(ascent(late) - wanted).max() > 1e-3  # values behind an end


def test_old_probabilities_are_those_of_the_play_in_every_epoch(float64):
    # One state, one action better than the other by 2, rate 1: by hand, two epochs.
    learner = PPO(
        epochs=2, minibatches=1, lam=0.0, clip=0.2, normalize=False, value_weight=0.0,
        optimizer=sgd(1.0), loop=OnPolicy(1, 2),
    )  # fmt: skip
    params = Both(Logits(Table(jnp.zeros((1, 2)))), Table(jnp.zeros((1, 1))))
    zeros = jnp.zeros((2, 1))
    batch = Batch(
        jnp.zeros((2, 1), int), jnp.array([[0], [1]]), jnp.array([[1.0], [-1.0]]), zeros,
        zeros > 0, jnp.zeros((2, 1), int), zeros + 0.5, zeros + np.log(0.5),
    )  # fmt: skip
    state = Proximal(params, learner.optimizer.init(params))
    after = learner.update(state, batch, KEY)[0].params.actor.net.values[0]
    # First epoch: ∇ = ½·1·(½, −½) + ½·(−1)·(−½, ½) = (½, −½); p = σ(1) = .731, ρ = 1.46 and
    # .54: both beyond the clip on their good side, so the second epoch adds nothing.
    assert np.asarray(after) == pytest.approx([0.5, -0.5], abs=1e-12)
    fresh = replace(learner, clip=np.inf)
    freed = fresh.update(state, batch, KEY)[0].params.actor.net.values[0]
    assert abs(freed - after).max() > 0.1  # as it would be with ρ = 1 again


# ---- SAC with real actions -------------------------------------------------------------------

LOW, HIGH, TAU = (-2.0,), (6.0,), 0.3


class World:
    name = "line"
    observation_space = Box(np.zeros(1), np.ones(1))
    action_space = Box(np.array(LOW), np.array(HIGH))


class Bowl:
    """Q(s, a) = −(a − 1)² for each of two critics, the second lower by a constant."""

    def __call__(self, observation, action):
        q = -((action[..., 0] - 1.0) ** 2)
        return jnp.stack([q, q - 0.5])


def squashed(mean, log_std):
    return Squashed(lambda x: x @ jnp.array([[mean, log_std]]), LOW, HIGH)


def by_quadrature(mean, log_std, change=lambda x: x):
    """E[τ log π(a) − min Q(a)] over the squashed Gaussian, with 80 Gauss–Hermite nodes."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    head = TanhGaussian(
        jnp.full((80, 1), mean),
        jnp.full((80, 1), log_std),
        jnp.asarray(LOW),
        jnp.asarray(HIGH),
    )
    action, log_prob = head.at_with_log_prob(jnp.asarray(nodes)[:, None])
    value = TAU * change(log_prob) - Bowl()(None, action).min(axis=0)
    return (jnp.asarray(weights) * value).sum() / np.sqrt(2 * np.pi)


@pytest.mark.stat
def test_the_actor_follows_the_gradient_of_the_expectation(float64):
    """False alarm rate 7e-5: Student's t beyond 4.5 with 99 degrees of freedom, two of them."""
    learner, groups, n = SAC(tau=TAU), 100, 1_000
    state = learner.init(World, KEY)
    batch = Batch(jnp.ones((n, 1)), None, None, None, None, None, jnp.full(n, 1 / n))

    def loss(theta, key):
        params = state.params._replace(actor=squashed(*theta), critic=Bowl())
        return learner.actor_loss(params, batch, key)[0]

    theta = jnp.array([0.2, -0.5])
    keys = jax.random.split(KEY, groups)
    found = jax.jit(jax.vmap(jax.grad(loss), (None, 0)))(theta, keys)
    error = found.std(axis=0, ddof=1) / np.sqrt(groups)
    wanted = jax.grad(lambda x: by_quadrature(*x))(theta)
    assert (abs(found.mean(axis=0) - wanted) < 4.5 * error).all()
    costly = jax.grad(lambda x: by_quadrature(*x, lambda log_prob: -log_prob))(theta)
    assert (abs(costly - wanted) > 9 * error).any()  # entropy as a cost would be seen


@pytest.mark.slow
def test_each_loss_moves_its_own_parameters_alone(float64):
    learner = SAC(optimizer=sgd(1.0), dtype=jnp.float64)
    state = learner.init(World, KEY)
    n = 3
    batch = Batch(
        jnp.ones((n, 1)), jnp.ones((n, 1)), jnp.ones(n), jnp.full(n, 0.9), jnp.zeros(n, bool),
        jnp.ones((n, 1)), jnp.full(n, 1 / n),
    )  # fmt: skip
    whole = jax.grad(learner.loss)(state.params, state, batch, KEY)
    first, second = jax.random.split(KEY)
    critic = jax.grad(
        lambda c: learner.critic_loss(
            state.params._replace(critic=c), state.target, batch, first
        )
    )(state.params.critic)
    actor = jax.grad(
        lambda a: learner.actor_loss(state.params._replace(actor=a), batch, second)[0]
    )(state.params.actor)
    pairs = [(whole.critic, critic), (whole.actor, actor)]
    for mine, wanted in pairs:
        for x, y in zip(jax.tree.leaves(mine), jax.tree.leaves(wanted), strict=True):
            assert np.asarray(x) == pytest.approx(np.asarray(y), abs=1e-12)
    through = jax.grad(lambda p: learner.actor_loss(p, batch, second)[0])(state.params)
    assert max(abs(x).max() for x in jax.tree.leaves(through.critic)) > 1e-3  # were it not held


@pytest.mark.slow
def test_numbered_actions_want_most_of_the_largest_entropy():
    class Coins:
        name, observation_space, action_space = "coins", Discrete(2), Discrete(4)

    state = SAC().init(Coins, KEY)
    assert float(state.entropy) == pytest.approx(0.98 * np.log(4))
    assert isinstance(state.params.critic, Ensemble)
    assert float(SAC().init(World, KEY).entropy) == -1.0
