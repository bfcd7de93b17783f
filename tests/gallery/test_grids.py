"""The grids against shortest paths found by search, and against Gymnasium's cliff."""

from collections import deque

import numpy as np
import pytest
from gymnasium.envs.toy_text.cliffwalking import CliffWalkingEnv

from mdpkit._exact import fraction
from mdpkit.gallery import cliff, dyna_maze, grid4x4, grid5x5, windy

WIND = [0, 0, 0, 1, 1, 1, 2, 2, 1, 0]
STRAIGHT = [(-1, 0), (1, 0), (0, 1), (0, -1)]
DIAGONAL = [(-1, -1), (-1, 1), (1, -1), (1, 1)]


def steps_to(goals, neighbors, cells):
    """Fewest steps to a goal from every cell, by breadth-first search backward."""
    before = {cell: [] for cell in cells}
    for cell in cells:
        for after in neighbors(cell):
            before[after].append(cell)
    distance, queue = dict.fromkeys(goals, 0), deque(goals)
    while queue:
        cell = queue.popleft()
        for earlier in before[cell]:
            if earlier not in distance:
                distance[earlier] = distance[cell] + 1
                queue.append(earlier)
    return distance


def walk(height, width, moves, wind=lambda column: 0):
    """The cells, and the neighbors of a cell, when it blows upward."""

    def neighbors(cell):
        for up, right in moves:
            row, column = cell[0] + up - wind(cell[1]), cell[1] + right
            yield min(max(row, 0), height - 1), min(max(column, 0), width - 1)

    return [(i, j) for i in range(height) for j in range(width)], neighbors


@pytest.mark.parametrize(("kings", "moves"), [(False, STRAIGHT), (True, STRAIGHT + DIAGONAL)])
def test_the_windy_grid_takes_as_long_as_a_search_says(solver, kings, moves):
    cells, neighbors = walk(7, 10, moves, lambda column: WIND[column])
    distance = steps_to([(3, 7)], neighbors, cells)
    v = solver.answers(windy(kings))
    assert [-fraction(x) for x in v] == [distance[cell] for cell in cells]


def test_wind_in_the_wrong_columns_would_be_seen(solver):
    cells, neighbors = walk(7, 10, STRAIGHT, lambda column: WIND[::-1][column])
    distance = steps_to([(3, 7)], neighbors, cells)
    v = solver.answers(windy())
    assert [-fraction(x) for x in v] != [distance.get(cell) for cell in cells]


def test_gusts_change_the_wind_by_one_cell_a_third_of_the_time():
    mdp = windy(gusts=True)
    P = mdp.P.toarray().reshape(70, 4, 70)
    assert P[33, 2].nonzero()[0].tolist() == [14, 24, 34]  # from (3,3) right, wind 1 ± 1
    np.testing.assert_allclose(P[33, 2][[14, 24, 34]], 1 / 3)
    assert P[30, 2, 31] == 1  # no gusts where no wind blows


@pytest.mark.parametrize("size", [2, 4, 6])
def test_the_corners_are_as_far_as_a_search_says(solver, size):
    cells, neighbors = walk(size, size, STRAIGHT)
    distance = steps_to([(0, 0), (size - 1, size - 1)], neighbors, cells)
    v = solver.answers(grid4x4(size))
    assert [-fraction(x) for x in v] == [distance[cell] for cell in cells]


@pytest.mark.parametrize(("height", "width"), [(2, 3), (4, 12), (3, 8)])
def test_the_shortest_way_along_the_cliff(solver, height, width):
    start, goal = (height - 1, 0), (height - 1, width - 1)
    _, neighbors = walk(height, width, STRAIGHT)
    edge = {(height - 1, j) for j in range(1, width - 1)}
    safe = [(i, j) for i in range(height) for j in range(width) if (i, j) not in edge]
    distance = steps_to([goal], lambda c: [n for n in neighbors(c) if n not in edge], safe)
    v = solver.answers(cliff(height, width))
    assert distance[start] == width + 1
    for i, j in safe:
        assert -fraction(v[i * width + j]) == distance[i, j]


def test_the_cliff_is_gymnasiums_but_for_its_goal():
    mdp, table = cliff(), CliffWalkingEnv().P
    stop = np.asarray(mdp.stop)
    for s in range(47):
        for a in range(4):
            ((p, t, reward, terminated),) = table[s][a]
            assert mdp.r[s, a] == reward
            assert stop[s, a] == terminated * p
            assert mdp.P[s, a, t] == (not terminated) * p
    assert (stop[47] == 1).all()
    assert np.flatnonzero(mdp.start).tolist() == [36]


def test_the_safe_way_costs_17(solver):
    mdp = cliff()
    policy = np.full(48, 1)
    policy[[12, 24, 36]] = 0  # up to the top row,
    policy[[11, 23, 35]] = 2  # along it, and down
    chosen = np.zeros(mdp.n_pairs)
    chosen[np.arange(48) * 4 + policy] = 1
    chosen[37 * 4 : 47 * 4 : 4] = 1  # the cliff's own cells: anywhere
    chosen[37 * 4 + 1 : 47 * 4 : 4] = 0
    assert solver.evaluate(mdp, chosen)[36] == pytest.approx(-17)


def test_the_uniform_policys_gridworld_solves_its_equations():
    """v(s) = −1 + mean of the neighbors, checked on the book's integers without any solver."""
    values = [0, -14, -20, -22, -14, -18, -20, -20, -20, -20, -18, -14, -22, -20, -14, 0]
    mdp = grid4x4()
    backed_up = mdp.r.mean(axis=1) + mdp.P.mean(axis=1) @ np.array(values, dtype=float)
    np.testing.assert_array_equal(backed_up, values)


def test_moves_off_the_five_by_five_grid_cost_one():
    r = grid5x5().r
    assert (r[1] == 10).all()
    assert (r[3] == 5).all()
    ordinary = np.delete(r, [1, 3], axis=0)
    assert set(np.unique(ordinary)) == {-1, 0}
    assert (ordinary == -1).sum() == 20 - 2  # A and B lie at the edge, once each


def maze_distances(walls):
    """Steps to the corner of the 6 × 9 maze by a search that does not know the gallery."""
    cells, free = walk(6, 9, STRAIGHT)
    return steps_to(
        [(0, 8)], lambda cell: [t if t not in walls else cell for t in free(cell)], cells
    )


def test_the_maze_takes_as_long_as_a_search_says(solver):
    drawing = [
        ".......#.",
        "..#....#.",
        "..#....#.",
        "..#......",
        ".....#...",
        ".........",
    ]
    walls = {(i, j) for i, row in enumerate(drawing) for j, c in enumerate(row) if c == "#"}
    distance = maze_distances(walls)
    v = solver.answers(dyna_maze(goal=0, step=-1, gamma=1.0))
    assert [-fraction(x) for x in v] == [distance[divmod(s, 9)] for s in range(54)]
    assert distance[2, 0] == 14
    assert maze_distances(walls - {(2, 2)})[2, 0] < 14


def test_the_maze_has_no_way_through_its_walls():
    mdp = dyna_maze()
    P = mdp.P if not mdp.is_sparse else mdp.P.toarray().reshape(54, 4, 54)
    free = [s for s in range(54) if divmod(s, 9) not in [(1, 2), (2, 2), (3, 2), (4, 5)]]
    assert P[free][:, :, [11, 20, 29, 41]].sum() == 0
