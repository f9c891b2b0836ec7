"""What all samplers promise: distinct classes, exact expected counts, O(S), a state, and one sentence for bad input."""

import json
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lastlayer as ll
from lastlayer.samplers import AllClassesWarning, LogUniform, Sampler, Uniform, Unigram

KINDS = ("uniform", "log_uniform", "unigram")
every_kind = pytest.mark.parametrize("kind", KINDS)
either_mode = pytest.mark.parametrize("distinct", [True, False])


def sampler_of(kind, num_classes, *, distinct=True, seed=0, spread=2.0) -> Sampler:
    if kind == "unigram":
        counts = np.exp(spread * np.random.default_rng(seed + 1).normal(size=num_classes))
        return Unigram(counts, distinct=distinct, random_state=seed)
    return {"uniform": Uniform, "log_uniform": LogUniform}[kind](num_classes, distinct=distinct, random_state=seed)


def expected_counts(sampler, num_candidates):
    return np.exp(sampler.log_expected_count_of(np.arange(sampler.num_classes), num_candidates))


@settings(max_examples=150)
@given(st.sampled_from(KINDS), st.integers(2, 300), st.data(), st.floats(0, 30), st.integers(0, 2**32 - 1))
def test_distinct_candidates_are_distinct_ascending_and_as_many_as_asked_for(kind, num_classes, data, spread, seed):
    count = data.draw(st.one_of(st.just(num_classes - 1), st.integers(1, num_classes - 1)))
    sampler = sampler_of(kind, num_classes, seed=seed, spread=spread)
    for _ in range(3):
        candidates = sampler.sample(count)
        assert candidates.indices.dtype == np.int64
        assert len(candidates.indices) == count
        assert (np.diff(candidates.indices) > 0).all()
        assert candidates.indices[0] >= 0
        assert candidates.indices[-1] < num_classes
        np.testing.assert_array_equal(
            candidates.log_expected_count, candidates.log_expected_count_of(candidates.indices)
        )


@settings(max_examples=100)
@given(st.sampled_from(KINDS), st.booleans(), st.integers(2, 300), st.data(), st.floats(0, 30))
def test_expected_counts_sum_to_the_candidates(kind, distinct, num_classes, data, spread):
    count = data.draw(st.one_of(st.just(num_classes - 1), st.integers(1, num_classes - 1)))
    expected = expected_counts(sampler_of(kind, num_classes, distinct=distinct, spread=spread), count)
    np.testing.assert_allclose(expected.sum(), count, rtol=1e-11)
    if distinct:
        assert expected.max() <= 1


@every_kind
@either_mode
@pytest.mark.parametrize(
    ("num_classes", "count"),
    [
        *((7, 3), (7, 6), (60, 11)),
        *(pytest.param(*sizes, marks=pytest.mark.thorough) for sizes in ((7, 1), (60, 1), (60, 59))),
    ],
)
def test_trap_19_each_class_is_drawn_as_often_as_it_says(kind, distinct, num_classes, count):
    sampler, draws = sampler_of(kind, num_classes, distinct=distinct), 2500
    times = np.zeros(num_classes)
    for _ in range(draws):
        times += np.bincount(sampler.sample(count).indices, minlength=num_classes)
    expected = expected_counts(sampler, count)
    # Stratified counts vary less than those of independent draws, whose variance per call is at most the count.
    deviation = np.sqrt(draws * np.minimum(expected, expected * (1 - expected) if distinct else expected))
    assert (np.abs(times - draws * expected) <= 5 * deviation + 1e-9).all()


@every_kind
@either_mode
def test_trap_19_the_sum_over_all_classes_is_estimated_without_bias(kind, distinct):
    """Horvitz and Thompson: candidates' terms over their expected counts."""
    num_classes, draws = 200, 1500
    sampler = sampler_of(kind, num_classes, distinct=distinct, seed=5)
    terms = np.exp(np.random.default_rng(3).normal(size=num_classes))
    estimates = np.empty(draws)
    for i in range(draws):
        candidates = sampler.sample(20)
        estimates[i] = (terms[candidates.indices] * np.exp(-candidates.log_expected_count)).sum()
    error = estimates.std() / np.sqrt(draws)
    assert abs(estimates.mean() - terms.sum()) <= 5 * error


@every_kind
@either_mode
def test_trap_21_nothing_grows_with_the_number_of_classes(kind, distinct):
    peaks = []
    for num_classes in (10_000, 1_000_000):
        sampler = sampler_of(kind, num_classes, distinct=distinct)
        sampler.sample(512)
        tracemalloc.start()
        candidates = sampler.sample(512)
        candidates.log_expected_count_of(candidates.indices)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] <= peaks[0] + 2000
    assert peaks[1] <= 512 * 8 * 20


@every_kind
@either_mode
def test_trap_21_as_many_as_there_are_takes_all_and_says_so_once(kind, distinct):
    sampler = sampler_of(kind, 6, distinct=distinct)
    with pytest.warns(
        AllClassesWarning, match="num_candidates: received 9 for 6 classes, so every class is taken once"
    ):
        candidates = sampler.sample(9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = sampler.sample(6)
    for found in (candidates, again):
        np.testing.assert_array_equal(found.indices, np.arange(6))
        np.testing.assert_array_equal(found.log_expected_count, np.zeros(6))
        np.testing.assert_array_equal(found.log_expected_count_of([[5], [0]]), np.zeros((2, 1)))


@every_kind
@either_mode
def test_one_class_and_one_candidate(kind, distinct):
    with pytest.warns(AllClassesWarning):
        assert sampler_of(kind, 1, distinct=distinct).sample(1).indices.tolist() == [0]
    assert len(sampler_of(kind, 2, distinct=distinct).sample(1).indices) == 1


@every_kind
@either_mode
def test_a_state_is_gone_on_with_bit_for_bit(kind, distinct):
    sampler = sampler_of(kind, 100, distinct=distinct, seed=1)
    sampler.sample(7)
    state = json.loads(json.dumps(sampler.get_state(), allow_nan=False))
    expected = [sampler.sample(7).indices for _ in range(3)]
    other = sampler_of(kind, 100, distinct=distinct, seed=2) if kind != "unigram" else sampler
    other.set_state(state)
    np.testing.assert_array_equal([other.sample(7).indices for _ in range(3)], expected)


@pytest.mark.parametrize("kind", [np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_the_state_of_any_generator_of_numpy_is_kept(kind):
    sampler = Uniform(50, random_state=np.random.Generator(kind(3)))
    sampler.sample(5)
    state = json.loads(json.dumps(sampler.get_state()))
    expected = sampler.sample(5).indices
    other = Uniform(50)
    other.set_state(state)
    np.testing.assert_array_equal(other.sample(5).indices, expected)


@every_kind
def test_a_generator_of_the_callers_is_the_only_one_used(kind):
    sampler = sampler_of(kind, 100)
    before = sampler.get_state()
    first, second = (sampler.sample(9, np.random.default_rng(4)).indices for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert sampler.get_state() == before


GOOD = Uniform(5, random_state=0).get_state()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Uniform(0), ValueError, "num_classes: received 0, expected a whole number from 1 on"),
        (lambda: LogUniform(2.0), TypeError, "num_classes: received 2.0, expected a whole number from 1 on"),
        (lambda: Uniform(5, distinct=1), TypeError, "distinct: received 1, expected True or False"),
        (lambda: Uniform(5, random_state="a"), TypeError, "random_state: received 'a', expected an integer"),
        (lambda: Uniform(5, random_state=-1), TypeError, "random_state: received -1, expected an integer from 0 on"),
        (lambda: Uniform(5).sample(0), ValueError, "num_candidates: received 0, expected a whole number from 1 on"),
        (lambda: Uniform(5).sample(-2), ValueError, "num_candidates: received -2, expected a whole number from 1 on"),
        (lambda: Uniform(5).sample(2.0), TypeError, "num_candidates: received 2.0, expected a whole number from 1 on"),
        (lambda: Uniform(5).sample(True), TypeError, "num_candidates: received True, expected a whole number"),
        (lambda: Uniform(5).sample(2, 3), TypeError, "rng: received int, expected a numpy.random.Generator or None"),
        (
            lambda: LogUniform(5).log_expected_count_of([[0, 1], [5, 0]], 2),
            ValueError,
            r"labels: row \(1, 0\) is 5, but the sampler's candidates have 5 classes \(0 to 4\)",
        ),
        (lambda: Uniform(5).log_expected_count_of([0.5]), TypeError, "labels: dtype is float64, expected integers"),
        (lambda: Uniform(5).log_expected_count_of([0], 0), ValueError, "num_candidates: received 0, expected a whole"),
        (lambda: Uniform(5).set_state({}), ValueError, r"state: received a dict of \[\], expected what get_state\(\)"),
        (lambda: Uniform(5).set_state(None), ValueError, "state: received NoneType, expected what get_state"),
        (lambda: Uniform(6).set_state(GOOD), ValueError, "state: num_classes is 5, but that of this sampler is 6"),
        (lambda: LogUniform(5).set_state(GOOD), ValueError, "state: sampler is 'Uniform', but that of this sampler"),
        (
            lambda: Uniform(5).set_state({**GOOD, "generator": {"bit_generator": "os"}}),
            ValueError,
            "state: its generator is not one of NumPy's",
        ),
        (lambda: Uniform(5).set_state({**GOOD, "generator": 3}), ValueError, "state: its generator is not one of"),
    ],
)
def test_bad_input_gets_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_wrong_state_changes_nothing():
    sampler = Uniform(5, random_state=0)
    with pytest.raises(ValueError, match="state: its generator"):
        sampler.set_state({**GOOD, "generator": {"bit_generator": "PCG64", "state": 1}})
    assert sampler.get_state() == GOOD


def test_the_folder_is_at_hand_without_an_import_of_its_own():
    assert ll.samplers.Uniform is Uniform
