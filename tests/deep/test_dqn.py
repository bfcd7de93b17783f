"""Deep Q-learning where the tabular limits do not look: windows, copies, errors reported."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mdpkit as mk
from mdpkit.deep import DQN
from mdpkit.deep.batch import Batch, lifted
from mdpkit.deep.nets import Table
from mdpkit.deep.optim import sgd
from mdpkit.deep.ring import Index, empty, windows, written
from mdpkit.deep.value.dqn import State
from mdpkit.enumerate import trajectories, transitions
from mdpkit.operators.aggregate import expected, maximum
from mdpkit.operators.bellman import backup_q

pytestmark = pytest.mark.usefixtures("float64", "quickly")


def model():
    """Three states, two actions; some episodes end, most go on."""
    rng = np.random.default_rng(5)
    P = rng.dirichlet(np.ones(3), size=(3, 2))
    stop = np.array([[0.0, 0.25], [0.5, 0.0], [0.0, 0.0]])
    return mk.MDP(P * (1 - stop)[..., None], rng.normal(size=(3, 2)), 0.9, stop=stop)


def through_the_ring(mdp, behavior, n):
    """Every path of n steps that b makes after any pair, as the replay would hand it on."""
    paths = trajectories(mdp, behavior, n)
    pair = np.maximum(paths.pairs, 0)
    lanes = paths.weight.size
    steps = Batch(
        mdp.pair_states[pair], mdp.pair_actions[pair], paths.rewards, paths.discounts,
        paths.boundary, paths.states[1:], np.ones((n, lanes)),
    )  # fmt: skip
    steps = steps._replace(boundary=paths.boundary & (np.arange(n)[:, None] < n - 1))
    rows = [jax.tree.map(lambda x, t=t: jnp.asarray(x[t]), steps) for t in range(n)]
    ring = empty(rows[0], n * lanes, n)
    for t, row in enumerate(rows):
        ring = written(ring, t, row)
    first = behavior[mdp.pair_states[pair[0]], mdp.pair_actions[pair[0]]]
    weight = paths.weight / (first / mdp.n_states)  # each pair as often as any other: once
    zeros = jnp.zeros(lanes, jnp.int32)
    return windows(ring, n, Index(zeros, jnp.arange(lanes)), weight=weight)


def moved(learner, batch, q, target):
    params, held = Table(jnp.asarray(q)), Table(jnp.asarray(target))
    state = State(params, held, learner.optimizer.init(params), jnp.asarray(0))
    return np.asarray(jax.jit(learner.update)(state, batch)[0].params.values)


@pytest.mark.parametrize("n", [1, 3])
def test_windows_of_n_steps_lift_the_behavior_n_minus_1_times(n):
    """Q − ∇L = (B^b)ⁿ⁻¹ B Q̄: the bias of the behavior, and not n backups of the best."""
    mdp, behavior = model(), np.array([[0.5, 0.5], [0.25, 0.75], [0.75, 0.25]])
    q, target = np.random.default_rng(2).normal(size=(2, 3, 2))
    learner = DQN(0.9, kappa=None, optimizer=sgd(1.0))
    found = moved(learner, through_the_ring(mdp, behavior, n), q, target)
    wanted, best = backup_q(mdp, target, maximum), backup_q(mdp, target, maximum)
    for _ in range(n - 1):
        wanted, best = backup_q(mdp, wanted, expected(behavior)), backup_q(mdp, best, maximum)
    assert found == pytest.approx(wanted, abs=1e-13)
    assert n == 1 or abs(found - best).max() > 0.1
    if n > 1:  # one that ran on behind an end
        batch = through_the_ring(mdp, behavior, n)
        late = moved(learner, batch._replace(discount=0 * batch.discount + 0.9**n), q, target)
        assert abs(late - wanted).max() > 0.1


LEARNER = DQN(0.9, kappa=0.5, refresh=3, optimizer=sgd(0.5))


@cache
def update():
    """One update on all transitions, compiled once for two tests."""
    return jax.jit(LEARNER.update)


def test_the_target_is_copied_every_so_many_updates():
    mdp, params = model(), Table(jnp.zeros((3, 2)))
    state = State(params, params, LEARNER.optimizer.init(params), jnp.asarray(0))
    batch = lifted(mdp, transitions(mdp))
    copied, held = [], np.zeros((3, 2))
    for n in range(1, 8):
        state, _ = update()(state, batch)
        copied.append(np.array_equal(state.target.values, state.params.values))
        held = np.asarray(state.params.values) if n % 3 == 0 else held
        assert np.array_equal(state.target.values, held)
    assert copied == [n % 3 == 0 for n in range(1, 8)]
    assert int(state.updates) == 7


def test_what_is_reported_is_the_error_itself_neither_clipped_nor_weighted():
    mdp = model()
    batch = lifted(mdp, transitions(mdp, np.full((3, 2), 7.0)))
    q, target = 5 * np.random.default_rng(3).normal(size=(2, 3, 2))
    params = Table(jnp.asarray(q))
    optimizer = LEARNER.optimizer.init(params)
    state = State(params, Table(jnp.asarray(target)), optimizer, jnp.asarray(0))
    error = np.asarray(update()(state, batch)[1].error)
    y = batch.reward + batch.discount * target[batch.next_observation].max(axis=1)
    wanted = np.asarray(y) - q[batch.observation, batch.action]
    assert error == pytest.approx(wanted, abs=1e-13)
    assert abs(wanted).max() > 2
