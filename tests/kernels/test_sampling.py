from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from lastlayer.kernels.sampling import distinct_integers, fill_guide, first_above, one_in_each_stratum
from tests.oracles import deville as oracle

DESIGNS = (
    [Fraction(1, 2)] * 4,
    [Fraction(n, 10) for n in (3, 9, 2, 6)],
    [Fraction(n, 20) for n in (19, 7, 18, 3, 13)],
    [Fraction(n, 100) for n in (1, 2, 97, 5, 60, 35, 99, 1)],
)


def strata(probabilities, uniforms):
    edges = np.concatenate([[0.0], np.cumsum([float(p) for p in probabilities])])
    count = len(uniforms)
    found = np.searchsorted(edges[1:], np.arange(count), side="right")
    points = np.empty(count)
    one_in_each_stratum(edges[:-1][found], edges[1:][found], edges[-1] / count, uniforms, points)
    return tuple(np.minimum(np.searchsorted(edges[1:], points, side="right"), len(probabilities) - 1).tolist())


@pytest.mark.parametrize("probabilities", DESIGNS)
def test_the_method_keeps_inclusion_probabilities_and_units_distinct(probabilities):
    found = oracle.samples(probabilities)
    assert sum(found.values()) == 1
    assert all(len(set(chosen)) == len(chosen) for chosen in found)
    assert oracle.inclusion(found, len(probabilities)) == probabilities


@pytest.mark.parametrize("probabilities", DESIGNS)
def test_trap_19_samples_are_as_likely_as_by_enumeration(probabilities):
    count, draws, rng = int(sum(probabilities)), 20_000, np.random.default_rng(0)
    found = Counter(strata(probabilities, rng.random(count)) for _ in range(draws))
    expected = oracle.samples(probabilities)
    assert set(found) <= set(expected)
    for chosen, chance in expected.items():
        mean = draws * float(chance)
        assert abs(found[chosen] - mean) <= 5 * np.sqrt(mean * (1 - float(chance))) + 1


@pytest.mark.parametrize("num_classes", [1, 2, 7, 1000])
def test_distinct_integers_are_distinct_up_to_all_of_them(num_classes):
    for count in {1, (num_classes + 1) // 2, num_classes}:
        draws = np.random.default_rng(0).integers(0, np.arange(num_classes - count + 1, num_classes + 1))
        bits = (2 * count - 1).bit_length()
        chosen = np.empty(count, np.int64)
        distinct_integers(draws, num_classes, np.full(1 << bits, -1), 64 - bits, chosen)
        assert len(set(chosen.tolist())) == count
        assert chosen.min() >= 0
        assert chosen.max() < num_classes


@pytest.mark.parametrize("size", [1, 2, 9, 500])
@pytest.mark.parametrize("buckets", [1, 3, 64])
def test_the_guide_table_finds_what_bisection_finds(size, buckets):
    rng = np.random.default_rng(size)
    cumulated = np.cumsum(np.sort(np.exp(4 * rng.normal(size=size))))
    per_bucket, guide = cumulated[-1] / buckets, np.empty(buckets + 1, np.int64)
    fill_guide(cumulated, per_bucket, guide)
    points = np.concatenate([rng.random(200) * cumulated[-1], cumulated, np.nextafter(cumulated, 0), [0.0]])
    for last in {size - 1, size // 2}:
        found = np.empty(len(points), np.int64)
        first_above(cumulated, last, guide, per_bucket, points, found)
        np.testing.assert_array_equal(found, np.minimum(np.searchsorted(cumulated, points, side="right"), last))
