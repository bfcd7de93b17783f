"""Trainings that must succeed; seeds that do not are printed, and count.

Source: the returns that RL-Baselines3-Zoo and CleanRL publish for these settings.
"""

import numpy as np
import pytest

from mdpkit.deep import train
from mdpkit.deep.presets import preset

GOALS = [
    ("ppo", "CartPole-v1", 20, 475, 16),
    ("dqn", "CartPole-v1", 10, 475, 6),
    ("sac", "Pendulum-v1", 5, -200, 5),
]
"""Algorithm, environment, seeds, the return they must reach, and how many of them must."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "env", "seeds", "goal", "enough"), GOALS)
def test_enough_seeds_learn_the_task(name, env, seeds, goal, enough):
    algorithm, steps = preset(name, env)
    result = train(algorithm, env, steps=steps, seeds=seeds, evaluations=5)
    failed = {seed: float(x) for seed, x in enumerate(result.returns) if not x >= goal}
    print(f"{name} on {env}: {len(failed)} of {seeds} seeds below {goal}: {failed}")
    assert result.finite.all()
    assert seeds - len(failed) >= enough, failed
    assert np.isfinite(result.curve).all()
