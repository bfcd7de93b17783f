"""PureJaxRL's sources in an environment of theirs: `PYTHON _deep_purejaxrl.py TASK SEED DIR`.

DIR holds its `ppo.py` and `dqn.py`. Libraries that these import for other environments or for
their log are replaced by empty modules. Its clip does not fall, its value is clipped, and a
truncated episode counts as terminated; its return is that of the training's last episodes.
Prints a JSON line: processor seconds, those of compiling, and that return.
"""

import json
import sys
import time
from importlib import import_module, metadata
from unittest.mock import MagicMock

from _deep_tasks import TASKS, alone

alone()

import jax  # noqa: E402


def ppo(task):
    """Its names for the settings."""
    return {
        "LR": task["rate"],
        "ANNEAL_LR": True,
        "NUM_ENVS": task["lanes"],
        "NUM_STEPS": task["window"],
        "UPDATE_EPOCHS": task["epochs"],
        "NUM_MINIBATCHES": task["minibatches"],
        "GAE_LAMBDA": task["lam"],
        "CLIP_EPS": task["clip"],
        "ENT_COEF": task["entropy_weight"],
        "VF_COEF": task["value_weight"],
        "MAX_GRAD_NORM": task["norm"],
        "ACTIVATION": "tanh",
    }


def dqn(task):
    """Its names for the settings."""
    start, stop, until = task["epsilon"]
    return {
        "LR": task["rate"],
        "NUM_ENVS": task["lanes"],
        "BUFFER_SIZE": task["capacity"],
        "BUFFER_BATCH_SIZE": task["batch"],
        "EPSILON_START": start,
        "EPSILON_FINISH": stop,
        "EPSILON_ANNEAL_TIME": until * task["steps"],
        "TARGET_UPDATE_INTERVAL": task["refresh"] * task["collect"],
        "LEARNING_STARTS": task["warm_up"],
        "TRAINING_INTERVAL": task["collect"],
        "TAU": 1.0,
    }


def main(name, seed, folder):
    """Compile, train, and say how long both took."""
    sys.path.insert(0, folder)
    for absent in ("wandb", "navix", "brax", "brax.envs", "brax.envs.wrappers.training"):
        sys.modules[absent] = MagicMock()
    jax.tree_map = jax.tree.map  # renamed since
    task = TASKS[name]
    settings = {"PPO": ppo, "DQN": dqn}[task["algorithm"]](task)
    settings |= {"ENV_NAME": task["env"], "TOTAL_TIMESTEPS": task["steps"]}
    settings |= {"GAMMA": task["gamma"]}
    begin = time.process_time()
    train = import_module(task["algorithm"].lower()).make_train(settings)
    key = jax.random.key(seed)
    compiled = jax.jit(train).lower(key).compile()
    middle, wall = time.process_time(), time.perf_counter()
    found = jax.block_until_ready(compiled(key))
    end = time.process_time()
    metrics = found["metrics"]
    returns = metrics.get("returned_episode_returns", metrics.get("returns"))
    body = {
        "seconds": end - middle,
        "compile": middle - begin,
        "steps": returns.shape[0] * task["lanes"] * task.get("window", 1),
        "share_of_core": (end - middle) / (time.perf_counter() - wall),
        "return": float(returns[-1].mean()),
        "versions": {x: metadata.version(x) for x in ("jax", "flax", "gymnax")},
    }
    sys.stdout.write("\n" + json.dumps(body) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
