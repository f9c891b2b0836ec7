"""Temperature scaling against a copy of the logits, one pass over them, and what others fit it with.

Everyone gets the same float32 logits, warm. Scikit-learn's estimator is given a classifier that is already fitted and
passes logits on; probmetrics takes part where it is installed. Their losses are judged by the same mean, NumPy's in
float64, as what they are above the least. A pass has its exponentials in float32, an exact one in float64.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, ClassifierMixin

import lastlayer as ll
from benchmarks.floors import copy, interleaved, medians
from lastlayer.calibration.rows import CalibrationRows

SHAPES = ((5000, 100), (100_000, 10), (1_000_000, 100))
# Fewer rows have classes that are in no fold of scikit-learn's.
_FEWEST = 5000
# Beyond so many logits the peers take minutes.
_MOST_FOR_PEERS = 10_000_000


def measure(*, quick):
    """Measure every shape, print a table, and return the figures."""
    print(
        f"{'':18}{'copy':>9}{'pass':>9}{'exact':>9}{'fit':>9}{'copies':>8}{'passes':>8}{'above':>9}"
        "   peers: times as long, above"
    )
    results = []
    for num_rows, num_classes in SHAPES:
        result = measure_shape(
            max(num_rows // 10, _FEWEST) if quick else num_rows, num_classes, rounds=3 if quick else 9
        )
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
        "pass": lambda: exact.skim(0.8),
        "exact": lambda: exact.sweep(0.8),
        "lastlayer": keep("lastlayer", lambda: ll.fit_temperature(logits, labels)),
    }
    if logits.size <= _MOST_FOR_PEERS:
        contenders |= {name: keep(name, function) for name, function in peers(logits, labels).items()}
    seconds = medians(interleaved(contenders, rounds))
    losses = {name: mean_loss(logits, labels, beta) for name, beta in found.items()}
    least = least_loss(logits, labels, found["lastlayer"])
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


def mean_loss(logits, labels, beta):
    """The mean of -ln softmax(beta z)[label] in float64, by NumPy alone."""
    total, step = 0.0, max(1, (1 << 20) // logits.shape[1])
    for first in range(0, len(labels), step):
        scaled = logits[first : first + step].astype(np.float64) * float(beta)
        of_label = np.take_along_axis(scaled, labels[first : first + step, np.newaxis], axis=1)[:, 0]
        top = scaled.max(axis=1)
        total += (np.log(np.exp(scaled - top[:, np.newaxis]).sum(axis=1)) + (top - of_label)).sum()
    return total / len(labels)


def least_loss(logits, labels, beta):
    """The least mean loss about `beta`, by Brent's method, which owes nothing to how beta was found."""
    return minimize_scalar(
        lambda candidate: mean_loss(logits, labels, candidate),
        bounds=(beta / 1.01, beta * 1.01),
        method="bounded",
        options={"xatol": 1e-7 * beta},
    ).fun


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
    times = "".join(f"{seconds[name] * 1e3:7.1f}ms" for name in ("copy", "pass", "exact", "lastlayer"))
    print(
        f"{shape:18}{times}{ours / seconds['copy']:8.1f}{ours / seconds['pass']:8.1f}{above['lastlayer']:9.0e}   "
        f"{others}",
        flush=True,
    )
