"""Backups, sweeps, chains and colors, and many small models, against the CPU."""

import numpy as np

from mdpkit._array import EPS, sup
from mdpkit.gallery import make
from mdpkit.operators import _device, bellman, sweep
from mdpkit.operators._device import size_of
from mdpkit.operators._device_chain import color_sweep
from mdpkit.operators.coloring import coloring
from mdpkit.operators.resolvent import solve_chain, solve_dense
from mdpkit.operators.traces import lambda_operator, n_step_operator
from mdpkit.plan import solve_batch
from mdpkit.policy import uniform
from tests.cuda.case import case, models, values, wide
from tests.operators.test_twins import allowance, reductions

BELLMAN, SWEEP = "operators/bellman.cu", "operators/sweep.cu"


@case(f"{BELLMAN} sweep_chunks", f"{BELLMAN} reduce_states", f"{BELLMAN} join_extremes")
def sweeps(device, full):
    """Every ⊕ on every storage: T v and the extremes of T v − v."""
    for mdp in models(full):
        there, v = mdp.to("gpu"), values(mdp)
        for over in reductions(mdp, np.random.default_rng(1)):
            found = bellman.sweep(there, device.asarray(v), over)
            true = bellman.backup_reference(mdp, v, over)
            near = allowance(mdp, {"v": v, "over": over})
            yield found.v, true, near
            yield [found.low, found.high], [(true - v).min(), (true - v).max()], 2 * near


@case(f"{BELLMAN} sweep_chunks", f"{BELLMAN} reduce_states")
def best_pairs(device, full):
    """The first pair of largest value, ties and all."""
    for mdp in models(full):
        v = np.round(values(mdp))
        found = bellman.sweep(mdp.to("gpu"), device.asarray(v))
        yield found.best, bellman.sweep(mdp, v).best, 0


@case(f"{BELLMAN} row_values", f"{BELLMAN} reduce_states")
def long_rows(device, full):
    """The way of two passes."""
    mdp = wide()
    v, there = values(mdp), mdp.to("gpu")
    near = allowance(mdp, {"v": v})
    found = bellman.sweep(there, device.asarray(v))
    yield found.v, bellman.backup_reference(mdp, v), near
    yield bellman.action_values(there, device.asarray(v)), mdp.r + 0.9 * mdp.expect(v), near


@case(f"{BELLMAN} greedy_states", f"{BELLMAN} reduce_states", f"{BELLMAN} row_values")
def greedy_and_aggregate(device, full):
    """Ties within a slack, and ⊕ alone."""
    for mdp in models(full, 6):
        rng = np.random.default_rng(2)
        q, there = rng.integers(0, 3, mdp.pair_shape).astype(float), mdp.to("gpu")
        for slack in (0.0, 1.0):
            true = bellman.greedy_pairs_reference(mdp, q, slack)
            yield bellman.greedy_pairs(there, device.asarray(q), slack), true, 0
        for over in reductions(mdp, rng):
            true = bellman.aggregate_reference(mdp, q, over)
            found = bellman.aggregate(there, device.asarray(q), over)
            yield found, true, allowance(mdp, {"q": q, "over": over})
        v = values(mdp)
        true = bellman.action_values_reference(mdp, v)
        found = bellman.action_values(there, device.asarray(v))
        yield found, true, allowance(mdp, {"v": v})


@case(f"{BELLMAN} join_extremes", f"{BELLMAN} sweep_chunks")
def sizes(device, full):
    """‖v‖∞ and ‖T v‖∞ come with the sweep, and what is not a number is not lost."""
    mdp = make("garnet", S=220, A=4, b=5, gamma=0.9)
    there, v = mdp.to("gpu"), values(mdp)
    for bad in (0.0, np.nan):
        v[130] += bad
        found = bellman.sweep(there, device.asarray(v))
        true = np.nan if bad != 0 else max(sup(v), sup(bellman.backup(mdp, v)))
        yield size_of(there, found.v), true, 8 * EPS * (1 + sup(v[:130]))


@case(f"{SWEEP} chain_csr", f"{SWEEP} chain_dense", f"{BELLMAN} join_extremes")
def chains(device, full):
    """Sweeps of one policy, its rows read where they stand."""
    for mdp in models(full):
        v, there, pairs = values(mdp), mdp.to("gpu"), mdp.action_ptr[1:] - 1
        near = allowance(mdp, {"v": v})
        rows, r = sweep.gathered(mdp.rows, pairs), mdp._r[pairs]
        true = sweep.chain_change_reference(rows, r, mdp.gamma, v)
        chosen = device.asarray(pairs)
        its = sweep.gathered(there.rows, chosen), there._r[chosen]
        found = sweep.chain_change(*its, mdp.gamma, device.asarray(v))
        for one, other in zip(found, true, strict=True):
            yield one, other, 2 * near
        solved = solve_chain(*its, mdp.gamma)
        dense = rows.to_scipy().toarray() if mdp.is_sparse else rows
        left = true[0] - v  # so that v solves the chain of r − left
        exact = solve_dense(dense, r - left, mdp.gamma)
        yield exact, v, 200 * (near + 8 * mdp.n_states * EPS * sup(v))
        true = solve_dense(dense, r, mdp.gamma)
        yield solved, true, 1e-10 * (1 + sup(true)) / (1 - mdp.gamma)


@case(f"{SWEEP} chain_csr", f"{SWEEP} chain_dense")
def multi_step_operators(device, full):
    """(T^π)ⁿ and T^(λ), of a policy that chooses and of one that mixes.

    Krylov stops at ‖ρ‖₂ ≤ 10⁻¹³ ‖T^π v − v‖₂, or where rounding lets it, and the inverse is
    ≤ 1/(1 − γλ).
    """
    for mdp in models(full):
        there, v = mdp.to("gpu"), values(mdp)
        firsts = mdp.actions_of(mdp.action_ptr[:-1])
        near = 4 * allowance(mdp, {"v": v})
        for policy in (firsts, uniform(mdp)):
            found = n_step_operator(there, policy, device.asarray(v), 3)
            yield found, n_step_operator(mdp, policy, v, 3), 12 * near
            for lam in (0.0, 0.7, 1.0):
                true = lambda_operator(mdp, policy, v, lam)
                moved = np.linalg.norm(lambda_operator(mdp, policy, v, 0) - v)
                off = (1e-13 * moved + 8 * near + mdp.n_states * EPS * sup(true)) / (
                    1 - mdp.gamma * lam
                )
                yield lambda_operator(there, policy, v, lam), true, off


@case(f"{SWEEP} color_sweep")
def colored(device, full):
    """Gauss–Seidel by colors is Gauss–Seidel in their order."""
    for mdp in [m for m in models(full) if m.is_sparse] + [make("lake", size=7, gamma=0.9)]:
        colors, v = coloring(mdp), values(mdp)
        found, change = color_sweep(mdp.to("gpu"), device.asarray(v), colors)
        true, largest = sweep.in_place_sweep_reference(mdp, v, colors.order)
        near = allowance(mdp, {"v": v}) * mdp.n_states
        yield found, true, near
        yield change, largest, 2 * near


@case(f"{BELLMAN} sweep_chunks", f"{SWEEP} chain_csr", f"{SWEEP} color_sweep")
def few_blocks(device, full):
    """Blocks that go on to further chunks and rows."""
    mdp = make("garnet", S=600, A=4, b=5, gamma=0.9)
    v, there, pairs = values(mdp), mdp.to("gpu"), mdp.action_ptr[1:] - 1
    near, colors, blocks = allowance(mdp, {"v": v}), coloring(mdp), _device.BLOCKS
    try:
        _device.BLOCKS = 2
        found = bellman.sweep(there, device.asarray(v))
        chosen = device.asarray(pairs)
        its = sweep.gathered(there.rows, chosen), there._r[chosen]
        chained = sweep.chain_change(*its, mdp.gamma, device.asarray(v))
        colored, _ = color_sweep(there, device.asarray(v), colors)
    finally:
        _device.BLOCKS = blocks
    for one, other in zip(found, bellman.sweep(mdp, v), strict=True):
        yield one, other, 2 * near
    rows, r = sweep.gathered(mdp.rows, pairs), mdp._r[pairs]
    true = sweep.chain_change_reference(rows, r, mdp.gamma, v)
    for one, other in zip(chained, true, strict=True):
        yield one, other, 2 * near
    yield colored, sweep.in_place_sweep(mdp, v, colors.order)[0], near * mdp.n_states


@case("plan/batch.cu solve_models")
def many_models(device, full):
    """Policy iteration, entry by entry."""
    rng = np.random.default_rng(8)
    for n_states, n_actions in ((5, 3), (1, 2), (40, 2)):
        P = rng.dirichlet(np.ones(n_states), (3, n_states, n_actions))
        stop = rng.random(P.shape[:3]) * 0.2
        r, gamma = rng.normal(size=P.shape[:3]), rng.choice([0.5, 0.95, 0.99], 3)
        for more in ({}, {"stop": stop}):
            rows = P * (1 - stop)[..., None] if more else P
            true = solve_batch(rows, r, gamma, **more)
            found = solve_batch(device.asarray(rows), r, gamma, **more)
            yield found.policy, true.policy, 0
            yield found.v, true.v, 1e-11
            yield np.minimum(found.upper - true.lower, true.upper - found.lower) >= 0, 1, 0
