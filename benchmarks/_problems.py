"""The models of `benchmarks plan`, as plain arrays that every tool can read."""

from __future__ import annotations

import numpy as np

from mdpkit._rows import CSR
from mdpkit.gallery import make
from mdpkit.mdp import MDP

QUICK = {
    "garnet-1e4": lambda: make("garnet", S=10_000, A=10, b=10, gamma=0.99),
    "garnet-1e5": lambda: make("garnet", S=100_000, A=10, b=10, gamma=0.99),
    "dense-1000x20": lambda: dense(1000, 20, 0.99),
    "lake-300 γ=.99": lambda: make("lake", size=300, seed=0, gamma=0.99),
    "lake-300 γ=.999": lambda: make("lake", size=300, seed=0, gamma=0.999),
    "inventory-2000x50": lambda: stock(2000, 50, 40, 0.99),
    "queue-1e5": lambda: make("queue", capacity=100_000 - 1, n_rates=8, gamma=0.99),
}
"""Name → model; each row of PERFORMANCE's table."""


def dense(S: int, A: int, gamma: float, seed: int = 0) -> MDP:
    """Every state leads everywhere."""
    rng = np.random.default_rng(seed)
    P = rng.random((S, A, S))
    P /= P.sum(axis=2, keepdims=True)
    return MDP(P, rng.random((S, A)), gamma)


def stock(S: int, A: int, band: int, gamma: float, seed: int = 0) -> MDP:
    """Inventory of up to S − 1 units, orders of 0 … A − 1, demand within a band."""
    demand = np.random.default_rng(seed).dirichlet(np.ones(band))
    s, a = np.divmod(np.arange(S * A), A)
    level = np.minimum(s + a, S - 1)
    left = np.maximum(level[:, None] - np.arange(band)[None], 0)
    sold = (demand * np.minimum(level[:, None], np.arange(band)[None])).sum(axis=1)
    r = 8.0 * sold - 2.0 * (level - s) - 4.0 * (level > s) - 0.1 * level
    ptr = np.arange(S * A + 1) * band
    values = np.tile(demand, S * A)
    from scipy.sparse import csr_array

    rows = csr_array((values, left.reshape(-1), ptr), (S * A, S))
    rows.sum_duplicates()
    return MDP(rows, r, gamma, action_ptr=np.arange(S + 1) * A)


def random_row(rng: np.random.Generator) -> tuple[str, MDP]:
    """A model nobody tuned for."""
    kind = rng.integers(4)
    gamma = float(rng.choice([0.9, 0.95, 0.99, 0.995]))
    if kind == 0:
        S, A, b = (
            int(rng.integers(2000, 40_000)),
            int(rng.integers(2, 12)),
            int(rng.integers(2, 20)),
        )
        return f"garnet {S}x{A}x{b} γ={gamma}", make("garnet", S=S, A=A, b=b, gamma=gamma)
    if kind == 1:
        size = int(rng.integers(40, 200))
        return f"lake {size} γ={gamma}", make("lake", size=size, seed=1, gamma=gamma)
    if kind == 2:
        S, A = int(rng.integers(200, 1200)), int(rng.integers(2, 20))
        return f"dense {S}x{A} γ={gamma}", dense(S, A, gamma)
    n = int(rng.integers(1000, 50_000))
    return f"queue {n} γ={gamma}", make("queue", capacity=n, n_rates=8, gamma=gamma)


def save(mdp: MDP, path) -> None:
    """Arrays for a peer: CSR rows by pair, or dense, and everything else."""
    sparse = isinstance(mdp.rows, CSR)
    body = (
        {"values": mdp.rows.values, "columns": mdp.rows.columns, "row_ptr": mdp.rows.row_ptr}
        if sparse
        else {"P": mdp.rows}
    )
    stop = np.zeros(mdp.n_pairs) if mdp._stop is None else mdp._stop
    np.savez(
        path,
        r=mdp._r,
        gamma=mdp.gamma,
        ptr=mdp.action_ptr,
        stop=stop,
        actions=mdp.pair_actions,
        **body,
    )
