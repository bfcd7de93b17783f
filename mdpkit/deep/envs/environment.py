"""What an environment is: two pure functions of a key, `reset` and `step`, for one lane.

`step` knows neither a time limit nor a reset: whether an episode is over because the MDP ended
(`terminated`) or because somebody stopped looking (`truncated`) is kept apart by whoever plays,
`Vector` or `Host`.

Checked in tests/deep/envs/test_vector.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

from mdpkit.envs.spaces import Box, Discrete


class Moment(NamedTuple):
    """Where a step led, in one lane; `terminated` says that the MDP ended here."""

    state: Any
    observation: Any
    reward: Any
    terminated: Any


class Step(NamedTuple):
    """One step of n lanes.

    observation       (n, …) what to act on next: after a reset where the episode was over
    reward            (n,)
    terminated        (n,) bool, belongs to the MDP: the value of what comes next is 0
    truncated         (n,) bool, belongs to the data: that value is unknown; never both
    next_observation  (n, …) what was truly reached, before any reset
    episode_return    (n,) undiscounted return of the episode so far, this step included
    episode_length    (n,) its steps so far, this one included
    """

    observation: Any
    reward: Any
    terminated: Any
    truncated: Any
    next_observation: Any
    episode_return: Any
    episode_length: Any


@runtime_checkable
class Environment(Protocol):
    """Pure functions that may be compiled and mapped; floats are of JAX's own width.

    limit : steps after which `Vector` truncates an episode; None for never
    """

    @property
    def name(self) -> str:
        """As in messages and reports."""
        ...

    @property
    def observation_space(self) -> Discrete | Box:
        """Of one observation."""
        ...

    @property
    def action_space(self) -> Discrete | Box:
        """Of one action, in the units of the environment."""
        ...

    @property
    def limit(self) -> int | None:
        """Steps of an episode."""
        ...

    def reset(self, key: Any) -> tuple[Any, Any]:
        """The state and the observation an episode begins with."""
        ...

    def step(self, key: Any, state: Any, action: Any) -> Moment:
        """Play an action."""
        ...
