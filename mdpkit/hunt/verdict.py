"""The verdict on a claim, and how much was done to reach it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from mdpkit.hunt.counterexample import Counterexample


@dataclass(frozen=True)
class Profile:
    """How hard to try, for each claim.

    exact, floats   instances of each kind; `effort` of the claim multiplies them
    seconds         after which a stage stops drawing (never before five instances); all seconds
                    are of work, not of the clock, so that a busy machine changes no verdict
    hunt, impostor  seconds of adversarial search for the claim, and for each impostor that the
                    instances did not catch
    ablate          seconds for each hypothesis dropped; 0 leaves the ablation out
    """

    exact: int
    floats: int
    seconds: float
    hunt: float
    impostor: float
    ablate: float


PROFILES = {
    "quick": Profile(24, 60, 0.5, 0.5, 0.5, 0.0),
    "ci": Profile(60, 200, 2.0, 1.0, 1.5, 0.5),
    "deep": Profile(300, 1500, 15.0, 15.0, 5.0, 5.0),
}


@dataclass(frozen=True, eq=False)
class Verdict:
    """What was found about a claim.

    verdict    "holds", "refuted" or "vacuous"; refuted outranks vacuous
    reason     in words, where it does not simply hold
    tightness  the largest lhs/rhs on random instances, in the hunt, at the named instance
    missed     the impostors that were not caught
    attained   whether the named tight instance attains the bound; None without one
    curves     measured and bound of the tightest Rate, for the plot
    ablation   hypothesis → the lines of a counterexample without it, None if not broken
    remark     what the instances had to be restricted to, if the code crashes on others
    said       the counterexample line by line; `states` of its model
    """

    claim: str
    id: str
    group: str
    source: str
    statement: str
    verdict: str
    reason: str
    instances: int
    tightness: dict[str, float | None]
    impostors_caught: int
    impostors: int
    missed: tuple[str, ...]
    attained: bool | None
    seconds: float
    experimental: str | None = None
    counterexample: Counterexample | None = None
    tightest: tuple[str, ...] = ()
    curves: tuple[list[float], list[float]] | None = None
    ablation: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    file: str | None = None
    said: tuple[str, ...] = ()
    states: int = 0
    remark: str = ""

    def __getstate__(self) -> dict[str, Any]:
        # Between processes the words travel; the claim's functions cannot.
        return self.__dict__ | {"counterexample": None}

    @property
    def passed(self) -> bool:
        """Whether it holds, catches every impostor and attains what it says is attained."""
        caught = 0 < self.impostors == self.impostors_caught
        return self.verdict == "holds" and caught and self.attained is not False

    @property
    def complaint(self) -> str:
        """Why it did not pass, in one line; empty if it did."""
        if self.passed:
            return ""
        if self.verdict != "holds":
            return f"{self.verdict}: {self.reason}"
        if self.missed:
            return f"not caught: {'; '.join(self.missed)}"
        if self.impostors == 0:
            return "no impostor: nothing shows that the claim can fail"
        return "the named instance does not attain the bound"

    def to_json(self) -> dict[str, Any]:
        """The keys that INTERFACE promises, and what belongs to them."""
        body: dict[str, Any] = {
            "claim": self.claim,
            "id": self.id,
            "group": self.group,
            "source": self.source,
            "verdict": self.verdict,
            "instances": self.instances,
            "tightness": self.tightness,
            "impostors_caught": self.impostors_caught,
            "impostors": self.impostors,
            "attained": self.attained,
            "seconds": round(self.seconds, 3),
        }
        if self.complaint:
            body["complaint"] = self.complaint
        if self.remark:
            body["remark"] = self.remark
        if self.experimental:
            body["experimental"] = self.experimental
        if self.said:
            words = {"states": self.states, "words": list(self.said), "file": self.file}
            body["counterexample"] = words
        if self.ablation:
            body["necessary"] = {
                words: found is not None for words, found in self.ablation.items()
            }
        return body


def finite(x: float) -> float | None:
    """A ratio for JSON: None where there was none to read."""
    return float(x) if math.isfinite(x) else None
