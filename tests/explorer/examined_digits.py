"""Digits as rows for the explorer: a model of 0 to 8 that abstains, a file in which the 9 belongs to no class."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import polars as pl
from sklearn.datasets import load_digits

import lastlayer as ll
from lastlayer.cli.examined_rows import examined_rows


@cache
def digits_files():
    """(path of the model, path of the rows)."""
    folder = Path(mkdtemp(prefix="digits-"))
    features, labels = load_digits(return_X_y=True)
    names = np.array([f"digit {label}" for label in labels])
    frame = pl.DataFrame({"pixels": pl.Series(features[:, 16:40].tolist()), "name": names})
    train = np.flatnonzero(labels[:500] < 9)
    model = ll.SoftmaxClassifier(C=0.01).fit(features[train, 16:40], names[train])
    model.beta_ = 0.5
    model.set_decision(ll.decision.Abstain(0.6)).save(folder / "digits.safetensors")
    frame[500:1100].write_parquet(folder / "digits.parquet")
    return str(folder / "digits.safetensors"), str(folder / "digits.parquet")


@cache
def examined_digits(*, label="name"):
    """The Examined of `digits_files`; of a column without labels where `label` is None."""
    model, data = digits_files()
    return examined_rows(model, [data], label=label)
