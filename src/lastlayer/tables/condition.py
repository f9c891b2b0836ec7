"""SQL conditions on the rows of a table: they read the table's own columns and nothing else."""

import re

import polars as pl
from polars.exceptions import PanicException, PolarsError

from lastlayer.tables.input_error import InputError, first_line, missing_column

_EXPECTED = "expected an SQL condition such as \"split = 'train' and age > 18\""

# Polars opens the files and addresses of a query while it parses it, so a query must be found before, in the text.
# What is quoted is no query, by the rules that all SQL shares: a doubled quote stands for itself.
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
# A query stands in parentheses and begins with one of these. FROM and the others are harmless elsewhere, as in
# IS DISTINCT FROM.
_QUERY = re.compile(r"\bSELECT\b|\(\W*(?:FROM|TABLE|VALUES|WITH)\b", re.IGNORECASE)
_WORD_OF_A_QUERY = re.compile(r"\b(?:SELECT|FROM|TABLE|VALUES|WITH)\b", re.IGNORECASE)
# Comments, other kinds of strings (E'..', $$..$$), and quotes left open: where one of these stands, what is quoted may
# be read in two ways.
_IN_TWO_WAYS = re.compile(r"--|/\*|//|[#$\\'\"`]|[\w&]\0")


def condition(where: str) -> pl.Expr:
    """The Polars expression of the SQL condition `where`.

    Raises: InputError if it is none, or if it holds a query or a table function: nothing is opened then.
    """
    _refuse_queries(where)
    try:
        parsed = pl.sql_expr(where)
        parsed.meta.root_names()
    except (PolarsError, PanicException) as failure:
        raise InputError(f"where {where!r}: {first_line(failure)}, {_EXPECTED}.") from failure
    return parsed


def condition_columns(where: str | None) -> list[str]:
    """The columns that the condition reads; none without a condition."""
    return [] if where is None else list(dict.fromkeys(condition(where).meta.root_names()))


def require_condition(where: str, name: str, schema: pl.Schema) -> None:
    """Raise InputError unless `where` is a condition on the columns of the file `name`, which are `schema`."""
    for column in condition_columns(where):
        if column not in schema:
            raise missing_column(f"where {where!r}: {name}", column, schema)
    try:
        schema.to_frame().filter(condition(where))  # of no rows: the types tell, and nothing is read
    except (PolarsError, PanicException) as failure:
        raise InputError(f"where {where!r}: {first_line(failure)}, {_EXPECTED}.") from failure


def _refuse_queries(where):
    bare = _QUOTED.sub("\0x ", where)
    if _QUERY.search(bare):
        raise InputError(
            f"where {where!r}: holds a query or a table function, expected a condition on the columns of these files "
            "alone; put a column of such a name in double quotes."
        )
    if _WORD_OF_A_QUERY.search(where) and _IN_TWO_WAYS.search(bare):
        raise InputError(
            f"where {where!r}: has a word of SQL queries beside a comment, a backslash or an unusual quote, expected "
            "plain 'text' and \"columns\"; leave those out."
        )
