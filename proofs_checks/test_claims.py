"""Every claim of the package holds, catches its impostors and attains what it says it does."""

import warnings

import pytest

from mdpkit.cli._claims import registered
from mdpkit.hunt import check

CLAIMS = [claim for claim in registered() if not claim.is_experimental]


@pytest.mark.parametrize("claim", CLAIMS, ids=[f"{c.id}-{c.name}" for c in CLAIMS])
def test_the_claim_holds_and_can_fail(claim, profile):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a search may overflow
        verdict = check(claim, profile)
    assert not verdict.remark  # a claim of ours says itself what it is about
    assert verdict.passed, "\n".join([verdict.complaint, *verdict.said])


def test_no_two_claims_share_an_id():
    ids = [claim.id for claim in registered()]
    assert sorted(ids) == sorted(set(ids))
