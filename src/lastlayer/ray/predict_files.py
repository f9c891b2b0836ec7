"""Predictions for files, made by workers on many machines."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from uuid import uuid4

import polars as pl

from lastlayer._arrays import Integer
from lastlayer.estimators import SigmoidClassifier, SoftmaxClassifier
from lastlayer.estimators.labelled_rows import whole_number
from lastlayer.ray.cluster import connected
from lastlayer.ray.given_model import given_model
from lastlayer.ray.mapped_shards import mapped, number_of_workers, shards_for
from lastlayer.storage import require_writable
from lastlayer.tables import (
    PREDICTION_KINDS,
    FeatureColumns,
    InputError,
    NoRows,
    Table,
    cut_shards,
    open_table,
    paths_for_workers,
    write_predictions,
)
from lastlayer.tables.model_rows import LinearHead, model_columns
from lastlayer.tables.predictions import Wanted, kept_columns, predictions


def predict(
    model: SoftmaxClassifier | SigmoidClassifier | str | os.PathLike[str],
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    top: Integer | None = None,
    probabilities: bool = False,
    keep: str | Sequence[str] = (),
    where: str | None = None,
    format: str | None = None,
    num_workers: Integer | None = None,
    cpus_per_worker: Integer = 1,
    address: str | None = None,
) -> int:
    """Write what a model predicts for every row of files to `out`: the columns of `lastlayer predict`.

    Rows keep their order. A machine that dies costs the shards that it was at, which others do again.

    Args:
      model: a fitted classifier, or the path of a saved one.
      data: files or patterns.
      out: a file, .parquet, .csv or .jsonl, that this process writes as a whole or not at all; or, without such a
        suffix, a folder that every worker can write to: each shard becomes a file of its own, part-00000.parquet and so
        on in the order of the rows. The folder must not be there, or be empty.
      top: the likeliest classes of every row; None is the answer of the model's rule.
      probabilities: whether every class's probability stands beside the answer.
      keep: columns to copy, or several with commas between.
      where: an SQL condition on the rows.
      format: what the files are; None is what their first bytes or names tell.
      num_workers: tasks at once; None is as many as the cluster has room for.
      cpus_per_worker: threads of each, and CPUs that it takes.
      address: as in `fit`.
    Returns: the number of rows.
    Raises: InputError, a ValueError, in one sentence; UnwritableFile.
    """
    head = given_model(model)
    if top is not None and not 1 <= whole_number(top, "top") <= len(head.classes_):
        raise InputError(f"top: received {top}, expected at most the {len(head.classes_)} classes of the model.")
    out = Path(out)
    kind = _kind(out)
    paths = paths_for_workers(data)
    table = open_table(paths, format=format)
    columns, _ = model_columns(head, table, head.training_.label)
    wanted = Wanted(None if top is None else int(top), probabilities, as_text=kind == "csv")
    kept = kept_columns(keep, table, kind or "parquet", wanted.names(head.classes_))
    wanted = wanted._replace(kept=kept)
    table = table.as_written(set(kept).difference(columns.names)).filtered(where)
    return predict_table(
        head,
        table,
        columns,
        wanted,
        out,
        format=format,
        num_workers=num_workers,
        cpus_per_worker=cpus_per_worker,
        address=address,
    )


def predict_table(
    head: LinearHead,
    table: Table,
    columns: FeatureColumns,
    wanted: Wanted,
    out: Path,
    *,
    format: str | None,
    num_workers: Integer | None = None,
    cpus_per_worker: Integer = 1,
    address: str | None = None,
) -> int:
    """Write the predictions that are wanted to a file or a folder, by workers; returns the number of rows.

    Args:
      head: the model.
      table: of files that other processes can open, with the columns that are copied as written, and filtered.
      columns: the features of the table.
      wanted: Wanted.
      out: the file or folder.
      format: as in `predict`, as are the other three.
      num_workers: tasks at once.
      cpus_per_worker: of each.
      address: of the cluster.
    Raises: as `predict`.
    """
    cpus = whole_number(cpus_per_worker, "cpus_per_worker")
    asked = None if num_workers is None else whole_number(num_workers, "num_workers")
    kind, names = _kind(out), wanted.names(head.classes_)
    if kind is None:
        _require_empty_folder(out)
    else:
        require_writable(out)
    with connected(address):
        workers = number_of_workers(asked, cpus)
        count = shards_for(sum(table.row_counts()), workers, len(names) + len(wanted.kept))
        shards = cut_shards(table, dict.fromkeys([*columns.names, *wanted.kept]), count, format=format)
        shared = workers, cpus, head, columns, wanted
        if kind is not None:
            frames = (frame for frame in mapped(_frame, shards, *shared) if frame is not None)
            return write_predictions(_some(frames, table), out, kind)
        with _filled(out) as folder:
            places = [(shard, str(folder / f"part-{k:05d}.parquet")) for k, shard in enumerate(shards)]
            rows = sum(mapped(_written, places, *shared))
            if not rows:
                raise table.no_rows()
        return rows


def _kind(out):
    """What kind of file is written, or None for a folder. Raises: InputError for a name of no known kind."""
    if out.name == "-" or (out.suffix and out.suffix.lower() not in PREDICTION_KINDS):
        raise InputError(
            f"out: received {str(out)!r}, expected a file called .parquet, .csv or .jsonl, or a folder, whose name has "
            "no suffix; choose another name."
        )
    return PREDICTION_KINDS.get(out.suffix.lower())


def _require_empty_folder(folder):
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(
            f"{folder}: is there already, expected a new or empty folder for a file from each shard, or a file called "
            ".parquet, .csv or .jsonl; choose another place."
        )
    require_writable(folder / "part-00000.parquet" if folder.exists() else folder)


@contextmanager
def _filled(out: Path) -> Iterator[Path]:
    """Within: a hidden folder in `out`, whose files come to stand in `out` at the end; none is left after a failure."""
    made, out = not out.exists(), out.absolute()
    out.mkdir(exist_ok=True)
    folder = out / f".{uuid4().hex[:8]}.tmp"
    folder.mkdir()
    try:
        yield folder
        for part in sorted(folder.iterdir()):
            part.rename(out / part.name)
    finally:
        # Of workers that are still at it, none finds its folder any more.
        shutil.rmtree(folder, ignore_errors=True)
        if made and not any(out.iterdir()):
            out.rmdir()


def _some(frames, table):
    """`frames`, of which there must be one."""
    first = next(frames, None)
    if first is None:
        raise table.no_rows()
    yield first
    yield from frames


def _frames(shard, head, columns, wanted):
    """The predictions of a shard in batches; none if it has no rows."""
    try:
        for frame, _ in predictions(head, shard.open(), columns, wanted):
            yield frame
    except NoRows:
        return


def _frame(shard, head, columns, wanted):
    """The predictions of a shard, or None if it has no rows."""
    frames = list(_frames(shard, head, columns, wanted))
    return pl.concat(frames) if frames else None


def _written(place, head, columns, wanted):
    """Write the predictions of a shard to its file, unless it has no rows; returns how many there are."""
    shard, path = place
    frames = _frames(shard, head, columns, wanted)
    first = next(frames, None)
    return 0 if first is None else write_predictions(chain([first], frames), path, "parquet")
