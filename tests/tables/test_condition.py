import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import polars as pl
import pytest

from lastlayer.tables import InputError, open_table
from lastlayer.tables.condition import condition, condition_columns


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.parquet"
    pl.DataFrame({"a": [1, 2], "b": ["SELECT a FROM b", "x"], "select": [3, 4], "values": [5, 6]}).write_parquet(path)
    return str(path)


@pytest.fixture
def elsewhere(tmp_path):
    path = tmp_path / "elsewhere.csv"
    path.write_text("secret\n1\n")
    return path


@pytest.mark.parametrize(
    "where",
    [
        "a IN (SELECT column_1 FROM read_csv('{}'))",
        "a in (select secret from read_csv('{}'))",
        "a IN (FROM read_csv('{}'))",
        "a IN ( /* */ FROM read_csv('{}'))",
        "a IN\n(\nSELECT\n* FROM read_parquet('{}'))",
        "a = (SELECT secret FROM read_csv('{}'))",
        "EXISTS (SELECT 1 FROM read_csv('{}'))",
        "NOT EXISTS(SELECT 1 FROM read_csv('{}'))",
        "a = ANY(SELECT secret FROM read_csv('{}'))",
        "abs((SELECT secret FROM read_csv('{}'))) = 1",
        "a IN (WITH t AS (SELECT * FROM read_csv('{}')) SELECT * FROM t)",
        "a IN (VALUES (1))",
        "a IN (TABLE self)",
        "a = 1 UNION SELECT secret FROM read_csv('{}')",
        "b = 'it''s' OR a IN (SELECT secret FROM read_csv('{}'))",
        "b = 'x\\' OR a IN (SELECT secret FROM read_csv('{}')) --'",
        "b = E'\\' OR a IN (SELECT secret FROM read_csv(''{}'')) OR b = '",
        "a = 1 -- ' \n OR a IN (SELECT secret FROM read_csv(''{}'')) -- '",
        "a = 1 /* ' */ OR a IN (SELECT secret FROM read_csv(''{}'')) -- '",
        "a = 1 OR b = $$'$$ OR a IN (SELECT secret FROM read_csv(''{}'')) OR b = $$'$$",
    ],
)
def test_trap_38_a_query_is_refused_before_anything_is_opened(data, elsewhere, where):
    table = open_table([data])
    for ask in (table.filtered, table.count):
        with pytest.raises(InputError) as caught:
            ask(where.format(elsewhere))
        assert "a query or a table function" in str(caught.value) or "a word of SQL queries" in str(caught.value)
        assert "valid columns" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_trap_38_no_address_is_fetched(data):
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/data.csv"
        with pytest.raises(InputError):
            open_table([data], where=f"a IN (SELECT a FROM read_csv('{address}'))")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert asked == []


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("b = 'SELECT a FROM b'", [1]),
        ("b <> '(SELECT a FROM b)' AND a IN (1, 3)", [1]),
        ('"select" = 4', [2]),
        ("`select` = 3", [1]),
        ('"values" > 5', [2]),
        ("a IS DISTINCT FROM 1", [2]),
        ("(a) IS NOT DISTINCT FROM 1", [1]),
        ("b = 'it''s (select)' OR a = 2", [2]),
        ("a = 2 -- the second", [2]),
        ("a /* first */ = 1", [1]),
        ("length(b) > 3", [1]),
    ],
)
def test_what_is_no_query(data, where, rows):
    assert open_table([data], where=where).collect(["a"])["a"].to_list() == rows


def test_a_column_of_such_a_name_without_quotes_is_told_the_remedy(data):
    with pytest.raises(InputError, match="put a column of such a name in double quotes"):
        open_table([data], where="select = 3")


def test_columns_of_a_condition():
    assert condition_columns("a > 1 AND b = 'c' AND a < 3") == ["a", "b"]
    assert condition_columns(None) == []
    assert "subplan" not in str(condition("a > 1")).lower()
