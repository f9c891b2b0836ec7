from fractions import Fraction

import numpy as np
import pytest

from lastlayer.samplers._certain import number_of_certain


def by_definition(masses, count):
    """Take out whatever would get 1 or more until nothing does; masses in descending order, rational."""
    certain = 0
    while certain < count:
        total = sum(masses[certain:])
        above = sum((count - certain) * mass >= total for mass in masses[certain:])
        if not above:
            break
        certain += above
    return certain


@pytest.mark.parametrize("seed", range(40))
def test_is_what_taking_them_out_one_after_the_other_gives(seed):
    rng = np.random.default_rng(seed)
    masses = sorted((Fraction(float(m)) for m in np.exp(3 * rng.normal(size=12))), reverse=True)
    for count in range(1, 12):
        found = number_of_certain(count, lambda m: float(masses[m]), lambda m: float(sum(masses[m:])))
        assert found == by_definition(masses, count)
