"""How good is this policy? v^π, certified like any other answer.

A policy makes of a model a chain, which is a model with one action a state: `evaluate` solves
that with any method, so bounds, tolerances, statuses and deadlines are those of `mdpkit.solve`.
"""

from mdpkit.evaluate.policy_evaluation import Direct, Iterative, Krylov, chain, evaluate

__all__ = ["Direct", "Iterative", "Krylov", "chain", "evaluate"]
