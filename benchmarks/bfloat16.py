"""A step of a large fit in bfloat16 against one in float32, over features and classes, on a processor with AMX.

A step is two products with the features and the softmax between them, where logits are not kept. Both contenders get
the same float32 features, warm, and as many threads; what the features are does not change the time.
"""

import numpy as np

from benchmarks.floors import interleaved, medians
from lastlayer._blas import on_one_blas_thread
from lastlayer.linear import DenseFeatures
from lastlayer.linear.bfloat16_products import can_sweep_in_bfloat16
from lastlayer.solvers import logit_line
from lastlayer.solvers.coarse_steps import CoarseSteps

_FEATURES, _CLASSES = (64, 96, 128, 256, 512, 1024, 2048), (10, 20, 32, 64, 100, 200, 500, 1000)
# Numbers of X, and rows at most.
_NUMBERS, _MOST_ROWS = 200_000_000, 400_000


def measure(*, quick):
    """Print how many times as fast a step is, a line for each number of features, and return the figures."""
    if not can_sweep_in_bfloat16(DenseFeatures(np.zeros((1, 1), np.float32)), 2):
        print("this processor multiplies no tiles of bfloat16: nothing to compare")
        return {"steps": []}
    most = logit_line._MOST_BYTES_KEPT
    logit_line._MOST_BYTES_KEPT = 0
    try:
        return {"steps": measured(quick)}
    finally:
        logit_line._MOST_BYTES_KEPT = most


def measured(quick):
    classes = _CLASSES[::3] if quick else _CLASSES
    print(f"{'':>8}" + "".join(f"{count:>8}" for count in classes))
    steps = []
    for num_features in _FEATURES[::3] if quick else _FEATURES:
        line = [
            on_one_blas_thread(measure_shape, num_features, count, 3 if quick else 5, 0.1 if quick else 1.0)
            for count in classes
        ]
        steps += line
        print(
            f"{num_features:>8}" + "".join(f"{step['float32'] / step['bfloat16']:>8.2f}" for step in line), flush=True
        )
    return steps


def measure_shape(num_features, num_classes, rounds, share):
    """Seconds of a step of each kind, medians."""
    rng = np.random.default_rng(0)
    num_rows = int(share * min(_MOST_ROWS, _NUMBERS // max(num_features, num_classes)))
    X, y = rng.random((num_rows, num_features), np.float32), rng.integers(0, num_classes, num_rows)
    given = DenseFeatures(X), y, np.full(num_rows, 1 / num_rows), num_classes
    weight = 0.01 * rng.standard_normal((num_classes, num_features), dtype=np.float32)
    kinds = {
        "float32": logit_line.LogitLine(*given),
        "bfloat16": CoarseSteps(*given, X[:1000].mean(axis=0, dtype=float)),
    }
    for steps in kinds.values():
        steps.set_head(weight, np.zeros(num_classes))
        steps.set_direction(weight, np.zeros(num_classes))
    contenders = {name: lambda steps=steps: steps.step(0.1) for name, steps in kinds.items()}
    seconds = medians(interleaved(contenders, rounds))
    return {"rows": num_rows, "features": num_features, "classes": num_classes, **seconds}
