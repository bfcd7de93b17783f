"""What flows: occupancy, messages, trajectories and the sums over them, against the CPU."""

import numpy as np

from mdpkit._array import EPS, sup
from mdpkit.batch import Transitions
from mdpkit.learn.linear.least_squares import pair_system
from mdpkit.operators import messages, occupancy
from mdpkit.operators.returns import lambda_return
from mdpkit.operators.rollout import rollout
from mdpkit.operators.trace_values import trace_values
from mdpkit.policy import uniform
from tests.cuda.case import case, models
from tests.operators.test_twins import allowance
from tests.oracles import random_mdp


@case("operators/occupancy.cu inflow")
def flows(device, full):
    """Mass along the rows: of one step, of stages, and of all time."""
    for mdp in models(full, 8):
        there, rng = mdp.to("gpu"), np.random.default_rng(3)
        x, stages = rng.random(mdp.pair_shape), rng.random((3, *mdp.pair_shape))
        mass = x.sum()
        near = 4 * mdp.n_pairs * EPS
        yield occupancy.inflow(there, x), occupancy.inflow(mdp, x), near * mass
        total = float(np.prod(1 + stages.reshape(3, -1).sum(axis=1)))
        yield messages.flow(there, stages), messages.flow(mdp, stages), 4 * near * total
        pi = uniform(mdp)
        true = occupancy.occupancy(mdp, pi)
        yield occupancy.occupancy(there, pi), true, 1e-10 / (1 - mdp.gamma)


@case(
    "operators/messages.cu backward_stage",
    "operators/messages.cu forward_stage",
    "operators/messages.cu forward_end",
)
def all_messages(device, full):
    """Backward, optimistic and not, and forward, with a prior and without."""
    for mdp in models(full, 9):
        if mdp.n_states > 100:
            continue
        there, tau = mdp.to("gpu"), 0.7 * (1 + mdp.reward_size)
        near = allowance(mdp, {"v": np.zeros(1), "horizon": 4}) + 200 * EPS * tau
        for prior in (None, np.random.default_rng(4).random(mdp.pair_shape) + 0.01):
            for how in ("inference", "variational"):
                found = messages.backward(there, 4, how, tau=tau, prior=prior)
                true = messages.backward_reference(mdp, 4, how, tau=tau, prior=prior)
                yield found.q, true.q, 4 * near
                yield found.v, true.v, 4 * near
            past = messages.forward(there, 4, tau=tau, prior=prior)
            true = messages.forward_reference(mdp, 4, tau=tau, prior=prior)
            yield past.alpha, true.alpha, 8 * near
            yield past.ended, true.ended, 8 * near


@case("operators/rollout.cu roll")
def rollouts(device, full):
    """The same trajectories, draw for draw."""
    for mdp in models(full, 8):
        pi, n, horizon = uniform(mdp), 9, 6
        found = rollout(mdp.to("gpu"), pi, horizon, n=n, rng=5)
        for one, other in zip(found, rollout(mdp, pi, horizon, n=n, rng=5), strict=True):
            yield one, other, 0


@case("operators/traces.cu td_lambda", "operators/returns.cu lambda_returns")
def along_trajectories(device, full):
    """TD(λ) of every chain, and its returns."""
    for seed in (1, 4, 8):
        mdp = random_mdp(seed)
        batch = rollout(mdp, uniform(mdp), 7, n=11, rng=6)
        there = type(batch)(*[device.asarray(x) for x in batch])
        for replacing in (False, True):
            how = {"alpha": 0.1, "lam": 0.8, "replacing": replacing}
            true = trace_values(batch, mdp.n_states, **how)
            yield trace_values(there, mdp.n_states, **how), true, 0
        after = np.random.default_rng(seed).normal(size=batch.rewards.shape)
        size = 8 * (1 + mdp.reward_size + sup(after))
        given = there.rewards, there.discounts, there.boundary
        for lam in (0.0, 0.7, 1.0):
            found = lambda_return(*given, device.asarray(after), lam)
            true = lambda_return(batch.rewards, batch.discounts, batch.boundary, after, lam)
            yield found, true, 40 * EPS * size


@case("operators/linear.cu gram")
def normal_equations(device, full):
    """LSTDQ's sums over samples, ends among them."""
    rng = np.random.default_rng(7)
    n, size = 700, 5
    batch = Transitions(
        rng.integers(0, 12, n),
        rng.normal(size=n),
        np.where(rng.random(n) < 0.2, 0.0, 0.9),
        rng.integers(0, 6, n),
        rng.random(n),
    )
    phi, ahead = rng.normal(size=(12, size)), rng.normal(size=(6, size))
    there = Transitions(*[device.asarray(x) for x in batch])
    near = n * EPS * n * 40
    for one, other in zip(
        pair_system(there, phi, ahead), pair_system(batch, phi, ahead), strict=True
    ):
        yield one, other, near
