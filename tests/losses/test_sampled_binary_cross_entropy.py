"""What is the binary loss's alone; the rest is tested beside sampled_cross_entropy, for both."""

import numpy as np
import pytest

import lastlayer as ll
from lastlayer.samplers import Candidates, Unigram


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1.0, 30.0, 300.0, 1e5])
def test_no_logit_overflows(dtype, scale):
    rng = np.random.default_rng(0)
    weight = (scale * rng.normal(size=(300, 1))).astype(dtype)
    candidates = Candidates(np.arange(300), np.zeros(300), lambda labels: np.zeros(labels.shape))
    found = ll.sampled_binary_cross_entropy_value_and_grad(np.ones((1, 1), dtype), weight, [7], candidates)
    z = weight[:, 0].astype(np.float64)
    expected = np.logaddexp(0, np.where(np.arange(300) == 7, -z, z)).sum()
    np.testing.assert_allclose(found.losses, expected, rtol=2e-6 if dtype == np.float32 else 1e-14)
    assert np.isfinite(found.weight.values).all()
    assert (np.abs(found.bias.values) <= 1).all()


def test_its_optimum_is_the_logarithm_of_the_probability():
    """The correction makes scores those of the classes themselves, whatever the candidates' frequencies."""
    probabilities, rng = np.array([0.6, 0.3, 0.1]), np.random.default_rng(0)
    sampler = Unigram([5.0, 1.0, 3.0], distinct=False, random_state=0)
    labels = rng.choice(3, 3000, p=probabilities)
    features, weight, bias, mean = np.ones((len(labels), 1)), np.zeros((3, 1)), np.zeros(3), np.zeros(3)
    for step in range(400):
        found = ll.sampled_binary_cross_entropy_value_and_grad(
            features, weight, labels, sampler.sample(2), bias=bias, remove_accidental_hits=False
        )
        bias -= 4 / (1 + step / 20) * found.bias.to_dense(3) / len(labels)
        mean += bias / 200 if step >= 200 else 0
    np.testing.assert_allclose(np.exp(mean), np.bincount(labels) / len(labels), atol=0.02)
