"""What a training gives: every seed's returns and curve, and its learned policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from mdpkit.curves import Curves


@dataclass(frozen=True, eq=False)
class Result:
    """A training of k seeds.

    seeds     which; steps : (m,) after how many steps each evaluation was
    curve     (k, m) mean undiscounted return of the greedy policy then
    finite    (k,) bool, whether all parameters stayed finite
    learners  the algorithm's state, with an axis of seeds first
    compile_seconds, run_seconds : without the evaluations
    """

    algorithm: Any
    worlds: Any
    seeds: tuple[int, ...]
    steps: np.ndarray
    curve: np.ndarray
    finite: np.ndarray
    learners: Any
    compile_seconds: float
    run_seconds: float

    @property
    def returns(self) -> np.ndarray:
        """(k,) the last evaluation of each seed, failed ones included."""
        return self.curve[:, -1]

    @property
    def curves(self) -> Curves:
        """The curve with its name, for `mk.plot`."""
        name = f"{self.algorithm.key} on {self.worlds.name}"
        return Curves(self.curve, name, "return", self.steps, "step")

    @property
    def env_steps_per_second(self) -> float:
        """Steps of all seeds, over the seconds they took."""
        return float(self.steps[-1]) * len(self.seeds) / self.run_seconds

    def learner(self, seed: int | None = None) -> Any:
        """The state of one seed, the best at the end if None. ValueError if it was not run."""
        if seed is None:
            index = int(np.nanargmax(self.returns))
        elif seed in self.seeds:
            index = self.seeds.index(seed)
        else:
            raise ValueError(f"seed {seed} was not run; {self.seeds} were.")
        return jax.tree.map(lambda x: x[index], self.learners)

    def policy(self, seed: int | None = None) -> Callable[[Any], Any]:
        """The greedy policy of one seed: observations (…) to actions."""
        learner = self.learner(seed)
        return lambda observation: self.algorithm.greedy(learner, observation)


def joined(results: list[Result]) -> Result:
    """The trainings of several seeds, run one after the other, as one."""
    first = results[0]
    return Result(
        first.algorithm,
        first.worlds,
        tuple(seed for one in results for seed in one.seeds),
        first.steps,
        np.concatenate([one.curve for one in results]),
        np.concatenate([one.finite for one in results]),
        jax.tree.map(lambda *x: jax.numpy.concatenate(x), *[one.learners for one in results]),
        sum(one.compile_seconds for one in results),
        sum(one.run_seconds for one in results),
    )
