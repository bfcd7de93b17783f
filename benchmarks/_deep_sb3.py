"""Stable-Baselines3 in its own environment: `PYTHON _deep_sb3.py TASK SEED SHARE`.

Prints a JSON line, as `_deep_tasks.Clock.report` says, and after a whole training the mean
return of 20 episodes of the greedy policy. Its DQN has Huber's loss instead of the square.
"""

import sys
import warnings

from _deep_tasks import TASKS, Clock, alone

alone()

import gymnasium  # noqa: E402
import stable_baselines3 as sb3  # noqa: E402
import torch  # noqa: E402
from stable_baselines3.common.callbacks import BaseCallback  # noqa: E402
from stable_baselines3.common.env_util import make_vec_env  # noqa: E402
from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402


class Marks(BaseCallback):
    """Tells the clock of each round, and ends the training when it says so."""

    def __init__(self, clock):
        super().__init__()
        self.clock, self.over = clock, False

    def _on_rollout_start(self):
        self.over = self.clock.reached(self.num_timesteps)

    def _on_step(self):
        return not self.over


def falling(start, falls=True):
    """A schedule of what is left of the training."""
    return lambda left: start * (left if falls else 1.0)


def build(task, seed):
    """The model of a task."""
    shape = {"net_arch": task["widths"]}
    env = make_vec_env(task["env"], n_envs=task.get("lanes", 1), seed=seed)
    same = {"gamma": task["gamma"], "policy_kwargs": shape, "seed": seed, "device": "cpu"}
    if task["algorithm"] == "PPO":
        return sb3.PPO(
            "MlpPolicy",
            env,
            learning_rate=falling(task["rate"]),
            n_steps=task["window"],
            batch_size=task["lanes"] * task["window"] // task["minibatches"],
            n_epochs=task["epochs"],
            gae_lambda=task["lam"],
            clip_range=falling(task["clip"], task["clip_falls"]),
            ent_coef=task["entropy_weight"],
            vf_coef=task["value_weight"] / 2,  # its loss has no half
            max_grad_norm=task["norm"],
            **same,
        )
    same |= {
        "learning_rate": task["rate"],
        "buffer_size": task["capacity"],
        "learning_starts": task["warm_up"],
        "batch_size": task["batch"],
        "train_freq": task["collect"],
        "gradient_steps": task["updates"],
    }
    if task["algorithm"] == "SAC":
        return sb3.SAC("MlpPolicy", env, tau=task["polyak"], **same)
    start, stop, until = task["epsilon"]
    return sb3.DQN(
        "MlpPolicy",
        env,
        target_update_interval=task["refresh"] * task["collect"],  # in steps
        exploration_initial_eps=start,
        exploration_final_eps=stop,
        exploration_fraction=until,
        max_grad_norm=float("inf"),
        **same,
    )


def main(name, seed, share):
    """Train, and say how long it took."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    task = TASKS[name]
    model, clock = build(task, seed), Clock(task, share)
    model.learn(task["steps"], callback=Marks(clock))
    found = None
    if share == 1:
        clock.reached(model.num_timesteps)
        env = make_vec_env(task["env"], n_envs=1, seed=1000 + seed)
        found = float(evaluate_policy(model, env, n_eval_episodes=20)[0])
    versions = {x.__name__: x.__version__ for x in (sb3, torch, gymnasium)}
    clock.report(**{"return": found, "versions": versions})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
