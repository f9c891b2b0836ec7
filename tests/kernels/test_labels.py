import numpy as np

from lastlayer.kernels.labels import count_labels


def test_labels_are_counted():
    labels = np.array([0, 4, 5, -1, -100, 2**40, 3])
    assert count_labels(labels, 5, -100) == (6, 3)
    assert count_labels(labels, 5, 4) == (6, 4)
    assert count_labels(labels[:0], 5, 4) == (0, 0)
