"""The page on which one sees and touches the output layer; needs the extra `explore`."""

from lastlayer.explorer.application import application
from lastlayer.explorer.examined import Examined
from lastlayer.explorer.server import NotServed, serve

__all__ = ["Examined", "NotServed", "application", "serve"]
