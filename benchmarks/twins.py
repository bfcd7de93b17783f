"""How near to the memory's bandwidth does each kernel come, and how far from its definition?

    python -m benchmarks twins

Each row is one sweep of one storage: seconds of the twin, of its reference, and the multiple of
bytes/bandwidth, the bandwidth being that of a sum over as many bytes in the same run.
"""

from __future__ import annotations

import numpy as np

from benchmarks import _problems as problems
from benchmarks._measure import bandwidth, keep, load_average, middle
from mdpkit._rows import CSR
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
            seconds = middle(twin, seconds=0.5)
            slow = middle(reference, seconds=0.5) if reference else None
            rows.append({"model": name, "kernel": key, "seconds": seconds})
            rows[-1] |= {"over_roof": seconds / least, "reference": slow}
            shown = f"{slow / seconds:7.1f}× faster than its definition" if slow else ""
            near = f"{1e3 * seconds:8.2f} ms {seconds / least:6.2f}× roof"
            print(f"{name:16s} {key:18s} {near} {shown}", flush=True)
    print(f"wrote {keep('twins', rows, load=load)}")
    return 0
