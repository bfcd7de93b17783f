"""Small worlds of which one knows what happens, and what every row of a history must be."""

import gymnasium
import numpy as np

import mdpkit as mk

KINDS = ("full", "stop", "csr", "ragged", "gaps")


def dyadic_model(kind, seed=0):
    """S = 5, A = 3; probabilities are multiples of 1/64, of 1/128 where episodes may stop."""
    rng = np.random.default_rng(seed)
    P = rng.multinomial(64, rng.dirichlet(np.full(5, 0.4)), size=15).reshape(5, 3, 5) / 64
    r = rng.normal(size=(5, 3))
    start = np.array([0, 16, 32, 0, 16]) / 64
    if kind == "full":
        return mk.MDP(P, r, 0.9, start=start)
    if kind == "stop":
        stop = rng.integers(0, 3, size=(5, 3)) / 2
        return mk.MDP(P * (1 - stop)[..., None], r, 0.9, stop=stop, start=start)
    from scipy.sparse import csr_array

    if kind == "csr":
        return mk.MDP(csr_array(P.reshape(15, 5)), r, 0.9, start=start)
    mask = np.ones((5, 3), bool)
    # The first actions of each state, or any.
    mask[[1, 3, 3], [2, 1, 2] if kind == "ragged" else [0, 0, 1]] = False
    return mk.MDP.from_pairs(*np.nonzero(mask), P[mask], r[mask], 0.9, start=start)


def outcomes(mdp):
    """For each pair (s, a) of a model the probability of each next state, and of the end."""
    dense = mdp.rows.to_scipy().toarray() if mdp.is_sparse else mdp.rows
    stop = np.asarray(mdp.stop).reshape(-1)
    return {mdp.place(i): np.append(dense[i], stop[i]) for i in range(mdp.n_pairs)}


class Diary(gymnasium.Env):
    """Observes (tag, t): a tag that each episode draws anew, and the steps since it began.

    Terminates behind `ends` steps and truncates behind `limit`; pays t, or what `pay` says.
    """

    def __init__(self, ends=None, limit=None, pay=float):
        self.ends, self.limit, self.pay = ends, limit, pay
        self.observation_space = gymnasium.spaces.Box(0, np.inf, (2,), np.float64)
        self.action_space = gymnasium.spaces.Discrete(2, start=5)
        self.actions = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.tag, self.t = self.np_random.random(), 0
        return np.array([self.tag, self.t]), {}

    def step(self, action):
        if not self.action_space.contains(action):
            raise ValueError(f"no action {action!r}")
        self.actions.append(int(action))
        self.t += 1
        ends = self.t == self.ends, self.t == self.limit
        return np.array([self.tag, self.t]), self.pay(self.t), *ends, {}


def wrong_rows(first, steps):
    """What a history of a diary gets wrong: [] if every row is a step that was played.

    first : (n, 2) observations; steps : with the fields of a Step, n lanes each.
    """
    found, acted = set(), np.asarray(first)
    for step in steps:
        over = np.asarray(step.terminated) | np.asarray(step.truncated)
        reached, after = np.asarray(step.next_observation), np.asarray(step.observation)
        if (reached[:, 0] != acted[:, 0]).any() or (reached[:, 1] != acted[:, 1] + 1).any():
            found.add("next_observation is not what was reached")
        if (after[~over] != reached[~over]).any():
            found.add("an episode goes on elsewhere")
        if (after[over, 1] != 0).any() or (after[over, 0] == reached[over, 0]).any():
            found.add("an episode that is over goes on")
        if (np.asarray(step.reward) != reached[:, 1]).any():
            found.add("the reward is another step's")
        if (np.asarray(step.terminated) & np.asarray(step.truncated)).any():
            found.add("both terminated and truncated")
        acted = after
    return sorted(found)
