"""v^π by every method, against exact solves and a closed form."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit._rows import CSR
from mdpkit.evaluate import Direct, Iterative, Krylov, chain, evaluate
from mdpkit.operators.resolvent import solve_chain, solve_dense, solve_krylov, solve_sparse
from mdpkit.plan import ValueIteration
from mdpkit.policy import probabilities, uniform
from tests.oracles import exact_policy_value, inside, random_mdp

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")
EVERY = [None, Direct(), Iterative(), Krylov(), ValueIteration()]


@pytest.mark.parametrize("method", EVERY, ids=str)
@pytest.mark.parametrize("seed", range(25))
def test_bounds_contain_the_exact_value_of_a_policy(method, seed):
    mdp = random_mdp(seed, gammas=(0.0, 0.5, 0.9, 0.99))
    rng = np.random.default_rng(seed)
    pairs = np.array([rng.integers(*mdp.action_ptr[s : s + 2]) for s in range(mdp.n_states)])
    exact = exact_policy_value(mdp.exact(), pairs)
    for policy in (mdp.pair_actions[pairs], probabilities(mdp, mdp.pair_actions[pairs])):
        solution = evaluate(mdp, policy, method)
        assert inside(exact, solution.lower, solution.upper)
        assert solution.status is mk.Status.SOLVED


def test_the_uniform_walk_has_its_closed_form():
    # Symmetric walk on 0 … n+1 absorbed at the ends, +1 at the right end:
    # v(i) = sinh(iθ)/sinh((n+1)θ) with cosh θ = 1/γ, over γ, since leaving is not discounted.
    n, gamma = 9, 0.9
    P, r, stop = np.zeros((n, 2, n)), np.zeros((n, 2)), np.zeros((n, 2))
    for s in range(n):
        for a, t in enumerate((s - 1, s + 1)):
            if 0 <= t < n:
                P[s, a, t] = 1
            else:
                stop[s, a], r[s, a] = 1, float(t == n)
    mdp = mk.MDP(P, r, gamma, stop=stop)
    theta = np.arccosh(1 / gamma)
    expected = np.sinh(np.arange(1, n + 1) * theta) / np.sinh((n + 1) * theta) / gamma
    assert evaluate(mdp, uniform(mdp)).v == pytest.approx(expected, abs=1e-12)


def test_ways_to_solve_a_chain_agree():
    mdp = random_mdp(8, gammas=(0.9,))
    rows, r = chain(mdp, uniform(mdp)).rows, np.arange(mdp.n_states, dtype=float)
    from scipy.sparse import csr_array

    dense = rows if not isinstance(rows, CSR) else csr_array(rows[:3], rows.shape).toarray()
    matrix = csr_array(dense)
    sparse = CSR(matrix.data, matrix.indices, matrix.indptr, mdp.n_states)
    answers = [
        solve_dense(dense, r, 0.9),
        solve_sparse(sparse, r, 0.9),
        solve_krylov(sparse, r, 0.9),
        solve_krylov(dense, r, 0.9),
        solve_chain(sparse, r, 0.9),
    ]
    for answer in answers:
        assert answer == pytest.approx(
            np.linalg.solve(np.eye(r.size) - 0.9 * dense, r), rel=1e-10
        )


def test_a_chain_keeps_stops_start_and_names():
    mdp = mk.MDP(
        [[[0.5, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]],
        np.ones((2, 2)),
        0.9,
        stop=[[0.5, 0], [0, 0]],
        start=[1, 0],
        states=["here", "there"],
    )
    one = chain(mdp, np.array([0, 1]))
    assert (one.n_actions, one.stop.tolist(), one.start.tolist()) == (1, [[0.5], [0]], [1, 0])
    assert one.states == ("here", "there")


def test_a_policy_off_by_rounding_is_divided_by_its_sum():
    mdp = mk.MDP(np.full((2, 3, 2), 0.5), np.ones((2, 3)), 0.9)
    third = np.full((2, 3), 0.3333333333)
    assert evaluate(mdp, third).v == pytest.approx(10, abs=1e-9)
    with pytest.raises(ValueError, match="sums to"):
        evaluate(mdp, np.full((2, 3), 0.33))
