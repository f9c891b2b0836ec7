import mpmath
import numpy as np
import pytest

from lastlayer.samplers import LogUniform


def probabilities(num_classes):
    ranks = np.arange(num_classes)
    return np.log((ranks + 2) / (ranks + 1)) / np.log(num_classes + 1)


def test_literal_numbers():
    # TensorFlow's log_uniform_candidate_sampler: P(class) = (log(class + 2) - log(class + 1)) / log(range_max + 1).
    counts = np.exp(LogUniform(7, distinct=False).log_expected_count_of([0, 1, 6], 3))
    np.testing.assert_allclose(counts, 3 * np.log([2, 3 / 2, 8 / 7]) / np.log(8), rtol=1e-14)
    assert abs(np.exp(LogUniform(1).log_expected_count_of([0]))[0] - 1) < 1e-15


@pytest.mark.parametrize("num_classes", [5, 1000, 10_000_000])
@pytest.mark.parametrize("count", [1, 4])
def test_counts_of_few_repeated_candidates_match_the_definition(num_classes, count):
    sampler = LogUniform(num_classes, distinct=False)
    for k in (0, 3, num_classes - 1):
        with mpmath.workdps(30):
            expected = mpmath.log(count * mpmath.log(mpmath.mpf(k + 2) / (k + 1)) / mpmath.log(num_classes + 1))
        assert abs(float(sampler.log_expected_count_of([k], count)[0] - expected)) <= 1e-13


@pytest.mark.parametrize(("num_classes", "count"), [(10, 4), (500, 60), (500, 499)])
def test_inclusion_probabilities_are_proportional_or_one(num_classes, count):
    found = np.exp(LogUniform(num_classes).log_expected_count_of(np.arange(num_classes), count))
    certain = found == 1
    assert certain.sum() < count
    assert (np.diff(certain.astype(int)) <= 0).all()  # the first ones
    ratio = (found / probabilities(num_classes))[~certain]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)
    assert (ratio[0] * probabilities(num_classes)[certain] >= 1 - 1e-8).all()


def test_trap_22_its_first_sentence_says_that_ids_are_sorted_by_frequency():
    first = (LogUniform.__doc__ or "").split(". ")[0]
    assert "ids are sorted by descending frequency" in first
    assert "class 0 is the commonest" in first
