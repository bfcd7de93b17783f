"""Production kernels of prediction, fed with trajectories of our choice, or with a fault.

`fed` lays every step of a trajectory into a world's `outcome`, as a foreign environment does,
so that the code that learns from samples learns from an enumeration. `mutated` is the same
module with some words of its source exchanged, not compiled.
"""

import sys
import types
from pathlib import Path

import numpy as np

from mdpkit import MDP
from mdpkit import enumerate as every
from mdpkit.learn._world import NOWHERE, PAIR, STATE, World, log
from mdpkit.operators.rollout import ENDED, sampler
from mdpkit.operators.step_size import polynomial
from mdpkit.policy import uniform

FIRST_ONLY = polynomial(1.0, power=200)
"""α = 1 at the first visit of an entry, and 2⁻²⁰⁰ at the second."""


def fed(mdp, method, batch, runs=None, family=None):
    """The values after each trajectory of a batch, (n, entries), each learned from by itself.

    runs : which trajectories, all if None; family : of a mutant, the method's own if None
    """
    family = family or method.family
    chosen = range(batch.weight.size) if runs is None else runs
    return np.array([_one(mdp, method, batch, i, family) for i in chosen])


def _one(mdp, method, batch, i, family):
    return fed_in_turn(mdp, method, [(batch, i)], family)


def fed_in_turn(mdp, method, episodes, family):
    """The values, (entries,), after one run of several episodes, each a (batch, place)."""
    longest = max(batch.pairs.shape[0] for batch, _ in episodes) + 1
    outcome = np.zeros(3)
    world = World(sampler(mdp), float(mdp.gamma), np.empty(0), longest, outcome)
    book = log(0, 1, len(episodes), memory=longest)
    tables = family.begin(method, mdp, 1)
    given = world, book, method.rule(), tables
    for batch, i in episodes:
        outcome[1] = batch.states[0, i]
        family.kernel(*given, 0, 1, 1)
        for t in range(int((batch.pairs[:, i] >= 0).sum())):
            over = bool(batch.boundary[t, i])
            ended = over and batch.discounts[t, i] == 0
            after = ENDED if ended else batch.states[t + 1, i]
            book.clock[0, PAIR] = batch.pairs[t, i]  # ours, not what the policy would draw
            outcome[:] = batch.rewards[t, i], after, over
            family.kernel(*given, 0, 1, 1)
        if book.clock[0, STATE] != NOWHERE:
            raise AssertionError("the trajectory has no end")
    return family.values(tables)[0].copy()


def expected(mdp, method, batch, family=None):
    """Σ_i w_i values_i, (entries,)."""
    return batch.weight @ fed(mdp, method, batch, family=family)


def from_each_state(mdp, method, horizon, policy, family=None):
    """E v(s) after a trajectory that begins in s, (S,), for every s."""
    found = []
    for s in range(mdp.n_states):
        start = np.eye(mdp.n_states)[s]
        batch = every.trajectories(mdp, policy, horizon, start=start)
        found.append(expected(mdp, method, batch, family)[s])
    return np.array(found)


def mutated(module, old, new):
    """The family of a module's methods, with `old` exchanged for `new` in its source."""
    source = Path(module.__file__).read_text(encoding="utf-8")
    if source.count(old) != 1:
        raise AssertionError(f"{old!r} stands {source.count(old)} times in {module.__name__}.")
    source = source.replace(old, new).replace("from mdpkit._jit import inlined, njit", NO_JIT)
    made = types.ModuleType(module.__name__ + "_mutant")
    sys.modules[made.__name__] = made
    exec(compile(source, made.__name__, "exec"), made.__dict__)
    return made.FAMILY


NO_JIT = """
def njit(f=None, **options):
    return (lambda g: g) if f is None else f
inlined = njit
"""


def looping_mdp(seed, n_states=2, n_actions=2, gamma=0.9):
    """A random model whose states are visited again and again; two pairs may end."""
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.ones(n_states), size=(n_states, n_actions))
    stop = np.zeros((n_states, n_actions))
    stop[0, 0], stop[-1, -1] = 0.2, 0.1
    r = rng.normal(size=(n_states, n_actions))
    return MDP(P * (1 - stop[..., None]), r, gamma, stop=stop)


def descending_mdp(seed, n_states=4, n_actions=2, gamma=1.0):
    """A random model that only goes down, so that S steps end every episode."""
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.ones(n_states + 1), size=(n_states, n_actions))
    P = np.tril(np.moveaxis(P[..., :n_states], 1, 0), -1).swapaxes(0, 1)
    stop = 1 - P.sum(axis=-1)
    return MDP(P, rng.normal(size=stop.shape), gamma, stop=stop)


def some_policy(mdp, seed):
    """A stochastic policy that is not uniform, every action with at least a tenth of it."""
    rng = np.random.default_rng([seed, 3])
    weights = rng.random(mdp.n_pairs) + 0.2
    total = np.add.reduceat(weights, mdp.action_ptr[:-1])
    pi = weights / np.repeat(total, np.diff(mdp.action_ptr))
    return 0.9 * pi.reshape(mdp.pair_shape) + 0.1 * uniform(mdp)
