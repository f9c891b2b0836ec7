import numpy as np
import pytest
import torch

import lastlayer as ll
import lastlayer.torch as lt


def held_out():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 500)
    logits = rng.normal(size=(500, 4)) + 2 * np.eye(4)[labels]
    return torch.from_numpy(4 * logits), torch.from_numpy(labels)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_fits_what_fit_temperature_fits(dtype):
    logits, labels = held_out()
    scaling = lt.TemperatureScaling().fit(logits.to(dtype), labels)
    expected = ll.fit_temperature(
        logits.to(dtype).float().numpy() if dtype != torch.float64 else logits.numpy(), labels.numpy()
    )
    assert scaling.beta.item() == pytest.approx(expected, rel=1e-6)
    torch.testing.assert_close(scaling(logits.to(dtype)), (logits.to(dtype) * scaling.beta).to(dtype))


def test_weights_and_state():
    logits, labels = held_out()
    weight = torch.rand(500, generator=torch.Generator().manual_seed(0))
    scaling = lt.TemperatureScaling().fit(logits, labels, sample_weight=weight)
    assert scaling.beta.item() == pytest.approx(
        ll.fit_temperature(logits.numpy(), labels.numpy(), sample_weight=weight.numpy()), rel=1e-6
    )
    other = lt.TemperatureScaling()
    other.load_state_dict(scaling.state_dict())
    assert other.beta == scaling.beta
    assert repr(lt.TemperatureScaling(2.0)) == "TemperatureScaling(beta=2)"


def test_is_learned_by_gradient_descent_too():
    logits, labels = held_out()
    scaling, best = lt.TemperatureScaling(), lt.TemperatureScaling().fit(logits, labels).beta.item()
    optimiser = torch.optim.LBFGS(scaling.parameters(), max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = lt.cross_entropy(scaling(logits), labels)
        loss.backward()
        return loss

    optimiser.step(closure)
    assert scaling.beta.item() == pytest.approx(best, rel=1e-3)


def test_says_when_no_beta_is_best():
    with pytest.warns(ll.TemperatureWarning, match="every label is its row's largest logit"):
        lt.TemperatureScaling().fit(torch.eye(3), torch.arange(3))
