import numpy as np
import pytest

from lastlayer.tables import InputError, read_costs

CLASSES = np.array(["cat", "cow", "dog"])
GOOD = "truth,dog,cat,cow\ncow,3,1,0\ncat,2,0,.5\ndog,0,1e1,-1\n"


def test_classes_are_found_by_name(tmp_path):
    path = tmp_path / "cost.csv"
    path.write_text(GOOD)
    assert read_costs(str(path), CLASSES).tolist() == [[0, 0.5, 2], [1, 0, 3], [10, -1, 0]]
    path.write_text(",1,0\n0,2,0\n1,0,5\n")
    assert read_costs(str(path), np.array([0, 1])).tolist() == [[0, 2], [5, 0]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("dog,cat,cow", "dog,cat,yak"), "its header has 'yak', which is no class"),
        (GOOD.replace("dog,cat,cow", "dog,cat"), "is no csv file of costs"),
        ("truth,dog,cat\ncow,3,1\n", "its header lacks 'cow', expected a column for each of 3 classes"),
        (GOOD.replace("\ncow", "\ncat"), "its first column has 'cat' twice, expected one row for each class"),
        (GOOD.replace("cat,2,0", "cat,2,"), "row cat, column cat is None, expected a finite number"),
        (GOOD.replace("1e1", "inf"), "row dog, column cat is 'inf', expected a finite number"),
        (GOOD.replace("1e1", "ten"), "row dog, column cat is 'ten', expected a finite number"),
        ("", "is no csv file of costs"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, words):
    path = tmp_path / "cost.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_costs(str(path), CLASSES)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: cannot be read \(No such file"):
        read_costs(str(tmp_path / "none.csv"), CLASSES)
