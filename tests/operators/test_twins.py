"""Every fast twin against its reference, found by walking the package.

A twin is a public function `f` of mdpkit.operators beside which stands `f_reference`. The two
may differ by the rounding of each, which is computed from the numbers drawn.
"""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import mdpkit.operators
from mdpkit._array import EPS, sup
from mdpkit._rows import CSR
from mdpkit.operators import aggregate, bellman, expect
from mdpkit.operators.bellman import rounding
from mdpkit.policy import uniform
from tests.oracles import random_mdp


def twins():
    for info in pkgutil.iter_modules(mdpkit.operators.__path__):
        module = importlib.import_module(f"mdpkit.operators.{info.name}")
        for name, reference in vars(module).items():
            if name.endswith("_reference") and reference.__module__ == module.__name__:
                yield pytest.param(
                    getattr(module, name.removesuffix("_reference")), reference, id=name
                )


def reductions(mdp, rng):
    weight = rng.random(mdp.pair_shape) + 0.01
    return [
        aggregate.maximum,
        aggregate.expected(weight),
        aggregate.soft(0.3),
        aggregate.soft(0.3, weight),
        aggregate.mellowmax(2.0),
        aggregate.sparsemax(0.5),
        aggregate.expectile(0.8, weight),
        aggregate.boltzmann(0.4),
        aggregate.epsilon_greedy(0.3),
    ]


def expectations(mdp, rng):
    return [
        expect.mean,
        expect.log_mean_exp(0.5),
        expect.worst_case(0.4),
        expect.sampled(rng.integers(-1, mdp.n_states, mdp.n_pairs)),
    ]


def arguments(reference, mdp, rng):
    """Every combination of arguments; an unknown parameter is a failure, not a skip."""
    chain = CSR(*_chain(mdp))
    choices = {
        "mdp": [mdp],
        "v": [rng.normal(size=mdp.n_states)],
        "q": [rng.normal(size=mdp.pair_shape)],
        "over": reductions(mdp, rng),
        "expect": expectations(mdp, rng),
        "order": [rng.permutation(mdp.n_states)],
        "rows": [chain],
        "r": [rng.normal(size=mdp.n_states)],
        "gamma": [0.9],
        "slack": [0.0, 0.3],
        "horizon": [3],
        "how": ["inference", "variational"],
        "tau": [0.7],
        "prior": [None, rng.random(mdp.pair_shape) + 0.01],
        "policies": [rng.random((3, *mdp.pair_shape))],
        "discount": [1.0],
        "policy": [uniform(mdp)],
        "n": [5],
        "rng": [7],
        "start": [None],
    }
    names = list(inspect.signature(reference).parameters)
    combinations = [[]]
    for name in names:
        combinations = [[*old, new] for old in combinations for new in choices[name]]
    return [dict(zip(names, values, strict=True)) for values in combinations]


def _chain(mdp):
    dense = mdp.P.toarray() if mdp.is_sparse else mdp.rows
    rows = dense[mdp.action_ptr[:-1]]
    from scipy.sparse import csr_array

    matrix = csr_array(rows)
    return matrix.data, matrix.indices, matrix.indptr, mdp.n_states


def allowance(mdp, given):
    """Twice the rounding of either side: of the action values, then of their reduction."""
    v = given.get("v", given.get("q", np.zeros(1)))
    size = (
        sup(v) + given.get("horizon", 1) * mdp.reward_size + 2.0
    )  # log_mean_exp moves values by at most τ log(1/p) beside ‖v‖
    e = rounding(mdp, v, bound=size) if mdp.n_states else 0.0
    over = given.get("over", aggregate.maximum)
    weight = 1.0 if over.weight is None else max(1.0, float(np.sum(over.weight)))
    q = (mdp.reward_size + size) * weight
    steep = (
        1.0 + 2 * q / 0.4 if over.code == aggregate.BOLTZMANN else 1.0
    )  # not a non-expansion
    steep *= 5.0 if over.code == aggregate.EXPECTILE else 1.0  # 1 / min(κ, 1 − κ)
    return 2 * steep * (weight * e + 8 * (mdp.n_actions + 4) * EPS * (q + 1.0))


@pytest.mark.parametrize(("twin", "reference"), list(twins()))
@pytest.mark.parametrize("seed", range(12))
def test_twin_agrees_with_its_reference(twin, reference, seed):
    mdp = random_mdp(seed)
    rng = np.random.default_rng(seed)
    for given in arguments(reference, mdp, rng):
        ours, theirs = twin(**given), reference(**given)
        ours, theirs = (x if isinstance(x, tuple) else (x,) for x in (ours, theirs))
        for one, other in zip(ours, theirs, strict=True):
            same = np.equal(one, other)  # −∞ less −∞ is not a number
            one, other = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
            apart = np.subtract(one, other, where=~same, out=np.zeros(one.shape))
            assert np.max(np.abs(apart), initial=0.0) <= allowance(mdp, given), given


def test_the_walk_finds_the_twins():
    names = {param.id for param in twins()}
    assert {"backup_reference", "action_values_reference", "in_place_sweep_reference"} <= names


def test_a_twin_that_forgets_the_discount_is_caught():
    mdp = random_mdp(3, gammas=(0.9,))
    v = np.arange(mdp.n_states) + 1.0
    forgetful = mdp.r + mdp.expect(v)
    assert sup(forgetful - bellman.action_values_reference(mdp, v)) > allowance(mdp, {"v": v})
