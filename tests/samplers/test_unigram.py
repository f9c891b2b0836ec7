import numpy as np
import pytest

from lastlayer.samplers import AllClassesWarning, Unigram


def test_literal_numbers():
    # word2vec: counts to the power 3/4; 16 and 81 become 8 and 27.
    counts = np.exp(Unigram([16, 81, 0], distinct=False).log_expected_count_of([0, 1, 2], 2))
    np.testing.assert_allclose(counts, [16 / 35, 54 / 35, 0], rtol=1e-14)
    counts = np.exp(Unigram([16, 81, 1], power=1).log_expected_count_of([0, 1, 2], 1))
    np.testing.assert_allclose(counts, [16 / 98, 81 / 98, 1 / 98], rtol=1e-14)


def test_trap_22_ids_may_be_in_any_order():
    counts = np.random.default_rng(0).zipf(1.5, 50).astype(float)
    order = np.random.default_rng(1).permutation(50)
    one = Unigram(counts).log_expected_count_of(order, 7)
    other = Unigram(counts[order]).log_expected_count_of(np.arange(50), 7)
    np.testing.assert_allclose(one, other, rtol=1e-12)


def test_classes_never_seen_are_never_drawn():
    counts = np.arange(30) % 3
    for distinct in (True, False):
        sampler = Unigram(counts, distinct=distinct, random_state=0)
        drawn = np.concatenate([sampler.sample(12).indices for _ in range(200)])
        assert set(drawn.tolist()) == set(np.flatnonzero(counts).tolist())
        assert np.isneginf(sampler.log_expected_count_of([0, 3], 12)).all()


def test_fewer_seen_classes_than_candidates():
    sampler = Unigram([3, 0, 1, 0, 2], random_state=0)
    assert sampler.sample(3).indices.tolist() == [0, 2, 4]
    assert sampler.log_expected_count_of([0, 1, 2], 3).tolist() == [0, -np.inf, 0]
    with pytest.raises(ValueError, match="num_candidates: received 4, but 3 classes have a count above 0, expected at"):
        sampler.sample(4)
    with pytest.warns(AllClassesWarning):
        assert len(sampler.sample(5).indices) == 5
    assert len(Unigram([3, 0, 1, 0, 2], distinct=False).sample(4).indices) == 4


@pytest.mark.parametrize("counts", [[1e300, 1e-300, 1.0], [1e12, 1.0, 1.0, 1.0], [5e-324, 5e-324, 1e-323]])
def test_extreme_counts_leave_no_class_without_its_chance(counts):
    sampler = Unigram(counts, power=1, random_state=0)
    for count in range(1, len(counts)):
        drawn = sampler.sample(count)
        assert len(np.unique(drawn.indices)) == count
        assert np.isfinite(drawn.log_expected_count).all()


def test_draws_of_several_sizes_do_not_disturb_each_other():
    counts = np.random.default_rng(0).random(500)
    sampler, rng = Unigram(counts, random_state=0), np.random.default_rng(0)
    for count in (5, 60, 5, 400, 60):
        expected = Unigram(counts).sample(count, np.random.default_rng(count))
        np.testing.assert_array_equal(sampler.sample(count, np.random.default_rng(count)).indices, expected.indices)
        sampler.sample(count, rng)


def test_a_power_that_would_overflow():
    found = np.exp(Unigram([1e300, 2e300], power=3, distinct=False).log_expected_count_of([0, 1], 1))
    np.testing.assert_allclose(found, [1 / 9, 8 / 9], rtol=1e-14)


def test_equal_counts_are_as_uniform():
    for count in (1, 5, 19):
        found = Unigram(np.full(20, 7)).log_expected_count_of(np.arange(20), count)
        np.testing.assert_allclose(found, np.log(count / 20), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("counts", "options", "words"),
    [
        ([1, -1], {}, r"counts: class 1 has -1\.0, expected a finite number that is not negative"),
        ([1, np.nan], {}, "counts: class 1 has nan, expected a finite number"),
        ([np.inf, 1], {}, "counts: class 0 has inf, expected a finite number"),
        ([0, 0], {}, "counts: every count is zero, expected at least one above it"),
        ([], {}, r"counts: shape is \(0,\), expected \(K,\), one for each class"),
        ([[1, 2]], {}, r"counts: shape is \(1, 2\), expected \(K,\)"),
        ([1, 2], {"power": 0}, "power: received 0, expected a finite number greater than 0"),
        ([1, 2], {"power": np.inf}, "power: received inf, expected a finite number greater than 0"),
    ],
)
def test_bad_input_gets_one_sentence(counts, options, words):
    with pytest.raises(ValueError, match=words):
        Unigram(counts, **options)
