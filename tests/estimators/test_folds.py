"""Which rows a fold learns from: every class, no row in both parts, groups whole, and bad folds in one sentence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, LeaveOneOut, StratifiedKFold

from lastlayer.estimators.folds import splits_of


def splits(cv, labels, weight=None, groups=None, seed=0):
    labels = np.asarray(labels)
    weight = np.ones(len(labels)) if weight is None else np.asarray(weight, float)
    X = np.zeros((len(labels), 1))
    return splits_of(cv, X, labels, labels, weight, groups, np.random.RandomState(seed))


@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=8), cv=st.integers(2, 6), seed=st.integers(0, 99))
def test_every_class_of_two_rows_is_learnt_in_every_fold(sizes, cv, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.random.default_rng(seed).permutation(labels)
    sizes = np.array(sizes)
    shared = sizes[sizes > 1].sum()
    if shared < cv:
        with pytest.raises(ValueError, match=f"cv: received {cv}, but only {shared} rows"):
            splits(cv, labels)
        return
    found = splits(cv, labels, seed=seed)
    held_out = np.concatenate([split.held_out for split in found])
    # Each row of such a class once; the others never.
    np.testing.assert_array_equal(np.sort(held_out), np.flatnonzero(sizes[labels] > 1))
    for training, held in found:
        np.testing.assert_array_equal(np.sort(np.concatenate([training, held])), np.arange(len(labels)))
        assert set(labels[training]) == set(labels)
        assert abs(len(held) - shared / cv) < 1
        counts = np.bincount(labels[held], minlength=len(sizes))
        assert (np.abs(counts - np.where(sizes > 1, sizes, 0) / cv) < 1).all()


def test_rows_of_weight_0_are_in_no_part():
    weight = np.array([1, 0, 1, 1, 1, 0, 1, 2.0])
    for cv in (2, StratifiedKFold(2)):
        for training, held in splits(cv, [0, 1] * 4, weight):
            assert weight[training].all()
            assert weight[held].all()


def test_another_seed_is_another_deal():
    labels = np.repeat([0, 1], 50)
    first, again, other = (splits(5, labels, seed=seed)[0].held_out for seed in (0, 0, 1))
    assert first.tolist() == again.tolist() != other.tolist()


def test_groups_stay_together_and_classes_are_spread():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 400)
    labels = (groups % 4 + (rng.random(400) < 0.1)) % 4
    found = splits(4, labels, groups=groups)
    np.testing.assert_array_equal(np.sort(np.concatenate([held for _, held in found])), np.arange(400))
    for training, held in found:
        assert not set(groups[training]) & set(groups[held])
        assert set(labels[training]) == {0, 1, 2, 3}
        assert 50 <= len(held) <= 150


def test_splitters_and_splits_of_scikit_learn():
    labels, groups = np.arange(12) % 2, np.arange(12) // 3
    assert len(splits(LeaveOneOut(), labels)) == 12
    for _, held in splits(GroupKFold(4), labels, groups=groups):
        assert len(set(groups[held])) == 1
    masks = [(np.arange(12) < 8, np.arange(12) >= 8)]
    (training, held), *_ = splits(masks, labels)
    assert (training.tolist(), held.tolist()) == (list(range(8)), [8, 9, 10, 11])


@pytest.mark.parametrize(
    ("cv", "groups", "message"),
    [
        (1, None, "cv: received 1, expected at least 2 folds; pass validation="),
        (2.5, None, "cv: received 2.5, expected a whole number"),
        ("five", None, "cv: received 'five', expected a whole number"),
        ([], None, "cv: has no splits"),
        ([([0, 1], [2, 9])], None, "cv: split 0 has rows beyond the 6 of X, expected 0 to 5."),
        ([([0, 1], [-1])], None, "cv: split 0 has rows beyond"),
        ([([0, 1, 2], [2, 3])], None, "cv: split 0 has row 2 in both parts (1 such rows)"),
        ([([0, 1, 2], [])], None, "cv: split 0 has a part without rows"),
        (2, [0, 1], "groups: shape is (2,), expected (6,)"),
        (3, [0, 0, 0, 1, 1, 1], "groups: are 2 in rows that have a weight, but cv is 3"),
    ],
)
def test_refusals(cv, groups, message):
    with pytest.raises(ValueError, match=r"\.$") as refusal:
        splits(cv, [0, 1, 0, 1, 0, 1], groups=groups)
    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize("split", [0, ([0.5], [1.0]), ([[0]], [1]), ([0], [1], [2])])
def test_what_is_no_split(split):
    with pytest.raises(TypeError, match="cv: split 0"):
        splits([split], [0, 1, 0, 1])


@pytest.mark.parametrize("groups", [["a", None, "b", "a"], [None] * 4])
def test_groups_without_an_order(groups):
    with pytest.raises(TypeError, match=r"groups: are of the types .*, expected names or numbers of one type"):
        splits(2, [0, 1, 0, 1], groups=groups)
