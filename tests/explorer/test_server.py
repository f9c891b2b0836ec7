"""The explorer on a real socket."""

import http.client
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from lastlayer.explorer import NotServed
from lastlayer.explorer.server import _bind, serve


@pytest.fixture(scope="module")
def started():
    """A command that serves, and its port."""
    command = [sys.executable, "-m", "lastlayer", "explore", "--no-browser", "--port", str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        yield process, int(line.split("127.0.0.1:")[1].split("/")[0])
        process.kill()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.thorough
def test_eight_clients_that_drag_at_once_keep_their_answers_apart(started):
    _, port = started
    wrong = []

    def drag(client):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for step in range(50):
            gap = client + step / 50
            names = [f"client {client}", f"step {step}"]
            body = json.dumps({"class": names, "score": [gap, 0]})
            connection.request("POST", "/api/scores", body, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
            expected = 1 / (1 + math.exp(-gap))
            if f"classes = {names!r}\n" not in answer["python"]:
                wrong.append(answer)
            if not math.isclose(answer["softmax"][0], expected, rel_tol=1e-12):
                wrong.append((gap, answer["softmax"]))
        connection.close()

    clients = [threading.Thread(target=drag, args=(client,)) for client in range(8)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(("length", "status"), [(1_900_000, 200), (2_200_000, 414)])
def test_long_addresses(started, length, status):
    connection = http.client.HTTPConnection("127.0.0.1", started[1])
    connection.request("GET", "/scores?" + "x" * length)
    assert connection.getresponse().status == status
    connection.close()


def test_ctrl_c_ends_at_once_with_an_open_connection(started):
    process, port = started
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/scores")
    connection.getresponse().read()
    with socket.create_connection(("127.0.0.1", port)) as waiting:  # a request whose rest never comes
        waiting.sendall(b"POST /api/scores HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        waiting.sendall(b"Content-Length: 9\r\n\r\n{")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    connection.close()
    assert (process.returncode, errors) == (130, "explorer: stopped\n")


def test_a_port_in_use_names_the_next_and_the_browser_opens_once_it_answers(monkeypatch):
    said, opened = [], []

    def open_browser(address):
        host, port = address.split("/")[2].split(":")
        connection = http.client.HTTPConnection(host, int(port))
        connection.request("GET", "/scores")
        opened.append((address, connection.getresponse().status))
        connection.close()
        raise KeyboardInterrupt

    monkeypatch.setattr("webbrowser.open", open_browser)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(KeyboardInterrupt),
            pytest.warns(UserWarning, match=f"^port {port} is in use; [0-9]+ taken$"),
        ):
            serve(port=port, page="scores?beta=2", say=said.append)
    assert opened == [(said[0], 200)]
    assert said[0].endswith("/scores?beta=2")


def test_answers_leave_at_once():
    with _bind("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # asyncio sets TCP_NODELAY of no other
        if os.name != "nt":
            assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


def test_a_host_that_is_not_this_machine_and_ports_without_room():
    with pytest.raises(NotServed, match=r"^--host: received '192\.0\.2\.1', which is no address of this machine"):
        _bind("192.0.2.1", 0)
    with (
        socket.create_server(("127.0.0.1", 65535)),
        pytest.raises(NotServed, match=r"^--port 65535: it and all others up to 65535 are in use"),
    ):
        _bind("127.0.0.1", 65535)
