"""The process around the command `lastlayer`: its standard streams, Ctrl-C, and the way out."""

import _thread
import contextlib
import errno
import io
import os
import signal
import sys
import threading

from lastlayer.cli.exit_codes import BROKEN_PIPE, BUG, INTERRUPTED, USAGE

# Seconds until an interrupt that came at a bad moment comes again.
_PAUSE = 0.005


class OutputFailed(Exception):  # noqa: N818 - read as what it says: the output failed
    """Standard output does not take what is written; told apart from every other file.

    No OSError: other code would take it for a failure of the file that it works on.

    Attributes:
      exit_code: 2, or 141 if the reader has left, as `head` does, which is no error.
    """

    def __init__(self, failure: OSError):
        """Take the OSError."""
        reason = "it is closed" if failure.errno == errno.EBADF else failure.strerror
        super().__init__(
            f"standard output: cannot be written ({reason}), expected a file or a pipe that takes it; choose another "
            "place or make room."
        )
        self.exit_code: int = BROKEN_PIPE if failure.errno == errno.EPIPE else USAGE


def main() -> None:
    """Run the command `lastlayer` on the arguments of this process, and exit."""
    output = None
    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it is ignored in the background
            signal.signal(signal.SIGINT, _on_interrupt)
        sys.unraisablehook = _on_unraisable
        output = _open_streams()
        code = _run()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("error: interrupted.", file=sys.stderr)
        code = INTERRUPTED
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to interrupt
    sys.exit(_finish(output, code))


def _run():
    try:
        from lastlayer.cli.program import program

        program.main()
    except SystemExit as stop:
        return stop.code
    except Exception as failure:  # an installation that is not whole; `program` answers for all else
        print(f"error: lastlayer does not start: {type(failure).__name__}: {failure}", file=sys.stderr)
    return BUG


def _finish(output, code):
    """The exit code, once everything is written: the interpreter would give 120 for an output that fails at its end."""
    if output is None:
        return code
    with contextlib.suppress(OutputFailed):  # as when it failed earlier, and whoever wrote dropped the error: below
        output.flush()
    failure = output.buffer.raw.failure
    if failure is None or code:
        return code
    if failure.exit_code == USAGE:
        print(f"error: {failure}", file=sys.stderr)
    return failure.exit_code


class _Standard(io.RawIOBase):
    """A standard stream that fails once, as OutputFailed, and then drops what it gets; or that drops it at once."""

    def __init__(self, stream, *, drops):
        self.failure = None
        self._stream = stream  # it would close its file if it went
        self._raw = getattr(stream.buffer, "raw", stream.buffer)  # python -u has no buffer between
        self._drops = drops

    def writable(self):
        return True

    def fileno(self):
        return self._raw.fileno()

    def isatty(self):
        return self._raw.isatty()

    def write(self, data):
        if self.failure is None:
            try:
                return self._raw.write(data)
            except OSError as failure:
                self.failure = OutputFailed(failure)
                if not self._drops:
                    raise self.failure from failure
        return len(data)


def _open_streams():
    """Put the three standard streams in order; returns standard output, None if it is not ours to change.

    A stream that the caller closed becomes one that fails when used: else the next file that is opened takes its
    number, and messages end there. Errors that cannot be told are dropped; the exit code still tells.
    """
    for name, flags, mode in (("stdin", os.O_WRONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_RDONLY, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8"))
    ours = isinstance(sys.stdout, io.TextIOWrapper)
    if ours:
        sys.stdout = _guarded(sys.stdout, drops=False)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _guarded(sys.stderr, drops=True)
    return sys.stdout if ours else None


def _guarded(stream, *, drops):
    return io.TextIOWrapper(
        io.BufferedWriter(_Standard(stream, drops=drops)),
        encoding=stream.encoding,
        errors="backslashreplace",  # a class name must not fail on how a terminal encodes
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _on_interrupt(signum, frame):
    """Ctrl-C: KeyboardInterrupt, but not within the compiler, which calls Python back and does not survive it there."""
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("llvmlite."):
            _interrupt_soon()
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def _on_unraisable(unraisable):
    """An interrupt that came where no exception can leave, such as at the death of an object, is not lost."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        _interrupt_soon()
    else:
        sys.__unraisablehook__(unraisable)


def _interrupt_soon():
    again = threading.Timer(_PAUSE, _thread.interrupt_main)
    again.daemon = True
    again.start()
