"""A head from features and labels to a file and back: fit, calibrate, evaluate, save, load, predict."""

import tempfile
from pathlib import Path

import numpy as np

import lastlayer as ll

# What an encoder would give: 64 numbers a row that tell three classes apart, more or less.
generator = np.random.default_rng(0)
names = np.array(["cat", "cow", "dog"])
y = generator.choice(names, size=3000)
X = (
    generator.normal(size=(3000, 64)).astype(np.float32)
    + 2 * np.eye(3, 64, dtype=np.float32)[np.searchsorted(names, y)]
)
train, calibration, test = slice(0, 2000), slice(2000, 2500), slice(2500, 3000)

head = ll.SoftmaxClassifier(C=0.1).fit(X[train], y[train])
print(f"fitted in {head.optimum_.iterations} iterations, at most {head.optimum_.gap:.1e} nats above the optimum")

head.calibrate(X[calibration], y[calibration])
evaluation = ll.evaluate(head.predict_proba(X[test]), y[test], classes=head.classes_)
print(f"beta {head.beta_:.3f}, accuracy {evaluation.accuracy:.3f}, calibration error {evaluation.ece:.3f}")

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "animals.safetensors"
    head.save(path)
    again = ll.load(path)

best = again.predict_top_k(X[test], k=2)
for labels, probabilities in zip(best.labels[:3], best.probabilities[:3], strict=True):
    print(", ".join(f"{label} {share:.2f}" for label, share in zip(labels, probabilities, strict=True)))
