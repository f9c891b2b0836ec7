import numpy as np
import pytest

from lastlayer.cli.label_warning import warn_of_labels_of_their_own


@pytest.mark.parametrize(
    ("y", "alone"),
    [
        (np.arange(100), 100),
        (np.array([f"row {i}" for i in range(5)], object), 5),
        (np.array([0, 0, 1, 2, 3]), 3),  # more than half
        (np.array([0, 0, 1, 2]), 0),  # half
        (np.array(["a", "b"]), 0),  # two classes may be small
        (np.repeat(np.arange(50), 2), 0),
        (np.array([0] * 60 + list(range(1, 41))), 0),  # many rare classes beside a large one
    ],
)
def test_more_than_half_of_the_rows(capsys, y, alone):
    warn_of_labels_of_their_own(y, "id\x1b")
    printed = capsys.readouterr()
    assert printed.out == ""
    if alone:
        assert printed.err.startswith(rf"warning: column id\x1b: {alone} of {len(y)} rows have a label that no other")
        assert len(printed.err.splitlines()) == 1
    else:
        assert printed.err == ""
