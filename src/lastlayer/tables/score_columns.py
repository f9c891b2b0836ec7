"""Which columns hold one number for each class, and what these classes are called."""

import fnmatch
from collections.abc import Collection

from lastlayer.tables.feature_columns import FeatureColumns
from lastlayer.tables.feature_matrix import is_list_of_numbers
from lastlayer.tables.input_error import InputError, missing_column
from lastlayer.tables.table import Table

_MAGIC = "*?["


def choose_scores(
    table: Table, pattern: str, option: str, taken: Collection[str | None] = ()
) -> tuple[FeatureColumns, list[str] | None]:
    """The columns of probabilities or logits that `pattern` means, and the classes that their names say.

    A class is called what `*` stands for in a pattern with one `*` and no other special character, else as its column.

    Args:
      table: Table.
      pattern: the name of a column of lists, a glob such as "p_*", or names with commas between.
      option: what the caller calls `pattern`, the subject of errors.
      taken: columns that are something else and match no glob.
    Returns: (FeatureColumns, classes): classes is a list of str, None for a column of lists.
    Raises: InputError if nothing matches, or what does is not numbers.
    """
    schema = table.schema
    if pattern in schema or pattern in table.sources[0].left_out:
        table.require_columns([pattern])
        if not is_list_of_numbers(schema[pattern]):
            raise InputError(
                f"{option} {pattern}: the column holds {schema[pattern]}, expected lists of numbers, one for each "
                "class; name a column of each class, such as 'p_*'."
            )
        return FeatureColumns((pattern,), is_list=True), None
    names, classes = [], []
    for part in filter(None, (part.strip() for part in pattern.split(","))):
        found = [part] if part in schema else fnmatch.filter([name for name in schema if name not in taken], part)
        if not found:
            raise missing_column(f"{option} {part}: {table.name}", part, schema)
        names += found
        classes += [_class_of(name, part) for name in found]
    if not names:
        raise InputError(f"{option} {pattern!r}: expected the name of a column, or a glob such as 'p_*'.")
    for name in names:
        if not schema[name].is_numeric():
            raise InputError(
                f"{option} {pattern}: column {name} holds {schema[name]}, expected numbers; correct it, or name "
                "other columns."
            )
    return FeatureColumns(tuple(names)), classes


def _class_of(name, pattern):
    if name == pattern or pattern.count("*") != 1 or sum(pattern.count(sign) for sign in _MAGIC) != 1:
        return name
    before, after = pattern.split("*")
    return name[len(before) : len(name) - len(after)]
