"""`lastlayer demo`: the whole way on handwritten digits, in seconds, with every file left to play with."""

import shlex
from pathlib import Path

import click
import numpy as np
import polars as pl

import lastlayer as ll
from lastlayer.cli.arguments import CommandWithExamples, quiet_option
from lastlayer.cli.printing import encodes, print_table
from lastlayer.storage import replacement, require_writable
from lastlayer.tables import FeatureColumns, InputError, write_predictions
from lastlayer.tables.model_rows import remember_columns

_SHOWN = 3
_SHADES = " ░▒▓█"
_PLAIN_SHADES = " .+*#"
_SEED = 0


@click.command("demo", cls=CommandWithExamples, examples=["lastlayer demo", "lastlayer demo --output digits --quiet"])
@click.option(
    "--output",
    default="lastlayer-demo",
    show_default=True,
    metavar="DIR",
    type=click.Path(),
    help="Where the files go.",
)
@quiet_option
def command(output: str, quiet: bool) -> None:
    """Fit, calibrate and evaluate handwritten digits, and leave every file to play with."""
    folder = Path(output)
    _make(folder)
    table = _digits()
    train, held_out, test = (table.filter(split=name) for name in ("train", "held_out", "test"))
    if not quiet:
        click.echo(
            f"{len(table)} digits of 8 x 8 pixels: {len(train)} to fit, {len(held_out)} to calibrate, "
            f"{len(test)} to test.\n",
            err=True,
        )
    model = ll.SoftmaxClassifier(C=1.0).fit(*_arrays(train))
    pixels, digits = _arrays(test)
    before = ll.evaluate(model.predict_proba(pixels), digits, classes=model.classes_)
    model.calibrate(*_arrays(held_out))
    after = ll.evaluate(model.predict_proba(pixels), digits, classes=model.classes_)
    _save(folder, model, after, table, test)

    print_table(
        [f"on {after.rows} test digits", "fitted", "calibrated"],
        [
            ["accuracy", f"{before.accuracy:.4f}", f"{after.accuracy:.4f}"],
            ["log-loss", f"{before.log_loss:.4f}", f"{after.log_loss:.4f}"],
            ["Brier score", f"{before.brier:.4f}", f"{after.brier:.4f}"],
            ["calibration error", f"{before.ece:.4f}", f"{after.ece:.4f}"],
        ],
    )
    click.echo(f"\nCalibration multiplied every score by beta = {model.beta_:.3f}.")
    click.echo("\nThe three least certain test digits, and what the head makes of them:\n")
    _show_least_certain(pixels, digits, model)
    click.echo(_next_steps(folder))


def _make(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise InputError(f"--output {folder}: {failure.strerror}, expected a folder that can be made.") from None
    require_writable(folder / "digits.parquet")


def _digits():
    """A table of pixels (64 from 0 to 16), digit, and split: a fixed 60 % train, 20 % held_out, 20 % test."""
    from sklearn.datasets import load_digits

    pixels, digits = load_digits(return_X_y=True)
    split = np.repeat(["train", "held_out", "test"], [1078, 359, 360])
    return pl.DataFrame(
        {
            "pixels": pixels.astype(np.float32),
            "digit": digits,
            "split": np.random.default_rng(_SEED).permutation(split).tolist(),
        }
    )


def _arrays(table):
    return table["pixels"].rechunk().to_numpy(), table["digit"].to_numpy()


def _save(folder, model, evaluation, table, test):
    """The data, the head, its predictions on the test digits and their evaluation, each under a plain name."""
    with replacement(folder / "digits.parquet") as beside:
        table.write_parquet(beside)
    remember_columns(model, FeatureColumns(("pixels",), is_list=True), "digit")
    model.save(folder / "digits.safetensors")
    labels, probabilities = model.predict_top_k(_arrays(test)[0], 1)
    predictions = test.select("digit").with_columns(
        pl.Series("prediction", labels[:, 0]), pl.Series("probability", probabilities[:, 0])
    )
    write_predictions([predictions], folder / "predictions.parquet", "parquet")
    with replacement(folder / "evaluation.json") as beside:
        beside.write_text(evaluation.to_json() + "\n")


def _show_least_certain(pixels, digits, model):
    labels, probabilities = model.predict_top_k(pixels, 3)
    rows = np.argsort(probabilities[:, 0], kind="stable")[:_SHOWN]
    blocks = []
    for row in rows:
        guesses = [f"{label}  {p:.2f}" for label, p in zip(labels[row], probabilities[row], strict=True)]
        blocks.append([*_drawing(pixels[row].reshape(8, 8)), f"a {digits[row]}; the head:", *guesses])
    for line in zip(*blocks, strict=True):
        click.echo("  " + "        ".join(part.ljust(16) for part in line).rstrip())


def _drawing(image):
    """Eight lines of sixteen characters: a pixel is two wide, since a character is twice as high as wide."""
    shades = _SHADES if encodes(_SHADES) else _PLAIN_SHADES
    steps = np.minimum(image * len(shades) / 17, len(shades) - 1).astype(int)
    return ["".join(shades[step] * 2 for step in line) for line in steps]


def _next_steps(folder):
    return f"""
Left in {folder}:
  digits.parquet  digits.safetensors  predictions.parquet  evaluation.json

Next, try

  cd {shlex.quote(str(folder))}
  lastlayer info digits.safetensors
  lastlayer fit digits.parquet --label digit --C 0.01 \\
    --where "split = 'train'" --validation-where "split = 'held_out'" \\
    -o mine.safetensors
  lastlayer predict mine.safetensors digits.parquet \\
    --where "split = 'test'" --top 3 --keep digit -o mine.csv
  lastlayer evaluate mine.safetensors digits.parquet --where "split = 'test'"
  lastlayer explain 2.0 1.0 0.1 --classes cat,dog,cow"""
