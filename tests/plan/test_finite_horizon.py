"""Backward induction against every policy of every stage, and against an exact recursion."""

from itertools import product

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.errors import ModelError, NotSolvedError
from mdpkit.plan import BackwardInduction
from mdpkit.plan.backward_induction import MAX_BYTES
from tests.oracles import inside, pair_rows, random_mdp, rational

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word", "ignore:γ = ")


def stage_value(mdp, plan, terminal):
    """What a plan, one pair a state for each stage, is worth, exactly."""
    rows, v = pair_rows(mdp), terminal
    for pairs in reversed(plan):
        v = [
            rational(mdp._r[i]) + mdp.gamma * sum((p * v[t] for t, p in rows[i]), 0)
            for i in pairs
        ]
    return v


def all_policies(mdp):
    return list(
        product(*(range(*mdp.action_ptr[s : s + 2].tolist()) for s in range(mdp.n_states)))
    )


def best_of_all_plans(mdp, horizon, terminal):
    """max over all plans, state by state: |A|^(S·T) of them."""
    plans = product(all_policies(mdp), repeat=horizon)
    values = [stage_value(mdp, plan, terminal) for plan in plans]
    return [max(column) for column in zip(*values, strict=True)]


def recursion(mdp, horizon, terminal):
    """v_0 … v_T in exact rationals, each the maximum over policies of one stage."""
    out = [terminal]
    for _ in range(horizon):
        rows, v = pair_rows(mdp), out[0]
        q = [
            rational(mdp._r[i]) + mdp.gamma * sum((p * v[t] for t, p in rows[i]), 0)
            for i in range(mdp.n_pairs)
        ]
        ptr = mdp.action_ptr
        out.insert(0, [max(q[ptr[s] : ptr[s + 1]]) for s in range(mdp.n_states)])
    return out


def zeros(mdp):
    return [rational(0)] * mdp.n_states


def planned_pairs(mdp, solution):
    """Each stage's pairs, from `sol.stages.policy`."""
    numbers = {(s, a): i for i in range(mdp.n_pairs) for s, a in [mdp.place(i)]}
    return [
        [numbers[s, int(a)] for s, a in enumerate(stage)] for stage in solution.stages.policy
    ]


def tiny(seed, gamma):
    mdp = random_mdp(seed)
    if mdp.n_states > 2 or mdp.n_pairs > 5:
        return None
    return mdp.replace(gamma=gamma)


@pytest.mark.parametrize("gamma", [1, 0.5])
def test_backward_induction_is_the_best_of_all_plans(gamma):
    seen = 0
    for seed in range(150):
        mdp = tiny(seed, gamma)
        if mdp is None:
            continue
        exact, horizon = mdp.exact(), 1 + seed % 3
        truth = best_of_all_plans(exact, horizon, zeros(mdp))
        assert list(mk.solve(exact, BackwardInduction(horizon)).v) == truth, seed
        found = mk.solve(mdp, BackwardInduction(horizon))
        assert inside(truth, found.lower, found.upper), seed
        assert found.status is mk.Status.SOLVED
        seen += mdp.n_pairs > mdp.n_states
    assert seen >= 10


@pytest.mark.parametrize("gamma", [1, 0.99])
def test_every_stage_lies_within_its_error_and_its_policy_loses_as_little(gamma):
    for seed in range(60):
        mdp, horizon = random_mdp(seed).replace(gamma=gamma), 1 + seed % 12
        found = mk.solve(mdp, BackwardInduction(horizon))
        for exact in (mdp.exact(), mdp.exact(dyadic=True)):
            truth = recursion(exact, horizon, zeros(mdp))
            for v, error, true in zip(found.stages.v, found.stages.error, truth, strict=True):
                error = rational(error)
                assert all(abs(rational(x) - y) <= error for x, y in zip(v, true, strict=True))
            assert inside(truth[0], found.lower, found.upper)
            own = stage_value(exact, planned_pairs(mdp, found), zeros(mdp))
            lost = [best - x for best, x in zip(truth[0], own, strict=True)]
            assert all(0 <= x <= rational(found.loss) for x in lost)


def test_exact_stages_are_the_recursion_with_no_loss():
    for seed in range(30):
        mdp = random_mdp(seed).replace(gamma=1).exact()
        found = mk.solve(mdp, BackwardInduction(4))
        assert [list(v) for v in found.stages.v] == recursion(mdp, 4, zeros(mdp))
        assert stage_value(mdp, planned_pairs(mdp, found), zeros(mdp)) == list(found.v)
        assert (found.gap, found.loss) == (0, 0)


def two_ways():
    """Wait for 3 at the end, or take 1 now: what is best depends on the stage."""
    P = np.zeros((3, 2, 3))
    P[0, 0, 1] = P[1, :, 2] = P[2, :, 2] = P[0, 1, 0] = 1
    return mk.MDP(P, [[0, 1], [3, 3], [0, 0]], 1)


IMPOSTORS = {
    "forgets the discount": lambda mdp: mk.solve(mdp.replace(gamma=1), BackwardInduction(3)).v,
    "one stage short": lambda mdp: mk.solve(mdp, BackwardInduction(3)).stages.v[1],
    "the discounted values": lambda mdp: mk.solve(mdp).v,
}


@pytest.mark.parametrize("name", IMPOSTORS)
def test_an_impostor_is_caught(name):
    mdp = two_ways().replace(gamma=0.5)
    found = mk.solve(mdp, BackwardInduction(3))
    truth = recursion(mdp.exact(), 3, zeros(mdp))[0]
    wrong = IMPOSTORS[name](mdp)
    assert inside(truth, found.lower, found.upper)
    assert not inside(truth, wrong - found.gap, wrong + found.gap)


def test_the_last_stage_in_place_of_the_first_loses_more_than_the_bound():
    mdp = two_ways()
    found = mk.solve(mdp, BackwardInduction(2))
    assert found.stages.policy.tolist() == [[0, 0, 0], [1, 0, 0]]
    assert found.policy.tolist() == [0, 0, 0]
    plan = planned_pairs(mdp, found)
    exact, best = mdp.exact(), recursion(mdp.exact(), 2, zeros(mdp))[0]
    assert best[0] - stage_value(exact, plan, zeros(mdp))[0] == 0
    assert best[0] - stage_value(exact, plan[::-1], zeros(mdp))[0] > rational(found.loss)


@pytest.mark.parametrize(
    ("name", "horizon", "success"),
    [("FrozenLake-v1", 100, 0.744190), ("FrozenLake8x8-v1", 200, 0.913220)],
)
def test_the_lake_is_crossed_in_time_as_often_as_in_the_specification(name, horizon, success):
    mdp = mk.load(f"gym:{name}", gamma=1)
    found = mk.solve(mdp, BackwardInduction(horizon))
    assert round(found.value_at_start, 6) == success
    assert found.gap < 1e-11
    assert found.steps == horizon


def test_terminal_values_join_two_horizons():
    mdp = random_mdp(3).replace(gamma=1).exact()
    whole = mk.solve(mdp, BackwardInduction(7))
    last = mk.solve(mdp, BackwardInduction(4))
    joined = mk.solve(mdp, BackwardInduction(3, terminal=last.v))
    assert list(joined.v) == list(whole.v)
    floats = mk.MDP([[[1.0]]], [[0.5]], 1)
    assert mk.solve(floats, BackwardInduction(2, terminal=[10])).v[0] == pytest.approx(11)
    assert mk.solve(floats, BackwardInduction(2), start=[10.0]).v[0] == pytest.approx(11)


def test_values_that_stand_still_for_a_stage_do_not_end_the_solve():
    P = np.zeros((9, 1, 9))
    P[range(9), 0, [*range(1, 9), 8]] = 1
    mdp = mk.MDP(P, np.eye(9)[7][:, None], 1)  # a reward that is paid once, at state 7
    for horizon in (3, 7, 8, 2000):
        found = mk.solve(mdp, BackwardInduction(horizon))
        assert found.steps == horizon
        assert found.v[0] == pytest.approx(float(horizon >= 8))


@pytest.mark.parametrize("horizon", [0, -1, 2.5, True, None, "3"])
def test_a_horizon_that_counts_no_steps_is_refused(horizon):
    with pytest.raises(ValueError, match="horizon"):
        BackwardInduction(horizon)


@pytest.mark.parametrize("terminal", [[1.0], [np.nan, 0.0, 0.0], [[0.0]] * 3])
def test_terminal_values_of_the_wrong_kind_are_refused(terminal):
    with pytest.raises(ValueError, match="terminal"):
        mk.solve(two_ways(), BackwardInduction(2, terminal))


def test_terminal_values_are_not_written_to():
    terminal = np.array([1.0, 2.0, 3.0])
    mk.solve(two_ways(), BackwardInduction(5, terminal))
    assert terminal.tolist() == [1, 2, 3]


def test_stages_beyond_memory_are_refused_before_they_are_allocated():
    horizon = MAX_BYTES // 10
    with pytest.raises(ModelError, match="GiB") as caught:
        mk.solve(two_ways(), BackwardInduction(horizon))
    assert caught.value.witness["horizon"] == horizon


def test_actions_are_kept_in_the_smallest_integers():
    wide = mk.MDP(np.ones((1, 300, 1)), [np.arange(300.0)], 1)
    found = mk.solve(wide, BackwardInduction(2))
    assert (found.stages.policy.dtype, found.stages.policy.tolist()) == ("u2", [[299], [299]])
    assert mk.solve(two_ways(), BackwardInduction(2)).stages.policy.dtype == "u1"


def test_bounds_hold_when_the_stages_run_out_of_steps():
    for seed in range(20):
        mdp = random_mdp(seed).replace(gamma=1)
        with pytest.raises(NotSolvedError, match="limit on steps") as caught:
            mk.solve(mdp, BackwardInduction(9), max_steps=4)
        found = caught.value.solution
        assert inside(recursion(mdp.exact(), 9, zeros(mdp))[0], found.lower, found.upper)
        assert found.stages is None


def test_a_tolerance_below_rounding_is_reported():
    mdp = random_mdp(2).replace(gamma=1)
    found = mk.solve(mdp, BackwardInduction(9), tol=0, throw=False)
    assert found.status is mk.Status.ROUNDING_FLOOR
    assert inside(recursion(mdp.exact(), 9, zeros(mdp))[0], found.lower, found.upper)
