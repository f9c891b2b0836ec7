import numpy as np
import pytest

from lastlayer.decision.probability_rows import as_distributions, blocks_of


def test_a_distribution_keeps_its_memory():
    rows = np.full((3, 4), 0.25, np.float32)
    assert as_distributions(rows) is rows
    assert as_distributions(np.full((2, 3), 1 / 3, np.float16)).dtype == np.float32


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([0.5, 0.5], r"shape is \(2,\), expected \(N, K\), one column for each class"),
        (np.ones((2, 0)), r"shape is \(2, 0\), expected \(N, K\)"),
        ([[0.5, 0.5], [0.5, 0.6]], r"row 1 sums to 1\.1, expected 1 within 0\.001"),
        ([[0.5, 0.5], [np.nan, 0.5]], "row 1 has nan for class 0, expected numbers from 0 to 1"),
        ([[3.0, -2.0]], r"row 0 has 3 for class 0, expected numbers from 0 to 1; pass softmax\(logits\)"),
        ([[np.inf, -np.inf]], "row 0 has inf for class 0"),
    ],
)
def test_rows_that_are_none(rows, message):
    with pytest.raises(ValueError, match=f"^probabilities: {message}"):
        as_distributions(rows)


def test_a_bad_row_is_named_wherever_it_stands():
    rows = np.full((200_000, 2), 0.5)
    rows[150_001] = 0.7
    with pytest.raises(ValueError, match=r"row 150001 sums to 1\.4"):
        as_distributions(rows)
    assert sum(len(rows[where]) for where in blocks_of(rows)) == 200_000


def test_torch_sparse_and_text():
    with pytest.raises(TypeError, match="probabilities: dtype is"):
        as_distributions([["a", "b"]])
    with pytest.raises(ValueError, match="3 columns, but the rule was made for 2 classes"):
        as_distributions(np.eye(3), 2)
