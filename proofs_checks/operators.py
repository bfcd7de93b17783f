"""Group A: Bellman operators and their fixed points (THEOREMS.md §2.A).

Source: Puterman (1994), chapter 6.
"""

from mdpkit.claim import MDP, All, Constant, Eq, Leq, Policy, Value, claim
from mdpkit.operators.aggregate import boltzmann
from mdpkit.operators.bellman import backup
from proofs_checks.vocabulary import evaluation, optimality, sup, v_pi


def without_discount(mdp, v):
    """max_a r + P v."""
    return backup(mdp.replace(gamma=mdp.gamma * 0 + 1), v)


@claim(id="A1", source="Puterman (1994), §6.2", exact="Q")
def backup_is_monotone(mdp: MDP, v: Value, c: Value, pi: Policy, *, T=optimality):
    """v ≤ w ⇒ Tv ≤ Tw, and the same for T^π."""
    w = v + abs(c)
    F = evaluation(pi)
    order = [Leq(G(mdp, v), G(mdp, w), ratio=False) for G in (T, F)]
    return All(*order)


backup_is_monotone.rejects("turns the values around", T=lambda mdp, v: optimality(mdp, -v))


@claim(id="A2", source="Puterman (1994), §6.2", exact="Q")
def backup_shifts(mdp: MDP, v: Value, c: Constant, *, T=optimality):
    """T(v + c1) = Tv + γc1."""
    return Eq(T(mdp, v + c), T(mdp, v) + mdp.gamma * c)


backup_shifts.rejects("forgets the discount", T=without_discount)


@claim(id="A3", source="Puterman (1994), Proposition 6.2.4", exact="Q")
def backup_contracts(mdp: MDP, v: Value, w: Value, *, T=optimality):
    """‖Tv − Tw‖∞ ≤ γ ‖v − w‖∞."""
    return Leq(sup(T(mdp, v) - T(mdp, w)), mdp.gamma * sup(v - w))


backup_contracts.rejects("forgets the discount", T=without_discount)
backup_contracts.rejects(
    "averages by softmax",
    T=lambda mdp, v: backup(mdp, v, boltzmann(0.5)),
)


@backup_contracts.attained_by
def shifted_values():
    """w = v + 1: the whole difference is discounted once."""
    from mdpkit import gallery

    mdp = gallery.make("puterman").exact()
    v = mdp.r.max(axis=1) if mdp.r.ndim == 2 else mdp.r[mdp.action_ptr[:-1]]
    return mdp, v, v + 1


@claim(id="A4", source="Puterman (1994), Theorem 6.2.5", exact="Q")
def policy_value_is_fixed(mdp: MDP, pi: Policy, *, value=v_pi):
    """T^π v^π = v^π."""
    v = value(mdp, pi)
    return Eq(evaluation(pi)(mdp, v), v)


policy_value_is_fixed.rejects("is off by one", value=lambda mdp, pi: v_pi(mdp, pi) + 1)
