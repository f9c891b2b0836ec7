import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.linear.class_tiles import plan


@given(
    st.integers(1, 10**7),
    st.integers(1, 10**7),
    st.integers(0, 5000),
    st.sampled_from([4, 8]),
    st.booleans(),
    st.integers(8, 4000),
    st.integers(1, 64),
)
def test_groups_of_tiles_cover_all_classes_once_and_in_order(
    rows, classes, features, itemsize, gradients, numbers, most
):
    tiles = plan(rows, classes, features, itemsize, gradients=gradients, numbers_per_row=numbers, most_groups=most)
    assert tiles.rows_per_block >= 1
    assert tiles.num_groups >= 1
    if tiles.num_tiles == 1:
        assert list(tiles.tiles(0))[:1] == [(0, slice(0, classes))] or tiles.num_groups > 1
        return
    assert tiles.num_groups <= min(tiles.num_tiles, most)
    found = list(itertools.chain.from_iterable(tiles.tiles(group) for group in range(tiles.num_groups)))
    assert [tile for tile, _ in found] == list(range(tiles.num_tiles))
    starts = [classes_of.start for _, classes_of in found]
    assert starts == [0, *[classes_of.stop for _, classes_of in found][:-1]]
    assert found[-1][1].stop == classes
    assert all(classes_of.stop > classes_of.start for _, classes_of in found)


@pytest.mark.parametrize(
    "shape",
    [(1024, 128, 200_000), (256, 64, 1_000_000), (8192, 768, 10_000), (8, 16, 10_000_000), (10**6, 2048, 10**6)],
)
def test_kept_logits_and_partial_gradients_fit_into_128_mb(shape):
    rows, features, classes = shape
    tiles = plan(rows, classes, features, 4, gradients=True, numbers_per_row=8, most_groups=64)
    kept = 4 * tiles.kept * tiles.rows_per_block * tiles.classes_per_tile
    partial = 4 * tiles.num_groups * tiles.rows_per_block * features
    tile = 4 * tiles.rows_per_block * tiles.classes_per_tile
    assert kept + partial + 8 * tile <= 128 << 20


def test_few_classes_and_many_rows_share_the_rows():
    tiles = plan(100_000, 150, 384, 4, gradients=True, numbers_per_row=8, most_groups=64)
    assert tiles.num_tiles == 1
    assert tiles.num_groups == 64
