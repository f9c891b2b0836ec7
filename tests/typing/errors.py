"""What type checkers refuse: every call is an error to pyright and to mypy, and CI fails where one no longer is.

No test runs this file.
"""
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import numpy as np
import torch

import lastlayer as ll
import lastlayer.torch as lt
from lastlayer.decision import top_k

logits = np.zeros((2, 3), np.float32)

ll.softmaxx(logits)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
ll.softmax(logits, dim=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
ll.softmax(logits, 1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
ll.softmax(logits, axis=[0, 1])  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
ll.softmax(logits, beta="2")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
ll.cross_entropy(logits)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
print(ll.cross_entropy_value_and_grad(logits, [0, 1]).grad)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
print(top_k(logits, 2).labels)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
ll.fit_temperature(logits, [0, 1], weight=[1, 2])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
ll.SoftmaxClassifier(c=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
ll.SoftmaxClassifier(1.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
ll.SoftmaxClassifier(C="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
print(ll.evaluate(logits, [0, 1]).acuracy)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
ll.SoftmaxClassifier(standardise=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
ll.evaluate(logits, [0, 1], sample_weights=[1, 2])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
ll.EvaluationAccumulator().add(logits)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
ll.fold()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
ll.load(3.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
lt.softmaxx(torch.zeros(3))  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
lt.softmax(logits)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
lt.softmax(torch.zeros(3), axis=0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
lt.CrossEntropyLoss(smoothing=0.1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
lt.ShardedLinearCrossEntropyLoss(4, 50)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
