"""An address that no Ray cluster answers is a sentence, and soon."""

import signal
import socket
import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("ray")

from lastlayer.ray import cluster
from lastlayer.tables import InputError


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def opened(address):
    with cluster.connected(address):
        raise AssertionError("it is connected")


@pytest.mark.parametrize("address", ["6379", "host", "host:0", "host:port", "host:70000", "ray://127.0.0.1:10001"])
def test_what_is_no_address(address):
    with pytest.raises(InputError, match=r"is none of a cluster's head, expected HOST:PORT"):
        opened(address)


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(InputError, match=rf"127.0.0.1:{port}: no Ray cluster answers there \(Connection refused\)"):
        opened(f"127.0.0.1:{port}")


def test_who_listens_says_nothing(listener, monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE", 0.2)
    with pytest.raises(InputError, match=r"no Ray cluster answers there .*timed out"):
        opened(f"127.0.0.1:{listener.getsockname()[1]}")


def test_who_answers_is_not_ray(listener):
    def answer():
        connection, _ = listener.accept()
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(InputError, match=r"what answers is not Ray|Connection reset"):
        opened(f"127.0.0.1:{listener.getsockname()[1]}")
    thread.join()


@pytest.mark.parametrize("alive", [[True], [True, False], [True, True]])
def test_local_is_no_cluster_of_many_machines(monkeypatch, alive):
    connection = SimpleNamespace(
        is_initialized=lambda: True,
        nodes=lambda: [{"Alive": one} for one in alive],
        get_runtime_context=lambda: SimpleNamespace(gcs_address="10.0.0.1:6379"),
    )
    monkeypatch.setattr(cluster, "ray", connection)
    for address in (None, "auto", "10.0.0.1:6379"):
        with cluster.connected(address):
            pass
    if sum(alive) == 1:
        with cluster.connected("local"):
            return
    with pytest.raises(
        InputError, match=r"address local: this process is connected to the Ray cluster 10\.0\.0\.1:6379"
    ):
        opened("local")


def test_ctrl_c_while_ray_starts_waits_until_it_has(monkeypatch):
    done = []

    def init(**options):
        signal.raise_signal(signal.SIGINT)
        done.append("init")

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr("ray.shutdown", lambda: done.append("shutdown"))
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(KeyboardInterrupt), cluster.connected("local"):
        done.append("within")
    assert done == ["init", "shutdown"]


def test_a_signal_to_end_does_what_it_did_before_ray(monkeypatch):
    before, within = signal.getsignal(signal.SIGTERM), []
    monkeypatch.setattr("ray.init", lambda **_: signal.signal(signal.SIGTERM, lambda *_: None))
    monkeypatch.setattr("ray.shutdown", lambda: None)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with cluster.connected("local"):
        within.append(signal.getsignal(signal.SIGTERM))
    assert within == [before]
