"""Every control method's machine code against the same lines run as plain Python."""

import numpy as np
import pytest

from mdpkit.learn import (
    DoubleQLearning,
    DynaQ,
    ExpectedSarsa,
    ExploringStarts,
    MonteCarloControl,
    NStepExpectedSarsa,
    NStepSarsa,
    OffPolicyMonteCarloControl,
    QLearning,
    Sarsa,
    SarsaLambda,
    SoftQLearning,
    SuccessorFeatures,
    SuccessorRepresentation,
    TreeBackup,
    WatkinsQLambda,
    learn,
)
from mdpkit.learn._world import EPISODE, log, world
from mdpkit.operators.step_size import polynomial
from mdpkit.policy import uniform
from tests.learn_oracle import interpreted, small
from tests.oracles import random_mdp

MDP = random_mdp(5, gammas=(0.9,))
MDP = MDP.replace(r=small(MDP.r))
"""5 states, 15 pairs, ragged; some end the episode with probability ¼."""

RATES = {"step_size": polynomial(power=0.6), "epsilon": 0.3}
METHODS = [
    QLearning(**RATES),
    Sarsa(**RATES),
    ExpectedSarsa(**RATES),
    SoftQLearning(**RATES),
    DoubleQLearning(**RATES),
    SarsaLambda(0.8, **RATES),
    SarsaLambda(0.8, traces="replacing"),
    WatkinsQLambda(0.8, **RATES),
    NStepSarsa(3, **RATES),
    NStepExpectedSarsa(3, **RATES),
    TreeBackup(3, **RATES),
    MonteCarloControl(0.3),
    ExploringStarts(first_visit=False),
    OffPolicyMonteCarloControl(0.3),
    DynaQ(3, **RATES),
    DynaQ(3, "counts", **RATES),
    DynaQ(3, "counts", "expectation", bonus=0.1, **RATES),
    SuccessorFeatures(uniform(MDP), np.arange(30.0).reshape(15, 2) % 7),
    SuccessorRepresentation(uniform(MDP)),
]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.key)
def test_machine_code_does_what_it_says(method):
    """120 iterations of 2 runs: the same choices, and the same tables to rounding."""
    memory = 25 if method.family.remembers else 0
    books, tables = [], []
    for kernel in (method.family.kernel, interpreted(method.family.kernel)):
        books.append(log(3, 2, 50, memory=memory))
        tables.append(method.family.begin(method, MDP, 2))
        here = world(MDP, max_steps=25, reward_noise=0.5)
        kernel(here, books[-1], method.rule(), tables[-1], 0, 2, 120)
    for mine, other in zip(*tables, strict=True):
        assert np.allclose(mine, other, rtol=1e-11, atol=1e-12)
    assert np.array_equal(books[0].clock, books[1].clock)
    assert np.allclose(books[0].returns, books[1].returns, equal_nan=True, atol=1e-12)
    assert (books[0].clock[:, 4] > 0).all()
    assert any(np.asarray(table).any() for table in tables[0])


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.key)
def test_it_goes_on_where_it_stopped(method):
    """Calls of 7 steps each do what one call does."""
    memory, found = 25 if method.family.remembers else 0, []
    for budget in (7, 10_000):
        book, here = log(1, 3, 20, memory=memory), world(MDP, max_steps=25)
        tables = method.family.begin(method, MDP, 3)
        while (book.clock[:, EPISODE] < 20).any():
            method.family.kernel(here, book, method.rule(), tables, 0, 3, budget)
        found.append((book.returns, *tables))
    for mine, other in zip(*found, strict=True):
        assert np.array_equal(mine, other)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.key)
def test_threads_change_nothing_and_the_operator_is_named(method):
    given = {"episodes": 12, "rng": 5, "max_steps": 30}
    one, other = (learn(MDP, method, runs=5, threads=n, **given) for n in (1, 4))
    assert np.array_equal(one.values, other.values)
    assert np.array_equal(one.returns.values, other.returns.values)
    assert np.array_equal(one.values[:2], learn(MDP, method, runs=2, **given).values)
    assert np.isfinite(one.values).all()
    assert len(one.operator) > 5
