"""Pysam is a sample of a portable plugin in Python. See readme.md."""

from vanth import PluginConfig, plugin

from printer import Print
from pyjson import PyJson
from revert import Revert

if __name__ == "__main__":
    plugin.start(PluginConfig("pysam", {"pyjson": PyJson}, {"print": Print}, {"revert": Revert}))
