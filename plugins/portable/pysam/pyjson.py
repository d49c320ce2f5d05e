"""The source pyjson: rows of a pattern, numbered, at an interval."""

import threading

from vanth import Error, Source


class PyJson(Source):
    """Each row is the map `row` of the properties with a `value` that counts from 0."""

    def configure(self, datasource, conf):
        self.interval = number(conf, "interval", 1000, 1) / 1000
        self.count = number(conf, "count", 0, 0)
        self.row = conf.get("row", {"name": "pyjson"})
        if not isinstance(self.row, dict):
            raise Error("pyjson: row: found %s, expected a map" % type(self.row).__name__)
        self.closed = threading.Event()

    def open(self, ctx):
        n = 0
        # The wait ends at once when the source is closed.
        while not self.closed.wait(self.interval):
            ctx.emit(dict(self.row, value=n), {"source": "pyjson"})
            n += 1
            if n == self.count:
                return

    def close(self, ctx):
        self.closed.set()


def number(conf, key, default, least):
    """The number under key. JSON knows one kind of number only: 100.0 is as good as 100."""
    v = conf.get(key, default)
    if isinstance(v, bool) or not isinstance(v, (int, float)) or not least <= v <= 2**31:
        raise Error("pyjson: %s: found %r, expected a number from %d" % (key, v, least))
    return v
