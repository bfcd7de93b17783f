"""The adversary: checks claims, hunts for violations and tight instances, and shrinks them.

from mdpkit.hunt import check
verdict = check(claim, "quick")
"""

from mdpkit.hunt.counterexample import Counterexample
from mdpkit.hunt.judge import check
from mdpkit.hunt.verdict import PROFILES, Profile, Verdict

__all__ = ["PROFILES", "Counterexample", "Profile", "Verdict", "check"]
