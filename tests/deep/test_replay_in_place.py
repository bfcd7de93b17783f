"""Within a compiled run the replay is changed in place: a round costs the same at any capacity.

Clocks would not tell on a small ring, so the compiled program is read: beside the arguments'
own, taken once a run, it must have no copy of an array as long as the ring.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest

from mdpkit.deep.envs import Vector
from mdpkit.deep.loops import OffPolicy
from mdpkit.deep.loops.play import played
from mdpkit.deep.replay import Prioritized, Uniform
from tests.deep_oracle import Journal, Recorder

CAPACITY = 7919
"""A prime, so that nothing else has this length; the tree's leaves are a multiple of 8."""


def copied(loop, advance):
    """Types of the arrays that a run's scan copies, of those as long as the ring."""
    algorithm, worlds = Recorder(loop), Vector(Journal())

    def run(state):
        def one(state, i):
            return advance(loop, algorithm, worlds, state, loop.warm_up + i)[0], None

        return jax.lax.scan(one, state, jnp.arange(100))[0]

    key = jax.random.key(0)
    state = jax.eval_shape(lambda: loop.begin(algorithm, worlds, key)[0])
    found, inside = [], False
    for line in jax.jit(run).lower(state).compile().as_text().splitlines():
        if line.startswith(("%", "ENTRY")):
            inside = line.startswith("%")
        if inside and " copy(" in line:
            kind = line.split(" = ")[1].split("{")[0]
            if str(CAPACITY) in kind or str(CAPACITY // 8 + 1) in kind:
                found.append(kind)
    return found


def as_it_is(loop, algorithm, worlds, state, t):
    return loop.advance(algorithm, worlds, state, t, 0.5)


def scanned(loop, algorithm, worlds, state, t):
    """Impostor: the row is written where a compiler can merge it with what is read next."""
    play, row, log = played(algorithm, worlds, state.learner, state.play, t, 0.5)
    state = state._replace(play=play, replay=loop.replay.add(state.replay, t, row))
    batch, _ = loop.replay.sample(state.replay, t + 1, play.key, loop.batch, 0.5)
    learner, _ = algorithm.update(state.learner, batch, play.key, 0.5)
    return state._replace(learner=learner), log


LOOP = OffPolicy(Uniform(CAPACITY), warm_up=8, batch=4)


@pytest.mark.parametrize("replay", [Uniform(CAPACITY), Prioritized(CAPACITY)])
def test_the_replay_is_not_copied_in_a_run(replay):
    assert copied(replace(LOOP, replay=replay), as_it_is) == []


def test_a_loop_that_copies_it_would_be_seen():
    assert len(copied(LOOP, scanned)) > 0
