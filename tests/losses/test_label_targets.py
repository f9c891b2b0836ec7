import numpy as np
import pytest

from lastlayer.kernels.targets import Label, Smoothed
from lastlayer.losses.label_targets import label_target


def test_labels_alone_need_no_array_of_weights():
    target = label_target([[0, 2], [1, 0]], 3, (2, 2), np.float32)
    assert isinstance(target, Label)
    assert target.labels.tolist() == [0, 2, 1, 0]
    assert target.weight == 1.0


def test_weights_and_smoothing_are_shared_out_as_in_pytorch():
    target = label_target([0, 2, 7], 3, (3,), np.float64, class_weight=[1, 2, 4], label_smoothing=0.3, ignore_index=7)
    assert isinstance(target, Smoothed)
    assert target.labels.tolist() == [0, 2, -1]
    np.testing.assert_allclose(np.asarray(target.weight)[:2], [0.7, 2.8])
    np.testing.assert_allclose(target.class_weight, [0.1, 0.2, 0.4])


@pytest.mark.parametrize("smoothing", [np.float32(0.1), np.float64(0.1), np.int64(0), 1, 0.0])
def test_smoothing_may_be_any_real_number(smoothing):
    target = label_target([0], 2, (1,), np.float32, label_smoothing=smoothing)
    total = np.sum(target.weight) + (2 * target.class_weight[0] if isinstance(target, Smoothed) else 0)
    np.testing.assert_allclose(total, 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_smoothing": True}, r"label_smoothing: received True, expected a number from 0 to 1\."),
        ({"label_smoothing": np.bool_(True)}, r"label_smoothing: received .*True.*, expected a number from 0 to 1\."),
        ({"label_smoothing": "0.1"}, r"label_smoothing: received '0\.1', expected a number from 0 to 1\."),
        ({"label_smoothing": 1.5}, r"label_smoothing: received 1\.5, expected a number from 0 to 1\."),
        ({"label_smoothing": float("nan")}, r"label_smoothing: received nan, expected a number from 0 to 1\."),
        ({"class_weight": [1.0]}, r"class_weight: shape is \(1,\), expected \(3,\), one for each class\."),
        ({"class_weight": [1, -1, 1]}, r"class_weight: class 1 has -1\.0, expected a finite number that is not neg"),
    ],
)
def test_bad_input_gets_one_sentence(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        label_target([0, 2], 3, (2,), np.float32, **arguments)


def test_a_label_out_of_range_is_named():
    with pytest.raises(ValueError, match=r"labels: row 1 is 3, but logits have 3 classes \(0 to 2\)\."):
        label_target([-1, 3], 3, (2,), np.float32, ignore_index=-1)
