"""How long does one gradient of causal maximum-entropy IRL take, and one fit?

    python -m benchmarks.irl [--imitation DIR] [--fit]

Grids of 10² and 32² states, 4 actions that slip, horizon 100, one thread. Beside it the same
recursion in plain NumPy, dense as `imitation` keeps it and sparse, and, where DIR holds the
unpacked wheel of `imitation`, its own `mce_partition_fh` and `mce_occupancy_measures`: they are
NumPy only, so they are taken out of their module, which would need torch. Their faults are left
as they are (the policy is trained without the discount, T + 1 states are counted).
"""

from __future__ import annotations

import argparse
import ast
import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import scipy.special
from threadpoolctl import threadpool_limits

import mdpkit as mk
from mdpkit.infer import MaxCausalEntropy, fit, occupancy_error, read_features
from mdpkit.operators.messages import compressed

HORIZON, GAMMA = 100, 0.99


def grid(side):
    """The walk, with a reward of random states."""
    walk = mk.load(f"gallery:macrocells?size={side}&cell=1", gamma=GAMMA)
    rng = np.random.default_rng(0)
    r = rng.normal(size=side * side) * (rng.random(side * side) < 0.1)
    return compressed(walk).replace(r=np.repeat(r, 4))


def plain(P, reward, start, product):
    """The textbook's two recursions in NumPy; P : whatever `product` multiplies by."""
    n = start.size
    v, policies, d, total = np.zeros(n), [], start, np.zeros(n)
    for _ in range(HORIZON):
        q = reward[:, None] + GAMMA * product(P, v).reshape(n, 4)
        v = scipy.special.logsumexp(q, axis=1)
        policies.append(np.exp(q - v[:, None]))
    turned = P.T.tocsr() if hasattr(P, "tocsr") else P.reshape(n * 4, n).T
    for t, policy in enumerate(reversed(policies)):
        total += GAMMA**t * d
        d = turned @ (d[:, None] * policy).reshape(-1)
    return total


def theirs(folder):
    """`mce_occupancy_measures` of imitation, and the two functions it calls."""
    names, space = {}, {"np": np, "scipy": scipy}
    for file, wanted in (
        ("data/rollout.py", ("discounted_sum",)),
        ("algorithms/mce_irl.py", ("mce_partition_fh", "mce_occupancy_measures")),
    ):
        for node in ast.parse((Path(folder) / "imitation" / file).read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name in wanted:
                names[node.name] = node
    for node in names.values():
        node.returns = None
        for argument in (*node.args.args, *node.args.kwonlyargs):
            argument.annotation = None
        exec(compile(ast.Module([node], []), node.name, "exec"), space)
    space["rollout"] = SimpleNamespace(discounted_sum=space["discounted_sum"])
    return space["mce_occupancy_measures"]


def best(function, seconds=2.0):
    """The shortest of the runs that fit in some seconds, after one that warms up."""
    function()
    times, clock = [], time.perf_counter()
    while time.perf_counter() - clock < seconds or len(times) < 3:
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def gradients(side, imitation=None):
    """Milliseconds of one gradient, ours and others'."""
    mdp, model = grid(side), MaxCausalEntropy(HORIZON, 1.0, GAMMA)
    reward, start = mdp.r[::4].copy(), np.array(mdp.start)
    dense = mdp.P.toarray().reshape(side * side, 4, side * side)
    found = {
        "mdpkit": best(lambda: model.behave(mdp, mdp.r)),
        "numpy dense": best(lambda: plain(dense, reward, start, np.matmul)),
        "numpy sparse": best(lambda: plain(mdp.P, reward, start, lambda P, v: P @ v)),
    }
    ours = model.behave(mdp, mdp.r).visits.reshape(-1, 4).sum(axis=1)
    for P, product in ((dense, np.matmul), (mdp.P, lambda P, v: P @ v)):
        np.testing.assert_allclose(ours, plain(P, reward, start, product), rtol=1e-9)
    if imitation is not None:
        peer = theirs(imitation)
        env = SimpleNamespace(
            horizon=HORIZON,
            state_dim=side * side,
            action_dim=4,
            transition_matrix=dense,
            initial_state_dist=start,
            reward_matrix=reward,
        )
        found["imitation"] = best(lambda: peer(env, discount=GAMMA))
    return {name: 1e3 * seconds for name, seconds in found.items()}


def whole_fit(side=32, tol=1e-4):
    """CPU seconds to recover a table of states from exact expectations."""
    mdp, model = grid(side), MaxCausalEntropy(HORIZON, 1.0, 1.0)
    phi = read_features(mdp, "state")
    own = phi.expectations(model.behave(mdp, mdp.r).visits)
    begin = time.process_time()
    found = fit(mdp, model, own, "state", tol=tol, max_steps=5000)
    return {
        "seconds": time.process_time() - begin,
        "steps": found.steps,
        "converged": found.converged,
        "gradient": found.gradient,
        "occupancy_error": occupancy_error(phi.expectations(found.behavior.visits), own),
        "correlation": float(np.corrcoef(found.weights, mdp.r[::4])[0, 1]),
    }


def main():
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--imitation", help="the folder of the unpacked wheel")
    parser.add_argument("--fit", action="store_true", help="time a whole fit too")
    asked = parser.parse_args()
    body = {}
    with threadpool_limits(limits=1):
        for side in (10, 32):
            body[f"gradient {side}², horizon {HORIZON}, ms"] = gradients(side, asked.imitation)
        if asked.fit:
            body["fit 32²"] = whole_fit()
    print(json.dumps(body, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
