"""Learners' kernels, fed one transition at a time, as they are or with a fault put in."""

import inspect
import textwrap
from types import FunctionType
from typing import NamedTuple

import numpy as np

from mdpkit import MDP
from mdpkit import enumerate as every
from mdpkit.learn._act import chance
from mdpkit.learn._world import EPISODE, NOWHERE, PAIR, STATE, TIME, World, log
from mdpkit.operators.rollout import ENDED, sampler

COPIES = 64
"""Runs that see the same transition with other random words: every choice comes up."""


def interpreted(kernel, fault=None, choose=None):
    """A kernel as plain Python, and all it calls.

    fault : (function, text, replacement); choose : stands in for `epsilon_greedy`.
    """
    made = {}

    def plain(f):
        if choose is not None and getattr(f, "__name__", "") == "epsilon_greedy":
            return choose
        if not hasattr(f, "py_func"):
            return f
        if f not in made:
            source = f.py_func
            code = source.__code__
            if fault is not None and source.__name__ == fault[0]:
                code = _changed(source, *fault[1:])
            names = dict(source.__globals__)
            made[f] = FunctionType(code, names, source.__name__)
            names.update({name: plain(x) for name, x in names.items()})
        return made[f]

    found = plain(kernel)
    names = {f.py_func.__name__ for f in made}
    assert fault is None or fault[0] in names, f"{fault[0]} is none of {names}"
    return found


def _changed(function, old, new):
    """The code of a function in whose source one text is replaced."""
    text = textwrap.dedent(inspect.getsource(function))
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the source"
    lines = text[text.index("def ") :].replace(old, new)
    found = {}
    exec(compile(lines, "<fault>", "exec"), dict(function.__globals__), found)
    return found[function.__name__].__code__


class Feed:
    """A method in a model, stepped from outside; `tables` are set by the test between steps."""

    def __init__(self, method, mdp, *, runs=COPIES, fault=None, scripted=False, max_steps=1000):
        self.method, self.mdp, self.runs = method, mdp, runs
        self.outcome = np.zeros(3)
        gamma = float(mdp.gamma)
        self.world = World(sampler(mdp), gamma, np.empty(0), max_steps, self.outcome)
        self.tables = method.family.begin(method, mdp, runs)
        self.kernel = method.family.kernel
        self.script = []
        if fault is not None or scripted:
            choose = (lambda *_: self.script.pop(0)) if scripted else None
            self.kernel = interpreted(self.kernel, fault, choose)
        self.memory = max_steps if method.family.remembers else 0
        self.restart()

    def restart(self, rng=0):
        """No run has begun."""
        self.log = log(rng, self.runs, 100, memory=self.memory)

    def stand(self, s, pair):
        """Every run is in state s, about to take `pair`, its episode having just begun."""
        self.log.clock[:, STATE], self.log.clock[:, PAIR] = s, pair
        self.log.clock[:, TIME] = 0
        self.log.gathered[:] = 0.0, 1.0

    def step(self, reward, after, truncated=False):
        """Every run sees this outcome; ENDED for `after` is an end."""
        self.outcome[:] = reward, after, truncated
        self.kernel(self.world, self.log, self.method.rule(), self.tables, 0, self.runs, 1)

    def begin(self, s):
        """Every run begins an episode in s and chooses its first pair."""
        self.step(0.0, s)

    def walk(self, path, extra=0):
        """One episode along a Path, the pairs taken as it says, behind them `extra`."""
        self.script = [*path.pairs, extra]
        self.begin(path.states[0])
        for t, reward in enumerate(path.rewards):
            after = ENDED if path.ended and t + 1 == len(path.rewards) else path.states[t + 1]
            self.step(reward, after)

    @property
    def chosen(self):
        """(runs,) the pair about to be taken."""
        return self.log.clock[:, PAIR].copy()

    @property
    def between(self):
        """(runs,) whether the episode is over."""
        return self.log.clock[:, STATE] == NOWHERE

    @property
    def episodes(self):
        """(runs,) episodes finished."""
        return self.log.clock[:, EPISODE].copy()


class Path(NamedTuple):
    """An episode: states (n + 1), pairs and rewards (n), whether it ended, its probability."""

    states: list
    pairs: list
    rewards: list
    ended: bool
    weight: float


def every_path(mdp, policy, horizon, start=None):
    """Every episode of at most `horizon` steps."""
    batch = every.trajectories(mdp, policy, horizon, start=start)
    for i in range(batch.weight.size):
        n = int((batch.pairs[:, i] >= 0).sum())
        yield Path(
            batch.states[: n + 1, i].tolist(),
            batch.pairs[:n, i].tolist(),
            batch.rewards[:n, i].tolist(),
            bool(batch.discounts[n - 1, i] == 0),
            float(batch.weight[i]),
        )


def layered(seed, layers=3, width=2, n_actions=2):
    """A model whose every step leads a layer down or ends; from the last layer all end."""
    rng = np.random.default_rng(seed)
    n = layers * width
    P, stop = np.zeros((n, n_actions, n)), np.ones((n, n_actions))
    for s in range(n - width):
        below = (s // width + 1) * width
        stop[s] = rng.choice([0.0, 0.25], size=n_actions)
        rest = rng.dirichlet(np.ones(width), size=n_actions) * (1 - stop[s])[:, None]
        P[s, :, below : below + width] = rest
    return MDP(P, rng.normal(size=(n, n_actions)), 0.9, stop=stop)


def epsilon_soft(mdp, q, epsilon):
    """The policy that is ε-greedy in q, pair layout."""
    ends = zip(mdp.action_ptr[:-1], mdp.action_ptr[1:], strict=True)
    pi = [chance.py_func(q, b, e, epsilon, pair) for b, e in ends for pair in range(b, e)]
    return np.array(pi).reshape(mdp.pair_shape)


def every_transition(mdp):
    """(weight, pair, reward, next state or ENDED) of every transition; weights of a pair: 1."""
    batch = every.transitions(mdp)
    ended = np.zeros(batch.pair.size, dtype=bool)
    ended[batch.pair.size - int((mdp.stop.reshape(-1) != 0).sum()) :] = True
    for i in range(batch.pair.size):
        after = ENDED if ended[i] else int(batch.next_state[i])
        yield float(batch.weight[i]), int(batch.pair[i]), float(batch.reward[i]), after


def small(x):
    """An array scaled to size 1, so that 1e-12 is a bound on its rounding."""
    return x / max(1.0, abs(x).max())
