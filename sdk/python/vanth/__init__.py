"""Portable plugins for Vanth and LF Edge eKuiper, in Python's standard library only.

A plugin hands factories of its symbols to plugin.start and is then driven by the host::

    from vanth import Function, PluginConfig, plugin

    class Revert(Function):
        def validate(self, args):
            return "" if len(args) == 1 else "found %d arguments, expected 1" % len(args)
        def exec(self, args, ctx):
            return args[0][::-1]
        def is_aggregate(self):
            return False

    if __name__ == "__main__":
        plugin.start(PluginConfig("my", {}, {}, {"revert": Revert}))
"""

from . import plugin
from .context import Context
from .errors import FATAL, IO, USAGE, Closed, Error
from .plugin import PluginConfig
from .symbols import Function, Sink, Source
from .values import Instant, Time

__version__ = "0.1.0"

__all__ = [
    "plugin",
    "PluginConfig",
    "Source",
    "Sink",
    "Function",
    "Context",
    "Error",
    "Closed",
    "USAGE",
    "IO",
    "FATAL",
    "Time",
    "Instant",
]
