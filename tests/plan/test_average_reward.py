"""Gains against stationary laws of every policy, exactly; and what must be refused."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.errors import ModelError, NotSolvedError
from mdpkit.gallery import make
from mdpkit.plan import MultichainPolicyIteration, RelativeValueIteration
from mdpkit.plan._multichain_bounds import ceiling
from mdpkit.plan.average_reward import gain_and_bias, gain_range, undiscounted
from tests.average_oracle import (
    best_gain,
    exact_gain,
    reachable,
    small_model,
    stationary,
)
from tests.oracles import inside, pair_rows, rational

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")

BOTH = [RelativeValueIteration(), MultichainPolicyIteration()]
ids = {"ids": lambda method: method.key}


def cycle(n=2):
    """One reward on a cycle of n states: gain 1/n, period n."""
    P = np.zeros((n, 1, n))
    P[range(n), 0, [*range(1, n), 0]] = 1
    return mk.MDP(P, np.eye(n)[0][:, None], 0.9)


def two_classes():
    """States 1 and 2 are for ever, with gains 1 and 3; 0 chooses a coin, or what 3 leads to."""
    P = np.zeros((4, 2, 4))
    P[0, 0, [1, 2]], P[0, 1, 3] = 0.5, 1
    P[1, :, 1] = P[2, :, 2] = 1
    P[3, :, [1, 2]] = [[2 / 3], [1 / 3]]
    return mk.MDP(P, [[9, 0], [1, 0], [3, 2], [99, 0]], 0.9)


def pairs_of(mdp, policy):
    place = {mdp.place(i): i for i in range(mdp.n_pairs)}
    return [place[s, int(a)] for s, a in enumerate(policy)]


def test_multichain_policy_iteration_is_brute_force_in_exact_arithmetic():
    differ = 0
    for seed in range(200):
        mdp = small_model(seed).exact()
        found = mk.solve(mdp, MultichainPolicyIteration())
        truth = best_gain(mdp)
        assert list(found.v) == list(found.lower) == list(found.upper) == truth, seed
        assert exact_gain(mdp, pairs_of(mdp, found.policy)) == truth, seed
        assert (found.gap, found.loss) == (0, 0)
        differ += len(set(truth)) > 1
    assert differ >= 20


@pytest.mark.parametrize("method", BOTH, **ids)
def test_bounds_in_floats_contain_the_gains(method):
    for seed in range(200):
        mdp = small_model(seed)
        truth = best_gain(mdp.exact())
        if isinstance(method, RelativeValueIteration) and len(set(truth)) > 1:
            with pytest.raises(ModelError, match="MultichainPolicyIteration"):
                mk.solve(mdp, method)
            continue
        found = mk.solve(mdp, method)
        own = exact_gain(mdp.exact(), pairs_of(mdp, found.policy))
        assert inside(truth, found.lower, found.upper), seed
        lost = [best - x for best, x in zip(truth, own, strict=True)]
        assert all(0 <= x <= rational(found.loss) for x in lost), seed


@pytest.mark.parametrize("method", BOTH, **ids)
def test_bounds_on_unichain_models_hold_for_both_readings(method):
    for seed in range(60):
        mdp = small_model(seed, "unichain")
        found = mk.solve(mdp, method)
        for exact in (mdp.exact(), mdp.exact(dyadic=True)):
            assert inside(best_gain(exact), found.lower, found.upper), seed


def test_the_bias_solves_its_equations():
    for seed in range(60):
        mdp = undiscounted(small_model(seed).exact())
        pairs = mdp.action_ptr[:-1]
        gain, bias, _ = gain_and_bias(mdp, pairs)
        rows = [pair_rows(mdp)[pair] for pair in pairs]
        ahead = [sum((p * bias[t] for t, p in row), rational(0)) for row in rows]
        assert list(gain + bias) == [r + x for r, x in zip(mdp._r[pairs], ahead, strict=True)]
        assert list(gain) == exact_gain(mdp, pairs)
        reach = reachable(rows)
        for s in range(mdp.n_states):
            if all(s in reach[t] for t in reach[s]):  # recurrent: its class averages to 0
                states = sorted(reach[s])
                law = stationary(rows, states)
                assert sum(p * bias[t] for p, t in zip(law, states, strict=True)) == 0


def test_river_swim_has_the_gain_of_the_specification():
    mdp = make("river-swim")
    for method in BOTH:
        assert mk.solve(mdp, method).v == pytest.approx(0.428622, abs=5e-7)
    assert set(mk.solve(mdp.exact(), MultichainPolicyIteration()).v) == {rational(7203) / 16805}


def test_the_oldest_forest_pays_four():
    # Waiting, the forest burns with probability .1: ages 0, 1, 2 have laws .1, .09, .81.
    for method in BOTH:
        found = mk.solve(make("forest").rounded(), method)
        assert found.v == pytest.approx(4 * 0.81)
        assert found.policy.tolist() == [0, 0, 0]


@pytest.mark.parametrize("n", [2, 3, 12])
def test_bad_input_46_a_periodic_chain_converges_or_says_that_it_oscillates(n):
    for method in BOTH:
        assert mk.solve(cycle(n), method).v == pytest.approx(1 / n)
    impostor = RelativeValueIteration(aperiodicity=0)
    with pytest.raises(NotSolvedError, match="oscillate") as caught:
        mk.solve(cycle(n), impostor)
    found = caught.value.solution
    assert found.status is mk.Status.OSCILLATING
    assert found.steps < 20 * n
    assert inside([rational(1) / n] * n, found.lower, found.upper)


def test_oscillation_is_seen_beside_another_class_too():
    P = np.zeros((3, 1, 3))
    P[0, 0, 1] = P[1, 0, 0] = P[2, 0, 2] = 1
    mdp = mk.MDP(P, [[1], [0], [5]], 0.9)
    found = mk.solve(mdp, RelativeValueIteration(aperiodicity=0), throw=False)
    assert found.status is mk.Status.OSCILLATING
    with pytest.raises(ModelError, match="differs"):
        mk.solve(mdp, RelativeValueIteration())


def test_bad_input_47_different_gains_are_named_or_found():
    mdp = two_classes()
    with pytest.raises(ModelError, match=r"1 in states \{1\}, 3 in states \{2\}") as caught:
        mk.solve(mdp, RelativeValueIteration())
    assert caught.value.witness["states"] == [2]
    truth = [2, 1, 3, rational(5) / 3]
    found = mk.solve(mdp.exact(), MultichainPolicyIteration())
    assert list(found.v) == truth == best_gain(mdp.exact())
    assert found.policy[0] == 0  # the coin, though 3 pays 99 on the way
    floats = mk.solve(mdp, MultichainPolicyIteration())
    assert inside(truth, floats.lower, floats.upper)
    assert floats.gap < 1e-11  # a few dozen roundings of biases near 100


def test_gains_that_differ_only_at_first_are_not_refused():
    # From 0 one may pay 100 to earn 2 a step, not 1: T takes that up after a hundred sweeps.
    P = np.zeros((2, 2, 2))
    P[0, 0, 0] = P[0, 1, 1] = P[1, :, 1] = 1
    mdp = mk.MDP(P, [[1, -100], [2, 2]], 0.9)
    assert mk.solve(mdp, RelativeValueIteration()).v == pytest.approx(2)
    assert mk.solve(mdp, MultichainPolicyIteration()).v == pytest.approx(2)


def test_the_interval_never_widens():
    for seed in range(40):
        mdp = small_model(seed, "unichain")
        for method in (RelativeValueIteration(), RelativeValueIteration(aperiodicity=0.1)):
            found = mk.solve(mdp, method)
            floor = method.floor(mdp, found.state)
            assert (np.diff(found.gaps) <= floor).all(), seed


def test_the_discount_plays_no_part():
    for gamma in (0, 0.3, 0.999999, 1):
        mdp = make("river-swim").replace(gamma=gamma)
        for method in BOTH:
            assert mk.solve(mdp, method).v == pytest.approx(0.428622433799, abs=1e-8)


def test_any_values_bound_the_gain_by_their_change():
    for seed in range(60):
        mdp = undiscounted(small_model(seed))
        h = np.random.default_rng(seed).normal(size=mdp.n_states) * 100
        low, high = gain_range(mdp, h)
        n = mdp.n_states
        assert inside(best_gain(mdp.exact()), [low] * n, [high] * n)


def test_a_ceiling_holds_for_any_gain_and_bias_however_wrong():
    proven = 0
    for seed in range(300):
        mdp, rng = undiscounted(small_model(seed)), np.random.default_rng(seed)
        truth = best_gain(mdp.exact())
        some = np.array([rng.integers(*mdp.action_ptr[s : s + 2]) for s in range(mdp.n_states)])
        gain, bias, _ = gain_and_bias(mdp, some)
        noise = rng.choice([0, 1e-14, 1e-9, 0.1])
        gain, bias = (x + noise * rng.normal(size=x.size) for x in (gain, bias))
        u = ceiling(mdp, gain, bias, float(rng.choice([1e-15, 1e-10, 1e-2])))
        assert inside(truth, [-1e9] * mdp.n_states, u), seed
        proven += len(set(u)) > 1
    assert proven >= 20  # more than a constant


def test_a_ceiling_that_trusts_the_policy_is_caught():
    mdp = undiscounted(two_classes())
    worse = np.array([1, 2, 4, 6])  # the way through 3
    gain, bias, _ = gain_and_bias(mdp, worse)
    truth = best_gain(mdp.exact())
    assert not inside(truth, gain - 1e-9, gain + 1e-9)
    assert inside(truth, gain - 1e-9, ceiling(mdp, gain, bias, 1e-12))


def test_a_gain_of_the_transformed_model_is_caught():
    # With r scaled by 1 − τ the gain is scaled too; the interval must be that of T itself.
    mdp = make("river-swim")
    found = mk.solve(mdp, RelativeValueIteration(aperiodicity=0.25))
    truth = best_gain(mdp.exact())
    assert inside(truth, found.lower, found.upper)
    assert not inside(truth, 0.75 * found.lower, 0.75 * found.upper)


@pytest.mark.parametrize("leak", [1e-3, 1e-6, 1e-9])
def test_a_small_leak_decides_the_gain(leak):
    # Both ways out of 0 are rare, so the gain of 0 is their odds; 3 leaks back to 0.
    P = np.zeros((4, 1, 4))
    P[0, 0] = [1 - 3 * leak, leak, 2 * leak, 0]
    P[1, 0, 1] = P[2, 0, 2] = 1
    P[3, 0, [0, 3]] = [leak, 1 - leak]
    mdp = mk.MDP(P, [[5], [0], [3], [7]], 0.9)
    found = mk.solve(mdp, MultichainPolicyIteration(), throw=False)
    for exact in (mdp.exact(), mdp.exact(dyadic=True)):
        assert inside(best_gain(exact), found.lower, found.upper)
    assert found.v[:3] == pytest.approx([2, 0, 3], abs=1e-5)
    assert found.gap < 1e-13 / leak  # a few hundred roundings for each visit to 0


def test_a_question_floats_cannot_decide_is_bounded_and_left_to_fractions():
    # With probability 1e-17 state 0 goes to where more is earned: invisible beside 1.
    P = np.zeros((2, 2, 2))
    P[0, 0, 0] = P[1, :, 1] = 1
    P[0, 1] = [1, 1e-17]
    mdp = mk.MDP(P, [[1, 1], [2, 2]], 0.9)
    found = mk.solve(mdp, MultichainPolicyIteration(), throw=False)
    truth = best_gain(mdp.exact())
    assert truth == [2, 2]
    assert inside(truth, found.lower, found.upper)
    assert list(mk.solve(mdp.exact(), MultichainPolicyIteration()).v) == truth


@pytest.mark.parametrize("method", BOTH, **ids)
def test_an_episode_that_may_stop_has_no_gain(method):
    mdp = mk.MDP([[[0.5]]], [[1.0]], 0.9, stop=[[0.5]])
    with pytest.raises(ModelError, match=r"stop\[0, 0\]") as caught:
        mk.solve(mdp, method)
    assert caught.value.witness == {"s": 0, "a": 0}


def test_what_relative_value_iteration_cannot_do_is_refused():
    with pytest.raises(ModelError, match="MultichainPolicyIteration is exact"):
        mk.solve(cycle().exact(), RelativeValueIteration())
    with pytest.raises(ValueError, match="reference"):
        mk.solve(cycle(), RelativeValueIteration(reference=2))
    for aperiodicity in (-0.1, 1, np.nan):
        with pytest.raises(ValueError, match="aperiodicity"):
            RelativeValueIteration(aperiodicity)


@pytest.mark.parametrize("method", BOTH, **ids)
def test_first_values_change_the_way_but_not_the_gain(method):
    mdp = make("river-swim")
    start = np.array([5.0, -3, 100, 0, 7, 1e3])
    kept = start.copy()
    assert mk.solve(mdp, method, start=start).v == pytest.approx(0.428622433799, abs=1e-8)
    assert np.array_equal(start, kept)


def test_the_relative_values_are_zero_at_the_reference():
    found = mk.solve(make("river-swim"), RelativeValueIteration(reference=3), tol=1e-12)
    exact = mk.solve(make("river-swim").exact(), MultichainPolicyIteration())
    bias = np.array([int(x.p) / int(x.q) for x in exact.bias - exact.bias[3]])
    assert found.bias[3] == 0
    assert found.bias == pytest.approx(bias, abs=1e-9)


@pytest.mark.parametrize("method", BOTH, **ids)
def test_every_step_can_be_watched(method):
    steps = mk.iterate(make("river-swim"), method)
    gaps = [gap for _, (_, gap) in zip(range(400), steps, strict=False)]
    assert gaps[0] == np.inf
    assert gaps[-1] < 1e-12


@pytest.mark.parametrize("method", BOTH, **ids)
def test_bounds_hold_when_steps_run_out(method):
    for seed in range(20):
        mdp = small_model(seed, "unichain")
        found = mk.solve(mdp, method, max_steps=1, tol=1e-300, throw=False)
        assert inside(best_gain(mdp.exact()), found.lower, found.upper), seed
