"""One tool, one model, one process: `python -m benchmarks._peer TOOL MODEL OUT TOL LIMIT`.

Prints "built" and "solved" when it has, so that whoever waits knows for what; then a JSON line
{"seconds": […], "build": s, "words": …}, after writing the values to OUT. mdpkit's seconds hold
the making of the model from the arrays, the choice of the method and the certificate; a peer's
hold its solve alone, since some take lists that take longer than it. A tool that would start
from its last answer gets a new model each time. Seconds are the processor's, so that they hold
on a machine that others use too; past LIMIT of them the first solve is killed.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

MOST, SECONDS = 15, 1.0
"""Runs at most, and how long to go on with them."""

TICK = 0.004
"""Seconds by which a processor's clock may be behind."""


class Prepared(NamedTuple):
    """fresh() makes, off the clock, what run(…) takes; answer(…) reads values and words."""

    run: Callable[[Any], Any]
    answer: Callable[[Any], tuple[np.ndarray, str]]
    fresh: Callable[[], Any] = lambda: None


def read(path):
    """The arrays of `_problems.save`."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def with_end(data):
    """CSR rows, rewards and pair states of a model that has an absorbing end where it stops."""
    from scipy.sparse import csr_array

    n_pairs, n = data["r"].size, data["ptr"].size - 1
    s = np.repeat(np.arange(n), np.diff(data["ptr"]))
    if "P" in data:
        rows = csr_array(data["P"])
    else:
        rows = csr_array((data["values"], data["columns"], data["row_ptr"]), (n_pairs, n))
    if not data["stop"].any():
        return rows, data["r"], s, data["actions"], n
    coo = rows.tocoo()
    ends = np.flatnonzero(data["stop"])
    row = np.concatenate([coo.coords[0], ends, [n_pairs]])
    column = np.concatenate([coo.coords[1], np.full(ends.size, n), [n]])
    value = np.concatenate([coo.data, data["stop"][ends], [1.0]])
    rows = csr_array((value, (row, column)), (n_pairs + 1, n + 1))
    r = np.append(data["r"], 0.0)
    return rows, r, np.append(s, n), np.append(data["actions"], 0), n + 1


def mdpkit(data, tol, method=None):
    """Ours, from the arrays to the certificate."""
    import mdpkit as mk
    from mdpkit.plan import METHODS

    own = METHODS[method]() if method else None
    stop = data["stop"] if data["stop"].any() else None
    P = data["P"] if "P" in data else (data["values"], data["columns"], data["row_ptr"])
    n_pairs, n = data["r"].size, data["ptr"].size - 1
    if "P" in data:
        shape = (n, n_pairs // n)
        P = P.reshape(*shape, n)
        data = {**data, "r": data["r"].reshape(shape)}
        stop = None if stop is None else stop.reshape(shape)
    else:
        from scipy.sparse import csr_array

        P = csr_array(P, (n_pairs, n))

    def run(_):
        ptr = None if "P" in data else data["ptr"]
        mdp = mk.MDP(P, data["r"], float(data["gamma"]), action_ptr=ptr, stop=stop)
        return mk.solve(mdp, own, tol=tol)

    return Prepared(run, lambda sol: (sol.v, f"{type(sol.method).__name__}, {sol.steps} steps"))


def quantecon(data, tol, method="policy_iteration", k=20):
    """QuantEcon's DiscreteDP by state-action pairs, or dense."""
    from quantecon.markov import DiscreteDP

    n = data["ptr"].size - 1
    gamma = float(data["gamma"])
    if "P" in data:
        A = data["r"].size // n
        ddp = DiscreteDP(data["r"].reshape(n, A), data["P"].reshape(n, A, n), gamma)
    else:
        rows, r, s, a, _ = with_end(data)
        ddp = DiscreteDP(r, _matrix(rows), gamma, s, a)
    ddp.max_iter = 10**7

    def run(_):
        return ddp.solve(method=method, epsilon=tol, k=k)

    return Prepared(run, lambda found: (found.v[:n], f"{method}, {found.num_iter} iterations"))


def _matrix(rows):
    from scipy.sparse import csr_matrix

    return csr_matrix(rows)


def mdpsolver(data, tol, algorithm="mpi"):
    """mdpsolver with its default algorithm, one thread."""
    import mdpsolver as peer

    rows, r, s, _, n = with_end(data)
    count = np.bincount(s, minlength=n)
    ends = np.cumsum(count)
    values, columns, rewards = [], [], []
    for begin, end in zip(ends - count, ends, strict=True):
        span = [slice(rows.indptr[i], rows.indptr[i + 1]) for i in range(begin, end)]
        values.append([rows.data[x].tolist() for x in span])
        columns.append([rows.indices[x].tolist() for x in span])
        rewards.append(r[begin:end].tolist())
    given = {"tranMatProbs": values, "tranMatColumns": columns}

    def fresh():
        model = peer.model()
        model.mdp(discount=float(data["gamma"]), rewards=rewards, **given)
        return model

    def run(model):
        model.solve(algorithm=algorithm, tolerance=tol, parallel=False)
        return model

    def answer(model):
        return np.array(model.getValueVector())[: data["ptr"].size - 1], algorithm

    return Prepared(run, answer, fresh)


def storm(data, tol):
    """Storm's value iteration on discounted reward, its own sparse engine.

    It stops at a change ≤ precision, which is (1−γ)/γ of the error that it leaves.
    """
    import stormpy
    from stormpy.datastructures import SparseMatrixBuilder
    from stormpy.models import (
        SparseMdp,
        SparseModelComponents,
        SparseRewardModel,
        StateLabeling,
    )

    rows, r, s, _, n = with_end(data)
    builder = SparseMatrixBuilder[float](force_dimensions=False, has_custom_row_grouping=True)
    columns, values, ptr = rows.indices.tolist(), rows.data.tolist(), rows.indptr.tolist()
    add = builder.add_next_value
    for i in range(r.size):
        if i == 0 or s[i] != s[i - 1]:
            builder.new_row_group(i)
        for j in range(ptr[i], ptr[i + 1]):
            add(i, columns[j], values[j])
    labels = StateLabeling(n)
    labels.add_label("init")
    labels.add_label_to_state("init", 0)
    paid = SparseRewardModel[float](optional_state_action_reward_vector=r.tolist())
    parts = SparseModelComponents[float](builder.build(), labels, {"r": paid})
    model = SparseMdp[float](parts)
    gamma, env = float(data["gamma"]), stormpy.Environment()
    how = env.solver().min_max()
    how.precision = stormpy.Rational(tol * (1 - gamma) / gamma)
    how.relative_termination_criterion = False
    text = f'R{{"r"}}max=? [ Cdiscount={gamma!r} ]'
    (formula,) = stormpy.parse_properties(text)

    def run(_):
        return stormpy.model_checking(model, formula, environment=env)

    def answer(found):
        return np.array(found.get_value_vector())[: data["ptr"].size - 1], "value iteration"

    return Prepared(run, answer)


TOOLS = {
    "mdpkit": mdpkit,
    "quantecon-pi": quantecon,
    "quantecon-mpi": lambda data, tol: quantecon(data, tol, "modified_policy_iteration"),
    "quantecon-vi": lambda data, tol: quantecon(data, tol, "value_iteration"),
    "mdpsolver": mdpsolver,
    "storm": storm,
}


def tiny(data):
    """A model of two states in the same storage, on which a tool may compile what it has to."""
    kept = {"r": np.array([1.0, 0.0]), "ptr": np.arange(3), "actions": np.zeros(2, dtype=int)}
    kept |= {"gamma": np.array(0.5), "stop": np.zeros(2)}
    if "P" in data:
        return kept | {"P": np.eye(2)}
    index = {name: data[name].dtype for name in ("columns", "row_ptr")}
    ptr = np.arange(3, dtype=index["row_ptr"])
    columns = np.arange(2, dtype=index["columns"])
    return kept | {"values": np.ones(2), "columns": columns, "row_ptr": ptr}


def prepare(tool, data, tol):
    """What to time, and how to read its answer."""
    if tool.startswith("mdpkit:"):
        return mdpkit(data, tol, tool.split(":", 1)[1])
    return TOOLS[tool](data, tol)


def say(text):
    """One line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def stop_after(seconds):
    """Let the system end this process once it has worked that much longer; 0: never."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def main(tool, model, out, tol, limit):
    """Compile, build, run a few times within some seconds, and print."""
    data = read(model)
    small = prepare(tool, tiny(data), tol)
    small.run(small.fresh())
    begin = time.perf_counter()
    job = prepare(tool, data, tol)
    given = job.fresh()
    build = time.perf_counter() - begin
    say("built")
    sys.stdin.read()  # until it is this tool's turn
    stop_after(limit)
    found, seconds = None, []
    while len(seconds) < 2 or (len(seconds) < MOST and sum(seconds) < SECONDS):
        clock, begin = time.perf_counter(), time.process_time()
        found = job.run(given)
        # Ticks of the processor's time are coarse; it has no more of it than the clock says.
        seconds.append(min(time.process_time() - begin + TICK, time.perf_counter() - clock))
        if len(seconds) == 1:
            say("solved")
            stop_after(0)
        if sum(seconds) > SECONDS and not (tool.startswith("mdpkit") and len(seconds) == 1):
            break  # the first of ours may have compiled
        given = job.fresh()
    values, words = job.answer(found)
    np.save(out, values)
    best = seconds[1:] or seconds  # the first may still warm caches, where there are others
    say(json.dumps({"seconds": best, "build": build, "words": words}))


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(float, sys.argv[4:6]))
