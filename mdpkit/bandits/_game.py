"""What a bandit's kernels are handed: some runs, over some pulls.

    reward of pull t = 1[x_t < μ_a]                Bernoulli, x_t uniform on [0, 1)
                       μ_a + σ_a x_t               Gaussian, x_t standard normal
                       μ_a + h_a (2x_t − 1)        uniform, x_t uniform on [0, 1)

x_t belongs to the run and the pull, not to the arm: algorithms that are played with the same
seed have the same luck, so that their difference is theirs.

Checked in tests/bandits/test_play.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mdpkit._jit import njit
from mdpkit.bandits._draws import BERNOULLI, NORMAL


class Game(NamedTuple):
    """n runs of K arms, over some pulls.

    means (n, K), width (K,), kind: see `pay`; luck (n, skip + pulls …) the x_t
    start           pulls made before; the first n_arms of them, if an algorithm asks for it,
                    are one of each arm
    pulls           how many to make
    run             number of the first run; key, of the algorithm's own random numbers
    counts (n, K)   pulls of each arm, and paid (n,) rewards received: written by `pay`
    """

    means: Any
    width: Any
    kind: Any
    luck: Any
    skip: Any
    start: Any
    pulls: Any
    run: Any
    key: Any
    counts: Any
    paid: Any


class Learner(NamedTuple):
    """An algorithm ready to play: kernel(game, state, *parameters).

    state   (width,) what a run remembers besides its counts, before the first pull
    twin    the kernel's twin on a device, "source kernel"; "" if there is none
    """

    kernel: Callable[..., None]
    parameters: tuple[Any, ...]
    state: Any
    twin: str = ""


@njit(inline="always")
def pay(game, i, j, arm):
    """Pull an arm: the reward, which is entered in the books."""
    mean, x = game.means[i, arm], game.luck[i, game.skip + j]
    if game.kind == BERNOULLI:
        reward = 1.0 if x < mean else 0.0
    elif game.kind == NORMAL:
        reward = mean + game.width[arm] * x
    else:
        reward = mean + game.width[arm] * (2.0 * x - 1.0)
    game.counts[i, arm] += 1
    game.paid[i] += reward
    return reward
