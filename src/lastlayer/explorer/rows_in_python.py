"""Lines of Python that read the model and the rows again, from which what is copied goes on."""

from collections.abc import Iterator

from lastlayer.explorer.examined import Examined


def reading_in_python(examined: Examined, *, others: bool) -> Iterator[str]:
    """Lines that make `model`, `frame` and `features`."""
    columns, kept = list(examined.feature_columns), examined.columns.columns if others else []
    wanted = f"[*columns, *{kept!r}]" if kept else "columns"
    options = "".join(
        f", {name}={value!r}" for name, value in (("where", examined.where), ("format", examined.format)) if value
    )
    text = f".as_written([{examined.label_column!r}])" if examined.label_column is not None else ""
    yield from ("import numpy as np", "import polars as pl", "", "import lastlayer as ll")
    yield from ("from lastlayer.decision import abstention_score", "from lastlayer.tables import open_table", "")
    yield f"model = ll.load({examined.model_path!r})"
    yield f"table = open_table({list(examined.data_paths)!r}{options}){text}"
    yield f"columns = {columns!r}"
    yield f"frame = table.collect({wanted})"
    taken = f"frame[{columns[0]!r}]" if examined.features_are_list else "frame.select(columns)"
    if examined.features_are_list:
        yield f"features = np.array({taken}.to_list(), dtype=np.float64)"
    else:
        yield f"features = {taken}.to_numpy().astype(np.float64)"


def scores_in_python(examined: Examined) -> Iterator[str]:
    """Lines that make `scores` (N, K) of `features`."""
    yield "scores = model.decision_function(features)"
    if len(examined.classes) == 2:
        yield "scores = np.column_stack([np.zeros_like(scores), scores])"


def labels_in_python(examined: Examined) -> list[str]:
    """Lines that make `names` and `labels` of `frame`; -1 is a label of no class."""
    return [
        f"names = [str(name) for name in frame[{examined.label_column!r}].to_list()]",
        "class_of = {str(name): k for k, name in enumerate(model.classes_.tolist())}",
        "labels = np.array([class_of.get(name, -1) for name in names])",
    ]
