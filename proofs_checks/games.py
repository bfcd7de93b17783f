"""Group X, zero-sum games: the value of a matrix, Shapley's operator, naive policy iteration.

Source: Shapley (1953); Shapley & Snow (1950); van der Wal (1978); Condon (1993).
"""

from itertools import combinations
from typing import Annotated, Any, NamedTuple

import numpy as np

from mdpkit._array import number
from mdpkit.claim import MDP, All, Eq, Leq, Value, claim, models, numbers
from mdpkit.operators.bellman import action_values
from proofs_checks.instances import exactly, model
from proofs_checks.span_norm import undiscounted
from proofs_checks.vocabulary import solve, sup


class Played(NamedTuple):
    """The value of a matrix game whose row player maximizes, and both optimal mixtures."""

    value: Any
    rows: np.ndarray
    columns: np.ndarray


def mixture(kernel, size, where):
    """The mixture that makes the other side indifferent on a square kernel, and its value."""
    k = len(kernel)
    one = kernel[0, 0] * 0 + 1
    bordered = np.full((k + 1, k + 1), one)
    bordered[:k, :k], bordered[:k, k], bordered[k, k] = kernel, -one, 0 * one
    right = np.full(k + 1, 0 * one)
    right[k] = one
    x = solve(bordered, right)
    out = np.full(size, 0 * one)
    out[list(where)] = x[:k]
    return out, x[k]


def kernels(matrix):
    """The row and column sets of the square submatrices."""
    m, n = matrix.shape
    for k in range(1, min(m, n) + 1):
        for rows in combinations(range(m), k):
            for columns in combinations(range(n), k):
                yield rows, columns


def played(matrix):
    """The game's value: some square kernel is its solution (Shapley & Snow)."""
    found = []
    for rows, columns in kernels(matrix):
        kernel = matrix[np.ix_(rows, columns)]
        try:
            x, value = mixture(kernel.T, matrix.shape[0], rows)
            y, _ = mixture(kernel, matrix.shape[1], columns)
        except (ZeroDivisionError, np.linalg.LinAlgError):
            continue
        # How far x and y are from proving the value of each other.
        short = max((matrix @ y).max() - value, value - (x @ matrix).min(), -x.min(), -y.min())
        found.append((short, Played(value, x, y)))
    return min(found, key=lambda entry: entry[0])[1]


def without_mixing(matrix):
    """The best pure row against the best reply."""
    i, one = int(np.argmax(matrix.min(axis=1))), matrix[0, 0] * 0 + 1
    j = int(np.argmin(matrix[i]))
    m, n = matrix.shape
    x, y = np.full(m, 0 * one), np.full(n, 0 * one)
    x[i], y[j] = one, one
    return Played(matrix[i, j], x, y)


def local_games(mdp, v):
    """r + γP v as (S, 2, 2): action 2a + b is row a, column b."""
    return action_values(mdp, v).reshape(-1, 2, 2)


def shapley(mdp, v):
    """val (r + γPv), (S,)."""
    return np.array([played(matrix).value for matrix in local_games(mdp, v)])


GAMES = models(states=(1, 3), actions=(4, 4), ragged=False)


@claim(id="X30", source="Shapley (1953)", exact="Q")
def shapley_operator_contracts(
    mdp: Annotated[MDP, GAMES], v: Value, w: Value, *, operator=shapley
):
    """‖Sv − Sw‖∞ ≤ γ ‖v − w‖∞ for Sv = val (r + γPv), for |val M − val N| ≤ max |M − N|."""
    return Leq(sup(operator(mdp, v) - operator(mdp, w)), mdp.gamma * sup(v - w))


shapley_operator_contracts.rejects(
    "forgets the discount", operator=lambda mdp, v: shapley(undiscounted(mdp), v)
)


@shapley_operator_contracts.attained_by
def shifted_values():
    """w = v + 1."""
    P = [[[1, 0], [0, 1], [0, 1], [1, 0]]] * 2
    mdp = model(P, [[3, 1, 0, 2], [0, 1, 1, 0]], "3/4")
    return mdp, exactly([0, 1]), exactly([1, 2])


@claim(id="X30-value", source="von Neumann (1928); Shapley & Snow (1950)", exact="Q")
def mixtures_prove_the_value_of_each_other(
    matrix: Annotated[Any, numbers("ij", longest=3)],
    change: Annotated[Any, numbers("ij", longest=3)],
    *,
    play=played,
):
    """x, y ≥ 0, min_j (xᵀM)_j = val M = max_i (My)_i, and |val M − val N| ≤ max |M − N|."""
    value, x, y = play(matrix)
    other = play(matrix + change).value
    near = 1e-9 * (1 + number(sup(matrix)) + number(sup(change)))
    return All(
        Leq(abs(value - other), sup(change), near),
        Eq((x @ matrix).min(), value, near),
        Eq((matrix @ y).max(), value, near),
        Eq(x.sum(), 0 * value + 1, 1e-9),
        Leq(-np.concatenate([x, y]), 0 * value, 1e-9, ratio=False),
    )


mixtures_prove_the_value_of_each_other.rejects("pure rows only", play=without_mixing)


# ---- naive policy iteration ------------------------------------------------------------------


def van_der_wal(like):
    """One state, γ = 3/4: the local game [[3 + ¾v, 6 + ¼v], [2 + ¾v, 1 + ¾v]], value 8."""
    one = like * 0 + 1
    P = np.array([[[one], [one / 3], [one], [one]]])
    r = np.array([[3 * one, 6 * one, 2 * one, one]])
    return MDP(P, r, 3 * one / 4, stop=1 - P[..., 0])


def naive(mdp, v):
    """The value of both sides' optimal mixtures of r + γPv, played for ever (one state)."""
    _, x, y = played(local_games(mdp, v)[0])
    both = (x[:, None] * y[None, :]).reshape(-1)
    go_on = mdp.gamma * (both @ mdp.rows[:, 0])
    return np.array([both @ mdp.r[0] / (1 - go_on)])


@claim(
    id="X30-naive",
    source="Pollatschek & Avi-Itzhak (1969); van der Wal (1978)",
    exact="Q",
    mutations=(),
)
def naive_policy_iteration_cycles(v: Annotated[Any, numbers(high=6)], *, improve=naive):
    """On van der Wal's game, from any v_0 < 6: 12, 4, 12, 4, … for ever, though S8 = 8."""
    mdp, values = van_der_wal(v), [np.array([v - 1])]
    for _ in range(4):
        values.append(improve(mdp, values[-1]))
    eight = np.array([v * 0 + 8])
    return All(Eq(np.concatenate(values[1:]), [12, 4, 12, 4]), Eq(shapley(mdp, eight), eight))


naive_policy_iteration_cycles.rejects("Shapley's iteration", improve=shapley)
