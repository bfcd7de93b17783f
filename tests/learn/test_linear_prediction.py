"""Linear prediction: the production kernel, fed every step with its weight, is its operator."""

import numpy as np
import pytest

from mdpkit import MDP, gallery
from mdpkit import enumerate as every
from mdpkit.errors import ModelError
from mdpkit.learn import (
    GTD2,
    TD0,
    TDC,
    EmphaticTD,
    GradientMonteCarlo,
    ResidualGradient,
    SemiGradientTD,
    TDLambda,
    learn,
)
from mdpkit.learn._following import bounds
from mdpkit.learn._world import NOWHERE, PAIR, STATE, TIME, World, log
from mdpkit.learn.linear import _prediction as kernels
from mdpkit.operators import linear
from mdpkit.operators.features import Aggregation
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.performance import policy_values
from mdpkit.operators.rollout import ENDED, sampler
from mdpkit.operators.stationary import stationary
from mdpkit.operators.step_size import polynomial
from mdpkit.policy import expected_under, uniform
from tests.prediction_oracle import (
    descending_mdp,
    expected,
    fed,
    looping_mdp,
    mutated,
    some_policy,
)

NEAR = {"rtol": 0, "atol": 1e-12}  # of numbers of order 1, after at most 50 operations


def problem(seed, n=4, k=2, gamma=0.9, descending=False):
    """A model, π, b, Φ (n, k) of full rank, w and u."""
    make = descending_mdp if descending else looping_mdp
    mdp = make(seed, n_states=n, gamma=gamma)
    rng = np.random.default_rng([seed, 9])
    b = 0.7 * some_policy(mdp, seed + 50) + 0.3 * uniform(mdp)
    return mdp, some_policy(mdp, seed), b, rng.normal(size=(n, k)), *rng.normal(size=(2, k))


class Steps:
    """One run of a method's kernel, every step of which is told what comes of it."""

    def __init__(self, mdp, method, family=None, model=None):
        self.family = family or method.family
        self.outcome = np.zeros(3)
        self.rule, self.ptr = method.rule(), mdp.action_ptr
        drawn = sampler(mdp if model is None else model)
        self.world = World(drawn, float(mdp.gamma), np.empty(0), 10**6, self.outcome)
        self.book = log(0, 1, 10**4)
        self.tables = self.family.begin(method, mdp, 1)

    def take(self, s, pair, reward, after, over=False):
        """One step; what it added to w."""
        before = self.tables.w[0].copy()
        self.book.clock[0, STATE], self.book.clock[0, PAIR] = s, pair
        self.outcome[:] = reward, after, over
        given = self.world, self.book, self.rule, self.tables
        self.family.kernel(*given, 0, 1, 1)
        return self.tables.w[0] - before

    def set(self, **arrays):
        for name, x in arrays.items():
            getattr(self.tables, name)[0] = x


def steps_of(mdp, weights):
    """Every (s, pair, reward, after, weight) of the model."""
    batch = every.transitions(mdp, weights)
    after = np.where(batch.discount == 0, ENDED, batch.next_state)
    return zip(
        mdp.pair_states[batch.pair], batch.pair, batch.reward, after, batch.weight, strict=True
    )


def mean_step(mdp, method, weights, u=None, family=None):
    """Σ weight (Δw, Δu) over all steps of the model, each from the same (w, u)."""
    run = Steps(mdp, method, family)
    w, total = run.tables.w[0].copy(), 0.0
    u = np.zeros_like(w) if u is None else u
    for s, pair, reward, after, weight in steps_of(mdp, weights):
        run.set(w=w, u=u, trace=0.0, follow=0.0)
        run.tables.steps[0] = 0
        moved = run.take(s, pair, reward, after)
        total = total + weight * np.concatenate([run.tables.u[0] - u, moved])
    return total[len(w) :], total[: len(w)]


# ---- one step --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_semi_gradient_td_moves_by_b_less_a_w(seed):
    mdp, pi, b, phi, w, _ = problem(seed)
    for behavior in (pi, b):
        d = stationary(mdp, behavior)
        system = linear.projected_system(mdp, pi, phi, weights=d)
        method = SemiGradientTD(pi, phi, step_size=1.0, behavior=behavior, initial=w)
        moved, _ = mean_step(mdp, method, d[:, None] * behavior)
        np.testing.assert_allclose(moved, system.b - system.A @ w, **NEAR)


@pytest.mark.parametrize("seed", range(3))
def test_gradient_td_moves_as_its_mean_matrix_says(seed):
    mdp, pi, b, phi, w, u = problem(seed)
    d = stationary(mdp, b)
    system = linear.projected_system(mdp, pi, phi, weights=d)
    for cls, corrected in ((GTD2, False), (TDC, True)):
        mean = linear.gradient_td(system, linear.gram(phi, d), 0.5, corrected=corrected)
        method = cls(pi, phi, 1.0, 0.5, behavior=b, initial=w)
        moved, changed = mean_step(mdp, method, d[:, None] * b, u)
        both = np.concatenate([u, w])
        wanted = mean.g - mean.G @ both
        np.testing.assert_allclose(np.concatenate([changed, moved]), wanted, **NEAR)


def mean_residual_step(mdp, method, weights, pi, family=None):
    """Σ over first and second next states, which are drawn independently given s."""
    P, _ = linear.state_chain(mdp, pi)
    total, S = 0.0, mdp.n_states
    for second in range(S + 1):  # where every pair leads, in the model of the second draw
        ends = second == S
        rows = np.zeros((S, mdp.n_actions, S)) + (0 if ends else np.eye(S)[second])
        model = MDP(rows, mdp.r, mdp.gamma, stop=np.full(mdp.pair_shape, float(ends)))
        run = Steps(mdp, method, family, model)
        w = run.tables.w[0].copy()
        for s, pair, reward, after, weight in steps_of(mdp, weights):
            p = 1 - P[s].sum() if ends else P[s, second]
            run.set(w=w)
            total = total + weight * p * run.take(s, pair, reward, after)
    return total


@pytest.mark.parametrize("seed", range(3))
def test_two_samples_descend_the_bellman_error(seed):
    mdp, pi, b, phi, w, _ = problem(seed)
    for behavior in (pi, b):
        d = stationary(mdp, behavior)
        G, g = linear.residual_system(linear.state_chain(mdp, pi), phi, d, mdp.gamma)
        method = ResidualGradient(pi, phi, 1.0, behavior=behavior, initial=w)
        moved = mean_residual_step(mdp, method, d[:, None] * behavior, pi)
        np.testing.assert_allclose(moved, g - G @ w, **NEAR)


def bellman_errors(mdp, pi, phi, d, w):
    """‖T^πΦw − Φw‖_D² and E_D Var(r + γ v(s') | s), by enumeration."""
    v, square, mean = phi @ w, np.zeros(mdp.n_states), np.zeros(mdp.n_states)
    for s, _, reward, after, p in steps_of(mdp, pi):
        target = reward + (0.0 if after == ENDED else mdp.gamma * v[after])
        mean[s] += p * target
        square[s] += p * target**2
    return d @ (mean - v) ** 2, d @ (square - mean**2)


@pytest.mark.parametrize("seed", range(3))
def test_one_sample_descends_the_error_and_the_variance(seed):
    """E δ² = ‖Tv − v‖² + E Var, and the single-sample update is −½ its gradient."""
    mdp, pi, _, phi, w, _ = problem(seed)
    d = stationary(mdp, pi)
    method = ResidualGradient(pi, phi, 1.0, double_sampling=False, initial=w)
    moved, _ = mean_step(mdp, method, d[:, None] * pi)
    total = 0.0
    for s, _, reward, after, p in steps_of(mdp, d[:, None] * pi):
        following = 0.0 if after == ENDED else mdp.gamma * (phi @ w)[after]
        total += p * (reward + following - (phi @ w)[s]) ** 2
    assert sum(bellman_errors(mdp, pi, phi, d, w)) == pytest.approx(total, rel=1e-12)
    # Squares of linear functions: central differences of any length are exact.
    unit = np.eye(2)
    slope = [
        sum(bellman_errors(mdp, pi, phi, d, w + e))
        - sum(bellman_errors(mdp, pi, phi, d, w - e))
        for e in unit
    ]
    np.testing.assert_allclose(moved, -np.array(slope) / 4, rtol=0, atol=1e-11)
    G, g = linear.residual_system(linear.state_chain(mdp, pi), phi, d, mdp.gamma)
    assert abs(moved - (g - G @ w)).max() > 1e-3  # what a single sample descends is not MSBE


# ---- whole episodes --------------------------------------------------------------------------


def mean_episode(mdp, method, behavior, start, family=None):
    """E Σ_t Δw_t over all trajectories, w held where it was; traces run on."""
    batch = every.trajectories(mdp, behavior, mdp.n_states, start=start)
    run = Steps(mdp, method, family)
    w, total = run.tables.w[0].copy(), 0.0
    for i in range(batch.weight.size):
        n = int((batch.pairs[:, i] >= 0).sum())
        run.book.clock[0, TIME] = 0
        for t in range(n):
            run.set(w=w)
            ended = t == n - 1
            after = ENDED if ended else batch.states[t + 1, i]
            moved = run.take(batch.states[t, i], batch.pairs[t, i], batch.rewards[t, i], after)
            total = total + batch.weight[i] * moved
        assert run.book.clock[0, STATE] == NOWHERE
    return total


@pytest.mark.parametrize("gamma", [0.8, 1.0])
@pytest.mark.parametrize("lam", [0.0, 0.6, 1.0])
def test_traces_sum_to_the_operator_of_lambda(lam, gamma):
    mdp, pi, b, phi, w, _ = problem(3, gamma=gamma, descending=True)
    start = np.array([0.1, 0.2, 0.3, 0.4])
    visits = occupancy(mdp.replace(gamma=1.0), b, start)
    chain = linear.state_chain(mdp, pi)
    A, right = linear.bellman_system(chain, phi, visits, gamma, lam)
    method = SemiGradientTD(pi, phi, lam, 1.0, behavior=b, initial=w)
    moved = mean_episode(mdp, method, b, start)
    np.testing.assert_allclose(moved, right - A @ w, **NEAR)
    interest = np.array([0.5, 1.0, 2.0, 0.0])
    m = linear.emphasis(chain, visits, gamma, lam=lam, interest=interest)
    A, right = linear.bellman_system(chain, phi, m, gamma, lam)
    method = EmphaticTD(pi, phi, lam, interest, 1.0, behavior=b, initial=w)
    moved = mean_episode(mdp, method, b, start)
    np.testing.assert_allclose(moved, right - A @ w, **NEAR)


@pytest.mark.parametrize("seed", range(3))
def test_monte_carlo_moves_toward_the_value(seed):
    """E Σ_t (G_t − φ_t w) φ_t = ΦᵀN (v^π − Φw), N the visits, whatever their frequencies."""
    mdp, pi, _, phi, w, _ = problem(seed, descending=True)
    start = np.array([0.1, 0.2, 0.3, 0.4])
    visits = occupancy(mdp.replace(gamma=1.0), pi, start)
    batch = every.trajectories(mdp, pi, 4, start=start)
    method = GradientMonteCarlo(pi, phi, 1.0, initial=w)
    moved = expected(mdp, method, batch) - phi @ w
    gradient = (phi * visits[:, None]).T @ (policy_values(mdp, pi).v - phi @ w)
    np.testing.assert_allclose(moved, phi @ gradient, **NEAR)


def test_monte_carlo_bootstraps_where_it_is_cut():
    mdp, pi, _, phi, w, _ = problem(1)
    batch = every.trajectories(mdp, pi, 3)
    found = fed(mdp, GradientMonteCarlo(pi, phi, 1.0, initial=w), batch)
    v = phi @ w
    for i in range(batch.weight.size):
        n = int((batch.pairs[:, i] >= 0).sum())
        ended = batch.discounts[n - 1, i] == 0
        G, moved = 0.0 if ended else v[batch.states[n, i]], 0.0
        for t in reversed(range(n)):
            G = batch.rewards[t, i] + mdp.gamma * G
            moved = moved + (G - v[batch.states[t, i]]) * phi[batch.states[t, i]]
        np.testing.assert_allclose(found[i], phi @ (w + moved), **NEAR)


# ---- one weight a state ----------------------------------------------------------------------


@pytest.mark.parametrize("lam", [0.0, 0.7])
def test_one_weight_a_state_is_the_tabular_method(lam):
    mdp = looping_mdp(2, n_states=3)
    pi = some_policy(mdp, 2)
    linear_ = learn(mdp, SemiGradientTD(pi, np.eye(3), lam, 0.3), episodes=30, runs=3, rng=4)
    tabular = TD0(pi, 0.3) if lam == 0 else TDLambda(pi, lam, 0.3)
    table = learn(mdp, tabular, episodes=30, runs=3, rng=4)
    np.testing.assert_array_equal(linear_.returns.values, table.returns.values)
    np.testing.assert_allclose(linear_.values, table.values, **NEAR)


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_change_nothing(threads):
    mdp, pi, b, phi, w, _ = problem(2)
    for method in (
        SemiGradientTD(pi, phi, 0.5, 0.05, behavior=b, initial=w),
        EmphaticTD(pi, phi, 0.5, behavior=b, initial=w),
        TDC(pi, phi, behavior=b, initial=w),
        ResidualGradient(pi, phi, initial=w),
        GradientMonteCarlo(pi, phi, initial=w),
    ):
        one = learn(mdp, method, episodes=20, runs=9, rng=4, max_steps=50)
        more = learn(mdp, method, episodes=20, runs=9, rng=4, max_steps=50, threads=threads)
        np.testing.assert_array_equal(one.values, more.values)
        assert np.ptp(one.values, axis=0).min() > 0


# ---- sampled ---------------------------------------------------------------------------------


@pytest.mark.stat
@pytest.mark.parametrize("double", [True, False])
def test_the_second_state_is_drawn_as_it_should(double):
    """One step of 40,000 runs against the exact mean, 4.9 standard errors of 2 numbers: a
    false alarm in 5e5 seeds. The other sampling is further away than that."""
    mdp, pi, b, phi, w, _ = problem(5)
    d = stationary(mdp, b)
    kept = ResidualGradient(pi, phi, 1.0, behavior=b, double_sampling=double, initial=w)
    n = 40_000
    found = learn(mdp, kept, episodes=1, runs=n, rng=1, max_steps=1, start=d)
    moved = found.tables.w - w
    error = moved.std(axis=0) / np.sqrt(n)
    double_mean = mean_residual_step(mdp, kept, d[:, None] * b, pi) if double else None
    single = ResidualGradient(pi, phi, 1.0, behavior=b, double_sampling=False, initial=w)
    single_mean, _ = mean_step(mdp, single, d[:, None] * b)
    if double:
        assert (abs(moved.mean(axis=0) - double_mean) < 4.9 * error).all()
        assert (abs(moved.mean(axis=0) - single_mean) > 4.9 * error).any()
    else:
        assert (abs(moved.mean(axis=0) - single_mean) < 4.9 * error).all()


@pytest.mark.stat
def test_td_and_monte_carlo_approach_their_own_fixed_points():
    """Means of 200 runs within 5 standard errors; the limits are 30 and more apart.

    A false alarm in 1e5 seeds, once α_k ~ k^−.75 has made what is left of w_0, and of the
    correlation of the steps, smaller than an error: A's eigenvalues are .13 and .32.
    """
    mdp = gallery.make("jumping-walk", n=20, reach=5, gamma=0.8)
    pi, phi = np.zeros(20, int), Aggregation(20, 2)(np.arange(20))
    d, v = stationary(mdp, pi), policy_values(mdp, pi).v
    best = linear.best_weights(phi, d, v)
    fixed = linear.solution(linear.projected_system(mdp, pi, phi))
    steps = {"episodes": 1000, "runs": 200, "rng": 2}
    td = learn(mdp, SemiGradientTD(pi, phi, step_size=polynomial(0.9, power=0.75)), **steps)
    mc = learn(mdp, GradientMonteCarlo(pi, phi, polynomial(0.2, power=0.75)), **steps)
    for found, wanted, other in ((td, fixed, best), (mc, best, fixed)):
        w = found.tables.w
        error = w.std(axis=0) / np.sqrt(len(w))
        assert (abs(w.mean(axis=0) - wanted) < 5 * error).all()
        assert (abs(w.mean(axis=0) - other) > 30 * error).all()


# ---- faults ----------------------------------------------------------------------------------

FAULTS = [
    ("rho, weight = given.ratio[pair], 1.0", "rho, weight = 1.0, 1.0"),  # D b for D π
    ("weight = rule.lam * given.interest[s] + (1.0 - rule.lam) * F", "weight = F"),
    ("+ gamma * tables.follow[run, 1] * tables.follow[run, 0]", ""),
    ("z[k] *= rho * gamma * rule.lam", "z[k] *= rho * gamma"),
    ("dot(given, after, 0, w) if after != ENDED else 0.0", "dot(given, max(after, 0), 0, w)"),
]


@pytest.mark.parametrize(("right", "wrong"), FAULTS)
def test_a_fault_in_the_traces_is_caught(right, wrong):
    mdp, pi, b, phi, w, _ = problem(3, gamma=0.8, descending=True)
    family = mutated(kernels, right, wrong)
    start, caught = np.array([0.1, 0.2, 0.3, 0.4]), False
    for method in (
        SemiGradientTD(pi, phi, 0.6, 1.0, behavior=b, initial=w),
        EmphaticTD(pi, phi, 0.6, 1.5, 1.0, behavior=b, initial=w),
    ):
        good = mean_episode(mdp, method, b, start)
        caught |= abs(good - mean_episode(mdp, method, b, start, family)).max() > 1e-6
    assert caught


CORRECTIONS = [
    ("seen if rule.code == GTD2_CODE else delta", "delta"),
    ("* (rho * delta - seen), u)", "* (delta - seen), u)"),
    (
        "add(given, after, 0, -alpha * gamma * seen, w)",
        "add(given, after, 0, -alpha * seen, w)",
    ),
]


@pytest.mark.parametrize(("right", "wrong"), CORRECTIONS)
def test_a_fault_in_the_correction_is_caught(right, wrong):
    mdp, pi, b, phi, w, u = problem(0)
    family, d, caught = mutated(kernels, right, wrong), stationary(mdp, b), False
    for cls in (GTD2, TDC):
        method = cls(pi, phi, 1.0, 0.5, behavior=b, initial=w)
        good = mean_step(mdp, method, d[:, None] * b, u)
        bad = mean_step(mdp, method, d[:, None] * b, u, family)
        caught |= abs(np.array(good) - bad).max() > 1e-6
    assert caught


def test_a_single_sample_in_place_of_two_is_caught():
    mdp, pi, _, phi, w, _ = problem(0)
    family = mutated(
        kernels, "if rule.code == RESIDUAL:\n            ptr", "if False:\n            ptr"
    )
    d, method = stationary(mdp, pi), ResidualGradient(pi, phi, 1.0, initial=w)
    good = mean_residual_step(mdp, method, d[:, None] * pi, pi)
    bad = mean_residual_step(mdp, method, d[:, None] * pi, pi, family)
    assert abs(good - bad).max() > 1e-3


# ---- refusals --------------------------------------------------------------------------------


def test_what_cannot_be_is_refused():
    mdp, pi, _, phi, _, _ = problem(0)
    only = np.zeros(mdp.n_states, int)
    with pytest.raises(ModelError, match="behavior"):
        learn(mdp, SemiGradientTD(pi, phi, behavior=only), episodes=1)
    with pytest.raises(ValueError, match=r"\(4, K\) is needed"):
        learn(mdp, SemiGradientTD(pi, phi[:3]), episodes=1)
    with pytest.raises(ValueError, match="λ"):
        SemiGradientTD(pi, phi, lam=1.5)
    with pytest.raises(ValueError, match="second_step_size"):
        learn(mdp, TDC(pi, phi, second_step_size=-1.0), episodes=1)


def test_a_second_state_cannot_be_drawn_from_an_environment():
    gymnasium = pytest.importorskip("gymnasium")
    env = gymnasium.make("FrozenLake-v1")
    pi = np.full((16, 4), 0.25)
    with pytest.raises(TypeError, match="second next state"):
        learn(env, ResidualGradient(pi, np.eye(16)), episodes=1)
    one = learn(env, ResidualGradient(pi, np.eye(16), double_sampling=False), episodes=3, rng=0)
    assert one.values.shape == (1, 16)


def test_values_are_compared_with_the_truth():
    mdp, pi, _, phi, _, _ = problem(1)
    truth = policy_values(mdp, pi).v
    found = learn(mdp, SemiGradientTD(pi, phi), episodes=7, runs=2, rng=0, truth=truth)
    wanted = np.sqrt(((found.values - truth) ** 2).mean(axis=1))
    np.testing.assert_allclose(found.errors.values[:, -1], wanted, rtol=1e-12)
    assert expected_under(mdp, pi, policy_values(mdp, pi).q) == pytest.approx(truth)
    np.testing.assert_array_equal(bounds(mdp, pi.reshape(-1)), found.tables.given.behavior)
