"""Methods that are the same thing under two names, and what a theorem says of one step."""

import numpy as np
import pytest
from scipy.sparse import csr_array

import mdpkit as mk
from mdpkit.operators.bellman import backup, greedy_pairs
from mdpkit.plan import (
    GaussSeidel,
    LinearProgram,
    ModifiedPolicyIteration,
    PolicyIteration,
    QIteration,
    ValueIteration,
)
from mdpkit.plan.linear_program import optimize
from mdpkit.policy import under
from tests.oracles import random_mdp

SEEDS = range(12)


def states(mdp, method, count, start=None):
    run = mk.iterate(mdp, method, start=start)
    return [next(run)[0] for _ in range(count)]


@pytest.mark.parametrize("seed", SEEDS)
def test_modified_policy_iteration_with_one_sweep_is_value_iteration(seed):
    mdp = random_mdp(seed, gammas=(0.9,))
    ours = states(mdp, ModifiedPolicyIteration(sweeps=1), 10)
    theirs = states(mdp, ValueIteration(), 10)
    assert all((a.v == b.v).all() for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_modified_policy_iteration_with_many_sweeps_is_policy_iteration(seed):
    mdp = random_mdp(seed, gammas=(0.5,))
    for k, state in enumerate(states(mdp, PolicyIteration(), 4)):
        truncated = states(mdp, ModifiedPolicyIteration(sweeps=200), 5)[k + 1]
        assert truncated.v == pytest.approx(state.v, rel=1e-9, abs=1e-9 * mdp.reward_size)


@pytest.mark.parametrize("seed", SEEDS)
def test_lambda_zero_is_value_iteration_and_lambda_weights_its_powers(seed):
    mdp = random_mdp(seed, gammas=(0.9,))
    zero = states(mdp, ModifiedPolicyIteration(sweeps=7, lambda_=0.0), 5)
    theirs = states(mdp, ValueIteration(), 5)
    for a, b in zip(zero, theirs, strict=True):
        assert a.v == pytest.approx(b.v, rel=1e-13)
    v = np.random.default_rng(seed).normal(size=mdp.n_states)
    half = states(mdp, ModifiedPolicyIteration(sweeps=3, lambda_=0.5), 2, start=v)[1].v
    rows, r, _ = under(mdp, mdp.pair_actions[greedy_pairs(mdp, mdp.r + 0.9 * mdp.expect(v))])
    P = csr_array(rows[:3], rows.shape) if mdp.is_sparse else rows
    powers = [v]
    for _ in range(3):
        powers.append(r + 0.9 * (P @ powers[-1]))
    assert half == pytest.approx(0.5 * powers[1] + 0.25 * powers[2] + 0.25 * powers[3])


@pytest.mark.parametrize("seed", SEEDS)
def test_q_iteration_carries_value_iteration(seed):
    mdp = random_mdp(seed, gammas=(0.9,))
    for a, b in zip(
        states(mdp, QIteration(), 6), states(mdp, ValueIteration(), 6), strict=True
    ):
        assert (a.v == b.v).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_policy_iteration_is_newtons_method(seed):
    mdp = random_mdp(seed, gammas=(0.9,))
    before, after = states(mdp, PolicyIteration(), 2)
    rows, _, _ = under(mdp, mdp.pair_actions[after.pairs])
    P = mdp.P[after.pairs].toarray() if mdp.is_sparse else rows
    step = np.linalg.solve(0.9 * P - np.eye(mdp.n_states), backup(mdp, before.v) - before.v)
    assert before.v - step == pytest.approx(after.v, rel=1e-9, abs=1e-9 * mdp.reward_size)


def test_one_sweep_in_reverse_topological_order_is_exact():
    n = 30
    P, r, stop = np.zeros((n, 2, n)), np.zeros((n, 2)), np.zeros((n, 2))
    rng = np.random.default_rng(0)
    for s in range(n):
        for a in range(2):
            later = np.arange(s + 1, n)
            if later.size:
                P[s, a, rng.choice(later)] = 1
            else:
                stop[s, a] = 1
    mdp = mk.MDP(P, rng.normal(size=(n, 2)), 0.9, stop=stop)
    swept = states(mdp, GaussSeidel("reverse"), 2)[1]
    assert swept.v == pytest.approx(mk.solve(mdp, PolicyIteration()).v, abs=1e-13)
    forward = states(mdp, GaussSeidel(), 2)[1]
    assert np.abs(forward.v - swept.v).max() > 0.1
    del r


@pytest.mark.parametrize("seed", SEEDS)
def test_gauss_seidel_leads_value_iteration_from_below(seed):
    mdp = random_mdp(seed, gammas=(0.9,))
    low = np.full(mdp.n_states, min(0, mdp.r.min()) * 10.0)
    seidel, jacobi = (states(mdp, m, 6, start=low) for m in (GaussSeidel(), ValueIteration()))
    slack = 1e-12 * max(1, np.abs(low).max())
    assert all((a.v >= b.v - slack).all() for a, b in zip(seidel, jacobi, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_both_programs_meet(seed):
    mdp = random_mdp(seed, gammas=(0.9,))
    best = mk.solve(mdp, PolicyIteration()).v
    size = max(1.0, float(mdp.reward_size))
    for form in ("primal", "dual"):
        optimum = optimize(mdp, form)
        assert optimum.v == pytest.approx(best, abs=1e-5 * size)
        assert optimum.primal == pytest.approx(optimum.dual, abs=1e-6 * size)
        occupancy = optimum.x.reshape(-1)
        flow = np.add.reduceat(occupancy, mdp.action_ptr[:-1])
        inflow = 1 / mdp.n_states + 0.9 * (np.reshape(occupancy, -1) @ _matrix(mdp))
        assert flow == pytest.approx(inflow, abs=1e-6)


def _matrix(mdp):
    return mdp.P.toarray() if mdp.is_sparse else mdp.rows


def test_the_program_alone_is_not_as_close_as_its_polish():
    mdp = random_mdp(1, gammas=(0.99,))
    assert mk.solve(mdp, LinearProgram(), tol=1e-4 * max(1, mdp.reward_size)).steps == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: GaussSeidel("sideways"),
        lambda: ModifiedPolicyIteration(sweeps=0),
        lambda: ModifiedPolicyIteration(lambda_=1.1),
        lambda: LinearProgram("both"),
    ],
)
def test_parameters_out_of_range_are_refused(make):
    with pytest.raises(ValueError, match="must"):
        make()


def test_an_order_that_is_no_permutation_is_refused():
    with pytest.raises(ValueError, match="permutation"):
        mk.solve(random_mdp(0), GaussSeidel(np.array([0, 0])))
