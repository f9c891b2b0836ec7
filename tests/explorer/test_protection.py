"""Who may ask the explorer."""

import asyncio
import json

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from lastlayer.explorer.protection import LARGEST_BODY, LONGEST_ADDRESS, Protection

HERE = "http://127.0.0.1:8765"
HOST = "127.0.0.1:8765"
JSON = {"content-type": "application/json"}


async def echo(scope, receive, send):
    """Answers with the body that it got."""
    message = await receive()
    assert not message.get("more_body")
    await PlainTextResponse(message.get("body", b""))(scope, receive, send)


@pytest.fixture(scope="module")
def client():
    return TestClient(Protection(echo), base_url=HERE)


def refused(response, status):
    """The one sentence of a refusal."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    guarded(response)
    answer = response.json()
    assert list(answer) == ["error"]
    assert answer["error"].endswith(".")
    assert "expected" in answer["error"]
    return answer["error"]


def guarded(response):
    """Every answer says what a browser may do with it."""
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_its_own_page_may_ask(client):
    own = {"origin": HERE, "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
    response = client.post("/api/scores", content=b"body", headers=JSON | own)
    assert (response.status_code, response.content) == (200, b"body")
    guarded(response)
    # No browser: nothing is said of a site.
    assert client.post("/api/scores", content=b"body", headers=JSON).status_code == 200
    assert (
        client.post("/x", content=b"", headers={"content-type": "Application/JSON; charset=utf-8"}).status_code == 200
    )


async def asked(headers, scope=None, parts=(b"",)):
    """(status, answer) of Protection on raw headers, which a client would not send."""
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""} | (scope or {})
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    sent, taken = [], []

    async def receive():
        taken.append(messages[0])
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    await Protection(echo)(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent), len(taken)


KIND = (b"content-type", b"application/json")


def run(coroutine):
    """The result of a coroutine."""
    return asyncio.run(coroutine)


@pytest.mark.parametrize(
    "hosts", [[], [b""], [b"evil.example"], [b"127.0.0.1", b"127.0.0.1"], [b"127.0.0.1", b"evil.example"], [b"\xff"]]
)
def test_a_host_that_is_absent_foreign_or_twice_is_421(hosts):
    status, body, _ = run(asked([KIND, *((b"host", host) for host in hosts)]))
    assert status == 421
    assert json.loads(body)["error"].startswith("Host: received ")


@pytest.mark.parametrize(
    "origin",
    ["null", "https://evil.example", "http://127.0.0.1", "http://127.0.0.1:9999", "http://localhost:8765", "", HOST],
)
def test_an_origin_of_another_site_or_port_is_403(client, origin):
    assert refused(client.post("/", content=b"", headers=JSON | {"origin": origin}), 403).startswith("Origin: ")
    assert refused(client.get("/", headers={"origin": origin}), 403)
    # What a browser asks before another site's script may send JSON.
    preflight = {"origin": origin, "access-control-request-method": "POST"}
    assert refused(client.options("/", headers=preflight), 403)


def test_https_is_another_origin(client):
    assert refused(client.get("/", headers={"origin": "https://127.0.0.1:8765"}), 403)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "Same-Origin, cross-site"])
def test_a_request_of_another_sites_page_is_403_unless_it_follows_a_link(client, site):
    assert refused(client.post("/", content=b"", headers=JSON | {"sec-fetch-site": site}), 403)
    image = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    assert refused(client.get("/", headers=image), 403)
    link = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/", headers=link).status_code == 200
    assert refused(client.get("/", headers=link | {"sec-fetch-dest": "iframe"}), 403)
    assert refused(client.post("/", content=b"", headers=JSON | link), 403)  # a form


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"]
)
def test_what_a_form_can_send_is_415(client, kind):
    headers = {} if kind is None else {"content-type": kind}
    assert refused(client.post("/", content=b"{}", headers=headers), 415).endswith("expected application/json.")


def test_a_kind_that_is_said_twice_is_415():
    status, _, _ = run(asked([(b"host", b"localhost"), KIND, (b"content-type", b"text/plain")]))
    assert status == 415


def test_a_body_that_is_too_large_is_413(client):
    assert client.post("/", content=b"x" * LARGEST_BODY, headers=JSON).status_code == 200
    sentence = refused(client.post("/", content=b"x" * (LARGEST_BODY + 1), headers=JSON), 413)
    assert sentence == "request: 4,194,305 bytes, expected at most 4,194,304."

    def chunks():
        yield b"x" * LARGEST_BODY
        yield b"x"

    assert refused(client.post("/", content=chunks(), headers=JSON), 413)


def test_of_a_body_without_an_end_no_more_is_read_than_is_allowed():
    part = b"x" * (1 << 20)
    status, _, taken = run(asked([(b"host", b"localhost"), KIND], parts=[part] * 100))
    assert status == 413
    assert taken == 5


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 5000, "\u00b2"])
def test_a_length_that_is_no_number_is_400(length):
    headers = [(b"host", b"localhost"), KIND, (b"content-length", length.encode("latin-1"))]
    assert run(asked(headers))[0] == 400


def test_an_address_that_is_too_long_is_414():
    for length, expected in ((LONGEST_ADDRESS, 200), (LONGEST_ADDRESS + 1, 414)):
        address = {"method": "GET", "raw_path": b"/", "query_string": b"x" * (length - 1)}
        assert run(asked([(b"host", b"localhost")], address, parts=()))[0] == expected


def test_a_client_that_leaves_is_not_answered():
    async def leave():
        async def receive():
            return {"type": "http.disconnect"}

        async def send(message):
            pytest.fail(str(message))

        scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"localhost"), KIND]}
        await Protection(echo)(scope, receive, send)

    run(leave())


def test_what_is_received_is_shown_short_and_escaped():
    _, body, _ = run(asked([(b"host", b"\x1b[31m" + b"x" * 1000)]))
    sentence = json.loads(body)["error"]
    assert sentence.isprintable()
    assert len(sentence) < 200
