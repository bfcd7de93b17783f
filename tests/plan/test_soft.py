"""Regularized methods: bounds that hold, against ball arithmetic and algebra."""

from dataclasses import replace

import numpy as np
import pytest

import mdpkit as mk
from mdpkit._array import sup
from mdpkit.certify import tolerance
from mdpkit.errors import ModelError
from mdpkit.operators.aggregate import (
    boltzmann,
    expectile,
    maximum,
    mellowmax,
    soft,
    sparsemax,
)
from mdpkit.operators.bellman import backup
from mdpkit.plan import (
    PolicyIteration,
    RegularizedModifiedPolicyIteration,
    RegularizedValueIteration,
    SoftPolicyIteration,
    SoftValueIteration,
)
from mdpkit.policy import uniform
from tests import soft_oracle
from tests.oracles import inside, random_mdp

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word", "ignore:γ = ")
GAMMAS = (0.0, 0.5, 0.9)
SHARES = (0.01, 0.3, 3.0)
"""Temperatures, as shares of the largest reward."""


def drawn(seed):
    """A model of `tests.oracles`, a temperature for it, and a prior."""
    mdp = random_mdp(seed, gammas=GAMMAS)
    rng = np.random.default_rng(seed)
    tau = float(rng.choice(SHARES)) * max(mdp.reward_size, 1e-3)
    weight = rng.random(mdp.n_pairs) + 0.01
    weight /= np.repeat(np.add.reduceat(weight, mdp.action_ptr[:-1]), np.diff(mdp.action_ptr))
    return mdp, tau, weight.reshape(mdp.pair_shape)


def truths(mdp, over, tau, weight=None):
    """The regularized optimum of both exact readings of a model."""
    return [
        soft_oracle.fixed_point(exact, over, tau, weight)
        for exact in (mdp.exact(), mdp.exact(dyadic=True))
    ]


def faults(mdp, solution, exact):
    """What is wrong with an answer; [] if nothing is."""
    wrong = []
    if not all(inside(v, solution.lower, solution.upper) for v in exact):
        wrong.append("the bounds do not contain the optimum")
    if not (solution.lower <= solution.v).all() or not (solution.v <= solution.upper).all():
        wrong.append("v lies outside its own bounds")
    if solution.gap > 2 * tolerance(mdp, sup(solution.v) + solution.gap):
        wrong.append("the gap exceeds twice the default tolerance of the hard methods")
    return wrong


@pytest.mark.parametrize("seed", range(25))
def test_soft_bounds_contain_the_soft_optimum(seed):
    mdp, tau, prior = drawn(seed)
    exact = truths(mdp, soft_oracle.soft, tau)
    for method in (
        SoftValueIteration(tau),
        SoftPolicyIteration(tau),
        RegularizedValueIteration(soft(tau)),
        RegularizedModifiedPolicyIteration(soft(tau), sweeps=5),
    ):
        assert faults(mdp, mk.solve(mdp, method), exact) == [], method
    exact = truths(mdp, soft_oracle.soft, tau, prior)
    for method in (SoftValueIteration(tau, prior), SoftPolicyIteration(tau, prior)):
        assert faults(mdp, mk.solve(mdp, method), exact) == [], method


@pytest.mark.parametrize("seed", range(12))
def test_other_regularizers_are_bounded_too(seed):
    mdp, tau, _ = drawn(seed)
    counts = np.diff(mdp.action_ptr)
    exact = truths(mdp, soft_oracle.sparsemax, tau)
    for method in (
        RegularizedValueIteration(sparsemax(tau)),
        RegularizedModifiedPolicyIteration(sparsemax(tau)),
    ):
        assert faults(mdp, mk.solve(mdp, method), exact) == [], method
    exact = truths(mdp, soft_oracle.soft, 1 / (1 / tau), np.repeat(1 / counts, counts))
    method = RegularizedModifiedPolicyIteration(mellowmax(1 / tau))
    slack = 1e-14 * max(1.0, tau)  # 1/3 as a float, and 1/(1/τ), are not what mellowmax means
    near = mk.solve(mdp, method)
    wide = replace(near, lower=near.lower - slack * 10, upper=near.upper + slack * 10)
    assert faults(mdp, wide, exact) == []
    hard = mk.solve(mdp, RegularizedValueIteration(maximum))
    true = mk.solve(mdp, PolicyIteration())
    assert (hard.lower <= true.upper).all()
    assert (true.lower <= hard.upper).all()


@pytest.mark.parametrize("seed", range(6))
def test_the_expectile_of_level_one_half_is_the_mean(seed):
    mdp, _, prior = drawn(seed)
    ours = mk.solve(mdp, RegularizedValueIteration(expectile(0.5, prior)))
    mean = mk.certify(mdp, policy=prior)
    assert (ours.lower <= mean.upper).all()
    assert (mean.lower <= ours.upper).all()


def test_answers_that_forget_the_logarithm_or_the_prior_are_caught():
    # E36: α E_p[exp(Q/α)] has no fixed point near; and KL to a prior is not entropy.
    mdp, tau, prior = drawn(4)
    assert mdp.n_states > 1
    exact = truths(mdp, soft_oracle.soft, tau)
    honest = mk.solve(mdp, SoftValueIteration(tau))
    assert faults(mdp, honest, exact) == []
    shifted = replace(
        honest,
        v=honest.v + 2 * honest.gap,
        lower=honest.lower + 2 * honest.gap,
        upper=honest.upper + 2 * honest.gap,
    )
    assert "the bounds do not contain the optimum" in faults(mdp, shifted, exact)
    for wrong in (
        SoftValueIteration(tau, prior),
        RegularizedValueIteration(mellowmax(1 / tau)),
        SoftValueIteration(1.01 * tau),
    ):
        assert faults(mdp, mk.solve(mdp, wrong), exact) != [], wrong


@pytest.mark.parametrize("seed", range(12))
def test_the_policy_is_the_softmax_and_consistent(seed):
    mdp, tau, prior = drawn(seed)
    sol = mk.solve(mdp, SoftPolicyIteration(tau, prior))
    pi, v = sol.probabilities, np.repeat(sol.v, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
    sums = np.add.reduceat(pi.reshape(-1), mdp.action_ptr[:-1])
    assert sums == pytest.approx(1, abs=1e-12)
    seen = pi > 1e-200
    # v = q − τ log(π/p) for every action.
    left = sol.q - tau * np.log(np.where(seen, pi, 1) / prior)
    assert np.abs(np.where(seen, left - v, 0)).max() <= sol.gap + 1e-12 * (sup(sol.q) + tau)
    likeliest = mdp.table(pi, fill=-1.0).argmax(axis=1)
    chosen = mdp.table(pi, fill=-1.0)[np.arange(mdp.n_states), sol.policy]
    assert chosen == pytest.approx(mdp.table(pi, fill=-1.0).max(axis=1), rel=1e-10)
    assert likeliest.shape == sol.policy.shape


@pytest.mark.parametrize("seed", range(12))
def test_the_policy_loses_no_more_than_it_says(seed):
    # Its own value, entropy included: a chain whose rewards are r_π − τ KL(π‖p).
    mdp, tau, prior = drawn(seed)
    sol = mk.solve(mdp, SoftValueIteration(tau, prior), tol=1e-3 * max(1, mdp.reward_size))
    pi = sol.probabilities
    price = tau * np.log(np.where(pi > 0, pi, 1) / np.where(pi > 0, prior, 1))
    own = mk.certify(mdp.replace(r=mdp.r - price), policy=pi)
    assert (sol.upper - own.upper <= sol.loss + 1e-9 * (1 + sup(sol.v))).all()


def test_identical_actions_add_the_whole_entropy():
    # K8 is attained: v*_τ = v* + τ H log A, and with the uniform prior v*_τ = v*.
    P = np.repeat(np.full((3, 1, 3), 1 / 3), 4, axis=1)
    mdp = mk.MDP(P, np.repeat([[1.0], [2.0], [-1.0]], 4, axis=1), 0.9)
    true, tau = mk.solve(mdp, PolicyIteration()), 0.7
    sol = mk.solve(mdp, SoftPolicyIteration(tau))
    assert sol.v == pytest.approx(true.v + tau * 10 * np.log(4), abs=1e-9)
    assert mk.solve(mdp, SoftPolicyIteration(tau, uniform(mdp))).v == pytest.approx(
        true.v, abs=1e-9
    )


@pytest.mark.parametrize("seed", range(30))
def test_the_soft_optimum_lies_between_its_bounds_and_tends_to_the_hard_one(seed):
    mdp, _, _ = drawn(seed)
    true = mk.solve(mdp, PolicyIteration())
    horizon = 1 / (1 - mdp.gamma)
    entropy = np.log(np.diff(mdp.action_ptr).max())
    for share in (1.0, 0.1, 0.01):
        tau = share * max(mdp.reward_size, 1e-3)
        sol = mk.solve(mdp, SoftPolicyIteration(tau))
        slack = sol.gap + true.gap
        assert (true.v <= sol.v + slack).all()
        assert (sol.v <= true.v + tau * horizon * entropy + slack).all()
        own = mk.certify(mdp, policy=sol.probabilities)
        assert (true.v - own.v <= tau * horizon * entropy + slack + own.gap).all()
        sparse = mk.solve(mdp, RegularizedModifiedPolicyIteration(sparsemax(tau)))
        most = tau / 2 * (1 - 1 / np.diff(mdp.action_ptr).max())
        assert (true.v <= sparse.v + slack + sparse.gap).all()
        assert (sparse.v <= true.v + most * horizon + slack + sparse.gap).all()


def test_a_uniform_prior_shifts_v_only_where_no_episode_ends():
    rng = np.random.default_rng(0)
    P, r, tau = rng.dirichlet(np.ones(4), size=(4, 3)), rng.normal(size=(4, 3)), 0.5
    for stop in (None, np.full((4, 3), 0.1)):
        rows = P if stop is None else P * 0.9
        mdp = mk.MDP(rows, r, 0.9, stop=stop)
        counting = mk.solve(mdp, SoftPolicyIteration(tau)).v
        distribution = mk.solve(mdp, SoftPolicyIteration(tau, uniform(mdp))).v
        shift = counting - distribution
        moved = mdp.replace(r=r - tau * np.log(3))
        assert mk.solve(moved, SoftPolicyIteration(tau)).v == pytest.approx(
            distribution, abs=1e-8
        )
        whole = tau * np.log(3) / (1 - 0.9)
        assert (np.abs(shift - whole).max() <= 1e-8) == (stop is None)


def test_soft_policy_iteration_converges_quadratically():
    # K5: ‖v* − v_{k+1}‖ ≤ γ²H/(8τ) sp(v* − v_k)², and by γ at least, at every step.
    for seed in range(20):
        mdp, tau, _ = drawn(seed)
        method, horizon = SoftPolicyIteration(tau), 1 / (1 - mdp.gamma)
        sol = mk.solve(mdp, method)
        previous = None
        for k, (state, _) in enumerate(mk.iterate(mdp, method)):
            far = sol.v - state.v
            assert far.min() >= -sol.gap - 1e-12 * sup(sol.v)
            if previous is not None:
                slack = 2 * sol.gap + 1e-12 * sup(sol.v)
                spread = np.ptp(previous)
                assert sup(far) <= mdp.gamma**2 * horizon / (8 * tau) * spread**2 + slack
                assert sup(far) <= mdp.gamma * sup(previous) + slack
            previous = far
            if k == 6:
                break


@pytest.mark.parametrize("seed", range(10))
def test_value_iteration_keeps_its_rate(seed):
    mdp, tau, prior = drawn(seed)
    method = SoftValueIteration(tau, prior)
    sol = mk.solve(mdp, SoftPolicyIteration(tau, prior))
    first = sup(sol.v)
    for k, (state, _) in enumerate(mk.iterate(mdp, method)):
        slack = sol.gap + 1e-12 * (k + 1) * (sup(sol.v) + tau)
        assert sup(sol.v - state.v) <= method.rate(mdp) ** k * first + slack
        if k == 30:
            break


@pytest.mark.parametrize("tau", [1e-6, 1e-100, 1e-300, 5e-324])
def test_a_tiny_temperature_neither_overflows_nor_misleads(tau):
    for seed in range(6):
        mdp = random_mdp(seed, gammas=GAMMAS)
        hard = mk.solve(mdp, PolicyIteration())
        for method in (SoftValueIteration(tau), SoftPolicyIteration(tau)):
            sol = mk.solve(mdp, method)
            room = tau * np.log(max(mdp.n_actions, 1)) / (1 - mdp.gamma)
            assert (sol.lower <= hard.upper + room).all()
            assert (hard.lower <= sol.upper).all()
            assert np.isfinite(sol.probabilities).all()


@pytest.mark.parametrize("tau", [0, 0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("make", [SoftValueIteration, SoftPolicyIteration])
def test_temperature_zero_is_sent_to_the_hard_methods(make, tau):
    with pytest.raises(ValueError, match=r"tau must be finite and > 0.*ValueIteration"):
        make(tau)


@pytest.mark.parametrize("seed", range(5))
def test_a_tolerance_below_the_floor_is_reported(seed):
    mdp, tau, _ = drawn(seed)
    exact = truths(mdp, soft_oracle.soft, tau)
    for make in (SoftValueIteration, SoftPolicyIteration):
        sol = mk.solve(mdp, make(tau), tol=0, throw=False)
        assert sol.status in (mk.Status.ROUNDING_FLOOR, mk.Status.STAGNATED)
        assert all(inside(v, sol.lower, sol.upper) for v in exact)


def test_a_prior_of_zeros_forbids_its_actions():
    mdp = mk.MDP(np.full((2, 3, 2), 0.5), [[5.0, 1.0, 0.0], [9.0, 0.0, 2.0]], 0.5)
    prior = np.array([[0.0, 0.5, 0.5], [0.0, 0.0, 1.0]])
    sol = mk.solve(mdp, SoftPolicyIteration(1.0, prior))
    assert sol.probabilities[:, 0].tolist() == [0, 0]
    assert sol.probabilities[1].tolist() == [0, 0, 1]
    exact = soft_oracle.fixed_point(mdp.exact(), soft_oracle.soft, 1.0, prior)
    assert inside(exact, sol.lower, sol.upper)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda m: (m, RegularizedValueIteration(boltzmann(1.0))), ValueError, "non-expansion"),
        (lambda m: (m.exact(), SoftValueIteration(1.0)), ModelError, "no exact form"),
        (lambda m: (m.replace(gamma=1.0), SoftValueIteration(1.0)), ModelError, "γ = 1"),
        (lambda m: (m, SoftValueIteration(1.0, np.ones(2))), ValueError, "shape"),
        (lambda m: (m, SoftValueIteration(1.0, np.ones((2, 2)))), ModelError, "sums to 2"),
        (
            lambda m: (m, RegularizedModifiedPolicyIteration(maximum, sweeps=0)),
            ValueError,
            "sweeps",
        ),
    ],
)
def test_what_no_bound_holds_for_is_refused(make, error, message):
    mdp = mk.MDP(np.full((2, 2, 2), 0.5), np.ones((2, 2)), 0.9)
    with pytest.raises(error, match=message):
        mk.solve(*make(mdp))


# ---- the rounding of ⊕ itself ----------------------------------------------------------------


def rows():
    """Rows of action values from easy to extreme, with temperatures and weights."""
    rng = np.random.default_rng(0)
    for n in (1, 2, 4, 17, 50):
        for scale in (1e-8, 1.0, 1e6):
            for share in (1e-15, 1e-6, 1e-2, 1.0, 1e3, 1e9):
                weight = rng.random(n) ** rng.choice([1, 20]) + 1e-30
                yield scale * rng.normal(size=n), scale * share, weight


@pytest.mark.parametrize("name", ["soft", "weighted", "mellowmax", "sparsemax"])
def test_the_rounding_of_a_reduction_is_bounded(name):
    with soft_oracle.precise():
        worst = worst_rounding(name)
    assert worst > 1e-3  # the bound is not idle: a thousandth of it would fail


def worst_rounding(name):
    worst = 0.0
    for q, tau, weight in rows():
        n = q.size
        over = {
            "soft": soft(tau),
            "weighted": soft(tau, weight[None]),
            "mellowmax": mellowmax(1 / tau),
            "sparsemax": sparsemax(tau),
        }[name]
        true_over = soft_oracle.sparsemax if name == "sparsemax" else soft_oracle.soft
        if name == "mellowmax":
            tau_ball = 1 / soft_oracle.ball(1 / tau)
            own = [1 / soft_oracle.ball(n)] * n
        else:
            tau_ball = soft_oracle.ball(tau)
            own = [soft_oracle.ball(w if name == "weighted" else 1.0) for w in weight]
        exact = true_over([soft_oracle.ball(x) for x in q], tau_ball, own)
        one = mk.MDP(np.zeros((1, n, 1)), q[None], 0.0, stop=np.ones((1, n)))
        for ours in (over(q[None])[0][0], backup(one, np.zeros(1), over)[0]):
            bound = over.rounding(n, sup(q), abs(ours))
            error = abs(float(exact - soft_oracle.ball(float(ours))))
            assert error <= bound, (name, n, tau)
            worst = max(worst, error / bound)
            assert bound <= 1e-12 * n * (sup(q) + tau) + 1e-12 * abs(ours)
    return worst


def test_solutions_of_hard_methods_have_their_policy_as_probabilities():
    mdp = random_mdp(3, gammas=(0.9,))
    sol = mk.solve(mdp, PolicyIteration())
    assert sol.stochastic is None
    assert set(np.unique(sol.probabilities)) <= {0.0, 1.0}
