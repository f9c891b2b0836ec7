"""Scores to probabilities, to losses and their gradient, and to the classes worth a look: NumPy arrays in and out."""

import numpy as np

import lastlayer as ll
from lastlayer.decision import top_k

generator = np.random.default_rng(0)
classes = ["cat", "dog", "cow", "hen"]
labels = generator.integers(len(classes), size=1000)
# Scores of a model that is right most of the time, and twice as sure of itself as it should be.
logits = (3 * (generator.normal(size=(1000, 4)) + 1.5 * np.eye(4)[labels])).astype(np.float32)

probabilities = ll.softmax(logits)
print("the first row:", ", ".join(f"{name} {p:.3f}" for name, p in zip(classes, probabilities[0], strict=True)))

losses, gradient = ll.cross_entropy_value_and_grad(logits, labels)
print(f"mean loss {losses.mean():.4f} nats; the gradient of the mean has norm {np.linalg.norm(gradient) / 1000:.4f}")

beta = ll.fit_temperature(logits[:500], labels[:500])
held_out = ll.cross_entropy(beta * logits[500:], labels[500:]).mean()
print(f"beta {beta:.3f} brings the held-out loss to {held_out:.4f} nats")

best = top_k(logits[:3], 2, beta=beta)
for indices, shares in zip(best.indices, best.probabilities, strict=True):
    print(", ".join(f"{classes[k]} {share:.2f}" for k, share in zip(indices, shares, strict=True)))
