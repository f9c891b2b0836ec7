"""`lastlayer explore`: the page on which one sees and touches the output layer."""

import importlib.util
import sys

import click

from lastlayer.cli.arguments import CommandWithExamples, column_option, format_option, where_option
from lastlayer.cli.exit_codes import INTERRUPTED

_NEEDED = ("starlette", "uvicorn")


@click.command(
    "explore",
    cls=CommandWithExamples,
    examples=[
        "lastlayer explore",
        "lastlayer explore kind.safetensors test.parquet",
        "lastlayer explore kind.safetensors test.parquet --row 17",
        "lastlayer explore kind.safetensors all.csv --where \"split = 'test'\"",
        "lastlayer explore --port 9000 --no-browser",
    ],
)
@click.argument("files", nargs=-1, metavar="[MODEL] [DATA...]", type=click.Path())
@where_option
@format_option
@column_option("--label", help="The column of labels.  [default: that of the fit, or label, labels or y, or none]")
@click.option("--row", type=click.IntRange(min=0), metavar="N", help="Open this row of DATA; the first is 0.")
@click.option("--port", type=click.IntRange(1, 65535), default=8765, show_default=True, help="The first port to try.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Any other than loopback lets others in.")
@click.option("--no-browser", is_flag=True, help="Open no browser; only say the address.")
def command(
    files: tuple[str, ...],
    where: str | None,
    format_: str | None,
    label: str | None,
    row: int | None,
    port: int,
    host: str,
    no_browser: bool,
) -> None:
    """Open a page on which every step can be seen and touched.

    With MODEL and DATA it shows the rows of DATA too, the worst first. They are read once and kept in memory.

    It is served to this machine alone, until Ctrl-C.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise click.UsageError(
            f"explore: {' and '.join(missing)} not installed, expected the extra: pip install 'lastlayer[explore]'"
        )
    if len(files) == 1:
        raise click.UsageError(f"DATA: no file given beside {files[0]}, expected the rows to look at")
    for option, value in (("--where", where), ("--format", format_), ("--label", label), ("--row", row)):
        if value is not None and not files:
            raise click.UsageError(f"{option}: expected MODEL and DATA beside it; leave it out")
    from lastlayer.explorer import NotServed, serve

    examined, page = None, ""
    if files:
        from lastlayer.cli.examined_rows import examined_rows
        from lastlayer.explorer.row_view import page_of_row

        examined = examined_rows(files[0], files[1:], where=where, format_=format_, label=label)
        page = "model" if row is None else page_of_row(examined, row)
    try:
        serve(examined, page=page, host=host, port=port, browser=not no_browser, say=_say)
    except NotServed as problem:
        raise click.UsageError(str(problem)) from None
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            click.echo(err=True)  # the terminal has shown ^C at the end of a line
        click.echo("explorer: stopped", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None


def _say(address):
    click.echo(f"explorer: {address} (Ctrl-C ends it)")
    sys.stdout.flush()
