import numpy as np

import lastlayer as ll


def test_a_small_evaluation_reads_like_this():
    evaluation = ll.evaluate([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1]], ["cat", "cat"], classes=["cat", "dog", "cow"], top_k=2)
    assert str(evaluation) == "\n".join([
        "rows                          2",
        "classes                       3",
        "accuracy                 0.5000",
        "top-2 accuracy           1.0000",
        "balanced accuracy        0.5000  mean recall of the classes",
        "macro F1                 0.3333",
        "log-loss                 0.8574  nats",
        "Brier score              0.5800  0 to 2",
        "calibration error        0.4000  15 bins",
        "  without bins           0.3000  smooth ECE",
        "mean confidence          0.8000  above the accuracy: over-confident",
        "AURC                     0.2500  risk by coverage",
        "  95 % right             0.5000  of the rows can be answered",
        "  97 % right             0.5000  of the rows can be answered",
        "  99 % right             0.5000  of the rows can be answered",
        "",
        "class  precision    recall        F1       support",
        "cat       1.0000    0.5000    0.6667             2",
        "dog       0.0000         -    0.0000             0",
        "cow            -         -         -             0",
    ])  # fmt: skip


def test_many_classes_show_the_worst_few_within_80_columns():
    rng = np.random.default_rng(0)
    classes = [f"class {k} " + "with a very long name " * 4 + "\x1b[31m" for k in range(1000)]
    probabilities = rng.dirichlet(np.ones(1000), size=3000)
    evaluation = ll.evaluate(probabilities, [classes[k] for k in rng.integers(0, 1000, 3000)], classes=classes)
    lines = str(evaluation).splitlines()
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in str(evaluation)
    assert "the 5 lowest F1" in str(evaluation)


def test_two_classes_have_no_top_k_line():
    assert "top-" not in str(ll.evaluate([[0.5, 0.5]], [0]))


def test_weighted_rows_are_told_apart():
    weight = [0.5, 1234567.25]
    lines = str(ll.evaluate([[0.9, 0.1], [0.2, 0.8]], [0, 1], sample_weight=weight)).splitlines()
    assert lines[0] == "rows                          2  weighted"
    assert lines[-2:] == [
        "0         1.0000    1.0000    1.0000           0.5",
        "1         1.0000    1.0000    1.0000   1.23457e+06",
    ]


def test_intervals_stand_beside_their_figures():
    evaluation = ll.evaluate([[0.9, 0.1], [0.2, 0.8]] * 50, [0, 0] * 50, intervals=0.9)
    lines = str(evaluation).splitlines()
    low, high = evaluation.log_loss_interval
    assert f"nats, {low:.4f} to {high:.4f} at 90 %" in lines[5]
    assert "15 bins, 0." in lines[7]
    assert max(map(len, lines)) <= 80
