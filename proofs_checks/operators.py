"""Group A, first part: what every Bellman operator does (THEOREMS.md §2.A, A1–A3).

    monotone     v ≤ w ⇒ Fv ≤ Fw            shifts     F(v + c1) = Fv + γc1
    contracts    ‖Fv − Fw‖∞ ≤ γ‖v − w‖∞

F is T or T^π on values, B or B^π on action values, or soft at a temperature τ.
Source: Puterman (1994), chapter 6; Denardo (1967); Geist, Scherrer & Pietquin (2019).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    MDP,
    ActionValue,
    All,
    Constant,
    Eq,
    Leq,
    Nonnegative,
    Policy,
    Value,
    action_values,
    claim,
    models,
    numbers,
)
from mdpkit.operators.aggregate import boltzmann
from mdpkit.operators.bellman import backup
from mdpkit.policy import uniform
from proofs_checks.instances import model
from proofs_checks.vocabulary import (
    best,
    evaluation,
    every_policy,
    optimality,
    q_evaluation,
    q_optimality,
    scalar,
    soft_evaluation,
    soft_optimality,
    sup,
)

Temperature = Annotated[Any, numbers(low=Fraction(1, 20), high=2)]
Measure = Annotated[Any, action_values(low=Fraction(1, 10), high=2)]
MayStop = Annotated[MDP, models(stops="some")]
Small = Annotated[MDP, models(states=(1, 3), stops="some")]

never_stops = {"no episode ends": lambda mdp: not mdp.stops}


# ---- impostors -------------------------------------------------------------------------------


def at_discount(gamma):
    """max_a r + γ P v, at another γ than the model's."""
    return lambda mdp, v: best(mdp, mdp.r + scalar(mdp, gamma) * mdp.expect(v))


def leaking(mdp, v):
    """T, if a tenth of the episodes ended in every step."""
    return best(mdp, mdp.r + mdp.gamma * scalar(mdp, "9/10") * mdp.expect(v))


def with_a_negative_entry(mdp, v):
    """T, if 2 were taken from P's first number."""
    q = np.array(mdp.r + mdp.gamma * mdp.expect(v))
    q.reshape(-1)[0] -= 2 * mdp.gamma * v[0]
    return best(mdp, q)


def averaged(tau):
    """T with Boltzmann's average for the maximum."""
    return lambda mdp, v: backup(mdp, v, boltzmann(tau))


def fork():
    """Two actions, to a state worth 0 and to one worth 6/5: Boltzmann's average is steep."""
    mdp = model(
        [[[0, 1, 0], [0, 0, 1]], [[0, 1, 0]] * 2, [[0, 0, 1]] * 2], [[0, 0]] * 3, "99/100"
    )
    return mdp.rounded(), np.array([0, 0, 1.2]), np.array([0, 0.1, 0])


# ---- A1 --------------------------------------------------------------------------------------


@claim(id="A1", source="Puterman (1994), §6.2", exact="Q", substochastic=True)
def backup_is_monotone(
    mdp: MDP, v: Value, q: ActionValue, c: Value, d: ActionValue, pi: Policy, *, T=optimality
):
    """v ≤ w ⇒ Tv ≤ Tw and T^πv ≤ T^πw; q ≤ u ⇒ Bq ≤ Bu and B^πq ≤ B^πu."""
    w, u = v + abs(c), q + abs(d)
    on_v = [Leq(F(mdp, v), F(mdp, w)) for F in (T, evaluation(pi))]
    on_q = [Leq(F(mdp, q), F(mdp, u)) for F in (q_optimality, q_evaluation(pi))]
    return All(*on_v, *on_q)


backup_is_monotone.rejects("turns the values around", T=lambda mdp, v: optimality(mdp, -v))
backup_is_monotone.rejects("P has a negative entry", T=with_a_negative_entry)


def the_worse_state_gains():
    """On `fork`, c raises the worse of the two states."""
    mdp, v, c = fork()
    return mdp, v, mdp.r, c, mdp.r, uniform(mdp)


backup_is_monotone.rejects("averages by softmax", T=averaged(0.5), at=the_worse_state_gains)


@backup_is_monotone.attained_by
def equal_values():
    """w = v."""
    mdp, v, _, q, _, pi = shifted_values()
    return mdp, v + 100, q, v * 0, q * 0, pi


@claim(
    id="A1-soft",
    source="Geist, Scherrer & Pietquin (2019), Proposition 2",
    exact="B",
    substochastic=True,
)
def soft_backup_is_monotone(
    mdp: MDP, v: Value, c: Value, pi: Policy, prior: Measure, tau: Temperature,
    *, T=soft_optimality
):  # fmt: skip
    """v ≤ w ⇒ T_τv ≤ T_τw and T^π_τv ≤ T^π_τw, against any measure p > 0 on actions."""
    w = v + abs(c)
    both = T(tau, prior), soft_evaluation(pi, tau, prior)
    return All(*[Leq(F(mdp, v), F(mdp, w), ratio=False) for F in both])


def the_worse_state_gains_softly():
    """The same at τ = ½."""
    mdp, v, c = fork()
    return mdp, v, c, uniform(mdp), uniform(mdp), 0.5


soft_backup_is_monotone.rejects(
    "averages by softmax",
    T=lambda tau, prior: averaged(tau),
    at=the_worse_state_gains_softly,
)


# ---- A2 --------------------------------------------------------------------------------------


@claim(id="A2", source="Puterman (1994), §6.2", exact="Q", applies=never_stops)
def backup_shifts(
    mdp: MayStop, v: Value, q: ActionValue, c: Constant, pi: Policy, *, T=optimality
):
    """T(v + c1) = Tv + γc1, of T^π, B and B^π too."""
    shift = mdp.gamma * c
    on_v = [Eq(F(mdp, v + c), F(mdp, v) + shift) for F in (T, evaluation(pi))]
    on_q = [Eq(F(mdp, q + c), F(mdp, q) + shift) for F in (q_optimality, q_evaluation(pi))]
    return All(*on_v, *on_q)


backup_shifts.rejects("forgets the discount", T=at_discount(1))
backup_shifts.rejects("P is sub-stochastic", T=leaking)


@claim(id="A2-stop", source="Puterman (1994), §6.2", exact="Q", substochastic=True)
def backup_shifts_at_most(
    mdp: MDP, v: Value, q: ActionValue, c: Nonnegative, pi: Policy, *, T=optimality
):
    """c ≥ 0 ⇒ Tv ≤ T(v + c1) ≤ Tv + γc1 where episodes may end, of T^π, B and B^π too."""
    rise = [F(mdp, v + c) - F(mdp, v) for F in (T, evaluation(pi))]
    rise += [F(mdp, q + c) - F(mdp, q) for F in (q_optimality, q_evaluation(pi))]
    bounds = [Leq(sup(x), mdp.gamma * c) for x in rise]
    return All(*bounds, *[Leq(0, x, ratio=False) for x in rise])


backup_shifts_at_most.rejects("forgets the discount", T=at_discount(1))


@backup_shifts_at_most.attained_by
def a_shift_of_one():
    """No episode ends."""
    mdp, v, _, q, _, pi = shifted_values()
    return mdp, v, q, scalar(mdp, 1), pi


@claim(
    id="A2-soft", source="Geist, Scherrer & Pietquin (2019), Proposition 2", exact="B",
    applies=never_stops,
)  # fmt: skip
def soft_backup_shifts(
    mdp: MayStop, v: Value, c: Constant, pi: Policy, prior: Measure, tau: Temperature,
    *, T=soft_optimality
):  # fmt: skip
    """T_τ(v + c1) = T_τv + γc1, and the same for T^π_τ."""
    both = T(tau, prior), soft_evaluation(pi, tau, prior)
    return All(*[Eq(F(mdp, v + c), F(mdp, v) + mdp.gamma * c) for F in both])


soft_backup_shifts.rejects("P is sub-stochastic", T=lambda tau, prior: leaking)


# ---- A3 --------------------------------------------------------------------------------------


@claim(
    id="A3", source="Denardo (1967); Puterman (1994), Proposition 6.2.4", exact="Q",
    substochastic=True,
)  # fmt: skip
def backup_contracts(
    mdp: MDP, v: Value, w: Value, q: ActionValue, u: ActionValue, pi: Policy, *, T=optimality
):
    """‖Tv − Tw‖∞ ≤ γ ‖v − w‖∞, of T^π, B and B^π too."""
    on_v = [
        Leq(sup(F(mdp, v) - F(mdp, w)), mdp.gamma * sup(v - w)) for F in (T, evaluation(pi))
    ]
    on_q = [
        Leq(sup(F(mdp, q) - F(mdp, u)), mdp.gamma * sup(q - u))
        for F in (q_optimality, q_evaluation(pi))
    ]
    return All(*on_v, *on_q)


@backup_contracts.attained_by
def shifted_values():
    """w = v + 1, u = q + 1: the whole difference is discounted once, by all four."""
    mdp = gallery.make("puterman").exact()
    v, q = best(mdp, mdp.r), mdp.r
    pi = every_policy(mdp)[-1]
    return mdp, v, v + 1, q, q + 1, pi


backup_contracts.rejects("γ = 1", T=at_discount(1), at=shifted_values)
backup_contracts.rejects("γ = 11/10", T=at_discount("11/10"), at=shifted_values)


def the_states_part():
    """On `fork`, the worse state loses what the better one gains."""
    mdp, v, c = fork()
    w = v - c + c[[0, 2, 1]]
    return mdp, v, w, mdp.r, mdp.r, uniform(mdp)


backup_contracts.rejects("averages by softmax", T=averaged(0.5), at=the_states_part)


@claim(
    id="A3-soft",
    source="Geist, Scherrer & Pietquin (2019), Proposition 2",
    exact="B",
    substochastic=True,
)
def soft_backup_contracts(
    mdp: MDP, v: Value, w: Value, pi: Policy, prior: Measure, tau: Temperature,
    *, T=soft_optimality
):  # fmt: skip
    """‖T_τv − T_τw‖∞ ≤ γ ‖v − w‖∞, and the same for T^π_τ."""
    both = T(tau, prior), soft_evaluation(pi, tau, prior)
    return All(*[Leq(sup(F(mdp, v) - F(mdp, w)), mdp.gamma * sup(v - w)) for F in both])


@soft_backup_contracts.attained_by
def softly_shifted_values():
    """w = v + 1."""
    mdp = gallery.make("puterman")
    v = best(mdp, mdp.r)
    return mdp, v, v + 1, uniform(mdp), uniform(mdp), 0.5


def the_states_part_softly():
    """The same at τ = ½."""
    mdp, v, w, *_, pi = the_states_part()
    return mdp, v, w, pi, pi, 0.5


soft_backup_contracts.rejects(
    "averages by softmax", T=lambda tau, prior: averaged(tau), at=the_states_part_softly
)
soft_backup_contracts.rejects(
    "γ = 1", T=lambda tau, prior: at_discount(1), at=softly_shifted_values
)
