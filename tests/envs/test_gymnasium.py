"""Gymnasium's ways to reset a lane, all made one: every row is a step that was played."""

from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

import mdpkit as mk
from mdpkit.envs.gymnasium import HostLanes, HostStep, recipe
from mdpkit.envs.spaces import Box, Discrete
from mdpkit.errors import ModelWarning, NonFiniteError, SourceError
from tests.env_oracle import Diary, wrong_rows

MODES = list(AutoresetMode)
SEEDS = [3, 1, 4]


FOUR = partial(Diary, ends=4)


def vector(mode, make=FOUR, n=3, **options):
    return SyncVectorEnv([make] * n, autoreset_mode=mode, **options)


def play(lanes, n_steps=30, seeds=SEEDS):
    first = lanes.begin(seeds)
    return first, [lanes.advance(np.zeros(lanes.n, int)) for _ in range(n_steps)]


def by_hand(make, seed, n_steps):
    """What one lane sees: Gymnasium's own interface, as its documentation plays it."""
    env = make()
    observation, _ = env.reset(seed=seed)
    seen = [observation]
    for _ in range(n_steps):
        observation, reward, terminated, truncated, _ = env.step(5)
        reached = observation
        if terminated or truncated:
            observation, _ = env.reset()
        seen.append((observation, reward, terminated, truncated, reached))
    return seen


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("ends", "limit"), [(4, None), (None, 3), (5, 2), (3, 3), (1, None)])
def test_every_mode_is_what_is_played_by_hand(mode, ends, limit):
    make = partial(Diary, ends, limit)
    first, steps = play(HostLanes(vector(mode, make)))
    assert wrong_rows(first, steps) == []
    for lane, seed in enumerate(SEEDS):
        begun, *wanted = by_hand(make, seed, 30)
        assert first[lane].tolist() == begun.tolist()
        for step, want in zip(steps, wanted, strict=True):
            observation, reward, terminated, truncated, reached = want
            assert step.observation[lane].tolist() == observation.tolist()
            assert step.next_observation[lane].tolist() == reached.tolist()
            assert step.reward[lane] == reward
            assert step.terminated[lane] == terminated
            assert step.truncated[lane] == (truncated and not terminated)


def test_a_lane_that_ends_in_its_last_step_has_terminated():
    _, steps = play(HostLanes(partial(Diary, 3, 3), 3))
    assert sum(step.terminated.sum() for step in steps) == 30
    assert not any(step.truncated.any() for step in steps)


def test_lanes_may_end_at_different_times():
    makes = [partial(Diary, ends=ends) for ends in (2, 3, 7)]
    for mode in MODES:
        env = SyncVectorEnv(makes, autoreset_mode=mode)
        first, steps = play(HostLanes(env))
        assert wrong_rows(first, steps) == []
        assert sum(step.terminated for step in steps).tolist() == [15, 10, 4]


LOST = "next_observation is not what was reached"


@pytest.mark.parametrize("mode", MODES[:2])
def test_gymnasium_taken_at_its_word_would_be_seen(mode):
    """SAME_STEP returns the observation after the reset, NEXT_STEP a step that is only that."""
    env = vector(mode)
    first, _ = env.reset(seed=SEEDS)
    steps = []
    for _ in range(12):
        observation, *rest, _ = env.step(np.full(3, 5))
        steps.append(HostStep(observation, *rest, observation))
    assert LOST in wrong_rows(first, steps)


def test_a_lost_last_observation_would_be_seen():
    first, steps = play(HostLanes(vector(AutoresetMode.SAME_STEP)))
    assert wrong_rows(first, steps) == []
    lost = [step._replace(next_observation=step.observation) for step in steps]
    assert LOST in wrong_rows(first, lost)


def test_a_buffer_that_is_written_over_changes_no_row():
    first, steps = play(HostLanes(vector(AutoresetMode.DISABLED, copy=False)))
    assert wrong_rows(first, steps) == []


def test_seeds_matter_and_lanes_are_independent():
    def tags(seeds):
        return HostLanes(Diary, 3).begin(seeds)[:, 0].tolist()

    assert tags([1, 2, 3]) == tags([1, 2, 3])
    assert tags([1, 2, 3])[:2] == tags([1, 2, 4])[:2]
    assert tags(0) == tags(0)
    both = tags(0) + tags(1)  # with seeds 0, 1, 2 and 1, 2, 3 two lanes would be shared
    assert len(set(both)) == 6


def test_the_seed_reaches_later_episodes():
    make = partial(Diary, ends=2)
    last = [play(HostLanes(make, 2), 9, seed)[1][-1].observation for seed in (0, 0, 1)]
    assert last[0].tolist() == last[1].tolist()
    assert (last[0][:, 0] != last[2][:, 0]).all()


def test_numbers_are_counted_from_zero_inside_and_as_they_are_outside():
    env = Diary()
    lanes = HostLanes(lambda: env, 1)
    lanes.begin(0)
    for action in (0, 1, 1):
        lanes.advance(np.array([action]))
    assert env.actions == [5, 6, 6]

    env.observation_space = gymnasium.spaces.Discrete(10, start=3)
    env.reset = lambda seed=None, options=None: (4, {})
    env.step = lambda action: (12, 0.0, False, False, {})
    lanes = HostLanes(lambda: env, 1)
    assert lanes.begin(0).tolist() == [1]
    assert lanes.advance(np.array([0])).next_observation.tolist() == [9]


def test_real_actions_arrive_in_their_own_units():
    lanes = HostLanes("Pendulum-v1", 2)
    assert isinstance(lanes.recipe.action_space, Box)
    lanes.begin([0, 1])
    torque = np.array([[-2.0], [0.5]])
    lanes.advance(torque)
    assert [env.unwrapped.last_u for env in lanes.env.envs] == [-2.0, 0.5]
    with pytest.raises(ValueError, match=r"actions have shape \(2,\), not \(2, 1\)"):
        lanes.advance(torque[:, 0])


def test_a_model_is_played_through_its_environment():
    mdp = mk.load("gym:FrozenLake-v1", gamma=0.9)
    lanes = HostLanes(lambda: mk.to_env(mdp), 4)
    assert lanes.recipe.observation_space == Discrete(16)
    assert lanes.begin(0).tolist() == [0] * 4
    for _ in range(50):
        step = lanes.advance(np.ones(4, int))
        assert (step.observation[step.terminated] == 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_reward_that_is_not_finite_stops_with_step_lane_and_seed(bad):
    def pay(t):
        return bad if t == 3 else 1.0

    env = SyncVectorEnv([Diary, partial(Diary, pay=pay)], autoreset_mode=MODES[0])
    lanes = HostLanes(env)
    lanes.begin([11, 12])
    for _ in range(2):
        lanes.advance(np.zeros(2, int))
    with pytest.raises(
        NonFiniteError, match=rf"paid {bad} at step 2 in lane 1, begun with seed 12"
    ) as caught:
        lanes.advance(np.zeros(2, int))
    assert (caught.value.step, caught.value.state) == (2, 1)
    steps = play(HostLanes(partial(Diary, pay=pay), 1, finite=False), 3, [0])[1]
    assert str(steps[-1].reward[0]) == str(bad)


class Images(Diary):
    """Observes bytes."""

    def __init__(self):
        super().__init__()
        self.observation_space = gymnasium.spaces.Box(0, 255, (2, 2), np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.full((2, 2), 200, np.uint8), {}

    def step(self, action):
        return (np.full((2, 2), 7, np.uint8), *super().step(action)[1:])


def test_images_of_bytes_warn_once():
    with pytest.warns(ModelWarning, match="bytes from 0 to 255"):
        lanes = HostLanes(Images, 2)
    assert lanes.begin(0).dtype == np.float32  # another warning would be an error
    lanes.advance(np.zeros(2, int))
    HostLanes(lanes.recipe, 3)


def test_what_is_known_of_an_environment():
    known = recipe("CartPole-v1")
    assert (known.name, known.limit, known.n) == ("CartPole-v1", 500, None)
    assert recipe(Diary).name == "Diary"
    assert recipe(Diary).limit is None
    env = vector(MODES[0], partial(gymnasium.make, "CartPole-v1"), 2)
    assert (recipe(env).limit, recipe(env).n) == (500, 2)
    with pytest.raises(ValueError, match="has 2 lanes; n is 3"):
        HostLanes(env, 3)
    with pytest.raises(ValueError, match="has 1 or more lanes; n is None"):
        HostLanes(Diary)


def test_arguments_reach_the_environment():
    lanes = HostLanes(recipe("Pendulum-v1", {"g": 3.0}), 1)
    assert lanes.env.envs[0].unwrapped.g == 3.0


def test_what_resets_in_unknown_ways_is_refused():
    theirs = gymnasium.make_vec("CartPole-v1", 2, vectorization_mode="vector_entry_point")
    with pytest.raises(TypeError, match=r"not lane by lane\. Make it with autoreset_mode="):
        HostLanes(theirs)
    silent = vector(AutoresetMode.SAME_STEP)
    del silent.metadata["autoreset_mode"]
    with pytest.raises(TypeError, match="does not say how it resets"):
        HostLanes(silent)
    lying = vector(AutoresetMode.DISABLED)
    lanes = HostLanes(lying)
    lanes.mode = AutoresetMode.SAME_STEP
    with pytest.raises(ValueError, match="without info"):
        play(lanes)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("NoSuch-v1", SourceError, "cannot make 'NoSuch-v1'"),
        (Diary(), TypeError, "pass how to make it"),
        (7, TypeError, "pass an id"),
        (lambda: 7, TypeError, "no Gymnasium environment"),
        ("Blackjack-v1", TypeError, r"observations are Tuple(?s:.)*FlattenObservation"),
    ],
)
def test_other_sources_are_refused(source, error, message):
    with pytest.raises(error, match=message):
        recipe(source)


def test_lanes_begin_before_they_advance():
    lanes = HostLanes(Diary, 1)
    with pytest.raises(RuntimeError, match="call begin"):
        lanes.advance(np.zeros(1, int))
    with pytest.raises(ValueError, match=r"\(2,\) seeds for 1 lanes"):
        lanes.begin([1, 2])
    lanes.close()


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_lanes_in_other_processes_are_the_same(mode):
    make = partial(Diary, 4, 3)
    options = {"autoreset_mode": mode, "context": "spawn"}
    lanes = HostLanes(AsyncVectorEnv([make] * 3, **options))
    first, steps = play(lanes, 9)
    lanes.close()
    alone = play(HostLanes(make, 3), 9)
    assert first.tolist() == alone[0].tolist()
    for ours, theirs in zip(steps, alone[1], strict=True):
        for x, y in zip(ours, theirs, strict=True):
            assert x.tolist() == y.tolist()
    if mode is AutoresetMode.NEXT_STEP:
        unshared = AsyncVectorEnv([make], shared_memory=False, **options)
        with pytest.raises(TypeError, match="not lane by lane"):
            HostLanes(unshared)
        unshared.close()
