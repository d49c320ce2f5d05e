"""A plugin with a symbol for each way that a test needs. It runs as a child of the tests."""

import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))

from vanth import FATAL, IO, Context, Error, Function, PluginConfig, Sink, Source, plugin  # noqa: E402


class Make(Function):
    """A function of a Python function of arguments and context."""

    def __init__(self, exec, count=None, aggregate=False):
        self.run, self.count, self.aggregate = exec, count, aggregate

    def validate(self, args):
        if self.count is None or len(args) == self.count:
            return ""
        return "found %d arguments, expected %d" % (len(args), self.count)

    def exec(self, args, ctx):
        return self.run(args, ctx)

    def is_aggregate(self):
        return self.aggregate


def fail(args, ctx):
    kind = args[0]
    if kind == "io":
        raise Error("try later", IO)
    if kind == "oserror":
        open("/nowhere/at/all")
    if kind == "value":
        raise ValueError("hm")
    if kind == "fault":
        raise RuntimeError("broken")
    if kind == "exit":
        sys.exit(3)
    if kind == "unsendable":
        return object()
    if kind == "nan":
        return float("nan")
    if kind == "returned":
        return Error("returned", FATAL)
    return kind


def state(args, ctx):
    what, key = args[0], args[1]
    if what == "put":
        return ctx.put_state(key, args[2])
    if what == "get":
        return ctx.get_state(key)
    if what == "delete":
        return ctx.delete_state(key)
    if what == "incr":
        return ctx.incr_counter(key, args[2])
    return ctx.get_counter(key)


def environment(args, ctx):
    out = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os; print(sorted(k for k in os.environ if k.startswith('VANTH')), os.listdir('/proc/self/fd'))",
        ],
        stdout=subprocess.PIPE,
    )
    return out.stdout.decode()


def broken():
    raise RuntimeError("no model")


def noisy():
    print("made")
    return Make(lambda args, ctx: print(*args))


class Ticks(Source):
    """Emits n messages, or for ever, and ends as its configuration says."""

    def configure(self, datasource, conf):
        if conf.get("bad"):
            raise ValueError("how bad")
        self.topic, self.conf = datasource, conf
        self.closed = threading.Event()

    def open(self, ctx: Context):
        if "error" in self.conf:
            ctx.emit_error(self.conf["error"])
        n = self.conf.get("n", -1)
        i = 0
        while i != n:
            ctx.emit({"i": i, "topic": self.topic, "rule": ctx.get_rule_id()}, {"op": ctx.get_op_id()})
            i += 1
            if self.closed.wait(self.conf.get("pause", 0)):
                return
        if self.conf.get("raise"):
            raise RuntimeError("dry")
        if self.conf.get("count"):
            print("count", ctx.incr_counter("n"))
        if self.conf.get("stay"):
            self.closed.wait()

    def close(self, ctx):
        self.closed.set()
        print("source closed")


class Lines(Sink):
    def configure(self, conf):
        if conf.get("bad"):
            raise ValueError("how bad")
        self.conf = conf

    def open(self, ctx):
        if self.conf.get("badopen"):
            raise OSError("not today")
        self.thread = threading.get_ident()

    def collect(self, ctx, data):
        print("got", data)
        if self.conf.get("slow"):
            time.sleep(self.conf["slow"])
        if b"bad" in data:
            ctx.ack_error("refused")
            ctx.ack_ok()
        elif b"raise" in data:
            raise RuntimeError("broken")
        else:
            ctx.ack_ok()

    def close(self, ctx):
        print("sink closed %s" % (self.thread == threading.get_ident()))


class Rows(Lines):
    decoded = True

    def collect(self, ctx, data):
        print("row", type(data).__name__, data)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print("arguments", sys.argv[1:])
    plugin.start(
        PluginConfig(
            os.environ.get("NAME", "all"),
            {"ticks": Ticks},
            {"lines": Lines, "rows": Rows},
            {
                "echo": lambda: Make(lambda args, ctx: args[0], 1),
                "echo2": lambda: Make(lambda args, ctx: args[0], 1),
                "sum": lambda: Make(lambda args, ctx: sum(args[0]), 1, True),
                "fail": lambda: Make(fail),
                "state": lambda: Make(state),
                "where": lambda: Make(lambda args, ctx: [ctx.get_rule_id(), ctx.get_op_id(), ctx.get_instance_id()]),
                "sleep": lambda: Make(lambda args, ctx: time.sleep(args[0])),
                "environment": lambda: Make(environment),
                "broken": broken,
                "noisy": noisy,
                "log": lambda: Make(lambda args, ctx: ctx.get_logger().info("%s", args[0])),
                "exit": lambda: Make(lambda args, ctx: os._exit(args[0])),
                "nothing": lambda: Make(lambda args, ctx: len(args), 0),
            },
        )
    )
