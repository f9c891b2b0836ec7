from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lastlayer as ll
from lastlayer.losses import _on_candidates
from lastlayer.samplers import AllClassesWarning, Candidates, InBatch, LogUniform, Uniform, Unigram
from tests.oracles import sampled as oracle

FLOATS = (np.float32, np.float64)
BOUND = {np.float32: 2e-6, np.float64: 2e-14}
LOSSES = (ll.sampled_cross_entropy, ll.sampled_binary_cross_entropy)
WITH_GRADIENTS = (ll.sampled_cross_entropy_value_and_grad, ll.sampled_binary_cross_entropy_value_and_grad)
both = pytest.mark.parametrize("binary", [False, True])


def problem(dtype, num_rows=9, num_classes=30, num_true=None, num_features=5, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(num_rows, num_features)).astype(dtype)
    weight = rng.normal(size=(num_classes, num_features)).astype(dtype)
    shape = (num_rows,) if num_true is None else (num_rows, num_true)
    return features, weight, rng.integers(0, num_classes, shape), rng.normal(size=num_classes).astype(dtype)


def check(found, expected, num_classes, bound):
    dense = (found.losses, found.features, found.weight.to_dense(num_classes), found.bias.to_dense(num_classes))
    for ours, theirs in zip(dense, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=bound, atol=bound * max(1e-300, np.abs(theirs).max(initial=0)))


@both
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_true", [None, 1, 3])
@pytest.mark.parametrize(("count", "distinct"), [(1, True), (4, True), (12, False), (29, True)])
def test_losses_and_gradients_match_the_definition(binary, dtype, num_true, count, distinct):
    features, weight, labels, bias = problem(dtype, num_true=num_true, seed=count)
    rng = np.random.default_rng(count)
    sampler = Unigram(rng.random(30) + 0.1, distinct=distinct, random_state=1)
    candidates, sample_weight = sampler.sample(count), rng.random(9)
    found = WITH_GRADIENTS[binary](features, weight, labels, candidates, bias=bias, sample_weight=sample_weight)
    expected = oracle.losses_and_gradients(features, weight, bias, labels, candidates, sample_weight, binary=binary)
    check(found, expected, 30, BOUND[dtype])
    assert found.losses.dtype == found.features.dtype == found.weight.values.dtype == dtype
    losses = LOSSES[binary](features, weight, labels, candidates, bias=bias)
    np.testing.assert_array_equal(losses, found.losses)
    assert (losses >= 0).all()


@both
def test_accidental_hits_may_be_kept(binary):
    features, weight, labels, _ = problem(np.float64)
    candidates = Uniform(30, random_state=0).sample(20)
    assert np.isin(labels, candidates.indices).any()
    found = WITH_GRADIENTS[binary](features, weight, labels, candidates, remove_accidental_hits=False)
    expected = oracle.losses_and_gradients(
        features, weight, None, labels, candidates, None, binary=binary, remove=False
    )
    check(found, expected, 30, 1e-13)


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_20_hits_and_labels_that_stand_twice_count_once(binary, dtype):
    features, weight, _, bias = problem(dtype, num_rows=4)
    labels = np.array([[5, 5, 5], [5, 7, 5], [-1, 7, -1], [-1, -1, -1]])
    counts = np.log(np.full(6, 0.5))
    candidates = Candidates([5, 2, 7, 5, 2, 9], counts, lambda of: np.log(np.full(of.shape, 0.5)))
    found = WITH_GRADIENTS[binary](features, weight, labels, candidates, bias=bias)
    expected = oracle.losses_and_gradients(features, weight, bias, labels, candidates, None, binary=binary)
    check(found, expected, 30, BOUND[dtype])
    once = LOSSES[binary](features[:1], weight, [5], candidates, bias=bias)
    np.testing.assert_allclose(found.losses[:1], once, rtol=BOUND[dtype])
    if not binary:
        assert found.losses[3] == 0
        assert not found.features[3].any()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_true", [None, 4])
def test_trap_21_all_classes_give_the_full_softmax(dtype, num_true):
    features, weight, labels, bias = problem(dtype, num_true=num_true)
    if num_true:
        labels = np.argsort(np.random.default_rng(0).random((9, 30)))[:, :num_true]
    with pytest.warns(AllClassesWarning):
        candidates = Uniform(30).sample(30)
    logits = features.astype(np.float64) @ weight.T.astype(np.float64) + bias
    found = ll.sampled_cross_entropy_value_and_grad(features, weight, labels, candidates, bias=bias)
    targets = np.zeros((9, 30))
    np.put_along_axis(targets, labels.reshape(9, -1), 1 / (num_true or 1), 1)
    full = ll.soft_cross_entropy_value_and_grad(logits, targets)
    expected = (full.losses, full.gradient @ weight, full.gradient.T @ features, full.gradient.sum(0))
    check(found, expected, 30, BOUND[dtype])


def test_trap_21_all_classes_give_every_sigmoid():
    features, weight, labels, bias = problem(np.float64, num_true=2)
    with pytest.warns(AllClassesWarning):
        candidates = LogUniform(30).sample(31)
    logits, targets = features @ weight.T + bias, np.zeros((9, 30))
    np.put_along_axis(targets, labels, 1.0, 1)
    expected = ll.binary_cross_entropy_with_logits(logits, targets).sum(1)
    np.testing.assert_allclose(
        ll.sampled_binary_cross_entropy(features, weight, labels, candidates, bias=bias), expected, rtol=1e-13
    )


@settings(max_examples=60)
@given(
    st.booleans(), st.integers(0, 7), st.integers(1, 4), st.integers(1, 25), st.booleans(), st.integers(0, 2**32 - 1)
)
def test_trap_12_gradients_are_the_slopes(binary, num_rows, num_true, count, distinct, seed):
    rng = np.random.default_rng(seed)
    features, weight, labels, bias = problem(np.float64, num_rows, num_true=num_true, seed=seed)
    labels = np.where(rng.random(labels.shape) < 0.2, -1, labels)
    candidates = LogUniform(30, distinct=distinct, random_state=0).sample(count)
    upstream = rng.random(num_rows)
    directions = [rng.normal(size=array.shape) for array in (features, weight, bias)]
    step = 1e-5

    def at(shift):
        moved = [array + shift * d for array, d in zip((features, weight, bias), directions, strict=True)]
        return upstream @ LOSSES[binary](moved[0], moved[1], labels, candidates, bias=moved[2])

    found = WITH_GRADIENTS[binary](features, weight, labels, candidates, bias=bias, sample_weight=upstream)
    gradients = (found.features, found.weight.to_dense(30), found.bias.to_dense(30))
    slope = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True))
    np.testing.assert_allclose(slope, (at(step) - at(-step)) / (2 * step), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("sampler", [Uniform(200, random_state=0), LogUniform(200, distinct=False, random_state=0)])
def test_trap_19_the_gradient_closes_on_that_of_the_full_softmax(sampler):
    features, weight, labels, bias = problem(np.float64, num_rows=6, num_classes=200)
    features /= 2
    residuals = ll.cross_entropy_value_and_grad(features @ weight.T + bias, labels).gradient
    full, errors, draws = residuals.T @ features, [], 400
    for count in (8, 32, 128):
        mean = np.zeros_like(full)
        for _ in range(draws):
            drawn = sampler.sample(count)
            found = ll.sampled_cross_entropy_value_and_grad(features, weight, labels, drawn, bias=bias).weight
            mean[found.indices] += found.values / draws
        errors.append(np.linalg.norm(mean - full) / np.linalg.norm(full))
    # The bias falls as 1 / S in the end; a mean of so many draws is known to 0.02.
    assert errors[1] < 0.7 * errors[0]
    assert errors[2] < 0.5 * errors[1]
    assert errors[2] < 0.15


def test_trap_19_the_sign_of_the_correction():
    # One candidate that is expected 4 times as often as it is drawn counts a quarter: TensorFlow's subtract_log_q.
    features, weight = np.zeros((1, 1)), np.zeros((3, 1))
    candidates = Candidates([1], [np.log(4.0)], lambda labels: np.full(labels.shape, np.log(0.5)))
    losses = ll.sampled_cross_entropy(features, weight, [0], candidates)
    np.testing.assert_allclose(losses, -np.log(2 / (2 + 1 / 4)), rtol=1e-15)
    losses = ll.sampled_binary_cross_entropy(features, weight, [0], candidates)
    np.testing.assert_allclose(losses, np.log(1 + 1 / 2) + np.log(1 + 1 / 4), rtol=1e-15)


def test_what_is_estimated_over_every_uniform_draw_of_3_of_7_classes():
    # Each of the 35 draws is as likely, in place of chance; labels come as the softmax of the logits says.
    logits = np.random.default_rng(1).normal(size=7)
    p, full, draws = ll.softmax(logits), -ll.log_softmax(logits), list(combinations(range(7), 3))
    losses, gradient = {}, {}
    for name, of_label in (("sampler", np.log(3 / 7)), ("once", 0.0)):
        losses[name], gradient[name] = np.zeros((len(draws), 7)), np.zeros(7)
        for d, drawn in enumerate(draws):
            candidates = Candidates(drawn, np.log(np.full(3, 3 / 7)), lambda k, count=of_label: np.full(k.shape, count))
            found = ll.sampled_cross_entropy_value_and_grad(
                np.ones((7, 1)), logits[:, None], np.arange(7), candidates, sample_weight=p / len(draws)
            )
            losses[name][d] = found.losses
            gradient[name] += found.weight.to_dense(7)[:, 0]
    # The label once: sums are unbiased, their logarithms lie below; the mean gradient does not vanish.
    np.testing.assert_allclose(np.exp(losses["once"] - full).mean(axis=0), 1.0, rtol=1e-13)
    assert (losses["once"].mean(axis=0) < full).all()
    assert np.abs(gradient["once"]).max() > 1e-3
    # A sampler's own: the loss is no estimate, and the mean gradient vanishes as that of cross-entropy.
    assert (losses["sampler"].mean(axis=0) < losses["once"].mean(axis=0)).all()
    assert np.abs(gradient["sampler"]).max() < 1e-15


@both
def test_the_number_of_threads_and_the_size_of_parts_change_nothing(binary, monkeypatch):
    features, weight, labels, bias = problem(np.float32, num_rows=1500, num_classes=5000, num_features=8)
    candidates = Uniform(5000, random_state=0).sample(2100)
    monkeypatch.setattr(_on_candidates, "_PART", 1 << 21)
    results = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("LASTLAYER_NUM_THREADS", threads)
        results.append(WITH_GRADIENTS[binary](features, weight, labels, candidates, bias=bias))
    for other in results[1:]:
        for ours, theirs in zip(results[0][:2], other[:2], strict=True):
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(results[0].weight.values, other.weight.values)
        np.testing.assert_array_equal(results[0].bias.values, other.bias.values)
    wide = (array.astype(np.float64) for array in (features, weight, bias))
    expected = WITH_GRADIENTS[binary](*(next(wide), next(wide)), labels, candidates, bias=next(wide))
    np.testing.assert_array_equal(results[0].weight.indices, expected.weight.indices)
    for ours, theirs in ((results[0].weight.values, expected.weight.values), (results[0].losses, expected.losses)):
        np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=2e-6 * np.abs(theirs).max())


def test_a_batch_may_be_its_own_candidates():
    features, weight, labels, _ = problem(np.float64)
    sampler = InBatch(30)
    sampler.update(labels)
    candidates = sampler.sample(labels)
    found = ll.sampled_cross_entropy_value_and_grad(features, weight, labels, candidates)
    np.testing.assert_array_equal(found.weight.indices, np.unique(labels))
    logits = features @ weight[candidates.indices].T
    expected = ll.cross_entropy(logits, np.searchsorted(candidates.indices, labels))
    np.testing.assert_allclose(found.losses, expected, rtol=1e-13)


def test_the_gradients_hold_the_rows_that_were_scored_and_no_other():
    features, weight, labels, _ = problem(np.float32, num_classes=100_000)
    candidates = Uniform(100_000, random_state=0).sample(7)
    found = ll.sampled_cross_entropy_value_and_grad(features, weight, labels, candidates)
    np.testing.assert_array_equal(found.weight.indices, np.union1d(labels, candidates.indices))
    np.testing.assert_array_equal(found.bias.indices, found.weight.indices)
    assert found.weight.values.shape == (len(found.weight.indices), 5)


@both
def test_trap_18_any_layout_and_no_rows(binary):
    features, weight, labels, bias = problem(np.float64)
    candidates = Uniform(30, random_state=0).sample(5)
    expected = LOSSES[binary](features, weight, labels, candidates, bias=bias)
    wide = np.zeros((30, 10))
    wide[:, ::2] = weight
    other = wide[:, ::2]
    other.flags.writeable = False
    found = LOSSES[binary](np.asfortranarray(features), other, labels.tolist(), candidates, bias=bias[::-1][::-1])
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    none = WITH_GRADIENTS[binary](features[:0], weight, labels[:0], candidates)
    assert none.losses.shape == (0,)
    assert none.features.shape == (0, 5)
    assert not none.weight.values.any()


@both
def test_half_precision_is_computed_in_float32(binary):
    features, weight, labels, bias = (a.astype(np.float16) if a.dtype.kind == "f" else a for a in problem(np.float64))
    candidates = Uniform(30, random_state=0).sample(5)
    found = WITH_GRADIENTS[binary](features, weight, labels, candidates, bias=bias)
    assert found.losses.dtype == found.features.dtype == found.weight.values.dtype == np.float16
    wide = [array.astype(np.float32) for array in (features, weight, bias)]
    expected = LOSSES[binary](wide[0], wide[1], labels, candidates, bias=wide[2])
    np.testing.assert_array_equal(found.losses, expected.astype(np.float16))
    mixed = LOSSES[binary](features, weight.astype(np.float64), labels, candidates)
    assert mixed.dtype == np.float64


@both
def test_trap_04_a_spoilt_row_is_nan_alone(binary):
    features, weight, labels, _ = problem(np.float32)
    features[2, 1] = np.nan
    losses = LOSSES[binary](features, weight, labels, Uniform(30, random_state=0).sample(5))
    assert np.isnan(losses[2])
    assert np.isfinite(np.delete(losses, 2)).all()


X, W, Y = np.zeros((3, 2)), np.zeros((5, 2)), [0, 1, 4]
C = Uniform(5, random_state=0).sample(2)


@pytest.mark.parametrize("function", [*LOSSES, *WITH_GRADIENTS])
@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((X, W, [0, 5, 1], C), {}, ValueError, r"labels: row 1 is 5, but the weights have 5 classes \(0 to 4\)"),
        ((X, W, [0, -1, 1], C), {}, ValueError, "labels: row 1 is -1, but the weights have 5 classes"),
        ((X, W, [[0, 1], [2, -2], [1, 1]], C), {}, ValueError, r"labels: row \(1, 1\) is -2, but the weights have"),
        ((X, W, [0, 1], C), {}, ValueError, r"labels: shape is \(2,\), expected \(3,\) or \(3, M\), true classes of"),
        ((X, W, np.zeros((3, 0), int), C), {}, ValueError, r"labels: shape is \(3, 0\), expected"),
        ((X, W, [0.0, 1.0, 2.0], C), {}, TypeError, "labels: dtype is float64, expected integers"),
        ((X, W[:, :1], Y, C), {}, ValueError, r"weight: shape is \(5, 1\), expected \(K, 2\), a row for each class"),
        ((X[0], W, Y, C), {}, ValueError, r"features: shape is \(2,\), expected \(N, D\)"),
        ((X, W.astype(str), Y, C), {}, TypeError, "weight: dtype is <U.*, expected real numbers"),
        ((X, W, Y, [1, 2]), {}, TypeError, "candidates: received list, expected lastlayer.samplers.Candidates, for ex"),
        ((X, W, Y, Candidates([0, 5], [0.0, 0.0])), {}, ValueError, "candidates: entry 1 is 5, but weight has 5 class"),
        ((X, W, Y, Candidates([0, 1], [0.0, 0.0])), {}, ValueError, "candidates: have no expected counts of labels"),
        ((X, W, Y, C), {"bias": [0.0]}, ValueError, r"bias: shape is \(1,\), expected \(5,\), one for each class"),
        ((X, W, Y, C), {"remove_accidental_hits": 1}, TypeError, "remove_accidental_hits: received 1, expected True"),
        (
            (X, W, Y, Unigram([1, 0, 1, 1, 1], random_state=0).sample(2)),
            {},
            ValueError,
            "labels: row 1 is 1, whose log_expected_count is -inf, expected a finite one",
        ),
    ],
)
def test_trap_09_bad_input_gets_one_sentence(function, arguments, options, error, words):
    with pytest.raises(error, match=words):
        function(*arguments, **options)


@pytest.mark.parametrize("function", WITH_GRADIENTS)
def test_sample_weights_are_checked(function):
    with pytest.raises(ValueError, match=r"sample_weight: row 1 is -1\.0, expected a finite number"):
        function(X, W, Y, C, sample_weight=[0, -1, 0])
    assert not function(X + 1, W, Y, C, sample_weight=[0, 0, 0]).weight.values.any()


@pytest.mark.parametrize("function", [ll.sampled_cross_entropy_value_and_grad])
def test_rows_that_weigh_nothing_add_nothing_whatever_their_features(function):
    rng = np.random.default_rng(0)
    features, weight = rng.normal(size=(6, 3)), rng.normal(size=(20, 3))
    labels, scale = rng.integers(0, 20, (6, 2)), rng.random(6)
    scale[1], labels[4] = 0.0, -1
    candidates = ll.samplers.Uniform(20).sample(5, rng=np.random.default_rng(0))
    expected = function(features, weight, labels, candidates, sample_weight=scale)
    features[[1, 4]] = np.nan
    result = function(features, weight, labels, candidates, sample_weight=scale)
    np.testing.assert_array_equal(result.weight.values, expected.weight.values)
    np.testing.assert_array_equal(result.bias.values, expected.bias.values)
    np.testing.assert_array_equal(result.features, expected.features)
