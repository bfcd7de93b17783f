"""How many pulls a second does a bandit algorithm make, beside loops and NumPy over many runs?

    python -m benchmarks bandits [--peers DIR] [--runs N] [--horizon T]

K = 10 coins with means .05 … .45, one thread, the same number of pulls a run for all. Beside
mdpkit: the textbook's loop over NumPy arrays of K, NumPy vectorized over 100 and 1000 runs, and
SMPyBandits where `benchmarks/peers.sh DIR` has made its environment. The mean regrets are
compared: each must lie within five standard errors of ours (SMPyBandits' KL-UCB is not: c = 1).
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks._measure import keep, load_average
from mdpkit.bandits import KLUCB, UCB1, Bandit, Thompson, play

MEANS = np.linspace(0.05, 0.45, 10)
K = MEANS.size
SLICE = 20_000
"""Pulls a run in what is compared; a peer's cost of a pull does not depend on it."""


# ---- the textbook's loop ---------------------------------------------------------------------


def ucb1_index(n, s, t):
    """μ̂ + √(2 ln t/n), arrays of any shape (…, K)."""
    return s / n + np.sqrt(2 * math.log(t) / n)


def kl_ucb_index(n, s, t):
    """max {q: n kl(μ̂, q) ≤ ln t}, by 50 halvings."""
    p = s / n
    low, high, bound = p, np.ones_like(p), math.log(t) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(p > 0, p * np.log(p), 0) + np.where(p < 1, (1 - p) * np.log(1 - p), 0)
        for _ in range(50):
            q = (low + high) / 2
            over = own - p * np.log(q) - (1 - p) * np.log1p(-q) > bound
            low, high = np.where(over, low, q), np.where(over, q, high)
    return low


def thompson_index(rng):
    """A number from each posterior."""
    return lambda n, s, t: rng.beta(1 + s, 1 + n - s)


def loop(index, first, horizon, seed):
    """One run, arm by arm: regret."""
    rng = np.random.default_rng(seed)
    n, s = np.zeros(K), np.zeros(K)
    for t in range(horizon):
        arm = t if t < first else int(np.argmax(index(n, s, t)))
        n[arm] += 1
        s[arm] += rng.random() < MEANS[arm]
    return n @ (MEANS.max() - MEANS)


def vectorized(index, first, horizon, runs, seed):
    """Many runs side by side: regrets."""
    rng = np.random.default_rng(seed)
    n, s, rows = np.zeros((runs, K)), np.zeros((runs, K)), np.arange(runs)
    for t in range(horizon):
        arm = np.full(runs, t) if t < first else np.argmax(index(n, s, t), axis=1)
        n[rows, arm] += 1
        s[rows, arm] += rng.random(runs) < MEANS[arm]
    return n @ (MEANS.max() - MEANS)


ALGORITHMS = {
    "UCB1": (UCB1(), lambda rng: ucb1_index, K, "UCB"),
    "KL-UCB": (KLUCB(), lambda rng: kl_ucb_index, K, "klUCB"),
    "Thompson": (Thompson(), thompson_index, 0, "Thompson"),
}


# ---- measuring -------------------------------------------------------------------------------


def timed(function):
    """Seconds, and what came of it."""
    begin = time.perf_counter()
    found = function()
    return time.perf_counter() - begin, np.atleast_1d(found)


def ours(algorithm, horizon, runs):
    """Median seconds of three calls, after one that compiles; regrets of the last."""
    bandit = Bandit(MEANS)
    play(bandit, algorithm, 100, runs=2, rng=0)
    found = [timed(lambda: _regrets(bandit, algorithm, horizon, runs)) for _ in range(3)]
    return median(seconds for seconds, _ in found), found[-1][1]


def _regrets(bandit, algorithm, horizon, runs):
    return play(bandit, algorithm, horizon, runs=runs, rng=0).regret.values[:, -1]


def peer(python, policy, horizon, runs):
    """SMPyBandits: median seconds a run, and regrets."""
    command = [python, Path(__file__).with_name("_smpybandits.py"), policy, horizon, runs]
    found = subprocess.run(
        [str(x) for x in command], capture_output=True, text=True, check=True
    )
    body = json.loads(found.stdout)
    return median(body["seconds"]), np.array(body["regrets"])


def rows_of(name, horizon, runs, python):
    """What every way of playing comes to: pulls a second and regret after SLICE pulls."""
    algorithm, make, first, policy = ALGORITHMS[name]
    whole, _ = ours(algorithm, horizon, runs)
    yield f"mdpkit, T = {horizon:,}", runs * horizon / whole, np.empty(0)
    seconds, regrets = ours(algorithm, SLICE, runs)
    yield "mdpkit", runs * SLICE / seconds, regrets
    found = [timed(lambda i=i: loop(make(_rng(i)), first, SLICE, i)) for i in range(3)]
    regrets = np.concatenate([x for _, x in found])
    yield "NumPy, one run", SLICE / median(s for s, _ in found), regrets
    for many in (100, 1000):
        pulls = SLICE if many == 100 and name == "UCB1" else SLICE // 10
        seconds, regrets = timed(
            lambda n=many, t=pulls: vectorized(make(_rng(n)), first, t, n, n)
        )
        kept = regrets if pulls == SLICE else np.empty(0)
        yield f"NumPy, {many} runs", many * pulls / seconds, kept
    if python is not None:
        seconds, regrets = peer(python, policy, SLICE, 3)
        yield "SMPyBandits", SLICE / seconds, regrets


def _rng(seed):
    return np.random.default_rng([seed, 1])


def agree(one, other):
    """Whether two means of regrets lie within five standard errors; None without regrets."""
    if not len(one) or not len(other):
        return None
    spread = max(one.std(), other.std())
    return bool(
        abs(one.mean() - other.mean()) <= 5 * spread * math.sqrt(1 / len(one) + 1 / len(other))
    )


def main():
    """Measure, print a table, and keep the rows."""
    parser = argparse.ArgumentParser(description="Pulls a second, and regret.")
    parser.add_argument("--peers", default=".venv/peers", help="where peers.sh put them")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--horizon", type=int, default=100_000)
    given, load = parser.parse_args(), load_average()
    python = Path(given.peers) / "smpybandits" / "bin" / "python"
    if not python.exists():
        print(f"no SMPyBandits in {given.peers}: benchmarks/peers.sh makes its environment.")
    rows = []
    for name in ALGORITHMS:
        found = list(
            rows_of(name, given.horizon, given.runs, python if python.exists() else None)
        )
        _, own, regrets = found[1]
        for way, rate, theirs in found:
            row = {"algorithm": name, "way": way, "pulls_per_second": rate, "ratio": own / rate}
            row["regret"] = float(theirs.mean()) if len(theirs) else None
            row["agrees"] = agree(regrets, theirs)
            rows.append(row)
            regret = "" if row["regret"] is None else f"regret {row['regret']:8.1f}"
            print(f"{name:9s} {way:22s} {rate / 1e6:9.3f} M/s {own / rate:8.1f}x {regret}")
    print(f"wrote {keep('bandits', rows, load=load, slice=SLICE)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
