"""Models whose every path ends, policies in fractions, and J in complex numbers.

J(θ + ih) has the imaginary part h ∂J/∂θ up to h³: with h = 1e-30 that is the derivative to the
last bits, from nothing but the formula of J.
"""

import flint
import numpy as np
from scipy.sparse import csr_array

from mdpkit.mdp import MDP
from tests.oracles import rational

STEP = 1e-30
FINITE = (0.5, 0.75, 0.9)


def layered(seed, layers=3, width=2, n_actions=2, gammas=(*FINITE, 1.0), ends=True):
    """A float model of `layers` layers: a step leads to the next layer, or ends the episode.

    Its numbers are small fractions, so that `.exact()` has them exactly. Dense, or CSR with
    action sets of different sizes.
    """
    rng = np.random.default_rng([seed, layers, width, n_actions])
    n = layers * width
    P, stop = np.zeros((n, n_actions, n)), np.ones((n, n_actions))
    for s in range(n - width):
        ahead = slice((s // width + 1) * width, (s // width + 2) * width)
        parts = rng.integers(0, 4, size=(n_actions, width + 1))
        parts[:, 0] += 1
        parts[:, -1] *= ends
        share = parts / parts.sum(axis=1, keepdims=True)
        P[s, :, ahead], stop[s] = share[:, :-1], share[:, -1]
    r = rng.integers(-3, 4, size=(n, n_actions)).astype(float)
    first = rng.integers(1, 4, size=width)
    start = np.concatenate([first / first.sum(), np.zeros(n - width)])
    gamma = float(rng.choice(gammas))
    if rng.random() < 0.5:
        return MDP(P, r, gamma, stop=stop, start=start)
    mask = rng.random((n, n_actions)) < 0.7
    mask[:, 0] = True
    ptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
    rows = csr_array(P[mask])
    return MDP(rows, r[mask], gamma, stop=stop[mask], action_ptr=ptr, start=start)


def fractions(mdp, seed, low=1):
    """A policy of small fractions in pair layout, every action at least low/total."""
    rng = np.random.default_rng([seed, 7])
    parts = rng.integers(low, 6, mdp.n_pairs)
    parts[mdp.action_ptr[:-1]] += 1
    weight = np.array([rational(int(x)) for x in parts], dtype=object)
    total = np.add.reduceat(weight, mdp.action_ptr[:-1])
    return (weight / np.repeat(total, np.diff(mdp.action_ptr))).reshape(mdp.pair_shape)


def whole(rng, size, low=-3, high=4):
    """Small whole numbers as rationals."""
    numbers = [rational(int(x)) for x in rng.integers(low, high, int(np.prod(size)))]
    return np.array(numbers, dtype=object).reshape(size)


def floats(x):
    """Rationals as floats."""
    flat = [int(y.p) / int(y.q) for y in np.asarray(x).reshape(-1)]
    return np.array(flat).reshape(np.shape(x))


# ---- J in complex numbers --------------------------------------------------------------------


def dense_rows(mdp):
    """(pairs, S) floats."""
    return mdp.P.toarray() if mdp.is_sparse else np.asarray(mdp.rows)


def state_sum(mdp, x):
    return np.add.reduceat(x, mdp.action_ptr[:-1], axis=0)


def softmax(mdp, theta):
    """π(a|s) ∝ e^θ, (pairs,), of real or complex θ."""
    e = np.exp(theta.reshape(-1))
    return e / np.repeat(state_sum(mdp, e), np.diff(mdp.action_ptr))


def drawn_policy(mdp, rng):
    """θ, (pairs,), normal, and its softmax in pair layout."""
    theta = rng.normal(size=mdp.n_pairs)
    return theta, softmax(mdp, theta).reshape(mdp.pair_shape)


def value(mdp, pi, tau=0.0, *, r=None, rows=None, gamma=None):
    """v_τ^π by dense elimination, real or complex; pi (pairs,), not necessarily a policy."""
    r = mdp.r.reshape(-1) if r is None else r
    rows = dense_rows(mdp) if rows is None else rows
    gamma = mdp.gamma if gamma is None else gamma
    pays = pi * (r - tau * np.log(pi)) if tau else pi * r
    P = state_sum(mdp, pi[:, None] * rows)
    return np.linalg.solve(np.eye(mdp.n_states) - gamma * P, state_sum(mdp, pays))


def performance(mdp, pi, tau=0.0):
    """J_τ, with pi (pairs,) real or complex."""
    return mdp.start @ value(mdp, pi, tau)


def complex_gradient(f, x):
    """∇f, from f at x + ih e_i."""
    x = np.asarray(x, dtype=complex)
    return np.array([np.imag(f(x + 1j * STEP * e)) / STEP for e in np.eye(x.size)])


def horizon(mdp):
    """H = 1/(1−γ); at γ = 1 the number of layers would do, and 10 is more."""
    return 1 / (1 - mdp.gamma) if mdp.gamma < 1 else 10.0


def exact_solve(matrix, right):
    """Solve in fractions: matrix (n, n), right (n,), object arrays."""
    n = right.size
    A = flint.fmpq_mat(n, n, [rational(x) for x in matrix.reshape(-1)])
    x = A.solve(flint.fmpq_mat(n, 1, [rational(y) for y in right]))
    return np.array([x[i, 0] for i in range(n)], dtype=object)
