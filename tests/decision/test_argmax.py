import numpy as np

from lastlayer.decision import Argmax, Evidence


def test_the_first_of_the_most_probable():
    rows = np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]], np.float32)
    answers = Argmax().apply(rows)
    assert answers.tolist() == [1, 0, 0]
    assert answers.dtype == np.int64
    assert Argmax().apply(np.ones((0, 4))).shape == (0,)
    assert Argmax().apply([[1.0]]).tolist() == [0]


def test_equal_by_what_it_holds():
    assert Argmax() == Argmax()
    assert Argmax() != Argmax(Evidence(3, "accuracy"))
    assert Argmax().num_classes is None
