import itertools

import numpy as np

from lastlayer.samplers import Uniform


def test_distinct_candidates_are_a_simple_random_sample():
    sampler, draws = Uniform(6, random_state=0), 30_000
    times = dict.fromkeys(itertools.combinations(range(6), 3), 0)
    for _ in range(draws):
        times[tuple(sampler.sample(3).indices.tolist())] += 1
    expected = draws / len(times)
    assert all(abs(count - expected) <= 5 * np.sqrt(expected) for count in times.values())


def test_literal_numbers():
    np.testing.assert_allclose(Uniform(1000).log_expected_count_of([0, 999], 10), np.log([0.01, 0.01]), rtol=1e-15)


def test_repeated_candidates_are_one_of_each_part():
    indices = Uniform(100, distinct=False, random_state=0).sample(10).indices
    np.testing.assert_array_equal(indices // 10, np.arange(10))
    assert len(Uniform(3, distinct=False, random_state=0).sample(2).indices) == 2


def test_very_many_classes():
    candidates = Uniform(1 << 40, random_state=0).sample(1000)
    assert candidates.indices.max() > 1 << 39
    assert len(np.unique(candidates.indices)) == 1000
