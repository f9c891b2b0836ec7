import numpy as np
import pytest

from lastlayer.linear.packed_rows import PackedRows


@pytest.mark.parametrize("num_rows", [1, 16, 37])
@pytest.mark.parametrize("num_features", [1, 16, 21])
def test_products_with_rows_that_are_to_count_as_0(num_rows, num_features):
    rng = np.random.default_rng(0)
    rows = rng.integers(-5, 6, (num_rows, num_features)).astype(np.float32)
    weight = rng.integers(-5, 6, (11, num_features)).astype(np.float32)
    packed = PackedRows(rows)
    logits = packed.tile(11, np.empty(packed.size_of_tile(11), np.float32))
    packed.write_logits(weight, logits)
    as_rows = logits.transpose(0, 2, 1).reshape(-1, 11)
    np.testing.assert_array_equal(as_rows[:num_rows], rows @ weight.T)
    assert not as_rows[num_rows:].any()

    gradient, out = packed.zeros(), np.empty_like(rows)
    packed.add_to_features(weight, logits, gradient)
    packed.unpack(gradient, out)
    np.testing.assert_array_equal(out, as_rows[:num_rows] @ weight)

    unwanted = np.arange(num_rows) % 3 == 1
    kept = rows.copy()
    rows[unwanted] = np.nan
    of_weight = np.empty((11, num_features), np.float32)
    PackedRows(rows).padded(unwanted).add_to_weight(logits, of_weight, fresh=True)
    np.testing.assert_array_equal(of_weight, as_rows[:num_rows][~unwanted].T @ kept[~unwanted])
