"""The connection to Ray: one that is open, one to a running cluster, or Ray started on this machine."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from lastlayer.tables import InputError

# Seconds in which the head of a cluster must answer.
_PATIENCE = 5.0
# What a gRPC server, as Ray's head is, answers with settings of its own: the preface of HTTP/2 (RFC 9113, section 3.4)
# and an empty frame of settings.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS = 4


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Within: this process is connected to Ray. A connection that was open is used and stays; ours is closed.

    Args:
      address: HOST:PORT of a cluster's head, of which this machine must be a node; "auto" for the cluster that runs on
        this machine; "local" for Ray on this machine alone, which is started unless it is connected to; None for the
        connection that is open, else for what the environment variable RAY_ADDRESS names, else for "local".
    Raises: InputError if nothing answers there, or a connection to another cluster is open.
    """
    if address is not None and not isinstance(address, str):
        raise TypeError(f"address: received {address!r}, expected HOST:PORT of a Ray cluster, 'auto', 'local' or None.")
    if ray.is_initialized():
        _require_same(address)
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    try:
        with _interrupts_held(), _ended_as_before():
            _open(address)
        yield
    finally:
        ray.shutdown()


@contextmanager
def _interrupts_held():
    """Within: Ctrl-C waits for the end. A start of Ray that is cut short leaves it half there, to crash at the exit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: arrived.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if arrived:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _ended_as_before():
    """Within: Ray starts, which makes an exception of SIGTERM, with a trace of its own; after, it is what it was."""
    handler = signal.getsignal(signal.SIGTERM)
    # None is a handler that Python did not set, and cannot set again.
    if threading.current_thread() is not threading.main_thread() or handler is None:
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def _open(address):
    options = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        with _no_usage_statistics():
            ray.init(address="local", include_dashboard=False, **options)
        return
    if address != "auto":
        _require_answer(address)
    try:
        ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, ValueError, OSError) as failure:
        reason = str(failure).strip().splitlines()[0].rstrip(".")
        raise InputError(
            f"address {address}: cannot be joined ({reason}), expected the head of a Ray cluster of which this machine "
            "is a node; start one with ray start."
        ) from failure


def _require_same(address):
    if address in (None, "auto") or (address == "local" and sum(node["Alive"] for node in ray.nodes()) == 1):
        return
    found = ray.get_runtime_context().gcs_address
    if address != found:
        raise InputError(
            f"address {address}: this process is connected to the Ray cluster {found}, expected that address or None; "
            "call ray.shutdown() first."
        )


def _require_answer(address):
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if address.startswith("ray://") or not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
        raise InputError(
            f"address {address}: is none of a cluster's head, expected HOST:PORT such as 10.0.0.1:6379, 'auto' or "
            "'local', on a machine of the cluster; see ray status."
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE) as connection:
            connection.sendall(_PREFACE)
            answer = connection.recv(9)
    except OSError as failure:
        raise _no_answer(address, failure.strerror or str(failure) or "no answer") from failure
    if len(answer) < 4 or answer[3] != _SETTINGS:
        raise _no_answer(address, "what answers is not Ray")


def _no_answer(address, reason):
    return InputError(
        f"address {address}: no Ray cluster answers there ({reason}), expected HOST:PORT of its head; check it with "
        "ray status, or start one with ray start --head."
    )


@contextmanager
def _no_usage_statistics():
    """Within: Ray that is started reports nothing of its use, unless the user has settled that."""
    name = "RAY_USAGE_STATS_ENABLED"
    if name in os.environ:
        yield
        return
    os.environ[name] = "0"
    try:
        yield
    finally:
        del os.environ[name]
