"""How classes share their curvature: the mean over rows of diag(p) - p p', estimated on a sample of the rows.

The Hessian is a sum over rows of (diag(p) - p p') x x'. Kept to its diagonal, the first factor takes classes for
independent; but classes that are mistaken for one another, kinds of dogs, differ by much where one of them alone
moves, and by next to nothing where all of them move together. Its mean as a whole, times the covariance of the
features, is as easily inverted (Martens & Grosse 2015, Optimizing neural networks with Kronecker-factored approximate
curvature, section 3). decisions/0022-huge-fits.md has the figures.
"""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lastlayer._threads import run_blocks
from lastlayer.functions import softmax
from lastlayer.linear import write_logits
from lastlayer.solvers.local_rows import LocalRows

# Rows of the sample for each class.
_ROWS = 16
# The share of the mean that is taken from its diagonal alone, which all rows have told: a sample of rows has seen few
# pairs of classes often.
_OF_DIAGONAL = 0.1
# Share of a class's mass that the sample is taken to have seen at least: what is seen of a class that all rows of the
# sample are sure of is rounding.
_LEAST_SEEN = 0.01
# What an estimate may cost, as a share of the operations of an iteration, and operations of K classes' eigenvectors
# for each of K³.
_MOST_EXPENSE, _OF_EIGENVECTORS = 0.1, 10
# Numbers in a block of logits.
_BLOCK = 1 << 18


class ClassCoupling(NamedTuple):
    """The mean of diag(p) - p p' as its eigenvectors, (K, K) columns, and eigenvalues (K,) > 0."""

    eigenvectors: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]

    @classmethod
    def of_rows(
        cls, sample: LocalRows, weight: NDArray[Any], intercept: NDArray[Any], masses: NDArray[np.float64]
    ) -> Self:
        """From a sample of the rows.

        Args:
          sample: LocalRows.
          weight: (K, D), a head for the features as they are.
          intercept: (K,).
          masses: (K,) > 0, the mean over all rows of p (1 - p), which the diagonal is scaled to.
        """
        num_classes = masses.size
        size = max(1, _BLOCK // num_classes)
        weight = weight.astype(sample.dtype, copy=False)
        # Of rows that were taken from others the weights sum to less than 1.
        share = (sample.row_weight / sample.row_weight.sum()).astype(sample.dtype)

        def work(start, stop):
            products = np.zeros((num_classes, num_classes))
            for first in range(start, stop, size):
                rows = slice(first, min(first + size, stop))
                probabilities = np.empty((rows.stop - first, num_classes), sample.dtype)
                write_logits(sample.features, weight, intercept, rows, probabilities)
                softmax(probabilities, out=probabilities)
                weighted = probabilities * share[rows, None]
                products -= probabilities.T @ weighted
                products[np.diag_indices(num_classes)] += weighted.sum(axis=0, dtype=np.float64)
            return products

        mean = np.sum(run_blocks(work, sample.shape[0], items_per_block=size), axis=0)
        mean = 0.5 * (mean + mean.T)
        scale = np.sqrt(masses / np.maximum(np.diagonal(mean), _LEAST_SEEN * masses))
        coupled = (1 - _OF_DIAGONAL) * mean * scale * scale[:, None]
        coupled[np.diag_indices(num_classes)] = masses
        eigenvalues, eigenvectors = np.linalg.eigh(coupled)
        # Rounding aside, none is below what the diagonal alone leaves.
        return cls(eigenvectors, np.maximum(eigenvalues, _OF_DIAGONAL * float(masses.min())))

    def rotate(self, of_classes: NDArray[Any]) -> NDArray[Any]:
        """From classes to eigenvectors, along the first axis."""
        return self.eigenvectors.T.astype(of_classes.dtype, copy=False) @ of_classes

    def rotate_back(self, of_eigenvectors: NDArray[Any]) -> NDArray[Any]:
        """From eigenvectors to classes, along the first axis."""
        return self.eigenvectors.astype(of_eigenvectors.dtype, copy=False) @ of_eigenvectors

    def solve(self, of_classes: NDArray[Any]) -> NDArray[Any]:
        """The inverse of the mean times (K,)."""
        return self.rotate_back(self.rotate(of_classes) / self.eigenvalues)


def rows_for_coupling(shape: tuple[int, int], num_classes: int) -> NDArray[np.int64] | None:
    """The numbers of the rows, of N with D features, in a sample; None where one costs too much beside an iteration."""
    num_rows, num_features = shape
    count = _ROWS * num_classes
    eigenvectors = _OF_EIGENVECTORS * num_classes**3
    expense = count * num_classes * (2 * num_features + 2 * num_classes) + eigenvectors
    # Four rotations of the classes for each direction.
    expense += 8 * num_classes**2 * num_features
    if expense > _MOST_EXPENSE * 4 * num_rows * num_features * num_classes:
        return None
    # Rows at even distances may all be of one class; always the same ones, so that a search can be resumed.
    return np.sort(np.random.default_rng(0).choice(num_rows, count, replace=False))
