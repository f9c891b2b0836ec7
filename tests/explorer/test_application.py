"""The explorer as a whole, without a network."""

import json
import re

import numpy as np
import pytest
from starlette.testclient import TestClient

import lastlayer as ll
from lastlayer.explorer import application
from lastlayer.explorer.application import ENDPOINTS
from lastlayer.explorer.endpoint import Endpoint
from lastlayer.explorer.page import VIEWS

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def client():
    return TestClient(application(), base_url="http://127.0.0.1", follow_redirects=False)


def guarded(response):
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert not [name for name in response.headers if name.startswith("access-control")]


def refused(response, status):
    """The sentence of a refusal."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    guarded(response)
    return response.json()["error"]


def ask(client, state, name="scores"):
    return client.post(f"/api/{name}", content=json.dumps(state), headers=JSON)


def test_pages_and_their_files_are_of_one_piece(client):
    response = client.get("/")
    assert (response.status_code, response.headers["location"]) == (307, f"/{VIEWS[0].name}")
    for view in VIEWS:
        response = client.get(f"/{view.name}?beta=2")
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        guarded(response)
        assert "style=" not in response.text
        assert not re.search(r"<script(?![^>]* src=)", response.text)
        links = re.findall(r'(?:src|href)="(/[^"]*)"', response.text)
        for link in set(links) - {"/"}:
            found = client.get(link)
            assert found.status_code == 200, link
            guarded(found)
        assert client.head(f"/{view.name}").content == b""
    kinds = {name: client.get(f"/static/{name}").headers["content-type"] for name in ("explorer.css", "explorer.js")}
    assert kinds == {"explorer.css": "text/css; charset=utf-8", "explorer.js": "text/javascript; charset=utf-8"}


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/static/nothing.js",
        "/static/scores.html",
        "/static/..%2fserver.py",
        "/static/",
        "/api/nothing",
        "/%00",
    ],
)
def test_what_is_not_there_is_404(client, path):
    assert refused(client.get(path), 404).endswith("Not Found.")


def test_other_methods_are_405(client):
    for response, allowed in (
        (client.get("/api/scores"), {"POST"}),
        (client.options("/api/scores"), {"POST"}),
        (client.delete("/scores"), {"GET", "HEAD"}),
        (client.post("/scores", content="{}", headers=JSON), {"GET", "HEAD"}),
        (client.request("TRACE", "/scores"), {"GET", "HEAD"}),
    ):
        assert refused(response, 405)
        assert set(response.headers["allow"].split(", ")) == allowed


def test_an_answer_is_the_librarys(client):
    state = {"class": ["<b>cat</b>", "👩‍👩‍👧‍👦", "שלום"], "score": [2, "1.0", "-inf"], "beta": "0.5"}
    response = ask(client, state)
    assert response.status_code == 200
    guarded(response)
    np.testing.assert_allclose(
        response.json()["softmax"], ll.softmax(np.array([2.0, 1.0, -np.inf]), beta=0.5), rtol=1e-15
    )


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "request: its body is not JSON, expected an object."),
        (
            b'{"class": ["a"], "score": [NaN]}',
            'request: it holds NaN, which JSON has not, expected numbers or "-inf" for',
        ),
        (b"[" * 200_000, "request: its JSON is nested too deep, expected"),
        (b'{"class": ["a"], "class": ["b"]}', "request: an object holds a name twice, expected"),
    ],
)
def test_what_is_no_json_is_400(client, body, sentence):
    assert refused(client.post("/api/scores", content=body, headers=JSON), 400).startswith(sentence)


@pytest.mark.parametrize(
    ("state", "field"),
    [
        ([], "state"),
        ({}, "class"),
        ({"class": ["a"], "score": [1], "bet": 1}, "'bet'"),
        ({"class": ["a"], "score": ["1e400"]}, "score[0]"),
        ({"class": ["a", "\ud800"], "score": [1, 2]}, "class[1]"),
        ({"class": ["a\0"], "score": [1]}, "class[0]"),
        ({"class": ["a"], "score": [int("9" * 4000)]}, "score[0]"),
        ({"class": ["a"], "score": [[[[[1]]]]]}, "score[0]"),
        ({"class": ["a"], "score": [1], "beta": 0}, "beta"),
        ({"class": ["a"] * 10_001, "score": [1] * 10_001}, "class"),
        ({"class": [], "score": []}, "class"),
        ({"class": ["a"], "score": [1, 2]}, "score"),
        ({"class": ["a"], "score": ["-inf"]}, "score"),
    ],
)
def test_a_state_without_an_answer_is_422(client, state, field):
    response = ask(client, state)
    assert refused(response, 422).endswith(".")
    assert response.json()["field"] == field


def test_extremes_are_answered(client):
    scores = [1e308, -1e308, 5e-324, "-inf"]
    answer = ask(client, {"class": ["a", "b", "c", "d"], "score": scores, "beta": 10_000}).json()
    assert answer["softmax"] == [1, 0, 0, 0]
    many = ask(client, {"class": [f"c{place}" for place in range(10_000)], "score": [0] * 10_000}).json()
    assert many["softmax"] == [1e-4] * len(many["shown"])
    assert (many["classes"], many["text"]["sum"]["softmax"]) == (10_000, "1.0000")


def test_a_bug_is_500_in_one_sentence_with_headers():
    def fail(state, examined):
        raise ZeroDivisionError("<script>secret</script>")

    broken = application(endpoints=[Endpoint("broken", "It fails.", {}, fail)])
    client = TestClient(broken, base_url="http://127.0.0.1", raise_server_exceptions=False)
    sentence = refused(ask(client, {}, "broken"), 500)
    assert sentence == "explorer: this is a bug in lastlayer (ZeroDivisionError); its terminal shows the traceback."
    with pytest.raises(ZeroDivisionError):  # which the server writes to standard error
        ask(TestClient(broken, base_url="http://127.0.0.1"), {}, "broken")


def test_text_that_utf_8_has_not_is_escaped():
    odd = Endpoint("odd", "Text that it made itself.", {}, lambda state, examined: {"text": "\ud800é"})
    response = ask(TestClient(application(endpoints=[odd]), base_url="http://127.0.0.1"), {}, "odd")
    assert response.content == b'{"text": "\\ud800\xc3\xa9"}'
    assert json.loads(response.content) == {"text": "\ud800é"}


def test_every_endpoint_has_a_path_of_its_own(client):
    names = [endpoint.name for endpoint in ENDPOINTS]
    assert len(set(names)) == len(names)
    assert list(client.get("/api/schema").json()["paths"]) == [f"/api/{name}" for name in names]
