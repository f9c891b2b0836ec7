"""The command `lastlayer`: parse, call the library, print."""

from lastlayer.cli.program import main

__all__ = ["main"]
