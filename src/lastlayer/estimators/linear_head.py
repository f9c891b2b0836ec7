"""What the linear heads share: how features are checked and cut into blocks, and their scores."""

from collections.abc import Iterator, Mapping, Set
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from lastlayer.estimators.stored_features import AS_STORED, is_stored, require_finite
from lastlayer.linear import working_dtype

# Scores that are held at a time where all are not wanted.
_SCORES = 1 << 22


def accepted(X: object) -> dict[str, Any]:
    """What scikit-learn's validation is to take: float32 and float64 as they are, float16 as float32."""
    half = getattr(X, "dtype", None) == np.float16
    return {"accept_sparse": "csr", "dtype": np.float32 if half else [np.float64, np.float32]}


def labelled_features(model: Any, X: Any, y: Any, *, reset: bool = True) -> tuple[Any, NDArray[Any]]:
    """The features (N, D) and labels (N,) of rows to fit `model` on, as scikit-learn checks them.

    Unless `reset`, the features must be those of earlier rows.
    """
    require_labels(y)
    if is_stored(X):
        checked: Any = validate_data(model, X, y, reset=reset, **AS_STORED)
        require_finite(checked[0])
    else:
        checked = validate_data(model, X, y, reset=reset, **accepted(X))
    return checked[0], checked[1]


def fit_features(model: Any, X: Any, *, reset: bool) -> Any:
    """The features (N, D) of rows as scikit-learn checks them; those that are stored stay in their dtype and place.

    Unless `reset`, they must be those of earlier rows.
    """
    if not is_stored(X):
        return validate_data(model, X, reset=reset, **accepted(X))
    features: Any = validate_data(model, X, reset=reset, **AS_STORED)
    require_finite(features)
    return features


def calibration_features(model: Any, X: Any) -> Any:
    """As `validated`, but features that are stored stay in their dtype and place."""
    check_is_fitted(model)
    return fit_features(model, X, reset=False) if is_stored(X) else validated(model, X)


def validated(model: Any, X: Any) -> Any:
    """The features of a fitted model's rows, (N, D) array or CSR."""
    check_is_fitted(model)
    if hasattr(X, "columns"):
        return validate_data(model, X, reset=False, **accepted(X))
    X = check_array(X, **accepted(X), estimator=model, input_name="X")
    if X.shape[1] != model.n_features_in_:
        # In scikit-learn's words, which its checks look for.
        raise ValueError(
            f"X has {X.shape[1]} features, but {type(model).__name__} is expecting {model.n_features_in_} features "
            "as input."
        )
    return X


def scores_of(X: Any, coef: NDArray[Any], intercept: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """X coef' + intercept, (N, K). Of X in other numbers than floats some rows are converted at a time."""
    if sp.issparse(X) or X.dtype == working_dtype(X.dtype):
        scores = X @ coef.T
    else:
        scores = np.empty((len(X), len(coef)), np.result_type(working_dtype(X.dtype), coef.dtype))
        for rows in row_blocks(len(X), max(X.shape[1], len(coef))):
            np.matmul(X[rows].astype(scores.dtype), coef.T, out=scores[rows])
    scores += intercept
    return scores


def row_blocks(num_rows: int, num_scores: int) -> list[slice]:
    """Slices of rows with so many scores each, that hold some megabytes."""
    size = max(1, _SCORES // num_scores)
    return [slice(start, start + size) for start in range(0, num_rows, size)]


def require_labels(y: object) -> None:
    """Raise TypeError for what has no labels in order, such as a dict; ValueError for pandas' nulls."""
    if isinstance(y, str | bytes | Mapping | Set | Iterator):
        raise TypeError(
            f"y: received a {type(y).__name__}, expected labels in order, one for each row of X; pass a list or an "
            "array."
        )
    nulls = getattr(y, "isna", None)
    if nulls is not None:  # scikit-learn trips over NA among strings
        null = np.asarray(nulls()).reshape(-1)
        if null.any():
            raise ValueError(f"y: row {int(null.argmax())} is null, expected a label; leave such rows out.")


def name_of(y: object) -> str | None:
    """The name of a column of labels, or None."""
    name = getattr(y, "name", None)
    return name if isinstance(name, str) else None


def validation_parts(validation: Any) -> tuple[Any, Any, Any]:
    """X, y and the weights or None of validation rows. Raises TypeError unless they are two or three."""
    try:
        X, y, *more = validation
    except (TypeError, ValueError):
        raise TypeError("validation: is no pair, expected (X, y) or (X, y, sample_weight).") from None
    if len(more) > 1:
        raise TypeError(f"validation: has {2 + len(more)} parts, expected (X, y) or (X, y, sample_weight).")
    return X, y, more[0] if more else None
