"""Settings that are known to learn a task, and how long they take; for the rest, the defaults.

CartPole's settings of PPO are the tuned ones of RL-Baselines3-Zoo, those of DQN CleanRL's.

Checked by the training tests (-m slow). Source: Raffin (2020), rl-baselines3-zoo; Huang et al.
(2022), CleanRL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mdpkit import deep
from mdpkit.deep.actor_critic.sac import SAC
from mdpkit.deep.explore import EpsilonGreedy, Linear
from mdpkit.deep.loops import OffPolicy, OnPolicy
from mdpkit.deep.optim import adam, rmsprop
from mdpkit.deep.policy.ppo import PPO, a2c
from mdpkit.deep.replay import Uniform
from mdpkit.deep.value.dqn import DQN

ALGORITHMS: dict[str, Callable[[], Any]] = {
    key: getattr(deep, home.rpartition(".")[2]) for key, home in deep.ALGORITHMS.items()
}
"""By the name the command line knows them by."""

STEPS = 100_000
"""Of a training nobody has said anything about."""


def preset(algorithm: str, env: str) -> tuple[Any, int]:
    """An algorithm with the settings for an environment, and how many steps it takes.

    algorithm : a key of ALGORITHMS; env : a name. ValueError if there is no such algorithm.
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(
            f"there is no algorithm {algorithm!r}; there are {', '.join(ALGORITHMS)}."
        )
    known = _KNOWN.get((algorithm, env))
    return known() if known else (ALGORITHMS[algorithm](), STEPS)


def _ppo_cartpole() -> tuple[PPO, int]:
    return PPO(
        gamma=0.98,
        lam=0.8,
        clip=Linear(0.2, 0.0, 1.0),
        epochs=20,
        minibatches=1,
        optimizer=adam(Linear(1e-3, 0.0, 1.0), clip=0.5, epsilon=1e-5),
        loop=OnPolicy(8, 32),
    ), 100_000


def _a2c_cartpole() -> tuple[PPO, int]:
    return replace(a2c(), optimizer=rmsprop(Linear(7e-4, 0.0, 1.0), clip=0.5)), 500_000


def _dqn_cartpole() -> tuple[DQN, int]:
    # Few updates and a slow copy: settings that copy every 10 updates learn nothing, and those
    # tuned to reach 500 within 50,000 steps leave half of the seeds below 150.
    return DQN(
        widths=(120, 84),
        kappa=None,
        behavior=EpsilonGreedy(Linear(1.0, 0.05, 0.5)),
        optimizer=adam(2.5e-4),
        refresh=50,
        loop=OffPolicy(Uniform(10_000), warm_up=10_000, collect=10, updates=1, batch=128),
    ), 500_000


def _sac_pendulum() -> tuple[SAC, int]:
    loop = OffPolicy(Uniform(20_000), warm_up=1_000, batch=256)
    return SAC(optimizer=adam(1e-3), loop=loop), 20_000


_KNOWN: dict[tuple[str, str], Callable[[], tuple[Any, int]]] = {
    ("ppo", "CartPole-v1"): _ppo_cartpole,
    ("a2c", "CartPole-v1"): _a2c_cartpole,
    ("dqn", "CartPole-v1"): _dqn_cartpole,
    ("sac", "Pendulum-v1"): _sac_pendulum,
}
