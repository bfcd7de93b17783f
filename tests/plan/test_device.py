"""Solving on a device: the CPU's answers and bounds, and next to nothing said on the way.

CuPy is stood in for and the kernels run on the CPU shim; `-m gpu` runs the same on a device.
"""

import sys

import numpy as np
import pytest

import mdpkit as mk
from mdpkit import _cuda
from mdpkit._array import EPS, sup
from mdpkit.bandits import UCB1, Bandit, EpsilonGreedy, play
from mdpkit.batch import Transitions
from mdpkit.errors import DeviceError, ModelError, SingularError
from mdpkit.evaluate import evaluate
from mdpkit.evaluate.policy_evaluation import Direct, Iterative, Krylov
from mdpkit.gallery import make
from mdpkit.learn.linear.least_squares import lstd, lstdq
from mdpkit.learn.linear.lspi import lspi
from mdpkit.operators import traces
from mdpkit.operators.coloring import coloring
from mdpkit.operators.rollout import rollout
from mdpkit.plan import (
    GaussSeidel,
    ModifiedPolicyIteration,
    PolicyIteration,
    QIteration,
    SoftValueIteration,
    ValueIteration,
    solve_batch,
)
from mdpkit.policy import uniform
from tests import fake_cupy
from tests.oracles import exact_optimum, exact_policy_value, inside, random_mdp

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")


@pytest.fixture(params=["shim", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request, monkeypatch):
    if request.param == "gpu":
        try:
            return _cuda.library()
        except DeviceError as reason:
            pytest.skip(str(reason))
    made = fake_cupy.module()
    monkeypatch.setitem(sys.modules, "cupy", made)
    return made


METHODS = [ValueIteration(), ModifiedPolicyIteration(), PolicyIteration(), None]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_bounds_of_a_device_contain_the_exact_optimum(method, device):
    for seed in range(10):
        mdp = random_mdp(seed, gammas=(0.0, 0.5, 0.9))
        sol = mk.solve(mdp.to("gpu"), method)
        true, _ = exact_optimum(mdp.exact(dyadic=True))
        assert inside(true, sol.lower, sol.upper)
        assert isinstance(sol.v, np.ndarray)
        assert sol.value_at_start == pytest.approx(float(mdp.start @ sol.v))


def test_bounds_of_one_policy_do_not_contain_another():
    mdp = make("garnet", S=5, A=2, b=2, gamma=0.9)
    first = [int(p) for p in mdp.action_ptr[:-1]]
    true = exact_policy_value(mdp.exact(dyadic=True), first)
    sol = mk.solve(mdp, ValueIteration())
    assert not inside(true, sol.lower, sol.upper)


@pytest.mark.parametrize(
    "method", [*METHODS[:3], SoftValueIteration(0.3)], ids=lambda m: type(m).__name__
)
@pytest.mark.parametrize("model", ["garnet", "lake", "dense"])
def test_a_device_takes_the_steps_of_the_cpu(method, model, device):
    mdp = {
        "garnet": lambda: make("garnet", S=60, A=4, b=5, gamma=0.9),
        "lake": lambda: make("lake", size=5, seed=0, gamma=0.9),
        "dense": lambda: random_mdp(0, gammas=(0.9,)),
    }[model]()
    here, there = mk.solve(mdp, method), mk.solve(mdp.to("gpu"), method)
    assert abs(here.steps - there.steps) <= 1  # the last bits may decide the last step
    assert sup(here.v - there.v) <= (here.gap + there.gap) / 2
    assert np.array_equal(here.policy, there.policy)
    assert there.gap <= 2 * max(here.gap, 1e-8 * max(1.0, sup(here.v)))


def test_a_soft_prior_goes_to_the_device_once(device):
    mdp = make("garnet", S=20, A=3, b=4, gamma=0.8)
    prior = np.random.default_rng(0).dirichlet(np.ones(3), 20).reshape(mdp.pair_shape)
    method = SoftValueIteration(0.5, prior)
    here, there = mk.solve(mdp, method), mk.solve(mdp.to("gpu"), method)
    assert sup(here.v - there.v) <= (here.gap + there.gap) / 2
    assert sup(here.probabilities - there.probabilities) <= 1e-6


def test_a_sweep_tells_the_cpu_three_numbers_and_no_more(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy.module())
    there = make("lake", size=5, seed=0, gamma=0.95).to("gpu")
    mk.solve(there, ValueIteration(), throw=False, max_steps=1)  # what is asked once a model
    crossed = []
    for steps in (10, 30):
        fake_cupy.traffic.clear()
        mk.solve(there, ValueIteration(), throw=False, max_steps=steps, tol=1e-14)
        crossed.append(list(fake_cupy.traffic))
    assert len(crossed[1]) - len(crossed[0]) == 20
    assert sum(crossed[1]) - sum(crossed[0]) == 20 * 24


@pytest.mark.parametrize("method", [Direct(), Iterative(), Krylov()], ids=lambda m: m.key)
def test_a_policy_is_evaluated_on_a_device(method, device):
    for seed in (0, 2, 3):
        mdp = random_mdp(seed, gammas=(0.9,))
        for policy in (np.zeros(mdp.n_states, dtype=int), uniform(mdp)):
            if mdp._pair_actions is not None and policy.ndim == 1:
                policy = mdp.actions_of(mdp.action_ptr[:-1])
            here = evaluate(mdp, policy, Direct())
            there = evaluate(mdp.to("gpu"), policy, method)
            assert (there.lower <= here.upper).all()
            assert (here.lower <= there.upper).all()


def test_gauss_seidel_sweeps_by_colors(device):
    mdp = make("lake", size=5, seed=0, gamma=0.9)
    method = GaussSeidel(order=coloring(mdp))
    here, there = mk.solve(mdp, method), mk.solve(mdp.to("gpu"), method)
    assert there.steps == here.steps
    assert sup(here.v - there.v) <= 8 * EPS * (1 + sup(here.v))
    with pytest.raises(DeviceError, match="coloring"):
        mk.solve(mdp.to("gpu"), GaussSeidel())


def test_colors_are_few_and_no_neighbors_share_one():
    mdp = make("lake", size=9, seed=0, gamma=0.9)
    colors = coloring(mdp)
    color = np.empty(mdp.n_states, dtype=int)
    for k in range(colors.ptr.size - 1):
        color[colors.order[colors.ptr[k] : colors.ptr[k + 1]]] = k
    state = np.repeat(mdp.pair_states, np.diff(mdp.rows.row_ptr))
    apart = state != mdp.rows.columns
    assert (color[state[apart]] != color[mdp.rows.columns[apart]]).all()
    assert colors.ptr.size - 1 <= 5  # a cell has four neighbors


def test_what_a_device_cannot_do_is_refused_by_name(device, tmp_path):
    mdp = make("lake", size=4, seed=0, gamma=0.9)
    there = mdp.to("gpu")
    with pytest.raises(DeviceError, match="QIteration runs on the CPU"):
        mk.solve(there, QIteration())
    with pytest.raises(DeviceError, match="checkpoint= runs"):
        mk.solve(there, ValueIteration(), checkpoint=tmp_path / "c.npz")
    with pytest.raises(DeviceError, match="γ = 1"):
        mk.solve(make("lake", size=4, seed=0, gamma=1.0).to("gpu"), ValueIteration())
    from mdpkit.operators.bellman import backup
    from mdpkit.operators.expect import worst_case

    with pytest.raises(DeviceError, match="worst_case is computed on the CPU"):
        backup(there, device.zeros(16), expect=worst_case(0.1))
    with pytest.raises(TypeError, match="array of the device"):
        backup(there, np.zeros(16))


def test_a_device_certifies_values_of_either_side(device):
    mdp = make("lake", size=4, seed=0, gamma=0.9)
    v = mk.solve(mdp, tol=1e-3).v
    here = mk.certify(mdp, v)
    for there in (mk.certify(mdp.to("gpu"), v), mk.certify(mdp.to("gpu"), device.asarray(v))):
        assert np.array_equal(there.lower, here.lower)
        assert np.array_equal(there.policy, here.policy)
    policy = here.policy
    assert mk.certify(mdp.to("gpu"), policy=policy).loss == mk.certify(mdp, policy=policy).loss


def test_the_operator_of_lambda_runs_where_the_model_is(device, monkeypatch):
    """Its distance to the CPU's is bounded, kernel by kernel, in tests/cuda/backups.py."""
    mdp = make("garnet", S=30, A=3, b=4, gamma=0.9)
    v, pi = np.random.default_rng(0).normal(size=30), uniform(mdp)
    true = traces.lambda_operator(mdp, pi, v, 0.7)
    found = traces.lambda_operator(mdp.to("gpu"), pi, device.asarray(v), 0.7)
    assert type(found).__module__ == "cupy"
    assert sup(found.get() - true) <= 1e-10
    own = traces.solve_chain
    monkeypatch.setattr(traces, "solve_chain", lambda rows, r, _: own(rows, r, 0.9))  # no λ
    assert sup(traces.lambda_operator(mdp.to("gpu"), pi, v, 0.7).get() - true) > 1e-3


def test_a_batch_of_a_device_is_checked_as_one_of_the_cpu(device):
    P = np.random.default_rng(0).dirichlet(np.ones(3), (4, 3, 2))
    r = np.zeros((4, 3, 2))
    for bad in (0.9, np.nan):
        wrong = P.copy()
        wrong[2, 1, 0] *= bad
        with pytest.raises(ModelError):
            solve_batch(device.asarray(wrong), r, 0.9)
    wrong = P.copy()
    wrong[0, 0, 0] = [1.5, -0.5, 0.0]
    with pytest.raises(ModelError):
        solve_batch(device.asarray(wrong), r, 0.9)
    with pytest.raises(ModelError, match="float64"):
        solve_batch(device.asarray(P[0]), r, 0.9)


PTR = 2 * np.arange(5)
"""Of four states with two actions each."""


def samples(pairs=8, n=300):
    """Steps that take the first pairs only, on the CPU."""
    rng = np.random.default_rng(1)
    discount = np.where(rng.random(n) < 0.1, 0.0, 0.9)
    after = rng.integers(0, 4, n)
    return Transitions(
        rng.integers(0, pairs, n), rng.normal(size=n), discount, after, np.ones(n)
    )


def moved(batch, device):
    return type(batch)(*[device.asarray(x) for x in batch])


def test_lspi_sums_and_solves_on_a_device(device):
    batch, phi = samples(), np.eye(8)
    found, true = (lspi(x, phi, action_ptr=PTR) for x in (moved(batch, device), batch))
    assert np.array_equal(found.policy, true.policy)
    assert sup(found.w - true.w) <= 1e-10
    assert isinstance(found.w, np.ndarray)


@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_least_squares_are_solved_where_the_batch_is(ridge, device):
    """With the ridge, and without: one condition κ(A) ≤ 10³ keeps 1e-10 far above rounding."""
    mdp = make("garnet", S=6, A=2, b=3, gamma=0.9)
    walks, phi = rollout(mdp, uniform(mdp), 20, n=30, rng=3), np.eye(6)
    there = moved(walks, device)
    steps = samples()
    how = {"policy": np.zeros(4, dtype=int), "action_ptr": PTR, "ridge": ridge}
    for found, true in (
        *((lstd(x, phi, lam=lam, ridge=ridge) for x in (there, walks)) for lam in (0, 0.8)),
        (lstdq(x, np.eye(8), **how) for x in (moved(steps, device), steps)),
    ):
        assert np.linalg.cond(true.system.A) <= 1e3
        for one, other in ((found.w, true.w), *zip(found.system, true.system, strict=True)):
            assert type(one).__module__ == "cupy"
            assert sup(one.get() - other) <= 1e-10 * max(1.0, sup(other))


@pytest.mark.parametrize("scale", [1.0, 1e9])
def test_a_singular_system_of_a_device_says_its_rank(scale, device):
    """Scaled as on the CPU, so that units of features do not make a system singular."""
    batch, phi = samples(pairs=5), np.eye(8)
    there = moved(batch, device)
    for data in (batch, there):
        with pytest.raises(SingularError, match="rank 5, below 8") as caught:
            lspi(data, phi, action_ptr=PTR)
        assert caught.value.rank == 5
    units = np.diag([scale] + 7 * [1.0])
    whole = samples()
    found, true = (lspi(x, units, action_ptr=PTR) for x in (moved(whole, device), whole))
    assert sup(found.q - true.q) <= 1e-10


def test_a_bandit_without_a_kernel_stays_on_the_cpu(device):
    with pytest.raises(DeviceError, match="plays on the CPU"):
        play(Bandit([0.1, 0.2]), EpsilonGreedy(0.1), 10, runs=2, device="gpu")
    with pytest.raises(ValueError, match="one of"):
        play(Bandit([0.1, 0.2]), UCB1(), 10, runs=2, device="tpu")
