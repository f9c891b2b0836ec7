import pytest
from polars.exceptions import ComputeError, PanicException

from lastlayer.tables import InputError
from lastlayer.tables.reading import reading


@pytest.mark.parametrize(
    "failure",
    [ComputeError("bad\nsecond line"), OSError("bad"), ValueError("bad"), OverflowError("bad"), PanicException("bad")],
)
def test_what_others_raise_is_one_sentence(failure):
    with pytest.raises(InputError) as caught, reading("data.csv"):
        raise failure
    assert str(caught.value) == "data.csv: cannot be read (bad); check that the file is whole and of its kind."


def test_what_passes():
    panic = PanicException("called `Result::unwrap()` on an `Err` value: KeyboardInterrupt")
    for failure in (InputError("ours."), KeyboardInterrupt(), panic, ZeroDivisionError()):
        with pytest.raises(type(failure)) as caught, reading("data.csv"):
            raise failure
        assert caught.value is failure
