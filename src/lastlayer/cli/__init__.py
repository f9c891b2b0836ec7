"""The command `lastlayer`: parse, call the library, print."""

from lastlayer.cli.process import main

__all__ = ["main"]
