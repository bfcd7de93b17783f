"""The best policy, or a policy's value, from samples: in a table or on features."""

from mdpkit.learn.learn import Learned, learn
from mdpkit.learn.one_step import (
    DoubleQLearning,
    ExpectedSarsa,
    QLearning,
    Sarsa,
    SoftQLearning,
)

__all__ = [
    "DoubleQLearning",
    "ExpectedSarsa",
    "Learned",
    "QLearning",
    "Sarsa",
    "SoftQLearning",
    "learn",
]
