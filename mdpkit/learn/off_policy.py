"""Off-policy Monte Carlo prediction: the value of one policy from the episodes of another.

    ρ_t = π(a_t|s_t)/b(a_t|s_t),      of a state Π_{k≥t} ρ_k, of a pair Π_{k>t} ρ_k

    ordinary       mean of (Π ρ) G                  unbiased; its variance may be infinite
    weighted       Σ (Π ρ) G / Σ Π ρ                biased: after one episode it is G itself
    per decision   mean of Σ_k γᵏ (Π_{i≤k} ρ_i) r_k unbiased; usually, not always, less spread

Unbiased means with first visits and the plain mean. A behavior that never takes an action of
the target raises ModelError. Checked in tests/learn/test_off_policy.py.
Source: Precup, Sutton & Singh (2000); Sutton & Barto (2018), §5.5 to §5.9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mdpkit.learn._act import rate
from mdpkit.learn._episodes import FAMILY, ORDINARY, PER_DECISION, WEIGHTED, Rule
from mdpkit.learn._family import Family
from mdpkit.learn.monte_carlo import AVERAGE

WEIGHINGS = {"ordinary": ORDINARY, "weighted": WEIGHTED, "per-decision": PER_DECISION}


@dataclass(frozen=True, eq=False)
class ImportanceSampling:
    """Monte Carlo prediction of `policy` from episodes of `behavior`.

    policy, behavior  (S,) int or pair layout
    weighing          "ordinary", "weighted" or "per-decision"
    first_visit       learn of an entry at its first visit in an episode only
    of_pairs          evaluate pairs, q^π, instead of states
    step_size         number or Schedule, by visits; the plain mean if not said. Weighted
                      estimates have their own, W/Σ W
    initial           values at first; of no effect where the first step size is 1
    """

    policy: Any
    behavior: Any
    weighing: str = "weighted"
    first_visit: bool = True
    of_pairs: bool = False
    step_size: Any = AVERAGE
    initial: Any = 0.0
    key = "importance-sampling"
    operator = "v^π (q^π of pairs), whatever the values are; weighted in the limit only"

    def __post_init__(self):
        if self.weighing not in WEIGHINGS:
            raise ValueError(f"weighing must be one of {[*WEIGHINGS]}, not {self.weighing!r}.")

    @property
    def family(self) -> Family:
        """That of Monte Carlo; only values of states are compared with a truth."""
        return FAMILY._replace(predicts=not self.of_pairs)

    def rule(self) -> Rule:
        """The weighing asked for, of full returns."""
        visits = bool(self.first_visit), bool(self.of_pairs)
        step_size = rate(self.step_size, "step_size")
        return Rule(WEIGHINGS[self.weighing], *visits, 1.0, False, step_size)
