"""What is trained and how, for every tool of `python -m benchmarks deep`; and how it is timed.

Each tool runs in an interpreter of its own, so this file imports the standard library alone.
Every tool is held to one core and timed in processor seconds of its process: on a machine with
other work to do the wall clock would measure that.
"""

import json
import os
import sys
import time

_ZOO_PPO = {
    "algorithm": "PPO",
    "env": "CartPole-v1",
    "steps": 100_000,
    "gamma": 0.98,
    "lam": 0.8,
    "lanes": 8,
    "window": 32,
    "epochs": 20,
    "minibatches": 1,
    "rate": 1e-3,
    "clip": 0.2,
    "clip_falls": True,
    "value_weight": 1.0,
    "entropy_weight": 0.0,
    "norm": 0.5,
    "widths": [64, 64],
}

_CLEAN_PPO = _ZOO_PPO | {
    "gamma": 0.99,
    "lam": 0.95,
    "lanes": 4,
    "window": 128,
    "epochs": 4,
    "minibatches": 4,
    "rate": 2.5e-4,
    "clip_falls": False,
    "value_weight": 0.5,
    "entropy_weight": 0.01,
}

_DQN = {
    "algorithm": "DQN",
    "env": "CartPole-v1",
    "steps": 500_000,
    "gamma": 0.99,
    "lanes": 1,
    "warm_up": 10_000,
    "collect": 10,
    "updates": 1,
    "batch": 128,
    "capacity": 10_000,
    "refresh": 50,
    "rate": 2.5e-4,
    "epsilon": [1.0, 0.05, 0.5],
    "widths": [120, 84],
}

_SAC = {
    "algorithm": "SAC",
    "env": "Pendulum-v1",
    "steps": 10_000,
    "gamma": 0.99,
    "lanes": 1,
    "warm_up": 1_000,
    "collect": 1,
    "updates": 1,
    "batch": 256,
    "capacity": 20_000,
    "rate": 1e-3,
    "polyak": 0.005,
    "widths": [64, 64],
}

TASKS = {
    "ppo-zoo": _ZOO_PPO,
    "ppo-cleanrl": _CLEAN_PPO,
    "dqn-64": _DQN | {"widths": [64, 64]},
    "dqn-cleanrl": _DQN,
    "dqn-10-lanes": _DQN | {"lanes": 10},
    "sac-64": _SAC,
}
"""By name: settings of RL-Baselines3-Zoo (`ppo-zoo`; `sac-64` but for its widths), and the
defaults of CleanRL's PPO and DQN, which PureJaxRL's are too, with ten lanes for DQN.

rate            falls linearly to 0 in PPO; clip_falls : and so does the clip
value_weight    on ½(G − V)²; norm : gradients are cut to it
collect         steps, over all lanes, between two rounds of `updates` updates
refresh         updates between two copies into the target network
epsilon         begin, end, and the part of the training in which it falls linearly
"""


def alone():
    """One core for this process, where the system can say so."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


class Clock:
    """Processor seconds at some numbers of steps; it says when a shortened run is over.

    `reached(n)` is called between two rounds, with the steps played so far.
    """

    def __init__(self, task, share):
        self.steps, self.warm_up = task["steps"], task.get("warm_up", 0)
        self.last = self.warm_up + share * (self.steps - self.warm_up)
        self.marks, self.wall = [], time.perf_counter()

    def reached(self, n):
        """Note it; whether the run may end here."""
        self.marks.append((n, time.process_time()))
        return n >= self.last

    def report(self, **more):
        """Print one JSON line: seconds of the whole training, warm-up included.

        Those behind the warm-up count for the rest of a shortened run.
        """
        (_, begin), (n, end) = self.marks[0], self.marks[-1]
        warm, middle = next(mark for mark in self.marks if mark[0] >= self.warm_up)
        seconds = middle - begin + (self.steps - warm) * (end - middle) / (n - warm)
        share = (end - begin) / (time.perf_counter() - self.wall)
        found = {"seconds": seconds, "steps": self.steps, "share_of_core": share} | more
        sys.stdout.write("\n" + json.dumps(found) + "\n")
