import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

import lastlayer as ll
import lastlayer.torch as lt
from lastlayer.torch.linear_module import linear_arrays


def rows(num_classes, dtype=np.float64):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 5)).astype(dtype)
    return X, (X[:, :num_classes] + rng.standard_normal((200, num_classes))).argmax(axis=1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("num_classes", [2, 4])
def test_the_softmax_of_its_output_is_predict_proba(num_classes, dtype):
    X, y = rows(num_classes, dtype)
    head = ll.SoftmaxClassifier(C=100).fit(X[:150], y[:150]).calibrate(X[150:], y[150:])
    module = head.to_torch()
    assert [type(part) for part in module] == [torch.nn.Linear, lt.TemperatureScaling]
    probabilities = module(torch.from_numpy(X)).softmax(dim=1).detach().numpy()
    assert probabilities.dtype == dtype
    np.testing.assert_allclose(probabilities, head.predict_proba(X), atol=1e-14 if dtype == np.float64 else 2e-6)
    assert module[1].beta.item() == pytest.approx(head.beta_, rel=1e-14 if dtype == np.float64 else 3e-7)
    if num_classes > 2:
        np.testing.assert_array_equal(module[0].weight.detach().numpy(), head.coef_)
    with torch.no_grad():
        module[0].weight.zero_()
    assert head.coef_.any()


def test_the_sigmoid_of_its_output_is_predict_proba():
    X, y = rows(4)
    head = ll.SigmoidClassifier(C=100).fit(X, np.eye(4, dtype=int)[y])
    head.beta_, head.bias_ = np.array([0.5, 1.0, 1.5, 2.0]), np.array([0.1, 0.0, -0.1, 0.2])
    module = head.to_torch()
    logits = module(torch.from_numpy(X))
    np.testing.assert_allclose(logits.sigmoid().detach().numpy(), head.predict_proba(X), atol=1e-14)
    one_of_two = ll.SigmoidClassifier().fit(X, y == 1)
    logits = one_of_two.to_torch()(torch.from_numpy(X))
    np.testing.assert_allclose(logits.sigmoid().detach().numpy(), one_of_two.predict_proba(X), atol=1e-14)


def test_is_trained_on_and_exported_like_any_module():
    X, y = rows(4, np.float32)
    module = ll.SoftmaxClassifier(C=1).fit(X, y).to_torch()
    features, labels = torch.from_numpy(X), torch.from_numpy(y)
    before = lt.cross_entropy(module(features), labels)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(5):
        optimiser.zero_grad()
        lt.cross_entropy(module(features), labels).backward()
        optimiser.step()
    assert lt.cross_entropy(module(features), labels) < before
    exported = torch.export.export(module, (features,)).module()
    torch.testing.assert_close(exported(features), module(features))


def test_needs_a_fit():
    with pytest.raises(NotFittedError):
        ll.SoftmaxClassifier().to_torch()


def test_the_numbers_of_a_module():
    linear = torch.nn.Linear(3, 2, bias=False, dtype=torch.bfloat16)
    weight, bias, beta = linear_arrays(linear)
    assert weight.dtype == np.float32
    np.testing.assert_array_equal(weight, linear.weight.detach().float().numpy())
    assert (bias, beta) == (None, 1.0)
    weight[:] = 0
    assert linear.weight.any()
    _, bias, beta = linear_arrays(torch.nn.Sequential(torch.nn.Linear(3, 2), lt.TemperatureScaling(2.0)))
    assert bias is not None
    assert bias.shape == (2,)
    assert beta == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("module", "received"),
    [
        (torch.nn.Conv1d(3, 2, 1), "a torch.nn.modules.conv.Conv1d"),
        (torch.nn.Sequential(), "a Sequential of , expected"),
        (
            torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)),
            "a Sequential of a torch.nn.modules.linear.Linear, a torch.nn.modules.activation.ReLU",
        ),
        (np.zeros((2, 3)), "a numpy.ndarray"),
        (None, "nothing"),
    ],
)
def test_refuses_other_modules(module, received):
    with pytest.raises(TypeError, match=f"^linear: received {received}"):
        linear_arrays(module)


def test_refuses_a_linear_module_of_another_product_or_other_numbers():
    class Doubled(torch.nn.Linear):
        def forward(self, input):
            return 2 * super().forward(input)

    with pytest.raises(TypeError, match=r"^linear: received a .*Doubled, expected a torch.nn.Linear"):
        linear_arrays(Doubled(3, 2))
    with pytest.raises(TypeError, match=r"^linear: weights are torch.complex64, expected a floating-point dtype"):
        linear_arrays(torch.nn.Linear(3, 2, dtype=torch.complex64))
    weight_norm = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 2))
    np.testing.assert_array_equal(linear_arrays(weight_norm)[0], weight_norm.weight.detach().numpy())


@pytest.mark.parametrize("linear", [torch.nn.LazyLinear(2), torch.nn.Linear(3, 2, device="meta")])
def test_refuses_modules_without_numbers(linear):
    with pytest.raises(ValueError, match=r"^linear: has no numbers yet"):
        linear_arrays(linear)
