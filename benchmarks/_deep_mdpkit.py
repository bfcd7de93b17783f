"""mdpkit, held to one core as its peers are: `PYTHON _deep_mdpkit.py TASK SEEDS FIRST SHARE`.

SEEDS trainings side by side, from seed FIRST on, of SHARE of the task's steps. Prints a JSON
line: processor seconds of compiling and of the trainings, and the mean return of 20 episodes of
each greedy policy.
"""

import json
import sys
import time
from importlib import metadata
from types import SimpleNamespace

from _deep_tasks import TASKS, alone

alone()

import jax  # noqa: E402

import mdpkit as mk  # noqa: E402
import mdpkit.deep.train  # noqa: E402
from mdpkit.deep.explore import EpsilonGreedy, Linear  # noqa: E402
from mdpkit.deep.loops import OffPolicy, OnPolicy  # noqa: E402
from mdpkit.deep.optim import adam  # noqa: E402
from mdpkit.deep.replay import Uniform  # noqa: E402


def build(task):
    """The algorithm of a task."""
    rate, widths = task["rate"], tuple(task["widths"])
    if task["algorithm"] == "PPO":
        return mk.deep.PPO(
            gamma=task["gamma"],
            lam=task["lam"],
            clip=Linear(task["clip"], 0.0) if task["clip_falls"] else task["clip"],
            epochs=task["epochs"],
            minibatches=task["minibatches"],
            value_weight=task["value_weight"],
            entropy_weight=task["entropy_weight"],
            widths=widths,
            optimizer=adam(Linear(rate, 0.0), clip=task["norm"], epsilon=1e-5),
            loop=OnPolicy(task["lanes"], task["window"]),
        )
    names = ("lanes", "warm_up", "collect", "updates", "batch")
    loop = OffPolicy(Uniform(task["capacity"]), **{name: task[name] for name in names})
    same = {"gamma": task["gamma"], "widths": widths, "optimizer": adam(rate), "loop": loop}
    if task["algorithm"] == "SAC":
        return mk.deep.SAC(polyak=task["polyak"], **same)
    behavior = EpsilonGreedy(Linear(*task["epsilon"]))
    return mk.deep.DQN(kappa=None, refresh=task["refresh"], behavior=behavior, **same)


def main(name, seeds, first, share):
    """Train, and say how long it took."""
    jax.config.update("jax_enable_compilation_cache", False)
    training = sys.modules["mdpkit.deep.train"]
    training.time = SimpleNamespace(perf_counter=time.process_time)
    task = TASKS[name]
    warm_up = task.get("warm_up", 0)
    begin, wall = time.process_time(), time.perf_counter()
    found = mk.deep.train(
        build(task),
        task["env"],
        steps=round(warm_up + share * (task["steps"] - warm_up)),
        seeds=range(first, first + seeds),
        evaluations=1,
    )
    of_core = (time.process_time() - begin) / (time.perf_counter() - wall)
    body = {
        "seconds": found.run_seconds,
        "compile": found.compile_seconds,
        "steps": int(found.steps[-1]),
        "share_of_core": of_core,
        "returns": found.returns.tolist(),
        "versions": {x: metadata.version(x) for x in ("jax", "equinox", "optax")},
    }
    sys.stdout.write("\n" + json.dumps(body) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
