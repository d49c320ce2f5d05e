"""The sink print: a line of JSON for each row."""

import json

from vanth import Sink


class Print(Sink):
    """Prints to standard output, which the host keeps and writes to its log."""

    def configure(self, conf):
        pass

    def open(self, ctx):
        pass

    def collect(self, ctx, data):
        for line in lines(data):
            print(line)
        ctx.ack_ok()

    def close(self, ctx):
        pass


def lines(data):
    """A line for each row of a list, one for anything else; as it is if it is not JSON."""
    try:
        value = json.loads(data)
    except ValueError:
        return [data.decode("utf-8", "replace")]
    rows = value if isinstance(value, list) else [value]
    return [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
