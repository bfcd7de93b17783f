"""Targets of two tables: one chooses and the other evaluates, or the smaller of both counts."""

import numpy as np
import pytest

from mdpkit.operators import aggregate
from mdpkit.operators.bellman import action_values, backup_q
from mdpkit.targets import Double, OneStep, Twin
from tests.target_oracle import (
    REDUCTIONS,
    SEEDS,
    TAU,
    expectation,
    far,
    near,
    problem,
    table,
)

# ---- Double ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_double_chooses_by_one_table_and_evaluates_by_the_other(seed):
    mdp, q, online, _ = problem(seed)
    chosen = table(mdp, online, -np.inf).argmax(axis=1)
    found = expectation(mdp, Double(), q, online)
    near(found, action_values(mdp, table(mdp, q)[np.arange(mdp.n_states), chosen]))
    assert (found <= backup_q(mdp, q) + 1e-12).all()
    assert (expectation(mdp, Double(), q, q) == expectation(mdp, OneStep(), q)).all()


def test_the_two_tables_of_double_exchanged_are_caught():
    caught = 0
    for seed in SEEDS:
        mdp, q, online, _ = problem(seed)
        right, wrong = (
            expectation(mdp, Double(), q, online),
            expectation(mdp, Double(), online, q),
        )
        caught += mdp.gamma > 0 and mdp.n_actions > 1 and far(wrong, right)
    assert caught >= 8


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("over", REDUCTIONS, ids=lambda over: over.name)
def test_double_of_one_table_is_one_step(seed, over):
    mdp, q, *_ = problem(seed)
    near(expectation(mdp, Double(over), q, q), backup_q(mdp, q, over))


@pytest.mark.parametrize("seed", SEEDS)
def test_soft_double_pays_for_the_entropy_of_what_it_chose(seed):
    """π ∝ e^{q/τ} of the one table, Σ π (q̄ − τ log π) of the other; never above the soft."""
    mdp, q, online, _ = problem(seed)
    e = np.exp(table(mdp, online, -np.inf) / TAU)
    pi = e / e.sum(axis=1, keepdims=True)
    worth = table(mdp, q, 0.0) - TAU * np.log(np.where(pi > 0, pi, 1))
    found = expectation(mdp, Double(aggregate.soft(TAU)), q, online)
    near(found, action_values(mdp, (pi * worth).sum(axis=1)))
    assert (found <= backup_q(mdp, q, aggregate.soft(TAU)) + 1e-12).all()


def test_values_that_are_minus_infinity_are_never_chosen_and_do_no_harm():
    q, online = np.array([[1.0, -np.inf], [2.0, 5.0]]), np.array([[3.0, -np.inf], [0.0, 1.0]])
    y = Double()(np.zeros(2), np.ones(2), q, online)
    assert y.tolist() == [1.0, 5.0]


# ---- Twin ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("over", REDUCTIONS[:4], ids=lambda over: over.name)
def test_twin_expects_the_backup_of_the_smallest(seed, over):
    mdp, *q = problem(seed)
    least = np.minimum.reduce(q)
    found = expectation(mdp, Twin(OneStep(over)), np.stack(q))
    near(found, backup_q(mdp, least, over))
    for one in q:
        assert (found <= backup_q(mdp, one, over) + 1e-12).all()


def test_what_is_no_minimum_over_the_ensemble_is_caught():
    """The minimum of the actions; of the backups; and the maximum of the ensemble."""

    def of_actions(r, d, q, online, *, mask):
        return r + d * np.where(mask, q[0], np.inf).min(axis=-1)

    def of_backups(r, d, q, online, *, mask):
        return np.minimum.reduce([OneStep()(r, d, one, mask=mask) for one in q])

    def largest(r, d, q, online, *, mask):
        return OneStep()(r, d, q.max(axis=0), mask=mask)

    for wrong in (of_actions, of_backups, largest):
        caught = 0
        for seed in SEEDS:
            mdp, *q = problem(seed)
            right = expectation(mdp, Twin(), np.stack(q))
            caught += mdp.n_actions > 1 and far(expectation(mdp, wrong, np.stack(q)), right)
        assert caught >= 4


def test_the_lower_confidence_bound_of_two_is_the_minimum_and_of_none_the_mean():
    rng = np.random.default_rng(0)
    r, d, q = rng.normal(size=5), rng.random(5), rng.normal(size=(2, 5, 3))
    near(Twin(width=1.0)(r, d, q), Twin()(r, d, q))
    near(Twin(width=0.0)(r, d, q), OneStep()(r, d, q.mean(axis=0)))
    five = rng.normal(size=(4, 5, 3))
    bound = five.mean(axis=0) - 0.5 * five.std(axis=0)
    near(Twin(width=0.5)(r, d, five), OneStep()(r, d, bound))
    same = np.stack([q[0], q[0]])
    near(Twin(width=2.0)(r, d, same), OneStep()(r, d, q[0]))
