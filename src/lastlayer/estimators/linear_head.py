"""What the linear heads share: how features are checked and cut into blocks, and their scores."""

from collections.abc import Iterator, Mapping, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

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
    checked: Any = validate_data(model, X, y, reset=reset, **accepted(X))
    return checked[0], checked[1]


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
    """X coef' + intercept, (N, K)."""
    scores = X @ coef.T
    scores += intercept
    return scores


def has_many_labels(model: Any) -> bool:
    """Whether a row has any number of a fitted model's labels: of a SigmoidClassifier, unless they are two classes."""
    return hasattr(model, "bias_") and len(model.coef_) == len(model.classes_)


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
