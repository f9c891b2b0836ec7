"""A store of objects that speaks enough of Amazon S3's protocol for files to be listed and read."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_LISTING = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{bucket}</Name><IsTruncated>false</IsTruncated>
{objects}</ListBucketResult>"""
_OBJECT = (
    '<Contents><Key>{key}</Key><Size>{size}</Size><ETag>"1"</ETag>'
    "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
)


class ObjectStore:
    """Serves the files of a folder, whose folders are buckets.

    Attributes:
      environment: variables with which Polars finds it.
      read: bytes that were handed out.
    """

    def __init__(self, folder: Path):
        self._folder, self.read = folder, 0
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                """Say nothing."""

            def do_HEAD(self):
                store._answer(self, None)

            def do_GET(self):
                store._answer(self, self.headers.get("Range", ""))

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_address[1]}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }

    def close(self):
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request, span):
        address = urlsplit(request.path)
        path, query = self._folder / unquote(address.path).strip("/"), parse_qs(address.query)
        if "list-type" in query:
            _send(request, 200, self._listing(path, query.get("prefix", [""])[0]))
        elif not path.is_file():
            _send(request, 404, b"")
        else:
            content = path.read_bytes()
            first, last = _ends(span, len(content))
            body = content[first:last]
            self.read += len(body) if span is not None else 0
            place = {"Content-Range": f"bytes {first}-{last - 1}/{len(content)}"} if span else {}
            _send(request, 206 if span else 200, body, with_body=span is not None, **place)

    def _listing(self, bucket, prefix):
        files = sorted(file for file in bucket.rglob("*") if file.is_file())
        keys = [(str(file.relative_to(bucket)), file.stat().st_size) for file in files]
        objects = "".join(_OBJECT.format(key=escape(key), size=n) for key, n in keys if key.startswith(prefix))
        return _LISTING.format(bucket=bucket.name, objects=objects).encode()


def _ends(span, length):
    if not span:
        return 0, length
    first, last = span.removeprefix("bytes=").split("-")
    if not first:
        return max(0, length - int(last)), length
    return int(first), min(length, int(last) + 1) if last else length


def _send(request, status, body, *, with_body=True, **headers):
    request.send_response(status)
    common = {"Content-Length": str(len(body)), "ETag": '"1"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
    for name, value in (common | headers).items():
        request.send_header(name, value)
    request.end_headers()
    if with_body:
        request.wfile.write(body)
