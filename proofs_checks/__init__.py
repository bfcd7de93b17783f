"""Theorems that run: one file a group of the specification.

How to write a claim in ten lines:

    from mdpkit.claim import MDP, Leq, Value, claim
    from proofs_checks.vocabulary import optimality, sup

    @claim(id="A3", source="Puterman (1994), Proposition 6.2.4", exact="Q")
    def backup_contracts(mdp: MDP, v: Value, w: Value, *, T=optimality):
        '''‖Tv − Tw‖∞ ≤ γ ‖v − w‖∞.'''
        return Leq(sup(T(mdp, v) - T(mdp, w)), mdp.gamma * sup(v - w))

    backup_contracts.rejects("forgets the discount", T=without_discount)

    @backup_contracts.attained_by
    def shifted_values(): return mdp, v, v + 1

* `mdpkit verify A3` checks it, `mdpkit hunt A3` looks for its tightest instance.
* Write code that runs on floats and on fractions alike: the words of `vocabulary` do. Exact
  instances are compared with tolerance 0. Integers are exact; for other constants write
  scalar(mdp, "1/10"), not 0.1. Roots: exact="Q2" and both sides squared; exp, log: exact="B".
* Models may be ragged: then mdp.r is (pairs,), not (S, A); `aggregate`, `backup` and
  `over_states` take either. `Annotated[MDP, models(ragged=False)]` asks for tables.
* The main bound comes first in All(…); Leq(…, ratio=False) is an order without a tightness.
* rounding=None takes 64·u·S·H²·max(1, R, ‖inputs‖∞); give more where more is lost.
* Mutation controls are added by themselves: m1, m2 for Eq; m5 for Leq and Rate; m6 without a
  model. `mutations=("m1",)` where one cannot apply. Exists has none: name an impostor.
"""
