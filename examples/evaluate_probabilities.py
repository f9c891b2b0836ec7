"""The probabilities of any model, judged: a table to read, figures for a gate, JSON for the record."""

import numpy as np

import lastlayer as ll

generator = np.random.default_rng(0)
classes = ["ham", "spam"]
spam = generator.random(2000) < 0.3
# A model that knows something, and claims too much: twice the log-odds that it should give.
score = 2 * generator.normal(np.where(spam, 1.0, -1.0), 1.0)
p = ll.sigmoid(2 * score)
probabilities = np.column_stack([1 - p, p])
labels = np.where(spam, "spam", "ham")

evaluation = ll.evaluate(probabilities, labels, classes=classes, top_k=1, bins=10)
print(evaluation)

bins = evaluation.reliability
for rows, confidence, accuracy in zip(bins.rows, bins.confidence, bins.accuracy, strict=True):
    if rows:
        print(f"{rows:>5} rows with confidence {confidence:.2f}: {accuracy:.2f} of them right")

print("good enough to ship" if evaluation.ece < 0.05 else "calibrate first")
assert ll.Evaluation.from_json(evaluation.to_json()) == evaluation
