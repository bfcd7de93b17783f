"""Weighted batches: what a sampler, a replay buffer or an exhaustive enumeration hands on.

A learning rule that takes a batch has an exact expectation: feed it every transition with its
probability (`mdpkit.enumerate`), and the same code that learns from samples computes it.

There is no `done` flag. discount = γ(1 − terminated) multiplies the value of the next state;
boundary = terminated or truncated only cuts what runs along a trajectory: returns and traces.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Transitions(NamedTuple):
    """n steps, in any order.

    pair        (n,) int, the state-action pair the step was taken from
    reward      (n,), in units of reward
    discount    (n,), γ(1 − terminated)
    next_state  (n,) int; where the episode terminated it is moot, and some valid state
    weight      (n,) ≥ 0, how often the step counts
    """

    pair: Any
    reward: Any
    discount: Any
    next_state: Any
    weight: Any


class Trajectories(NamedTuple):
    """n trajectories of at most T steps, time first.

    states     (T + 1, n) int, the last one the true state after the last step
    pairs      (T, n) int, −1 after the end
    rewards    (T, n), 0 after the end
    discounts  (T, n), γ(1 − terminated), 0 after the end
    boundary   (T, n) bool, terminated or truncated here, or after the end
    weight     (n,) ≥ 0, how often each counts: its probability, or 1/n
    """

    states: Any
    pairs: Any
    rewards: Any
    discounts: Any
    boundary: Any
    weight: Any
