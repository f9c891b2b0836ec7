"""Temperature scaling against a copy of the logits, one pass over them, and what others fit it with.

Everyone gets the same float32 logits, warm. Scikit-learn's estimator is given a classifier that is already fitted and
passes logits on; probmetrics takes part where it is installed. Their losses are judged by the same exact
mean, as what they are above the least.
"""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

import lastlayer as ll
from benchmarks.floors import copy, interleaved, medians
from lastlayer.calibration.rows import CalibrationRows

SHAPES = ((5000, 100), (100_000, 10), (1_000_000, 100))
# Beyond so many logits the peers take minutes.
_MOST_FOR_PEERS = 10_000_000


def measure(*, quick):
    """Measure every shape, print a table, and return the figures."""
    print(
        f"{'':18}{'copy':>9}{'pass':>9}{'fit':>9}{'copies':>8}{'passes':>8}{'above':>9}   peers: times as long, above"
    )
    results = []
    for num_rows, num_classes in SHAPES:
        result = measure_shape(num_rows // 10 if quick else num_rows, num_classes, rounds=3 if quick else 9)
        results.append(result)
        print_line(result)
    return {"rows": results}


def measure_shape(num_rows, num_classes, rounds):
    """Seconds of each contender and how far its loss is above the least, in nats."""
    logits, labels = drawn(num_rows, num_classes)
    out, exact = np.empty_like(logits), CalibrationRows(logits, labels)
    found = {}

    def keep(name, function):
        def timed():
            found[name] = function()

        return timed

    contenders = {
        "copy": lambda: copy(logits, out),
        "pass": lambda: exact.sweep(0.8),
        "lastlayer": keep("lastlayer", lambda: ll.fit_temperature(logits, labels)),
    }
    if logits.size <= _MOST_FOR_PEERS:
        contenders |= {name: keep(name, function) for name, function in peers(logits, labels).items()}
    seconds = medians(interleaved(contenders, rounds))
    losses = {name: loss_at(exact, beta) for name, beta in found.items()}
    least = least_loss(exact, found["lastlayer"])
    return {
        "rows": num_rows,
        "classes": num_classes,
        "seconds": seconds,
        "above_the_least": {name: loss - least for name, loss in losses.items()},
    }


def drawn(num_rows, num_classes):
    """Logits of an over-confident model, and labels that softmax(0.7 * logits) gives."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((num_rows, num_classes), dtype=np.float32) * 3
    labels = np.empty(num_rows, np.int64)
    for first in range(0, num_rows, 50_000):
        block = 0.7 * logits[first : first + 50_000]
        labels[first : first + 50_000] = (block + rng.gumbel(size=block.shape)).argmax(axis=1)
    return logits, labels


def loss_at(rows, beta):
    """The mean loss, exact in float64."""
    rows.sweep(float(beta))
    return rows.loss


def least_loss(rows, beta):
    """The least mean loss, by golden section about `beta`, which owes nothing to how it was found."""
    low, high = beta / 1.01, beta * 1.01
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(20):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss_at(rows, left) < loss_at(rows, right):
            high = right
        else:
            low = left
    return loss_at(rows, (low + high) / 2)


class Passes(ClassifierMixin, BaseEstimator):
    """A fitted classifier of logits, which are its features."""

    def fit(self, X, y):
        """Keep the classes."""
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        """The class of the largest logit."""
        return self.classes_[X.argmax(axis=1)]

    def decision_function(self, X):
        """The logits."""
        return X


def peers(logits, labels):
    """What is installed that fits a temperature: functions that return beta."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    classifier = FrozenEstimator(Passes().fit(logits, np.arange(logits.shape[1])))

    def scikit_learn():
        fitted = CalibratedClassifierCV(classifier, method="temperature", ensemble=False).fit(logits, labels)
        return fitted.calibrated_classifiers_[0].calibrators[0].beta_

    functions = {"scikit-learn": scikit_learn}
    try:
        import torch
        from probmetrics.calibrators import get_calibrator
        from probmetrics.distributions import CategoricalLogits

        def probmetrics():
            calibrator = get_calibrator("temp-scaling", calibrate_with_mixture=False)
            calibrator.fit_torch(CategoricalLogits(torch.from_numpy(logits)), torch.from_numpy(labels))
            return float(calibrator.invtemp_)

        functions["probmetrics"] = probmetrics
    except ImportError:
        pass
    return functions


def print_line(result):
    """One line of the table."""
    seconds, above = result["seconds"], result["above_the_least"]
    ours = seconds["lastlayer"]
    others = "  ".join(f"{name} {seconds[name] / ours:.1f}x {above[name]:.0e}" for name in above if name != "lastlayer")
    shape = f"{result['rows']} x {result['classes']}"
    times = "".join(f"{seconds[name] * 1e3:7.1f}ms" for name in ("copy", "pass", "lastlayer"))
    print(
        f"{shape:18}{times}{ours / seconds['copy']:8.1f}{ours / seconds['pass']:8.1f}{above['lastlayer']:9.0e}   "
        f"{others}",
        flush=True,
    )
