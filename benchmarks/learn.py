"""How many steps a second does tabular learning take, beside a plain loop over NumPy arrays?

    python -m benchmarks learn [--steps N]

One thread. The loops are the textbook's: one Python step at a time, rows of P drawn from by
`searchsorted`, the same ε, α and λ. Returns or values of both are compared, so that both learn
the same. Bandits have `python -m benchmarks bandits`.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import mdpkit as mk
from benchmarks._measure import keep, load_average, middle
from mdpkit.batch import Transitions
from mdpkit.gallery import make
from mdpkit.learn import QLearning, SarsaLambda, TDLambda, learn, lspi, merged
from mdpkit.operators.rollout import rollout
from mdpkit.policy import uniform

ALPHA, EPSILON, LAMBDA = 0.1, 0.1, 0.8


class Table:
    """A model as a plain loop has it."""

    def __init__(self, mdp):
        dense = mdp.P.toarray() if mdp.is_sparse else np.asarray(mdp.rows)
        self.upper = dense.reshape(mdp.n_pairs, -1).cumsum(axis=1)
        self.r, self.n, self.A = mdp._r, mdp.n_states, mdp.n_actions
        self.gamma, self.start = float(mdp.gamma), np.cumsum(mdp.start)

    def reset(self, rng):
        """A first state."""
        return int(np.searchsorted(self.start, rng.random(), side="right"))

    def step(self, s, a, rng):
        """Reward and next state, or −1."""
        pair = s * self.A + a
        t = int(np.searchsorted(self.upper[pair], rng.random(), side="right"))
        return self.r[pair], t if t < self.n else -1


def q_loop(mdp, steps, seed=0):
    """Q-learning."""
    rng, env = np.random.default_rng(seed), Table(mdp)
    q, s = np.zeros((env.n, env.A)), -1
    for _ in range(steps):
        s = env.reset(rng) if s < 0 else s
        a = int(rng.integers(env.A)) if rng.random() < EPSILON else int(np.argmax(q[s]))
        r, t = env.step(s, a, rng)
        q[s, a] += ALPHA * (r + (env.gamma * q[t].max() if t >= 0 else 0.0) - q[s, a])
        s = t
    return q


def sarsa_loop(mdp, steps, seed=0):
    """SARSA(λ) with accumulating traces over the whole table."""
    rng, env = np.random.default_rng(seed), Table(mdp)

    def act(s):
        return int(rng.integers(env.A)) if rng.random() < EPSILON else int(np.argmax(q[s]))

    q, s, a = np.zeros((env.n, env.A)), -1, 0
    trace = np.zeros_like(q)
    for _ in range(steps):
        if s < 0:
            s = env.reset(rng)
            a, trace[:] = act(s), 0.0
        r, t = env.step(s, a, rng)
        b = act(t) if t >= 0 else 0
        delta = r + (env.gamma * q[t, b] if t >= 0 else 0.0) - q[s, a]
        trace *= env.gamma * LAMBDA
        trace[s, a] += 1
        q += ALPHA * delta * trace
        s, a = t, b
    return q


def td_loop(mdp, steps, seed=0):
    """TD(λ) of the uniform policy."""
    rng, env = np.random.default_rng(seed), Table(mdp)
    v, s = np.zeros(env.n), -1
    trace = np.zeros(env.n)
    for _ in range(steps):
        if s < 0:
            s, trace = env.reset(rng), np.zeros(env.n)
        r, t = env.step(s, int(rng.integers(env.A)), rng)
        delta = r + (env.gamma * v[t] if t >= 0 else 0.0) - v[s]
        trace *= env.gamma * LAMBDA
        trace[s] += 1
        v += ALPHA * delta * trace
        s = t
    return v


def rollout_loop(mdp, steps, seed=0):
    """The uniform policy."""
    rng, env, s = np.random.default_rng(seed), Table(mdp), -1
    for _ in range(steps):
        s = env.reset(rng) if s < 0 else s
        _, s = env.step(s, int(rng.integers(env.A)), rng)


def lspi_loop(batch, mdp, policy_steps):
    """LSPI on one-hot pairs, sample by sample."""
    n, gamma = mdp.n_pairs, float(mdp.gamma)
    pairs = mdp.action_ptr[:-1].copy()
    for _ in range(policy_steps):
        A, b = 1e-6 * np.eye(n), np.zeros(n)
        for pair, r, t in zip(batch.pair, batch.reward, batch.next_state, strict=True):
            A[pair, pair] += 1
            A[pair, pairs[t]] -= gamma
            b[pair] += r
        q = np.linalg.solve(A, b).reshape(mdp.n_states, -1)
        pairs = mdp.action_ptr[:-1] + q.argmax(axis=1)
    return pairs


def rate(name, ours, n_ours, theirs, n_theirs, goal):
    """One row: millions of steps a second of both."""
    ours, begin = n_ours / middle(ours), time.perf_counter()
    theirs()
    loop = n_theirs / (time.perf_counter() - begin)
    row = {"work": name, "per_second": ours, "numpy_loop": loop, "ratio": ours / loop}
    print(
        f"{name:28s} {ours / 1e6:8.2f} M/s   loop {loop / 1e6:7.4f} M/s   "
        f"{ours / loop:7.0f}×   goal {goal}",
        flush=True,
    )
    return row


def main():
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100_000, help="of the plain loops")
    given, load = parser.parse_args(), load_average()
    lake = mk.load("gym:FrozenLake-v1", gamma=0.99)
    walk = make("random-walk")

    def steps_of(method, mdp, episodes):
        return learn(mdp, method, episodes=episodes, rng=0).steps

    few, rows = given.steps, []
    for name, method, mdp, loop, goal in (
        ("Q-learning, FrozenLake", QLearning(ALPHA, EPSILON), lake, q_loop, "30 M/s"),
        (
            "SARSA(λ), FrozenLake",
            SarsaLambda(LAMBDA, ALPHA, EPSILON),
            lake,
            sarsa_loop,
            "15 M/s",
        ),
        ("TD(λ), random walk", TDLambda(uniform(walk), LAMBDA, ALPHA), walk, td_loop, "50 M/s"),
    ):
        episodes = 30_000 if mdp is lake else 10_000
        n = steps_of(method, mdp, episodes)
        work = (lambda m=method, d=mdp, e=episodes: learn(d, m, episodes=e, rng=0)), n
        rows.append(rate(name, *work, lambda f=loop, d=mdp: f(d, few), few, goal))
    river = make("river-swim")
    go = (lambda: rollout(river, uniform(river), 1000, n=2000, rng=0)), 2_000_000
    slow = (lambda: rollout_loop(river, few)), few
    rows.append(rate("rollout, river swim", *go, *slow, "30 M/s"))
    rows += least_squares()
    print(f"wrote {keep('learn', rows, load=load)}")
    return 0


def least_squares(n=20_000):
    """LSPI on n samples of the chain of four states, streaming and from counts."""
    chain = make("lspi-chain")
    drawn = rollout(chain, uniform(chain), 1, n=n, rng=0)
    data = Transitions(
        drawn.pairs[0], drawn.rewards[0], drawn.discounts[0], drawn.states[1], np.ones(n)
    )
    phi = np.eye(chain.n_pairs)
    ptr = chain.action_ptr
    found = lspi(data, phi, action_ptr=ptr)
    counts = merged(data)
    rounds = len(found.weights)
    streaming = middle(lambda: lspi(data, phi, action_ptr=ptr))
    counted = middle(lambda: lspi(counts, phi, action_ptr=ptr))
    begin = time.perf_counter()
    lspi_loop(data, chain, rounds)
    loop = time.perf_counter() - begin
    rows = []
    for name, seconds in (("LSPI, streaming", streaming), ("LSPI, from counts", counted)):
        ratio = loop / seconds
        rows.append({"work": name, "seconds": seconds, "numpy_loop": loop, "ratio": ratio})
        print(f"{name:28s} {1e3 * seconds:8.3f} ms    loop {1e3 * loop:8.1f} ms  {ratio:7.0f}×")
    return rows
