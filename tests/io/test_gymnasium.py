"""Gymnasium's tables become models. Numbers are those of spec/BAD_INPUTS.md."""

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

from mdpkit import MDP
from mdpkit.errors import ModelError, ModelWarning, SourceError
from mdpkit.io import load

SOURCES = [
    "FrozenLake-v1",
    "FrozenLake-v1?is_slippery=false",
    'FrozenLake-v1?desc=["SFH","FFG"]&success_rate=0.5&reward_schedule=[2,-1,-0.125]',
    "FrozenLake8x8-v1",
    "CliffWalking-v1",
    "CliffWalkingSlippery-v1",
    "Taxi-v4",
    "Taxi-v4?is_rainy=true&rainy_probability=0.6",
]


class Table:
    """The smallest thing that looks like an environment."""

    def __init__(self, P, start=None):
        self.P = P
        if start is not None:
            self.initial_state_distrib = start

    @property
    def unwrapped(self):
        return self


def environment(source):
    name, _, query = source.partition("?")
    values = {"true": True, "false": False}
    pairs = [part.split("=") for part in query.split("&") if part]
    return gymnasium.make(name, **{k: values[v] if v in values else eval(v) for k, v in pairs})


def optimal_value(P, r, gamma, start):
    """V*(start) by policy iteration on dense arrays; P is sub-stochastic where episodes end."""
    policy = np.zeros(len(r), dtype=int)
    states = np.arange(len(r))
    while True:
        v = np.linalg.solve(np.eye(len(r)) - gamma * P[states, policy], r[states, policy])
        q = r + gamma * P @ v
        better = q.max(axis=1) > q[states, policy] + 1e-12
        if not better.any():
            return float(start @ v)
        policy = np.where(better, q.argmax(axis=1), policy)


@pytest.mark.parametrize("source", SOURCES)
def test_a_model_says_what_the_table_says(source):
    env = environment(source)
    table = env.unwrapped.P
    S, A = len(table), len(table[0])
    P, r, stop = np.zeros((S, A, S)), np.zeros((S, A)), np.zeros((S, A))
    for s in range(S):
        for a in range(A):
            for p, t, reward, done in table[s][a]:
                r[s, a] += p * reward
                if done:
                    stop[s, a] += p
                else:
                    P[s, a, t] += p
    mdp = load(f"gym:{source}", gamma=0.9)
    found = mdp.P.toarray().reshape(S, A, S) if mdp.is_sparse else mdp.P
    assert (found == P).all()
    assert (mdp.r.reshape(S, A) == r).all()
    assert (mdp.stop.reshape(S, A) == np.minimum(stop, 1)).all()
    assert (mdp.start == env.unwrapped.initial_state_distrib).all()
    assert mdp.is_sparse == (S * A * S > 200_000)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("FrozenLake-v1", 0.5420259320),
        ("FrozenLake8x8-v1", 0.4146403618),
        ("CliffWalking-v1", -12.2478977001),
    ],
)
def test_the_optimal_values_are_those_of_the_literature(source, value):
    mdp = load(f"gym:{source}", gamma=0.99)
    assert mdp.r.ndim == 2  # so that q is (S, A)
    found = optimal_value(mdp.P, mdp.r, 0.99, mdp.start)
    assert found == pytest.approx(value, abs=6e-11)  # ten digits are printed


def test_bad_input_33_gym_duplicates_are_summed():
    P = {0: {0: [(0.25, 1, 4, False), (0.5, 0, 2, False), (0.25, 1, 0, False)]}}
    P[1] = {0: [(1.0, 1, 0, False)]}
    mdp = load(Table(P, [1.0, 0.0]), gamma=0.5)
    assert mdp.P[0, 0].tolist() == [0.5, 0.5]
    assert mdp.r[0, 0] == 2.0


def test_bad_input_33_overwriting_duplicates_would_be_seen():
    """CliffWalkingSlippery: 48 pairs repeat a successor, six with other rewards."""
    table = gymnasium.make("CliffWalkingSlippery-v1").unwrapped.P
    repeated = mixed = 0
    for entries in (entries for row in table.values() for entries in row.values()):
        successors = {t for _, t, *_ in entries}
        repeated += len(successors) < len(entries)
        mixed += len(successors) < len({(t, r) for _, t, r, _ in entries})
    assert (repeated, mixed) == (48, 6)
    mdp = load("gym:CliffWalkingSlippery-v1", gamma=0.99)
    assert np.allclose(mdp.P.sum(axis=2) + mdp.stop, 1, rtol=0, atol=1e-15)


def test_bad_input_34_the_end_belongs_to_the_transition_and_not_to_the_state():
    """State 1 is entered with and without `done`, and is not absorbing in the table."""
    P = {
        0: {0: [(0.5, 1, 1.0, True), (0.5, 1, 1.0, False)]},
        1: {0: [(1.0, 0, 5.0, False)]},
    }
    mdp = load(Table(P, [1.0, 0.0]), gamma=0.5)
    assert mdp.stop.tolist() == [[0.5], [0.0]]
    assert mdp.P.tolist() == [[[0.0, 0.5]], [[1.0, 0.0]]]


def test_bad_input_34_the_next_state_after_the_end_is_moot():
    mdp = load(Table({0: {0: [(1.0, "nowhere", 1.0, True)]}}, [1.0]), gamma=0.5)
    assert mdp.stop.tolist() == [[1.0]]


def test_bad_input_34_taxi_ends_where_its_passenger_leaves():
    mdp = load("gym:Taxi-v4", gamma=0.99)
    assert set(mdp.r[mdp.stop == 1]) == {20.0}
    assert int(mdp.stop.sum()) == 4


def test_bad_input_35_blackjack_has_no_table():
    with pytest.raises(ModelError, match=r"no transition table.*gallery:blackjack"):
        load("gym:Blackjack-v1", gamma=0.9)
    with pytest.raises(ModelError, match="CartPoleEnv has no transition table") as caught:
        load("gym:CartPole-v1", gamma=0.9)
    assert "blackjack" not in str(caught.value)


def test_bad_input_36_wrappers_are_unwrapped(same):
    env = TimeLimit(gymnasium.make("FrozenLake-v1"), 5)
    same(load(env, gamma=0.9), load("gym:FrozenLake-v1", gamma=0.9))


@pytest.mark.parametrize(
    ("P", "message"),
    [
        ({"a": {0: [(1.0, "a", 0.0, False)]}}, "key 'a'"),
        ({(0, 1): {0: [(1.0, (0, 1), 0.0, False)]}}, "must be int"),
        ({0: {"left": [(1.0, 0, 0.0, False)]}}, "key 'left'"),
        ({0: {0: [(1.0, 0.0, 0.0, False)]}}, "leads to 0.0, which is not an int"),
        ({0: {0: [(1.0, True, 0.0, False)]}}, "leads to True, which is not an int"),
        ({0: {0: [(1.0, 7, 0.0, False)]}}, "leads to 7, which is not a state"),
    ],
)
def test_bad_input_37_a_state_that_is_no_int(P, message):
    with pytest.raises(ModelError, match=message):
        load(Table(P, [1.0]), gamma=0.5)


@pytest.mark.parametrize(
    ("P", "message"),
    [
        ({0: {0: [(-0.5, 0, 0.0, False), (1.5, 0, 0.0, False)]}}, "p = -0.5"),
        ({0: {0: [(float("nan"), 0, 0.0, False)]}}, "p = nan"),
        ({0: {0: [(1.0, 0, float("inf"), False)]}}, "r = inf"),
        ({0: {0: [(1.0, 0, 0.0)]}}, "no list of"),
        ({0: {0: [(1.0, 0, "x", False)]}}, "no list of"),
        ({0: {0: [("x", 0, 0.0, False)]}}, "no list of"),
        ({0: {0: 5}}, "no list of"),
        ({0: {0: []}}, "sums to 0.0"),
        ({0: {0: [(0.9, 0, 0.0, False)]}}, "sums to 0.9"),
        ({0: {}}, "must be a table with an entry"),
        ({}, "must be a table with an entry"),
        (np.ones((1, 1, 1)), "no list of"),
        ("P", "no transition table"),
    ],
)
def test_a_table_that_is_no_model(P, message):
    with pytest.raises(ModelError, match=message):
        load(Table(P, [1.0]), gamma=0.5)


def test_what_cannot_happen_does_not_count():
    entries = [(0.0, "x", float("inf"), False), (1.0, 0, 1.0, False)]
    assert load(Table([[entries]], [1.0]), gamma=0.5).r.tolist() == [[1.0]]


def test_ragged_action_sets_and_numbers_that_do_not_start_at_0():
    P = {
        5: {1: [(1.0, 6, 1.0, False)], 3: [(1.0, 5, 2.0, False)]},
        6: {3: [(1.0, 5, np.int64(3), np.False_)]},
    }
    mdp = load(Table(P, np.array([1.0, 0.0])), gamma=0.5)
    assert (mdp.states, mdp.actions) == ((5, 6), (1, 3))
    assert mdp.pair_states.tolist() == [0, 0, 1]
    assert mdp.pair_actions.tolist() == [0, 1, 1]
    assert mdp.P.toarray().tolist() == [[0, 1], [1, 0], [1, 0]]
    assert mdp.r.tolist() == [1.0, 2.0, 3.0]


def test_a_start_that_is_not_given_is_uniform_with_a_warning():
    with pytest.warns(ModelWarning, match="start is taken to be uniform"):
        mdp = load(Table([[[(1.0, 0, 0.0, False)]], [[(1.0, 0, 0.0, False)]]]), gamma=0.5)
    assert mdp.start.tolist() == [0.5, 0.5]


def test_a_fickle_passenger_acts_outside_the_table():
    with pytest.raises(ModelError, match="fickle_passenger=True"):
        load("gym:Taxi-v4?fickle_passenger=true", gamma=0.9)


def test_rounding_is_repaired_only_on_demand():
    P = {0: {0: [(0.999999, 0, 1.0, False)]}}
    with pytest.raises(ModelError, match="normalize=True"):
        load(Table(P, [1.0]), gamma=0.5)
    with pytest.warns(ModelWarning, match="normalized 1 rows"):
        assert load(Table(P, [1.0]), gamma=0.5, normalize=True).P[0, 0, 0] == 1


@pytest.mark.parametrize(
    "source",
    [
        "gym:NoSuchLake-v1",
        "gym:Taxi-v3",
        "gym:FrozenLake-v1?nonsense=1",
        "gym:FrozenLake-v1?map_name=x",
    ],
)
def test_what_gymnasium_cannot_make_is_a_source_error(source):
    with pytest.raises(SourceError, match="Gymnasium cannot make"):
        load(source, gamma=0.9)


def test_the_environment_that_load_made_is_closed(monkeypatch):
    closed = []
    monkeypatch.setattr(gymnasium.Wrapper, "close", lambda self: closed.append(self))
    load("gym:FrozenLake-v1", gamma=0.9)
    assert len(closed) == 1
    with pytest.raises(ModelError):
        load("gym:Blackjack-v1", gamma=0.9)
    assert len(closed) == 2


def test_exact_models_of_all_tables_need_no_repair():
    for source in SOURCES:
        assert isinstance(load(f"gym:{source}", gamma=0.99).exact(), MDP)  # a repair would warn
