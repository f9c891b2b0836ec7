import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lastlayer as ll
from tests.oracles.softmax import log_softmax, scaled_errors, softmax

SCORES = st.lists(st.floats(-1e4, 1e4) | st.just(-np.inf), min_size=1, max_size=8).filter(lambda z: max(z) > -np.inf)


@given(SCORES, st.sampled_from([0.01, 1.0, 500.0]))
def test_steps_are_those_of_the_definition(scores, beta):
    found = ll.explain(scores, beta=beta)
    normal = [value if value > 1e-300 else 0 for value in softmax(scores, beta)]
    assert max(scaled_errors(np.where(found.softmax > 1e-300, found.softmax, 0), normal)) < 1e-15
    for loss, expected in zip(found.loss, log_softmax(scores, beta), strict=True):
        assert loss == (np.inf if expected == -np.inf else pytest.approx(float(-expected), rel=1e-14))
    assert abs(found.softmax.sum() - 1) < 1e-14
    assert found.hardmax.argmax() == np.argmax(scores)


def test_figures_of_explaining_softmax():
    found = ll.explain(np.array([0.95, 0.99, 0.98]), beta=500)
    np.testing.assert_allclose(found.softmax, [0.0, 0.9933, 0.0067], atol=5e-5)
    np.testing.assert_allclose(found.exponential_log10, [206.29, 214.976, 212.804], atol=6e-3)


def test_a_later_change_of_the_scores_changes_nothing():
    scores = np.array([2.0, 1.0])
    found = ll.explain(scores)
    scores[0] = 7
    assert found.score.tolist() == [2, 1]
    with pytest.raises(ValueError, match="read-only"):
        found.softmax[0] = 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint64])
def test_any_kind_of_number(dtype):
    assert ll.explain(np.array([3, 1], dtype)) == ll.explain([3, 1])


@pytest.mark.parametrize(
    ("classes", "label", "index"),
    [
        (None, 1, 1),
        (None, "1", 1),
        (["a", "b"], "b", 1),
        (["a", "b"], 1, 1),
        ([5, 0], 0, 1),
        (np.array([5, 0]), np.int64(0), 1),
        (np.array([False, True]), True, 1),
    ],
)
def test_a_label_is_a_class_or_an_index(classes, label, index):
    assert ll.explain([1.0, 2.0], classes=classes, label=label).label == index


@pytest.mark.parametrize(
    ("logits", "options", "error", "message"),
    [
        ([1, np.nan], {}, ValueError, "entry 1 is nan"),
        ([np.inf], {}, ValueError, "entry 0 is inf"),
        ([-np.inf], {}, ValueError, "every class is impossible"),
        ([], {}, ValueError, "at least one class"),
        ([[1.0]], {}, ValueError, r"expected one row of scores, \(K,\); pass one of them"),
        (1.0, {}, ValueError, "expected one row"),
        (["a"], {}, TypeError, "expected real numbers"),
        ([1, 2], {"beta": 0}, ValueError, "beta: received 0"),
        ([1, 2], {"classes": ["a"]}, ValueError, "received 1 names, expected 2"),
        ([1, 2], {"classes": "ab"}, TypeError, "expected a list of names"),
        ([1, 2], {"classes": {"a", "b"}}, TypeError, "expected a list of names"),
        ([1, 2], {"classes": ["a", None]}, TypeError, "entry 1 is NoneType"),
        ([1, 2], {"label": 2}, ValueError, r"received 2, but logits have 2 classes \(0 to 1\)"),
        ([1, 2], {"label": "c"}, ValueError, "received 'c', expected one of the classes"),
        ([1, 2], {"classes": [5, 6], "label": 0}, ValueError, "received 0, expected one of the classes"),
        ([1, 2], {"classes": ["a", "a"], "label": "a"}, ValueError, "stands at 0 and at 1"),
        ([1, 2], {"label": 1.5}, TypeError, "an index from 0 to 1"),
        ([1, 2], {"label": []}, TypeError, "received list"),
    ],
)
def test_refusals(logits, options, error, message):
    with pytest.raises(error, match=message) as raised:
        ll.explain(logits, **options)
    assert str(raised.value).endswith(".")


def test_a_tensor_is_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"received a torch\.Tensor"):
        ll.explain(torch.zeros(2))
