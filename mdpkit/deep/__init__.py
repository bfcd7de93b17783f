"""Deep algorithms, each the lift of an exact operator and held against it on tables.

    result = mk.deep.train(mk.deep.PPO(), "CartPole-v1", steps=100_000, seeds=5)
    result.returns                       one mean return a seed, failed seeds included

Needs JAX, Equinox and Optax: pip install "mdpkit[deep]".
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

try:
    import equinox as _equinox  # noqa: F401
    import jax as _jax  # noqa: F401
    import optax as _optax  # noqa: F401
except ImportError as reason:
    raise ImportError(
        'deep algorithms need JAX, Equinox and Optax: pip install "mdpkit[deep]"'
    ) from reason

ALGORITHMS = {
    "dqn": "value.dqn.DQN",
    "soft-q": "value.soft_q.soft_q",
    "sac": "actor_critic.sac.SAC",
    "ppo": "policy.ppo.PPO",
    "a2c": "policy.ppo.a2c",
}
"""What the command line calls an algorithm, and where it is: its one re-export."""

_HOMES = {
    home.rpartition(".")[2]: home
    for home in (
        *ALGORITHMS.values(),
        *("envs.make", "train.train", "result.Result", "saved.save", "saved.load"),
    )
}

__all__ = [*_HOMES]  # pyright: ignore[reportUnsupportedDunderAll]


class _Room(ModuleType):
    """Keeps `deep.train` the function: importing the submodule would put itself there."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name == "train" and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Room


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mdpkit.deep' has no attribute {name!r}")
    home, _, name = _HOMES[name].rpartition(".")
    return getattr(import_module(f"mdpkit.deep.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
