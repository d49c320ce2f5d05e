"""The wire against nng itself, and the names against those of eKuiper's SDK.

Skipped, by name, where pynng and ekuiper cannot be imported.
"""

import inspect
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from hosts import PLUGIN, Child  # noqa: E402

try:
    import pynng
except ImportError:
    pynng = None
    print("skipped: tests/test_nng.py, the wire against nng: pynng is not installed", file=sys.stderr)

META = '{"ruleId":"r1","opId":"2_project","instanceId":0,"funcId":0}'


@unittest.skipIf(pynng is None, "pynng is not installed: our sockets are not tested against nng's")
class Nng(unittest.TestCase):
    def setUp(self):
        self.name = "vanthnng%d" % time.monotonic_ns()
        self.control = self.socket(pynng.Rep0, "plugin_" + self.name, "listen")
        self.child = Child({"NAME": self.name}, plugin=PLUGIN)
        self.addCleanup(self.child.kill)
        self.assertEqual(self.control.recv(), b"handshake")

    def socket(self, kind, path, how):
        s = kind(recv_timeout=10000, send_timeout=10000)
        s.recv_max_size = 0
        self.addCleanup(s.close)
        url = "ipc:///tmp/%s.ipc" % path
        s.listen(url) if how == "listen" else s.dial(url, block=True)
        return s

    def command(self, cmd, kind, name, rule="", config=None):
        inner = {
            "symbolName": name,
            "meta": {"ruleId": rule, "opId": rule and "op", "instanceId": 0},
            "pluginType": kind,
        }
        if config is not None:
            inner["config"] = config
        self.control.send(json.dumps({"cmd": cmd, "arg": json.dumps(inner)}).encode())
        return self.control.recv().decode()

    def test_function(self):
        f = self.socket(pynng.Rep0, "func_echo", "listen")
        self.assertEqual(self.command("start", "func", "echo"), "ok")
        self.assertEqual(f.recv(), b"handshake")
        for v in ("abc", "x" * (3 << 20), None):
            f.send(json.dumps({"func": "Exec", "arg": [v, META]}).encode())
            self.assertEqual(json.loads(f.recv()), {"state": True, "result": v})

    def test_source(self):
        pull = self.socket(pynng.Pull0, self.name + "_op_0", "listen")
        self.assertEqual(self.command("start", "source", "ticks", self.name, {"datasource": "t"}), "ok")
        for i in range(100):
            self.assertEqual(json.loads(pull.recv())["message"], {"i": i, "topic": "t", "rule": self.name})
        self.assertEqual(self.command("stop", "source", "ticks", self.name), "ok")

    def test_sink(self):
        ack = self.socket(pynng.Pull0, self.name + "_op_0_ack", "listen")
        self.assertEqual(self.command("start", "sink", "lines", self.name, {}), "ok")
        push = self.socket(pynng.Push0, self.name + "_op_0", "dial")
        push.send(b'[{"a":1}]')
        self.assertEqual(ack.recv(), b"{}")
        push.send(b"bad")
        self.assertEqual(ack.recv(), b'{"error":"refused"}')
        self.child.wait_line("got b'[{\"a\":1}]'")
        self.assertEqual(self.command("stop", "sink", "lines", self.name), "ok")
        self.child.wait_line("sink closed True")


class SameNames(unittest.TestCase):
    """What a plugin for eKuiper's SDK implements and calls is here under the same names."""

    def test_all(self):
        try:
            import ekuiper
        except ImportError:
            self.skipTest("ekuiper is not installed: our names are not compared with its own")
        import vanth

        self.assertEqual(set(ekuiper.__all__) - set(vanth.__all__), set())
        for name in ("Source", "Sink", "Function", "Context"):
            theirs, ours = (
                {
                    n: inspect.signature(f)
                    for n, f in vars(getattr(m, name)).items()
                    if not n.startswith("_") and callable(f)
                }
                for m in (ekuiper, vanth)
            )
            self.assertEqual(set(theirs) - set(ours), set(), name)
            for n, s in theirs.items():
                self.assertEqual(list(s.parameters), list(ours[n].parameters)[: len(s.parameters)], n)
