"""The explorer served until Ctrl-C, over loopback unless another address is given."""

import errno
import os
import socket
import threading
import time
import warnings
import webbrowser
from collections.abc import Callable

import uvicorn

from lastlayer.explanation import explain
from lastlayer.explorer.application import application
from lastlayer.explorer.examined import Examined
from lastlayer.explorer.hosts import hosts_at, is_loopback
from lastlayer.explorer.protection import LONGEST_ADDRESS

# Longer heads than are answered, so that most that are too long are told so.
_LONGEST_HEAD = 4 * LONGEST_ADDRESS
_PORTS = 20


class NotServed(OSError):  # noqa: N818 - read as what it says: it is not served
    """No address could be bound; the message is one sentence without its end."""


def serve(
    examined: Examined | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    page: str = "",
    browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the explorer until KeyboardInterrupt, which is raised at once, whatever is being answered.

    A port that is in use, and a host that others can reach, are warned of.

    Args:
      examined: a model and rows; None for the views that need neither.
      host: the address to bind.
      port: the first to try; where one is in use the next free one is taken.
      page: path and query of the page to open.
      browser: open it in a browser, where there is one.
      say: is told the address once it answers.
    Raises: NotServed if no port can be bound.
    """
    listener = _bind(host, port)
    taken = listener.getsockname()[1]
    if taken != port and port:
        warnings.warn(f"port {port} is in use; {taken} taken", stacklevel=2)
    if not is_loopback(host):
        warnings.warn(
            f"--host {host}: whoever reaches this machine's port {taken} can read the model and the data", stacklevel=2
        )
    server = _Server(
        uvicorn.Config(
            application(examined, hosts=hosts_at(host)),
            log_level="error",
            http="h11",
            ws="none",
            lifespan="off",
            h11_max_incomplete_event_size=_LONGEST_HEAD,
            timeout_keep_alive=300,
            server_header=False,
        ),
        listener,
    )
    try:
        server.start()
        address = f"http://{_shown_host(listener)}:{taken}/{page}"
        say(address)
        if browser:
            webbrowser.open(address)  # False where there is none: the address is said
        explain([0.0, 1.0])  # loads the kernels while the browser starts
        server.wait()
    finally:
        server.stop()


class _Server:
    """uvicorn in a daemon thread.

    Its own way is to take over the signals of the process, and to wait for answers and connections at the end.
    """

    def __init__(self, config, listener):
        self._server = uvicorn.Server(config)
        self._listener = listener
        self._failure = None
        self._thread = threading.Thread(target=self._run, name="explorer", daemon=True)

    def _run(self):
        try:
            self._server.run(sockets=[self._listener])
        except BaseException as failure:
            self._failure = failure

    def start(self):
        """Return once it answers."""
        self._thread.start()
        while self._thread.is_alive() and not self._server.started:
            time.sleep(0.001)

    def wait(self):
        """Until it ends by itself, which is a failure."""
        while self._thread.is_alive():
            self._thread.join(1.0)  # a wait without an end takes no Ctrl-C on Windows
        if self._failure is not None:
            raise self._failure

    def stop(self):
        """Begin no more; what is being answered is not waited for."""
        self._server.should_exit = self._server.force_exit = True


def _bind(host, port):
    """A listening socket at the first free port from `port` on."""
    try:
        family, _, _, _, where = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise _no_address(host) from None
    last = min(port + _PORTS - 1, 65535) if port else 0
    for candidate in range(port, last + 1):
        # With its protocol named, asyncio sends each answer at once (TCP_NODELAY); otherwise one waits 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            _keep_others_out(listener)
            listener.bind((where[0], candidate, *where[2:]))
            listener.listen(128)  # two may be bound to a port, and only one listen
        except OSError as failure:
            listener.close()
            if failure.errno == errno.EADDRNOTAVAIL:
                raise _no_address(host) from None
            if failure.errno != errno.EADDRINUSE:
                raise NotServed(
                    f"--port {candidate}: cannot be bound ({failure.strerror}), expected a port from 1024 up"
                ) from None
            continue
        return listener
    raise NotServed(f"--port {port}: it and all others up to {last} are in use, expected a free one")


def _keep_others_out(listener):
    """A port that an ended explorer had is free at once; one that is served is never shared."""
    if os.name == "nt":
        listener.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE"), 1)  # noqa: B009 - Windows alone
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def _no_address(host):
    return NotServed(f"--host: received {host!r}, which is no address of this machine, expected one such as 127.0.0.1")


def _shown_host(listener):
    """The host in an address that this machine's browser can open."""
    host = str(listener.getsockname()[0])
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host
