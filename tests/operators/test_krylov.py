"""BiCGSTAB against LU: what it says of its residual is true, and what cannot be had is said."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from mdpkit._rows import CSR, read_csr
from mdpkit.gallery import make
from mdpkit.operators.bellman import sweep
from mdpkit.operators.krylov import bicgstab
from mdpkit.operators.resolvent import (
    band,
    solve_banded,
    solve_dense,
    solve_krylov,
    solve_sparse,
)
from mdpkit.operators.sweep import Padded, chain_change, gathered, policy_rows


def chain(rng, n, width, reach):
    """n states, `width` successors each, at most `reach` away."""
    columns = np.clip(
        np.arange(n)[:, None] + rng.integers(-reach, reach + 1, (n, width)), 0, n - 1
    )
    P = csr_array(
        (rng.dirichlet(np.ones(width), n).reshape(-1), columns.reshape(-1),
         np.arange(n + 1) * width), (n, n),
    )  # fmt: skip
    return read_csr(P)


def truth(rows, b, gamma):
    return np.linalg.solve(np.eye(b.size) - gamma * rows.to_scipy().toarray(), b)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("gamma", [0.0, 0.9, 0.999])
def test_the_residual_is_below_the_goal_and_the_error_as_the_theory_says(seed, gamma):
    rng = np.random.default_rng(seed)
    rows, b = chain(rng, 80, 3, 5), rng.normal(size=80)
    goal = 1e-9
    found = bicgstab(rows, b, gamma, np.zeros(80), goal)
    residual = b - found.x + gamma * (rows.to_scipy() @ found.x)
    assert np.abs(residual).max() <= goal + 1e-11
    assert found.residual == pytest.approx(np.abs(residual).max(), rel=1e-3, abs=1e-11)
    assert np.abs(found.x - truth(rows, b, gamma)).max() <= 1.1 * goal / (1 - gamma)


def test_every_storage_gives_the_same_answer():
    rng = np.random.default_rng(0)
    rows, b = chain(rng, 60, 3, 4), rng.normal(size=60)
    dense = rows.to_scipy().toarray()
    table = padded(rows)
    answers = [bicgstab(x, b, 0.95, np.zeros(60), 1e-10).x for x in (rows, dense, table)]
    for answer in answers:
        assert answer == pytest.approx(truth(rows, b, 0.95), abs=1e-8)


def padded(rows):
    """A chain with zeros added, by NumPy."""
    counts = np.diff(rows.row_ptr)
    w, n = int(counts.max()), counts.size
    values, columns = np.zeros((n, w)), np.zeros((n, w), dtype=np.uint32)
    for i in range(n):
        entries = slice(rows.row_ptr[i], rows.row_ptr[i + 1])
        values[i, : counts[i]], columns[i, : counts[i]] = (
            rows.values[entries],
            rows.columns[entries],
        )
    return Padded(values.reshape(-1), columns.reshape(-1), (0,) * w)


def test_the_policys_rows_of_a_lake_are_padded_and_sweep_as_they_did():
    mdp = make("lake", size=12, seed=0)
    pairs = sweep(mdp, np.random.default_rng(0).random(mdp.n_states)).best
    table, rows = policy_rows(mdp, pairs), gathered(mdp.rows, pairs)
    assert isinstance(table, Padded)
    assert isinstance(rows, CSR)
    v = np.random.default_rng(1).normal(size=mdp.n_states)
    r = mdp._r[pairs]
    for one, other in zip(
        chain_change(table, r, 0.9, v), chain_change(rows, r, 0.9, v), strict=True
    ):
        assert np.array_equal(one, other)  # zeros added last change no sum


def test_a_goal_out_of_reach_is_reported_and_the_guess_kept():
    rng = np.random.default_rng(2)
    rows, b = chain(rng, 50, 3, 3), rng.normal(size=50)
    guess = truth(rows, b, 0.99)
    kept = guess.copy()
    found = bicgstab(rows, b, 0.99, guess, 0.0)
    assert 0 < found.residual < 1e-12
    assert np.array_equal(guess, kept)
    stopped = bicgstab(rows, b, 0.99, np.zeros(50), 1e-12, most=2)
    assert stopped.residual > 1e-12


def test_bicgstab_breaks_down_and_gmres_goes_on():
    # b is orthogonal to (I − γP) b: the first inner product of BiCGSTAB vanishes.
    P = csr_array(np.array([[0.0, 1.0], [1.0, 0.0]]))
    b, gamma = np.array([1.0, 1.0]), 1.0 - 2.0**-53
    assert solve_krylov(read_csr(P), b, 0.5) == pytest.approx([2.0, 2.0])
    turn = csr_array(np.array([[0, 1.0, 0], [0, 0, 1.0], [1.0, 0, 0]]))
    b = np.array([1.0, 1.0 + np.sqrt(3), -2.0 - np.sqrt(3)])
    found = solve_krylov(read_csr(turn), b, gamma * 0.999999)
    expected = truth(read_csr(turn), b, gamma * 0.999999)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("width", "reach"), [(2, 1), (4, 3), (6, 9)])
def test_a_band_is_found_and_solved_as_lu_does(width, reach):
    rng = np.random.default_rng(width)
    rows = chain(rng, 200, width, reach)
    assert max(band(rows)) <= reach
    b = rng.normal(size=(200, 2))
    for gamma in (0.5, 0.999):
        expected = truth(rows, b[:, 0], gamma)
        answers = (
            solve_banded(rows, b[:, 0], gamma, *band(rows)),
            solve_banded(rows, b, gamma, *band(rows))[:, 0],
            solve_sparse(rows, b[:, 0], gamma),
            solve_dense(rows, b[:, 0], gamma),
        )
        for answer in answers:
            assert answer == pytest.approx(expected, rel=1e-9, abs=1e-9)
