"""What a benchmark says of its figures; nothing is timed here."""

import numpy as np

import lastlayer as ll
from benchmarks.decide import _auroc, _plug_in
from benchmarks.sampled import bias_of
from benchmarks.sweep import CLASSES, FUNCTIONS, summarise
from benchmarks.windows import least_rows, merged, smoothed


def result(classes, dtype, ratio):
    return {"classes": classes, "dtype": dtype, "times_as_fast_as_torch": dict.fromkeys(FUNCTIONS, ratio)}


def test_trap_42_what_is_lost_stands_in_the_summary(capsys):
    figures = [result(classes, "float32", ratio) for classes, ratio in ((2, 8.0), (37, 0.5), (100, 2.0))]
    summary = summarise([*figures, result(2, "float64", 2.0)])
    assert summary["softmax float32"] == {"geometric_mean": 2.0, "least": 0.5, "lost": {37: 0.5}}
    assert "softmax, float32: geometric mean 2.00, least 0.50; slower at 37 (0.50)" in capsys.readouterr().out


def test_trap_42_the_sweep_has_counts_that_nobody_tunes_for():
    assert len([classes for classes in CLASSES if classes % 16 and classes % 10]) >= 10
    assert sum(16 <= classes <= 500 for classes in CLASSES) >= 15


def test_a_window_opens_where_three_neighbours_win_at_every_larger_size():
    cells = [["softmax", "float32", k, rows, 2.0, 1.5] for k in (4, 5, 6, 9) for rows in (64, 256)]
    cells += [["softmax", "float32", 6, 16, 2.0, 1.0], ["softmax", "float32", 7, 256, 1.2, 5.0]]
    cells[0][4] = 1.1  # 4 classes lose at 64 rows
    least = least_rows(cells)
    assert least == {4: 256, 5: 64, 6: 64, 9: 64}
    assert merged(smoothed(least)) == ((4, 5, 256), (6, 6, 64))


def test_the_bias_of_a_gradient_and_its_interval():
    """With two classes and one candidate, a draw of the label itself leaves no loss: half the gradient."""
    features, weight, labels = np.ones((1, 1)), np.zeros((2, 1)), [0]
    full = np.array([[-0.5], [0.5]])
    bias, interval = bias_of(features, weight, labels, ll.samplers.Uniform(2, random_state=0), 1, full, 400)
    # The other class is drawn half of the time and then stands for two: its share is 1/2 as in the full softmax.
    assert abs(bias - 0.5) <= 3 * interval
    assert 0 < interval < 0.2


def test_auroc_counts_pairs_and_ties_half():
    scores, positive = np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False])
    assert _auroc(scores, positive) == 3.5 / 4


def test_the_plug_in_threshold_is_the_lowest_whose_own_rows_reach_the_accuracy():
    probabilities = np.array([[p, 1 - p] for p in (0.9, 0.8, 0.7, 0.7, 0.6)])
    assert _plug_in(probabilities, np.array([0, 0, 1, 0, 1]), "max_probability", 0.75) == 0.7
    assert _plug_in(probabilities, np.array([1, 1, 1, 1, 1]), "max_probability", 0.75) == 1.0
