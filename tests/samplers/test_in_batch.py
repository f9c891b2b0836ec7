import json

import numpy as np
import pytest

from lastlayer.samplers import InBatch


def test_the_mean_gap_is_the_inverse_of_the_chance():
    sampler = InBatch(5)
    for step in range(12):
        sampler.update([0, 0] + [1] * (step % 2) + [2] * (step % 4 == 3))
    np.testing.assert_allclose(np.exp(sampler.log_expected_count_of([0, 1, 2])), [1, 1 / 2, 1 / 4])
    assert np.isneginf(sampler.log_expected_count_of([[3, 4]])).all()


def test_estimates_close_on_the_chances_of_a_stream():
    rng = np.random.default_rng(0)
    chances = rng.random(40) * 0.8 + 0.05
    sampler = InBatch(40, rate=1e-6)
    steps = 4000
    for _ in range(steps):
        sampler.update(np.flatnonzero(rng.random(40) < chances))
    found = np.exp(sampler.log_expected_count_of(np.arange(40)))
    # A mean of n = steps * p geometric gaps has the relative variance (1 - p) / n.
    assert (np.abs(found / chances - 1) <= 5 * np.sqrt((1 - chances) / (steps * chances))).all()


def test_a_moving_average_follows_a_change():
    sampler = InBatch(2, rate=0.1)
    for _ in range(100):
        sampler.update([0])
    for step in range(400):
        sampler.update([0] if step % 4 == 0 else [1])
    assert abs(np.exp(sampler.log_expected_count_of(0)) - 0.25) < 1e-3


def test_candidates_are_the_distinct_labels_in_order():
    sampler = InBatch(10)
    sampler.update([[7, 3], [7, 1]])
    candidates = sampler.sample([7, 1, 7])
    assert candidates.indices.tolist() == [1, 7]
    np.testing.assert_array_equal(candidates.log_expected_count_of([1, 7]), candidates.log_expected_count)


def test_a_state_is_gone_on_with():
    rng = np.random.default_rng(0)
    sampler, other = InBatch(30, rate=0.2), InBatch(30, rate=0.2)
    for _ in range(20):
        sampler.update(rng.integers(0, 20, 8))
    other.set_state(json.loads(json.dumps(sampler.get_state(), allow_nan=False)))
    for _ in range(5):
        batch = rng.integers(0, 30, 8)
        for one in (sampler, other):
            one.update(batch)
    np.testing.assert_array_equal(
        sampler.log_expected_count_of(np.arange(30)), other.log_expected_count_of(np.arange(30))
    )
    fresh = InBatch(30)
    fresh.set_state(InBatch(30).get_state())
    assert np.isneginf(fresh.log_expected_count_of(0))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: InBatch(0), ValueError, "num_classes: received 0"),
        (lambda: InBatch(3, rate=0), ValueError, "rate: received 0, expected a finite number greater than 0"),
        (lambda: InBatch(3, rate=2), ValueError, "rate: received 2, expected a number above 0 and at most 1"),
        (lambda: InBatch(3).update([3]), ValueError, "labels: row 0 is 3, but the sampler's candidates have 3 classes"),
        (lambda: InBatch(3).sample([1]), ValueError, "labels: class 1 was in no batch so far, expected update"),
        (lambda: InBatch(3).sample([]), ValueError, "labels: received none, expected at least one"),
        (lambda: InBatch(3).set_state({}), ValueError, "state: is not that of an InBatch sampler"),
        (lambda: InBatch(3).set_state(InBatch(4).get_state()), ValueError, "state: num_classes is 4, but that of this"),
        (
            lambda: InBatch(3).set_state({**InBatch(3).get_state(), "classes": [1], "last": None}),
            ValueError,
            "state: is not that of an InBatch sampler",
        ),
    ],
)
def test_bad_input_gets_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()
