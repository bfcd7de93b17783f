"""An MDP as two functions of uniform numbers: exact frequencies, ends, and missing actions."""

import subprocess
import sys

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.envs.tabular import reset, step, table
from mdpkit.plan import PolicyIteration
from tests.env_oracle import KINDS, dyadic_model, outcomes

GRID = (np.arange(128) + 0.5) / 128
"""One number within each interval of [0, 1) that a dyadic model can cut."""


def frequencies(mdp, play):
    """How often each next state, and the end, was reached from each pair over the grid."""
    found = {}
    for s, a in outcomes(mdp):
        after = play(np.full(128, s), np.full(128, a), GRID)
        index = np.where(after.terminated, mdp.n_states, after.state)
        found[s, a] = np.bincount(index, minlength=mdp.n_states + 1) / 128
    return found


def differ(mdp, play):
    found, true = frequencies(mdp, play), outcomes(mdp)
    return any((found[pair] != true[pair]).any() for pair in true)


@pytest.fixture(params=KINDS)
def mdp(request):
    return dyadic_model(request.param)


def test_every_probability_is_played_exactly(mdp):
    world = table(mdp)
    assert not differ(mdp, lambda s, a, u: step(world, s, a, u))


def test_a_shifted_number_or_action_would_be_seen(mdp):
    world = table(mdp)
    assert differ(mdp, lambda s, a, u: step(world, s, a, u**1.05))
    repeated = table(mdp, repeat=True)
    assert differ(mdp, lambda s, a, u: step(repeated, s, (a + 1) % 3, u))


def test_the_first_state_is_drawn_from_the_start(mdp):
    found = np.bincount(reset(table(mdp), GRID), minlength=5) / 128
    assert found.tolist() == mdp.start.tolist()


def test_the_reward_is_the_mean_and_an_end_stays(mdp):
    world, r = table(mdp), mdp.r.reshape(-1)
    for i in range(mdp.n_pairs):
        s, a = mdp.place(i)
        after = step(world, s, a, GRID)
        assert (after.reward == r[i]).all()
        assert (after.state[after.terminated] == s).all()


def test_each_lane_is_looked_up_on_its_own(mdp):
    world, rng = table(mdp), np.random.default_rng(1)
    pairs = [mdp.place(i) for i in rng.integers(mdp.n_pairs, size=200)]
    s, a = np.array(pairs).T
    u = rng.random(200)
    together = step(world, s, a, u)
    for i in range(200):
        alone = step(world, s[i], a[i], u[i])
        assert tuple(x[i] for x in together) == alone


def test_a_row_of_any_length_is_searched_to_its_ends():
    for n in (1, 2, 3, 4, 5, 7, 8, 9, 31, 64):
        P = np.full((n, 1, n), 1 / n)
        world = table(mk.MDP(P, np.zeros((n, 1)), 0.9))
        upper = np.minimum(np.cumsum(P[0, 0]), 1)
        upper[-1] = 1.0
        u = np.concatenate([[0.0], upper[:-1], np.nextafter(upper, 0)])
        after = step(world, 0, 0, u)
        assert after.state.tolist() == np.searchsorted(upper, u, side="right").tolist()
        assert not after.terminated.any()


def test_a_model_that_only_ends_has_no_next_state():
    mdp = mk.MDP(np.zeros((2, 1, 2)), [[1.0], [2.0]], 0.9, stop=[[1.0], [1.0]])
    after = step(table(mdp), np.array([0, 1]), np.array([0, 0]), np.array([0.0, 0.999]))
    assert after.state.tolist() == [0, 1]
    assert after.terminated.all()


def test_an_exact_model_is_rounded():
    world = table(mk.load("gallery:puterman").exact())
    assert world.upper.dtype == np.float64


def test_a_missing_action_is_masked_and_refused():
    world = table(dyadic_model("gaps"))
    assert world.mask.tolist() == [
        [True, True, True],
        [False, True, True],
        [True, True, True],
        [False, False, True],
        [True, True, True],
    ]
    with pytest.raises(ValueError, match=r"state 3 has no action 1; it has \[2\]"):
        step(world, np.array([0, 3]), np.array([0, 1]), 0.5)
    with pytest.raises(ValueError, match="state 0 has no action 3"):
        step(world, 0, 3, 0.5)
    with pytest.raises(ValueError, match="state 0 has no action -1"):
        step(world, 0, -1, 0.5)
    with pytest.raises(ValueError, match=r"state 5 is not in 0 … 4"):
        step(world, 5, 0, 0.5)


@pytest.mark.parametrize("kind", ["ragged", "gaps"])
def test_a_repeated_action_is_one_of_the_states_own_and_changes_no_optimal_value(kind):
    mdp = dyadic_model(kind)
    world = table(mdp, repeat=True)
    assert world.mask.all()
    assert (mdp.pair_states[world.pairs] == np.arange(5)[:, None]).all()
    own = table(mdp)
    assert (world.pairs[own.mask] == own.pairs[own.mask]).all()
    full = mk.MDP(np.asarray(mdp.P)[world.pairs], mdp.r[world.pairs], 0.9)
    wanted, found = mk.solve(mdp, PolicyIteration()), mk.solve(full, PolicyIteration())
    assert abs(wanted.v - found.v).max() <= wanted.gap + found.gap


def test_only_models_have_a_table():
    with pytest.raises(TypeError, match="takes an MDP"):
        table("gallery:puterman")  # pyright: ignore[reportArgumentType]


def test_spaces_and_tables_need_no_gymnasium():
    code = (
        "import sys, mdpkit.envs.spaces, mdpkit.envs.tabular;"
        "print(any(name.split('.')[0] in ('gymnasium', 'jax') for name in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "False\n", run.stderr
