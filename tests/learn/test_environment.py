"""Gymnasium environments, stepped with the kernels that learn in models."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import mdpkit as mk
from mdpkit.learn import DoubleQLearning, QLearning, Sarsa, learn
from mdpkit.operators.resolvent import policy_value
from mdpkit.policy import uniform


class Scripted(gymnasium.Env):
    """Pays `reward` a step in observation `seen`; over after `steps`, as `how` says."""

    def __init__(self, seen=0, reward=1.0, steps=1, how="terminated"):
        self.observation_space, self.action_space = spaces.Discrete(3), spaces.Discrete(2)
        self.seen, self.reward, self.steps, self.how = seen, reward, steps, how
        self.t, self.taken = 0, []

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return self.seen, {}

    def step(self, action):
        self.t += 1
        self.taken.append(action)
        over = self.t >= self.steps
        flags = over and self.how == "terminated", over and self.how == "truncated"
        return self.seen, self.reward, *flags, {}


@pytest.mark.parametrize("method", [QLearning(0.5), Sarsa(0.5), DoubleQLearning()])
def test_a_deterministic_environment_is_its_model_to_the_bit(method):
    """The words that draw the next state are not needed, those of the actions are the same."""
    env = gymnasium.make("CliffWalking-v1")
    model = mk.load("gym:CliffWalking-v1", gamma=0.9)
    given = {"episodes": 20, "runs": 2, "rng": 4, "max_steps": 60}
    mine, other = learn(model, method, **given), learn(env, method, gamma=0.9, **given)
    assert np.array_equal(mine.values, other.values)
    assert np.array_equal(mine.returns.values, other.returns.values)
    assert np.array_equal(mine.lengths.values, other.lengths.values)
    assert other.values.shape == (2, 48, 4)
    undiscounted = learn(env, method, **given)
    assert not np.array_equal(undiscounted.values, other.values)


def length_of_a_random_walk(slippery):
    """The mean number of steps of random actions on the lake, exactly."""
    lake = mk.load(f"gym:FrozenLake-v1?is_slippery={str(slippery).lower()}", gamma=1.0)
    lake = lake.replace(r=np.ones(lake.pair_shape))
    return lake, float(lake.start @ policy_value(lake, uniform(lake)))


@pytest.mark.stat
def test_a_stochastic_environment_agrees_with_its_model():
    """Random actions on the lake: the mean of 3,000 lengths in each to 4.9 s.e.; alarm 2e-6."""
    model, exact = length_of_a_random_walk(True)
    for source in (gymnasium.make("FrozenLake-v1"), model):
        n = learn(source, QLearning(epsilon=1.0), episodes=3000, rng=1).lengths.values[0]
        error = n.std() / np.sqrt(n.size)
        assert abs(n.mean() - exact) < 4.9 * error
        assert abs(n[1:].mean() - exact + 1) > 4.9 * error  # a step miscounted


def test_a_run_of_an_environment_does_not_depend_on_the_others():
    env = gymnasium.make("FrozenLake-v1")
    two = learn(env, QLearning(), episodes=30, runs=2, rng=3)
    one = learn(env, QLearning(), episodes=30, rng=3)
    assert np.array_equal(one.values[0], two.values[0])
    assert not np.array_equal(two.lengths.values[0], two.lengths.values[1])


@pytest.mark.stat
def test_blackjack_is_learned():
    """Tuples are numbered; after 8,000 hands it sticks on a hard 20, whatever the dealer shows.

    Each pair is seen about 40 times; the values differ by 1.2 and more, an estimate's spread
    is below .2.
    """
    env = gymnasium.make("Blackjack-v1")
    found = learn(env, QLearning(0.05, 1.0), episodes=8_000, rng=0)
    q = found.values[0].reshape(32, 11, 2, 2)  # sum, dealer, usable ace, action
    assert (q[20, 2:10, 0, 0] > q[20, 2:10, 0, 1] + 0.3).all()
    assert found.values.shape == (1, 704, 2)


def test_taxi_learns():
    """Q-learning turns −700 an episode into more than −100 within 400 of them."""
    env = gymnasium.make("Taxi-v4")
    found = learn(env, QLearning(0.5), episodes=400, rng=0, gamma=0.99, max_steps=200)
    assert found.values.shape == (1, 500, 6)
    assert found.lengths.values[0, -50:].mean() < 60 < found.lengths.values[0, :50].mean()


@pytest.mark.parametrize(("how", "wanted"), [("terminated", 1.0), ("truncated", 1 + 0.5 * 10)])
def test_what_the_environment_cuts_bootstraps(how, wanted):
    method = QLearning(1.0, epsilon=0.0, initial=[10.0, 9, 8, 8, 8, 8])
    found = learn(Scripted(how=how), method, episodes=1, gamma=0.5)
    assert found.values[0, 0, 0] == wanted
    assert found.lengths.values.item() == 1


def test_numbering_begins_where_the_space_does():
    env = Scripted(seen=7)
    env.observation_space = spaces.Discrete(3, start=5)
    env.action_space = spaces.Discrete(2, start=-1)
    found = learn(env, QLearning(1.0), episodes=20, rng=0)
    assert (found.values[0] != 0).any(axis=1).tolist() == [False, False, True]
    assert set(env.taken) == {-1, 0}


def test_tuples_are_numbered_in_mixed_radix():
    env = Scripted(seen=(2, np.array([1, 3])))
    parts = spaces.Discrete(3), spaces.MultiDiscrete([2, 4])
    env.observation_space = spaces.Tuple(parts)
    found = learn(env, QLearning(1.0), episodes=5, rng=0)
    assert np.flatnonzero((found.values[0] != 0).any(axis=1)).tolist() == [(2 * 2 + 1) * 4 + 3]


def test_an_interrupt_keeps_the_runs_that_are_done():
    class Interrupting(Scripted):
        def step(self, action):
            if len(self.taken) == 25:
                raise KeyboardInterrupt
            return super().step(action)

    with pytest.raises(KeyboardInterrupt) as caught:
        learn(Interrupting(), QLearning(), episodes=10, runs=5, rng=0)
    found = caught.value.learned
    assert found.returns.values.shape == (2, 10)
    assert found.values.shape == (2, 3, 2)
    with pytest.raises(KeyboardInterrupt) as caught:
        learn(Interrupting(), QLearning(), episodes=100, runs=5, rng=0)
    assert caught.value.learned.returns.values.shape == (1, 25)


def other_spaces(observation=None, action=None):
    env = Scripted()
    env.observation_space = observation or env.observation_space
    env.action_space = action or env.action_space
    return env


@pytest.mark.parametrize(
    ("env", "options", "kind", "said"),
    [
        (other_spaces(spaces.Box(0, 1)), {}, TypeError, "use features"),
        (other_spaces(spaces.MultiBinary(3)), {}, TypeError, "use features"),
        (other_spaces(spaces.Dict({"x": spaces.Discrete(2)})), {}, TypeError, "use features"),
        (other_spaces(action=spaces.Box(0, 1)), {}, TypeError, "actions"),
        (other_spaces(action=spaces.MultiDiscrete([2, 2])), {}, TypeError, "actions"),
        (Scripted(seen=3), {}, ValueError, "observed 3"),
        (Scripted(seen=-1), {}, ValueError, "observed -1"),
        (Scripted(reward=np.nan), {}, ValueError, "paid nan"),
        (Scripted(), {"gamma": 1.5}, ValueError, "gamma"),
        (Scripted(), {"gamma": "1"}, TypeError, "gamma"),
        (Scripted(), {"reward_noise": 1.0}, TypeError, "reward_noise"),
        (Scripted(), {"start": [1.0, 0, 0]}, TypeError, "start"),
        (Scripted(), {"end_reward": 1.0}, TypeError, "end_reward"),
    ],
)
def test_bad_environments_are_refused(env, options, kind, said):
    with pytest.raises(kind, match=said):
        learn(env, QLearning(), episodes=1, **options)


def test_vectors_of_environments_are_refused():
    envs = gymnasium.make_vec("FrozenLake-v1", num_envs=2)
    with pytest.raises(TypeError, match="one of them"):
        learn(envs, QLearning(), episodes=1)
    envs.close()
