"""Claims run under the profile that MDPKIT_PROFILE names, as the other tests do."""

import os

import pytest


@pytest.fixture(scope="session")
def profile():
    """Return the profile's name."""
    return os.environ.get("MDPKIT_PROFILE", "quick")
