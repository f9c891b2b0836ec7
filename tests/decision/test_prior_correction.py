import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lastlayer as ll
from lastlayer.decision import correct_prior
from tests.oracles.abstention import corrected_prior

COUNTS = st.lists(st.integers(1, 50), min_size=3, max_size=3)


@given(COUNTS, COUNTS, COUNTS)
def test_bayes_rule(weights, fitted_prior, prior):
    row = (np.array(weights) / sum(weights)).tolist()
    found = correct_prior([row], fitted_prior=fitted_prior, prior=prior)
    assert found[0] == pytest.approx(corrected_prior(row, fitted_prior, prior), rel=1e-12)
    assert found.sum() == pytest.approx(1)
    back = correct_prior(found, fitted_prior=prior, prior=fitted_prior)
    assert back[0] == pytest.approx(row, rel=1e-12)


def test_a_balanced_fit_is_brought_back_to_the_shares_of_the_data():
    """Gaussians at 0 and 1, 9 to 1: the log-odds are x - 1/2 between equal classes, and ln 9 lower between these."""
    x = np.linspace(-5, 5, 101)[:, None]
    balanced = ll.softmax(np.hstack([np.zeros_like(x), x - 0.5]))
    corrected = correct_prior(balanced, fitted_prior=[1, 1], prior=[900, 100])
    np.testing.assert_allclose(corrected, ll.softmax(np.hstack([np.full_like(x, np.log(9)), x - 0.5])), rtol=1e-14)


def test_dtypes_extremes_and_memory():
    rows = np.array([[0.5, 0.5]], np.float32)
    rows.setflags(write=False)
    for dtype in (np.float16, np.float32, np.float64):
        assert correct_prior(rows.astype(dtype), fitted_prior=[1, 1], prior=[3, 1]).dtype == dtype
    assert correct_prior([[1, 0]], fitted_prior=[1, 1], prior=[1, 1]).dtype == np.float64
    far = correct_prior([[0.5, 0.5]], fitted_prior=[1e-300, 1e300], prior=[1e300, 1e-300])
    assert far.tolist() == [[1.0, 0.0]]
    assert correct_prior([[0.5, 0.5]], fitted_prior=[1, 1], prior=[0, 2]).tolist() == [[0.0, 1.0]]
    assert correct_prior(np.ones((0, 2)), fitted_prior=[1, 1], prior=[1, 2]).shape == (0, 2)


@pytest.mark.parametrize(
    ("fitted_prior", "prior", "message"),
    [
        ([1, 0], [1, 1], r"fitted_prior: class 1 is 0\.0, expected a finite number above 0"),
        ([1, np.nan], [1, 1], "fitted_prior: class 1 is nan"),
        ([1, 1], [-1, 1], r"prior: class 0 is -1\.0, expected a finite number that is not negative"),
        ([1, 1], [0, 0], "prior: every class is 0"),
        ([1, 1, 1], [1, 1], r"fitted_prior: shape is \(3,\), expected \(2,\), one number for each class"),
        ([1, 1], [1, 0], "probabilities: row 1 has none for a class that prior allows"),
    ],
)
def test_priors_that_are_none(fitted_prior, prior, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        correct_prior([[0.5, 0.5], [0.0, 1.0]], fitted_prior=fitted_prior, prior=prior)
