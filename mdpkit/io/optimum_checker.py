"""Checks a proof of optimality with fractions alone: python optimum_checker.py FILE

γ < 1   v ≥ r + γPv for every pair, with equality for the policy's: v is v*
γ = 1   the same, and where equality holds the number `steps` falls: nobody can go round for
        ever without losing. Sets of `components` may be gone round in, for nothing.
"""

import json
import sys
from fractions import Fraction


def read(body):
    """The model's rows (s, r, γ, stop, [(t, p)]), checked to be distributions."""
    model = body["model"]
    n = len(model["actions_per_state"])
    states = [s for s, count in enumerate(model["actions_per_state"]) for _ in range(count)]
    stops = [Fraction(x) for x in model.get("stop", ["0"] * len(states))]
    pairs = []
    for s, r, stop, row in zip(states, model["r"], stops, model["rows"], strict=True):
        row = [(t, Fraction(p)) for t, p in row]
        if min([stop, *(p for _, p in row)]) < 0 or stop + sum(p for _, p in row) != 1:
            raise ValueError(f"a row of state {s} is no distribution")
        if any(not 0 <= t < n for t, _ in row):
            raise ValueError(f"a row of state {s} leads out of the model")
        pairs.append((s, Fraction(r), stop, row))
    return n, Fraction(model["gamma"]), pairs


def check(body):
    """Raise ValueError unless the file proves v = v*; return v."""
    n, gamma, pairs = read(body)
    v, policy = [Fraction(x) for x in body["v"]], body["pairs"]
    if len(v) != n or [pairs[i][0] for i in policy] != list(range(n)) or not 0 <= gamma <= 1:
        raise ValueError("v and the policy do not fit the model")
    home = _components(body, n, v) if gamma == 1 else {}
    steps = [Fraction(x) for x in body["steps"]] if gamma == 1 else v
    for i, (s, r, stop, row) in enumerate(pairs):
        lost = v[s] - r - gamma * sum(p * v[t] for t, p in row)
        if lost < 0 or (policy[s] == i and lost != 0):
            raise ValueError(f"row {i} of state {s} contradicts v = max r + γPv")
        idle = s in home and r == stop == 0 and all(home.get(t) == home[s] for t, _ in row)
        falls = steps[s] - sum(p * steps[t] for t, p in row) > 0
        if gamma == 1 and lost == 0 and not idle and not falls:
            raise ValueError(f"row {i} of state {s} may be repeated for ever without loss")
    if gamma == 1:
        _leaves([pairs[i] for i in policy], home, v, steps)
    return v


def _components(body, n, v):
    """The component of each state that has one; its states share v ≥ 0 and `steps`."""
    home = {s: k for k, states in enumerate(body["components"]) for s in states}
    for states in body["components"]:
        if len({v[s] for s in states}) != 1 or len({body["steps"][s] for s in states}) != 1:
            raise ValueError(f"the component of state {states[0]} has more than one value")
        if v[states[0]] < 0 or len(body["steps"]) != n:
            raise ValueError(f"staying with state {states[0]} would be better than its value")
    if min(Fraction(x) for x in body["steps"]) < 0:
        raise ValueError("a number of steps is negative")
    return home


def _leaves(chosen, home, v, steps):
    """Where a component is worth more than staying, the policy must find its way out."""
    left = {s for s, r, stop, row in chosen if s not in home or v[s] == 0}
    left |= {s for s, r, stop, row in chosen if steps[s] > sum(p * steps[t] for t, p in row)}
    for _ in chosen:
        left |= {s for s, _, _, row in chosen if any(t in left for t, _ in row)}
    if len(left) < len(chosen):
        raise ValueError("the policy stays for ever in a component worth leaving")


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        found = check(json.load(file))
    sys.stdout.write(f"confirmed: v is optimal in its {len(found)} states\n")
