"""One tool, one model, one process: `python -m benchmarks._peer TOOL MODEL OUT TOL`.

Prints a JSON line {"seconds": […], "build": s, "words": …} and writes the values to OUT.
mdpkit's seconds hold the making of the model from the arrays, the choice of the method and the
certificate; a peer's hold its solve alone, since some take lists that take longer than it.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np


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

    def run():
        ptr = None if "P" in data else data["ptr"]
        mdp = mk.MDP(P, data["r"], float(data["gamma"]), action_ptr=ptr, stop=stop)
        return mk.solve(mdp, own, tol=tol)

    return run, lambda sol: (sol.v, f"{type(sol.method).__name__}, {sol.steps} steps")


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

    def run():
        return ddp.solve(method=method, epsilon=tol, k=k)

    return run, lambda found: (found.v[:n], f"{method}, {found.num_iter} iterations")


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
    model = peer.model()
    given = {"tranMatProbs": values, "tranMatColumns": columns}
    model.mdp(discount=float(data["gamma"]), rewards=rewards, **given)

    def run():
        model.solve(algorithm=algorithm, tolerance=tol, parallel=False)
        return model

    return run, lambda m: (np.array(m.getValueVector())[: data["ptr"].size - 1], algorithm)


def storm(data, tol):
    """Storm's value iteration on discounted reward, its own sparse engine."""
    import stormpy

    rows, r, s, _, n = with_end(data)
    builder = stormpy.SparseMatrixBuilder(
        rows=0, columns=0, entries=0, force_dimensions=False, has_custom_row_grouping=True
    )
    for i in range(r.size):
        if i == 0 or s[i] != s[i - 1]:
            builder.new_row_group(i)
        for j in range(rows.indptr[i], rows.indptr[i + 1]):
            builder.add_next_value(i, int(rows.indices[j]), float(rows.data[j]))
    matrix = builder.build()
    labels = stormpy.storage.StateLabeling(n)
    labels.add_label("init")
    labels.add_label_to_state("init", 0)
    rewards = {"r": stormpy.SparseRewardModel(optional_state_action_reward_vector=r.tolist())}
    parts = stormpy.SparseModelComponents(
        transition_matrix=matrix, state_labeling=labels, reward_models=rewards
    )
    model = stormpy.storage.SparseMdp(parts)
    env = stormpy.Environment()
    env.solver_environment.minmax_solver_environment.precision = stormpy.Rational(tol)
    text = f'R{{"r"}}max=? [ Cdiscount={float(data["gamma"])!r} ]'
    (formula,) = stormpy.parse_properties(text)

    def run():
        return stormpy.model_checking(model, formula, environment=env)

    return run, lambda found: (
        np.array(found.get_values())[: data["ptr"].size - 1],
        "value iteration",
    )


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
    """The function to time and the one that reads its answer."""
    if tool.startswith("mdpkit:"):
        return mdpkit(data, tol, tool.split(":", 1)[1])
    return TOOLS[tool](data, tol)


def main(tool, model, out, tol):
    """Compile, build, run up to three times within ten seconds, and print."""
    data = read(model)
    prepare(tool, tiny(data), tol)[0]()
    begin = time.perf_counter()
    run, answer = prepare(tool, data, tol)
    build = time.perf_counter() - begin
    found, seconds = None, []
    while not seconds or (len(seconds) < 4 and sum(seconds) + seconds[-1] < 10):
        clock = time.perf_counter()
        found = run()
        seconds.append(time.perf_counter() - clock)
    values, words = answer(found)
    np.save(out, values)
    best = seconds[1:] or seconds  # the first may still warm caches, where there are others
    sys.stdout.write(json.dumps({"seconds": best, "build": build, "words": words}))


if __name__ == "__main__":
    main(*sys.argv[1:4], float(sys.argv[4]))
