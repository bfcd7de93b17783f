"""Exact Markov decision processes: solvers with certified bounds, and theorems that run.

    import mdpkit as mk
    sol = mk.solve(mk.load("gym:FrozenLake-v1", gamma=0.99))
    sol.v, sol.lower, sol.upper, sol.policy

Everything here is loaded when it is first used, so that importing mdpkit costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdpkit import deep as deep
    from mdpkit import plot
    from mdpkit.certify import Certificate, certify
    from mdpkit.io import load, save
    from mdpkit.io.env import to_env
    from mdpkit.mdp import MDP
    from mdpkit.parallel import map as map
    from mdpkit.solution import Solution, Status
    from mdpkit.solve import Method, iterate

__version__ = "0.1.0"

_HOMES = {
    "MDP": "mdpkit.mdp",
    "load": "mdpkit.io",
    "save": "mdpkit.io",
    "iterate": "mdpkit.solve",
    "certify": "mdpkit.certify",
    "Certificate": "mdpkit.certify",
    "Method": "mdpkit.solve",
    "Solution": "mdpkit.solution",
    "Status": "mdpkit.solution",
    "plot": "mdpkit",
    "deep": "mdpkit",
    "to_env": "mdpkit.io.env",
    "map": "mdpkit.parallel",
}

# Without map and deep: `from mdpkit import *` leaves the builtin alone, and loads no JAX.
__all__ = [
    "MDP",
    "Certificate",
    "Method",
    "Solution",
    "Status",
    "certify",
    "iterate",
    "load",
    "plot",
    "save",
    "solve",
    "to_env",
]


def solve(
    mdp: MDP,
    method: Method | None = None,
    *,
    tol: float | None = None,
    max_steps: int | None = None,
    deadline: float | None = None,
    progress: bool = False,
    throw: bool = True,
    start: Any = None,
    checkpoint: Any = None,
    resume: bool = False,
) -> Solution:
    """v*, q*, an optimal policy, and two-sided bounds on v* that hold with rounding included.

    method     an object from `mdpkit.plan`; None chooses by structure and says why in `sol.why`
    tol        bound on max(upper − lower); None: max(10⁻⁸·max(1, ‖v‖∞), 4 × the rounding floor)
    max_steps, deadline (seconds), progress (a bar on standard error), start ((S,) first values)
    throw      False returns the solution with its status where True raises
    checkpoint a path where the state is kept, every 30 s and where the solve ends early, or a
               `mdpkit.checkpoint.Checkpoint`; resume=True goes on from it to the same answer

    Raises NotSolvedError (with `.solution`) if the gap asked for is not certified,
    UnboundedError where the value is infinite or undefined; on resume FormatError for a damaged
    checkpoint or another method's, ModelError for another model's. On Ctrl-C the
    KeyboardInterrupt carries `.solution`.
    """
    from mdpkit.solve import solve as run

    if resume and start is not None:
        raise ValueError("resume=True goes on from the checkpoint: leave start out.")
    why = ""
    if method is None and mdp.device == "gpu":
        from mdpkit.plan.modified_policy_iteration import ModifiedPolicyIteration

        method, why = ModifiedPolicyIteration(sweeps=None), "on a device sweeps are cheapest"
    elif method is None:
        from mdpkit.plan.auto import auto

        method, why, begin = auto(mdp)
        start = begin if start is None else start
    return run(
        mdp,
        method,
        tol=tol,
        max_steps=max_steps,
        deadline=deadline,
        progress=progress,
        throw=throw,
        start=start,
        why=why,
        checkpoint=checkpoint,
        resume=resume,
    )


class _FrontDoor(ModuleType):
    """Keeps `mdpkit.solve` the function: importing the submodule would put itself there."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in ("solve", "certify") and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _FrontDoor


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mdpkit' has no attribute {name!r}")
    home = _HOMES[name]
    value = (
        import_module(f"mdpkit.{name}")
        if home == "mdpkit"
        else getattr(import_module(home), name)
    )
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *__all__})
