import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
SDK = os.path.join(HERE, "../../../sdk/python")
sys.path[:0] = [HERE, SDK, os.path.join(SDK, "tests")]

from hosts import Child, LaneHost, WireHost  # noqa: E402
from printer import lines  # noqa: E402
from pyjson import PyJson  # noqa: E402
from revert import Revert  # noqa: E402

import hosts  # noqa: E402
from vanth import Context, Error  # noqa: E402

FILES = ("pysam.json", "pysam.py", "pyjson.py", "printer.py", "revert.py", "sources/pyjson.yaml")


class Emitted(Context):
    def __init__(self):
        super().__init__("rule", "demo")
        self.rows = []

    def emit(self, message, meta=None, time=None):
        self.rows.append(message)


class Logic(unittest.TestCase):
    def test_pyjson(self):
        s, ctx = PyJson(), Emitted()
        s.configure("", {"interval": 1.0, "count": 3.0, "row": {"a": "b"}})
        s.open(ctx)
        self.assertEqual(ctx.rows, [{"a": "b", "value": 0}, {"a": "b", "value": 1}, {"a": "b", "value": 2}])

    def test_pyjson_closed(self):
        s, ctx = PyJson(), Emitted()
        s.configure("", {"interval": 60000})
        t = threading.Thread(target=s.open, args=(ctx,))
        t.start()
        s.close(ctx)
        t.join(5)
        self.assertFalse(t.is_alive())
        self.assertEqual(ctx.rows, [])

    def test_pyjson_refuses(self):
        for conf, text in (
            ({"interval": 0}, "pyjson: interval: found 0, expected a number from 1"),
            ({"interval": "1s"}, "pyjson: interval: found '1s', expected a number from 1"),
            ({"interval": True}, "pyjson: interval: found True, expected a number from 1"),
            ({"interval": float("nan")}, "pyjson: interval: found nan, expected a number from 1"),
            ({"count": -1}, "pyjson: count: found -1, expected a number from 0"),
            ({"row": [1]}, "pyjson: row: found list, expected a map"),
        ):
            with self.assertRaises(Error) as c:
                PyJson().configure("", conf)
            self.assertEqual(str(c.exception), text)

    def test_print(self):
        for data, want in (
            (b'[{"a":1},{"b":"\xc3\xbc"}]', ['{"a":1}', '{"b":"ü"}']),
            (b'{"a": [1, 2]}', ['{"a":[1,2]}']),
            (b"[]", []),
            (b"text", ["text"]),
            (b"\xff", ["\ufffd"]),
        ):
            self.assertEqual(lines(data), want)

    def test_revert(self):
        f = Revert()
        for v, want in (("abc", "cba"), ("", ""), ("aü", "üa"), (None, None)):
            self.assertEqual(f.exec([v], None), want)
        for args, text in (
            ([1], "revert: argument 1: found int, expected str"),
            ([], "revert: found 0 arguments, expected 1"),
        ):
            with self.assertRaises(Error) as c:
                f.exec(args, None)
            self.assertEqual(str(c.exception), text)
        self.assertEqual((f.validate(["a"]), f.validate([])), ("", "revert: found 0 arguments, expected 1"))


class Packed(unittest.TestCase):
    """The folder as the zip makes it, and nothing else of ours in the path."""

    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        os.mkdir(os.path.join(self.dir, "sources"))
        for name in FILES:
            shutil.copy(os.path.join(HERE, name), os.path.join(self.dir, name))
        shutil.copytree(
            os.path.join(SDK, "vanth"), os.path.join(self.dir, "vanth"), ignore=shutil.ignore_patterns("__pycache__")
        )
        self.main = os.path.join(self.dir, "pysam.py")

    def test_lane(self):
        with mock.patch.object(hosts, "Child", lambda env, fds: Child(env, fds, self.main)):
            h = LaneHost()
        self.addCleanup(h.close)
        h.start()
        with open(os.path.join(self.dir, "pysam.json")) as f:
            manifest = json.load(f)
        for key in ("name", "sources", "sinks", "functions"):
            self.assertEqual(h.hello[key], manifest[key])
        self.assertEqual(h.call("revert", "abc"), (0, "cba"))
        h.send(48, 0, 100, 0, {"datasource": "", "config": {"interval": 1, "count": 2}})
        self.assertEqual(h.wait(32, 100)[1], 0)
        h.send(51, id=9, number=100)
        self.assertEqual([h.wait(52)[4][0]["value"] for _ in range(2)], [0, 1])
        h.wait(54)
        self.assertEqual(h.ask(49, "print", {"config": {}}, kind="sinks"), (0, None))
        h.send(3)
        self.assertEqual(h.child.status(), 0)

    def test_wire(self):
        h = WireHost(name="pysam", plugin=self.main)
        self.addCleanup(h.close)
        revert = h.function("revert")
        self.assertEqual(
            revert("Exec", ["abc", '{"ruleId":"r","opId":"o","instanceId":0,"funcId":0}']),
            {"state": True, "result": "cba"},
        )
        data = h.listen("vanthpysam%d" % os.getpid(), "demo", "0")
        config = {"interval": 1, "count": 1}
        self.assertEqual(h.command("start", "source", "pyjson", "vanthpysam%d" % os.getpid(), "demo", config), "ok")
        conn = data.accept()
        self.addCleanup(conn.close)
        self.assertEqual(json.loads(conn.recv())["message"], {"name": "pyjson", "value": 0})
        h.child.process.terminate()
        self.assertEqual(h.child.status(), 0)

    def test_under_no_other_path(self):
        out = subprocess.run(
            [
                sys.executable,
                "-I",
                "-c",
                "import sys; sys.path.insert(0, %r); import vanth; print(vanth.__file__)" % self.dir,
            ],
            stdout=subprocess.PIPE,
            check=True,
        )
        self.assertTrue(out.stdout.decode().startswith(self.dir))


if __name__ == "__main__":
    unittest.main()
