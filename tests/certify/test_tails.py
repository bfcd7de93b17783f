"""`float_tails` of single numbers is `float_tails` of arrays."""

import numpy as np
import pytest

from mdpkit.certify import float_tails


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.99, 1 - 2.0**-53, 1.0])
@pytest.mark.parametrize("stops", [False, True])
def test_tails_of_numbers_are_those_of_arrays(gamma, stops):
    for low, high in ((-1.0, 2.0), (0.5, 0.75), (-3.0, -1.0)):
        one = float_tails(gamma, stops, low, high)
        other = float_tails(np.array([gamma]), stops, np.array([low]), np.array([high]))
        assert [float(x) for x in one] == [float(x[0]) for x in other]
