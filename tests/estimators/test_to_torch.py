import math

import numpy as np
import pytest
import torch

import lastlayer as ll

CLASSES = ["cow", "ant", "bee", "dog"]


def linear(num_classes, num_features=3, dtype=torch.float64):
    torch.manual_seed(0)
    return torch.nn.Linear(num_features, num_classes, dtype=dtype)


def features(dtype=torch.float64):
    return torch.randn(50, 3, dtype=dtype, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("num_classes", [2, 4])
def test_a_head_of_a_linear_module_has_its_probabilities(num_classes, dtype):
    module, X = linear(num_classes, dtype=dtype), features(dtype)
    head = ll.SoftmaxClassifier.from_torch(module, CLASSES[:num_classes])
    assert head.classes_.tolist() == sorted(CLASSES[:num_classes])
    expected = module(X).softmax(dim=1).detach().numpy()
    order = np.argsort(CLASSES[:num_classes])
    np.testing.assert_allclose(
        head.predict_proba(X.numpy()), expected[:, order], rtol=1e-5 if dtype == torch.float32 else 1e-12
    )
    assert head.predict(X.numpy()).tolist() == [CLASSES[k] for k in expected.argmax(axis=1)]
    assert head.coef_.dtype == X.numpy().dtype


@pytest.mark.parametrize("classes", [["no", "yes"], ["yes", "no"]])
def test_one_logit_is_that_of_the_second_class(classes):
    module, X = linear(1), features()
    head = ll.SoftmaxClassifier.from_torch(module, classes)
    column = head.classes_.tolist().index(classes[1])
    np.testing.assert_allclose(
        head.predict_proba(X.numpy())[:, column], module(X).sigmoid()[:, 0].detach().numpy(), rtol=1e-12
    )


@pytest.mark.parametrize(("rows", "classes"), [(4, CLASSES), (1, ["yes", "no"]), (1, ["spam"])])
def test_many_labels_have_the_sigmoid_of_each_logit(rows, classes):
    module, X = linear(rows), features()
    head = ll.SigmoidClassifier.from_torch(module, classes)
    expected = module(X).sigmoid().detach().numpy()
    if rows < len(classes):
        expected = np.column_stack([1 - expected, expected])
    assert head.classes_.tolist() == sorted(classes)
    np.testing.assert_allclose(head.predict_proba(X.numpy()), expected[:, np.argsort(classes)], rtol=1e-12)
    again = head.to_torch()(X).sigmoid().detach().numpy()
    np.testing.assert_allclose(again, head.predict_proba(X.numpy()), rtol=1e-12)


def test_literal_numbers():
    module = torch.nn.Linear(1, 3, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[2.0], [1.0], [0.1]]))
    head = ll.SoftmaxClassifier.from_torch(module, [0, 1, 2])
    np.testing.assert_allclose(head.predict_proba(np.ones((1, 1), np.float32)), [[0.659, 0.2424, 0.0986]], atol=5e-5)
    assert head.fit_intercept is False
    assert head.intercept_.tolist() == [0.0, 0.0, 0.0]


def test_there_and_back_is_the_same_head(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    y = np.array(CLASSES[:3])[(X + rng.standard_normal((200, 3))).argmax(axis=1)]
    head = ll.SoftmaxClassifier(C=10).fit(X, y).calibrate(X[:50], y[:50])
    again = ll.SoftmaxClassifier.from_torch(head.to_torch(), head.classes_)
    np.testing.assert_array_equal(again.coef_, head.coef_)
    np.testing.assert_array_equal(again.intercept_, head.intercept_)
    assert again.beta_ == pytest.approx(head.beta_, rel=1e-14)


def test_is_a_whole_head_that_says_what_is_not_known_of_it(tmp_path):
    module, X = linear(4), features().numpy()
    head = ll.SoftmaxClassifier.from_torch(module, CLASSES)
    y = np.array([*CLASSES, *CLASSES, *head.predict(X)[8:]])
    head.calibrate(X, y)
    head.save(tmp_path / "head")
    again = ll.load(tmp_path / "head")
    np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))
    assert again.optimum_.stopped == "unknown"
    assert math.isnan(again.optimum_.objective)
    assert again.optimum_.certificate() == "no bound on its distance from the optimum"
    assert again.n_iter_.tolist() == [0]
    assert again.training_.rows is None
    assert ll.evaluate(head.predict_proba(X), y, classes=head.classes_).rows == 50
    assert head.partial_fit(X, y).optimum_.stopped == "partial_fit"
    assert head.set_params(warm_start=True).fit(X, y).optimum_.stopped == "converged"


@pytest.mark.parametrize(
    ("rows", "classes", "message"),
    [
        (4, CLASSES[:3], "^classes: there are 3, but linear has 4 rows of weights, expected one for each class"),
        (1, CLASSES, "^classes: there are 4, but linear has 1 row of weights"),
        (1, CLASSES[:1], "^classes: there is one, expected at least two"),
        (2, ["ant", "ant"], "^classes: 'ant' stands at 0 and at 1"),
        (2, [["ant", "bee"]], "^classes: shape is"),
    ],
)
def test_refuses_classes_that_do_not_fit(rows, classes, message):
    with pytest.raises(ValueError, match=message):
        ll.SoftmaxClassifier.from_torch(linear(rows), classes)


@pytest.mark.parametrize(("which", "name"), [("weight", "weights"), ("bias", "bias")])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_refuses_numbers_that_are_not_finite(which, name, value):
    module = linear(4)
    with torch.no_grad():
        getattr(module, which).view(-1)[3] = value
    with pytest.raises(ValueError, match=f"^linear: {name} hold .*, expected finite numbers"):
        ll.SoftmaxClassifier.from_torch(module, CLASSES)


def test_refuses_what_is_no_linear_module():
    with pytest.raises(TypeError, match=r"^linear: received a torch.nn.modules.activation.ReLU, expected"):
        ll.SoftmaxClassifier.from_torch(torch.nn.ReLU(), CLASSES)
