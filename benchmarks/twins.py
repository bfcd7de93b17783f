"""How near to the memory's bandwidth does each kernel come, and how far from its definition?

    python -m benchmarks twins

Each row is one sweep of one storage: seconds of the twin on one thread, of its reference, and
the multiple of bytes/bandwidth, the bandwidth being that of a sum over as many bytes in the
same run. Then Garnets of growing size, on one thread and on all: where do more pay?
"""

from __future__ import annotations

import numpy as np

from benchmarks import _problems as problems
from benchmarks._measure import bandwidth, keep, load_average, middle
from mdpkit import _threads
from mdpkit._rows import CSR
from mdpkit.gallery import make
from mdpkit.operators import bellman
from mdpkit.operators import sweep as sweeps
from mdpkit.operators.aggregate import maximum, mellowmax, soft, sparsemax

REDUCTIONS = {
    "max": maximum,
    "soft": soft(0.1),
    "mellowmax": mellowmax(5.0),
    "sparsemax": sparsemax(0.1),
}


def nbytes(mdp):
    """What one sweep has to read."""
    if isinstance(mdp.rows, CSR):
        return 12 * mdp.rows.values.size + 16 * (mdp.n_pairs + mdp.n_states)
    return mdp.rows.nbytes


def main():
    """Measure every sweep on three storages."""
    load, rows = load_average(), []
    for name in ("garnet-1e4", "lake-300 γ=.99", "dense-1000x20"):
        mdp = problems.QUICK[name]()
        v = np.random.default_rng(0).random(mdp.n_states)
        least = nbytes(mdp) / bandwidth(nbytes(mdp))
        work = {
            f"backup, {key}": (
                lambda m=mdp, v=v, o=over: bellman.backup(m, v, o),
                lambda m=mdp, v=v, o=over: bellman.backup_reference(m, v, o),
            )
            for key, over in REDUCTIONS.items()
        }
        order = np.arange(mdp.n_states)
        work["in place"] = (lambda m=mdp, v=v, o=order: sweeps.in_place_sweep(m, v, o), None)
        for key, (twin, reference) in work.items():
            with _threads.limited(1):
                seconds = middle(twin, seconds=0.5)
            slow = middle(reference, seconds=0.5) if reference else None
            rows.append({"model": name, "kernel": key, "seconds": seconds})
            rows[-1] |= {"over_roof": seconds / least, "reference": slow}
            shown = f"{slow / seconds:7.1f}× faster than its definition" if slow else ""
            near = f"{1e3 * seconds:8.2f} ms {seconds / least:6.2f}× roof"
            print(f"{name:16s} {key:18s} {near} {shown}", flush=True)
    print(f"wrote {keep('twins', rows, load=load, threads=threads())}")
    return 0


def threads():
    """Seconds of sweeps on one thread, and shared out whatever their size."""
    rows, worth = [], _threads.WORTH
    print(f"{_threads.most_threads()} threads; from {worth:,} entries on they are used")
    for S in (1_000, 2_000, 3_500, 5_000, 10_000, 100_000):
        mdp = make("garnet", S=S, A=10, b=10, gamma=0.99)
        v = np.random.default_rng(0).random(S)
        with _threads.limited(1):
            alone = middle(lambda m=mdp, v=v: bellman.sweep(m, v), seconds=0.5)
        _threads.WORTH = 0
        try:
            shared = middle(lambda m=mdp, v=v: bellman.sweep(m, v), seconds=0.5)
        finally:
            _threads.WORTH = worth
        rows.append({"non_zeros": 100 * S, "alone": alone, "shared": shared})
        took = f"{1e3 * alone:8.3f} ms alone, {1e3 * shared:8.3f} ms shared"
        print(f"garnet, {100 * S:>10,} non-zeros: {took}, {alone / shared:.2f}×", flush=True)
    return rows
