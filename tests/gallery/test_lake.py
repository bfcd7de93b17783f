"""The lake against Gymnasium's, its random maps against their generator and a search."""

from collections import deque

import numpy as np
import pytest
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv, generate_random_map

from mdpkit.errors import ModelError
from mdpkit.gallery import frozen_lake, lake

SEEDS = range(8)


def gym_arrays(**options):
    """P (S, A, S), r and stop (S, A) from Gymnasium's table, outcomes that agree added."""
    table = FrozenLakeEnv(**options).P
    P, r, stop = np.zeros((len(table), 4, len(table))), *np.zeros((2, len(table), 4))
    for s, actions in table.items():
        for a, outcomes in actions.items():
            for p, t, reward, terminated in outcomes:
                r[s, a] += p * reward
                if terminated:
                    stop[s, a] += p
                else:
                    P[s, a, t] += p
    return P, r, stop


def assert_same(mdp, P, r, stop):
    # Gymnasium's (1 − 1/3)/2 is an ulp off 1/3, and up to three of them are added.
    for ours, theirs in [(mdp.P.toarray(), P), (mdp.r, r), (mdp.stop, stop)]:
        np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, rtol=0, atol=4e-16)


@pytest.mark.parametrize("options", [{}, {"success_rate": 0.8}, {"is_slippery": False}])
@pytest.mark.parametrize("size", [4, 8])
def test_the_fixed_maps_are_gymnasiums(size, options):
    success = options.get("success_rate", 1 / 3 if options.get("is_slippery", True) else 1)
    arrays = gym_arrays(map_name=f"{size}x{size}", **options)
    assert_same(lake(size, success=success), *arrays)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_maps_are_gymnasiums(seed):
    board = generate_random_map(size=9, p=0.7, seed=seed)
    mdp = lake(9, seed=seed, frozen=0.7)
    assert_same(mdp, *gym_arrays(desc=board))
    assert_same(lake(board=board), *gym_arrays(desc=board))


def test_another_map_would_be_seen():
    with pytest.raises(AssertionError):
        assert_same(lake(4, seed=1), *gym_arrays(map_name="4x4"))


def reachable(mdp):
    """The states and the largest reward met from the start, by breadth-first search."""
    P = mdp.P
    seen, queue, best = {0}, deque([0]), 0.0
    while queue:
        s = queue.popleft()
        for pair in range(4 * s, 4 * s + 4):
            best = max(best, mdp.r.reshape(-1)[pair])
            for t in P.indices[P.indptr[pair] : P.indptr[pair + 1]]:
                if t not in seen:
                    seen.add(t)
                    queue.append(t)
    return seen, best


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("frozen", [0.55, 0.8])
def test_a_random_lake_can_be_crossed(seed, frozen):
    _, best = reachable(lake(12, seed=seed, frozen=frozen))
    assert best > 0


def test_a_lake_with_a_wall_cannot_be_crossed():
    assert reachable(lake(board="SFH/FHF/HFG"))[1] == 0
    assert not frozen_lake._connected(np.array([[True, False], [False, True]]))


def test_seeds_give_different_lakes_and_the_same_seed_the_same():
    # all but a few of 2⁻ⁿ coincidences: 12 × 12 cells
    boards = [lake(12, seed=seed).P.toarray().tobytes() for seed in (0, 1, 2, 0)]
    assert len(set(boards)) == 3
    assert boards[0] == boards[3] == lake(12).P.toarray().tobytes()


def test_a_board_need_not_be_square():
    mdp = lake(board="SFG")
    assert mdp.n_states == 3
    np.testing.assert_allclose(mdp.r.reshape(3, 4)[1], [0, 1 / 3, 1 / 3, 1 / 3])  # left never


def test_what_is_under_a_hole_or_the_goal_ends_at_once():
    mdp = lake()
    np.testing.assert_array_equal(np.asarray(mdp.stop).reshape(16, 4)[[5, 15]], 1)


def test_a_lake_without_ice_is_refused_soon():
    with pytest.raises(ModelError, match="no way across in 1000 random maps"):
        lake(9, frozen=0.0)
