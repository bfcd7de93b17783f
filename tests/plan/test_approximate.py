"""Errors in every step: they are what was asked for, and cost what the theorems say.

Models, noises and bounds are exact rationals wherever no tolerance is named.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise

import numpy as np
import pytest

import mdpkit as mk
from mdpkit._array import EPS, sup
from mdpkit.certify import rounding_floor
from mdpkit.gallery import identity, scherrer_lesner, singh_yee
from mdpkit.operators.bellman import action_values, aggregate, backup, greedy
from mdpkit.plan import (
    ApproximatePolicyIteration,
    ApproximateValueIteration,
    PolicyIteration,
    ValueIteration,
)
from mdpkit.plan.approximate import (
    ValueState,
    api_bound,
    api_step_bound,
    avi_bound,
    avi_value_bound,
)
from tests.oracles import exact_optimum, exact_policy_value, inside, random_mdp, rational

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")
SEEDS = range(15)
GAMMAS = (0.5, 0.9)
NINE_TENTHS = Fraction(9, 10)
LOSSES = {2: 18, 5: 61.902, 20: 155.6847, 40: 177.0438}  # γ = .9, ε = 1


def states(mdp, method, count):
    return [state for state, _ in islice(mk.iterate(mdp, method), count)]


def exact_model(seed):
    """A random model in rationals, and its v*."""
    mdp = random_mdp(seed, gammas=GAMMAS).exact()
    return mdp, np.array(exact_optimum(mdp)[0], dtype=object)


def loss_of(mdp, best, policy):
    """‖v* − v^π‖∞, by the tests' own solver."""
    first = mdp.action_ptr[:-1]
    offset = [
        int(np.flatnonzero(mdp.pair_actions[f:g] == a)[0])
        for f, g, a in zip(first, mdp.action_ptr[1:], policy, strict=True)
    ]
    own = exact_policy_value(mdp, first + offset)
    return max(b - x for b, x in zip(best, own, strict=True))


def alternating(k, v):
    """The noise of Scherrer & Lesner: −1 on state k, +1 on state k + 1 in step k."""
    noise = np.zeros(v.size)
    noise[k - 1] = -1
    if k < v.size:
        noise[k] = 1
    return noise


def exact_instance(n):
    """`scherrer_lesner` with γᵏ in full: from k = 9 on a float no longer tells it."""
    stay = [rational(-2 * (NINE_TENTHS - NINE_TENTHS**k) * 10) for k in range(1, n + 1)]
    r = np.array([[x, rational(0)] for x in stay], dtype=object)
    return scherrer_lesner(n).exact().replace(r=r)


# ---- value iteration -------------------------------------------------------------------------


def misplaced(mdp, run):
    """Steps whose values are not T of the last ones plus the noise recorded."""
    return [
        new.step
        for old, new in pairwise(run)
        if sup(new.v - new.noise - backup(mdp, old.v)) > 4 * EPS * (sup(new.v) + sup(new.noise))
    ]


@dataclass(frozen=True)
class NoiseOnTheOptimum:
    """The impostor: v_k = v* + ε_k."""

    inner: ApproximateValueIteration

    def init(self, mdp):
        return self.inner.init(mdp)

    def step(self, mdp, state):
        honest = self.inner.step(mdp, state)
        best = mk.solve(mdp, PolicyIteration()).v
        return ValueState(
            best + honest.noise, greedy(mdp, state.v), honest.noise, state.step + 1
        )

    def gap(self, mdp, state):
        return self.inner.gap(mdp, state)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_noise_is_added_to_the_backup(seed):
    mdp = random_mdp(seed, gammas=GAMMAS)
    run = states(mdp, ApproximateValueIteration((0.5, seed)), 8)
    assert misplaced(mdp, run) == []
    assert all(0 < state.noise_size <= 0.5 for state in run[1:])
    assert run[0].noise_size == 0


def test_noise_on_the_optimum_instead_is_caught():
    mdp = scherrer_lesner(10)
    impostor = states(mdp, NoiseOnTheOptimum(ApproximateValueIteration(alternating)), 6)
    assert misplaced(mdp, impostor)
    # Greedy in v* + ε loses 2γεH = 18 at most, however often it is repeated.
    best = max(sup(state.true_value(mdp)) for state in impostor[1:])
    assert best <= 18 + 1e-9 < avi_bound(0.9, 1, 5, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_without_noise_it_is_value_iteration(seed):
    mdp = random_mdp(seed, gammas=GAMMAS)
    ours = states(mdp, ApproximateValueIteration((0.0, 0)), 6)
    theirs = states(mdp, ValueIteration(), 6)
    assert all((a.v == b.v).all() for a, b in zip(ours, theirs, strict=True))
    for old, new in pairwise(ours):
        assert (new.policy == greedy(mdp, old.v)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_approximate_value_iteration_keeps_its_bounds(seed):
    mdp, best = exact_model(seed)
    epsilon, g = Fraction(1, 8) * int(1 + sup(mdp._r)), mdp.gamma
    run = states(mdp, ApproximateValueIteration((float(epsilon), seed)), 7)
    epsilon, distance = rational(epsilon), sup(best)
    for state in run:
        assert sup(best - state.v) <= avi_value_bound(g, epsilon, state.step, distance)
    for state in run[1:]:
        loss = loss_of(mdp, best, state.policy)
        assert 0 <= loss <= avi_bound(g, epsilon, state.step, distance)
        assert loss == max(best - state.true_value(mdp))


def test_the_bound_of_the_values_is_attained_by_a_constant_error():
    mdp = identity().exact()
    best = np.array([rational(10 * k) for k in (1, 2, 3)], dtype=object)
    ones = np.array([rational(1)] * 3, dtype=object)
    method = ApproximateValueIteration(lambda k, v: ones, epsilon=1)
    state = method.init(mdp, best + 5 * ones)
    for k in range(1, 6):
        state = method.step(mdp, state)
        assert sup(state.v - best) == avi_value_bound(mdp.gamma, 1, k, 5)


def test_the_error_of_the_first_values_is_paid_in_full():
    mdp, method = singh_yee().exact(), ApproximateValueIteration((0.0, 0))
    one = rational(1)
    state = method.step(mdp, method.init(mdp, np.array([one, -one], dtype=object)))
    loss = loss_of(mdp, [rational(0), rational(0)], state.policy)
    assert loss == avi_bound(mdp.gamma, 0, 1, one) == 18


def test_the_tight_instance_attains_the_bound_exactly():
    mdp, zero = exact_instance(20), np.full(20, rational(0))
    for state in states(mdp, ApproximateValueIteration(alternating, epsilon=1), 21)[1:]:
        k = state.step
        loss = loss_of(mdp, zero, state.policy)
        assert loss == avi_bound(mdp.gamma, 1, k, 0)
        assert loss == rational(2 * (NINE_TENTHS - NINE_TENTHS**k) * 100)
        assert (state.policy == 0).nonzero()[0].tolist() == sorted({0, k - 1})  # 1 is tied


def test_the_tight_instance_attains_the_bound_in_floats():
    mdp = scherrer_lesner(40)
    run = states(mdp, ApproximateValueIteration(alternating, epsilon=1.0), 41)
    for state in run[1:]:
        k, value = state.step, state.true_value(mdp)
        # r_k and 1 − γ are known to a few ulps, so v = r_k/(1 − γ) is to a few times H ulps.
        expected = float(2 * (NINE_TENTHS - NINE_TENTHS**k) * 100)
        assert -value[k - 1] == pytest.approx(expected, rel=1e-12, abs=1e-12)
        assert avi_bound(0.9, 1, k, 0) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    for k, loss in LOSSES.items():
        assert -run[k].true_value(mdp).min() == pytest.approx(loss, abs=5e-5)


def test_one_power_of_the_horizon_is_not_enough():
    mdp = scherrer_lesner(10)
    run = states(mdp, ApproximateValueIteration(alternating), 6)
    assert sup(run[5].true_value(mdp)) > 2 * 0.9 * 10


# ---- policy iteration ------------------------------------------------------------------------


def shifted(k, v):
    """The noise of Bertsekas & Tsitsiklis' Example 6.4: −1 on state k + 1, +1 on the next."""
    return alternating(k + 1, v)


@pytest.mark.parametrize("seed", SEEDS)
def test_without_noise_it_is_policy_iteration(seed):
    mdp, best = exact_model(seed)
    last = states(mdp, ApproximatePolicyIteration((0.0, 0)), 12)[-1]
    assert (last.v == best).all()
    assert (last.noise_size, last.loss_size) == (0, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_errors_are_the_ones_asked_for(seed):
    mdp, _ = exact_model(seed)
    method = ApproximatePolicyIteration((0.25, seed), (1.5, seed + 1))
    for old, new in pairwise(states(mdp, method, 6)):
        assert sup(new.v - new.true_value(mdp)) == new.noise_size <= rational(0.25)
        q = action_values(mdp, old.v)
        chosen = mdp.table(q, fill=rational(0))[np.arange(mdp.n_states), new.policy]
        assert (aggregate(mdp, q) - chosen == new.loss).all()
        assert 0 <= new.loss_size <= rational(1.5)


def test_an_improvement_with_room_for_error_takes_the_worst_action_it_may():
    P = np.ones((1, 4, 1))
    mdp = mk.MDP(P, [[0.5, 3.0, 2.0, 2.5]], 0.0)
    for room, action in [(0, 1), (0.4, 1), (0.5, 3), (1.2, 2), (9, 0)]:
        method = ApproximatePolicyIteration((0.0, 0), lambda k, v, e=room: [e], epsilon=room)
        state = method.step(mdp, method.init(mdp))
        assert (state.policy[0], state.loss[0]) == (action, 3 - mdp.r[0, action])


@pytest.mark.parametrize("seed", SEEDS)
def test_approximate_policy_iteration_keeps_its_bound_at_every_step(seed):
    mdp, best = exact_model(seed)
    size = int(1 + sup(mdp._r))
    delta, epsilon = 0.125 * size, 0.5 * size
    run = states(mdp, ApproximatePolicyIteration((delta, seed), (epsilon, seed + 99)), 8)
    losses = [loss_of(mdp, best, state.policy) for state in run]
    for before, after in pairwise(losses):
        bound = api_step_bound(mdp.gamma, before, rational(delta), rational(epsilon))
        assert 0 <= after <= bound


def test_errors_are_felt():
    felt = 0
    for seed in SEEDS:
        mdp, best = exact_model(seed)
        size = float(int(1 + sup(mdp._r)))
        run = states(mdp, ApproximatePolicyIteration((size, seed), (size, 99)), 8)
        felt += loss_of(mdp, best, run[-1].policy) > 0
    assert felt >= 5


def test_the_tight_instance_attains_every_step_of_policy_iteration():
    mdp, zero = exact_instance(20), np.full(20, rational(0))
    g, run = mdp.gamma, states(mdp, ApproximatePolicyIteration(shifted, delta=1), 20)
    losses = [loss_of(mdp, zero, state.policy) for state in run]
    for before, after in pairwise(losses):
        assert after == api_step_bound(g, before, 1, 0)
        assert after > g * before + g / (1 - g)  # the impostor without the 2
    assert losses[19] == rational(2 * (NINE_TENTHS - NINE_TENTHS**20) * 100)
    assert api_bound(g, 1, 0) - losses[19] == rational(200 * NINE_TENTHS**20)


# ---- what is refused, and what a solve says --------------------------------------------------


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (
            lambda k, v: np.where(np.arange(v.size) == 3, -2.0 if k == 4 else 1.0, 0),
            "step 4 is",
        ),
        (lambda k, v: np.full(v.size, np.nan), "not finite"),
        (lambda k, v: np.zeros(3), "shape"),
        (lambda k, v: 0.0, "shape"),
    ],
)
def test_noise_that_is_not_what_it_claims_is_refused(noise, message):
    mdp = scherrer_lesner(6)
    with pytest.raises(ValueError, match=message):
        states(mdp, ApproximateValueIteration(noise, epsilon=1.0), 8)
    with pytest.raises(ValueError, match=message):
        states(mdp, ApproximatePolicyIteration(noise, delta=1.0), 8)
    with pytest.raises(ValueError, match=message):
        states(mdp, ApproximatePolicyIteration((0.0, 0), noise, epsilon=1.0), 8)


@pytest.mark.parametrize(
    ("noise", "bound", "error"),
    [
        (0.5, None, TypeError),
        ((0.5,), None, TypeError),
        ((-0.5, 0), None, ValueError),
        ((np.nan, 0), None, ValueError),
        ((0.5, -1), None, ValueError),
        ((0.5, 0.5), None, ValueError),
        ((0.5, 0), -1, ValueError),
    ],
)
def test_parameters_out_of_range_are_refused(noise, bound, error):
    with pytest.raises(error, match="must"):
        ApproximateValueIteration(noise, bound)
    with pytest.raises(error, match="must"):
        ApproximatePolicyIteration((0.0, 0), noise, epsilon=bound)


def test_numbers_drawn_beyond_a_smaller_claim_are_refused():
    with pytest.raises(ValueError, match="claimed"):
        states(scherrer_lesner(6), ApproximateValueIteration((1.0, 0), epsilon=1e-3), 2)


@pytest.mark.parametrize("bound", [avi_bound, avi_value_bound])
def test_bounds_need_a_discount_and_a_step(bound):
    with pytest.raises(ValueError, match="gamma"):
        bound(1.0, 1, 1, 1)
    with pytest.raises(ValueError, match="gamma"):
        api_bound(1, 1, 1)
    with pytest.raises(ValueError, match="k must"):
        avi_bound(0.9, 1, 0, 1)
    assert avi_bound(0.5, 1, np.inf, 9) == 4.0


@pytest.mark.parametrize(
    "method",
    [
        ApproximateValueIteration((0.1, 0)),
        ApproximateValueIteration(lambda k, v: 0.1 * (np.arange(v.size) == 0)),
        ApproximatePolicyIteration((0.1, 0)),
        ApproximatePolicyIteration((0.1, 0), (0.1, 1)),
    ],
)
@pytest.mark.parametrize("seed", [1, 4])
def test_a_solve_with_errors_says_so_and_its_bounds_hold(method, seed):
    mdp = random_mdp(seed, gammas=(0.9,))
    assert mdp.n_states > 1
    exact = exact_optimum(mdp.exact())[0]
    short = mk.solve(mdp, method, max_steps=7, tol=1e-9, throw=False)
    assert short.status is mk.Status.MAX_STEPS
    assert inside(exact, short.lower, short.upper)
    long = mk.solve(mdp, method, tol=1e-9, throw=False)
    assert long.status is mk.Status.STAGNATED
    assert long.gap > 1e-9
    assert inside(exact, long.lower, long.upper)
    for state, gap in islice(mk.iterate(mdp, method), 5):
        proof = mk.certify(
            mdp, state.v
        )  # it rounds at the size of its bounds, the method at ‖v‖
        slack = rounding_floor(mdp, max(sup(proof.lower), sup(proof.upper)))
        assert gap >= proof.gap - slack


def test_the_gap_of_an_exact_model_is_the_width_of_its_interval():
    mdp = identity(2).exact()
    (_, gap), (_, after) = islice(mk.iterate(mdp, ApproximateValueIteration((0.0, 0))), 2)
    assert gap == pytest.approx(9 * (2 - 1))  # γ/(1−γ)·(max δ − min δ), δ = r = (1, 2)
    assert after == pytest.approx(0.9 * gap)
