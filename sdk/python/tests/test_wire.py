import json
import os
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from hosts import PLUGIN, SP, WAIT, Child, WireHost  # noqa: E402

META = '{"ruleId":"r1","opId":"2_project","instanceId":0,"funcId":%d}'


class Case(unittest.TestCase):
    def host(self, **kwargs):
        h = WireHost(**kwargs)
        self.addCleanup(h.close)
        return h

    def ids(self):
        """A rule and an operator of this test only: paths are global on the machine."""
        rule = "vanthrule%d" % time.monotonic_ns()
        self.addCleanup(remove, "/tmp/%s_op_0.ipc" % rule)  # a killed sink leaves it
        self.addCleanup(remove, "/tmp/%s_sink_0.ipc" % rule)
        return rule, "op"


def remove(path):
    if os.path.lexists(path):
        os.unlink(path)


class Control(Case):
    def test_replies(self):
        h = self.host()
        for args, want in (
            (("start", "func", "nosuch"), "symbol not found"),
            (("start", "odd", "echo"), "symbol not found"),
            (("stop", "source", "ticks", "r", "o"), "ok"),
            (("stop", "func", "echo"), "ok"),
            (("restart", "func", "echo"), "invalid command received: restart"),
            (("start", "source", "ticks"), "invalid arg: ruleId and opId are required"),
        ):
            self.assertEqual(h.command(*args), want)
        for raw in (b"", b"{", b"[]", b'{"cmd":"start","arg":"{"}', b'{"cmd":"start"}', b"\xff", b"h"):
            got = h.control.ask(raw).decode()
            self.assertTrue(got.startswith(("Traceback", "json.", "KeyError", "TypeError")), got)

    def test_a_symbol_that_fails(self):
        h = self.host()
        rule, op = self.ids()
        got = h.command("start", "func", "broken")
        self.assertEqual((got[:9], got.split("\n")[-1]), ("Traceback", "RuntimeError: no model"))
        for kind, name in (("source", "ticks"), ("sink", "lines")):
            got = h.command("start", kind, name, rule, op, {"bad": 1})
            self.assertEqual((got[:9], got.split("\n")[-1]), ("Traceback", "ValueError: how bad"))
            self.assertIn("plugins/all.py", got.split("\n")[1])
        h.listen(rule, op, "0", "ack")
        got = h.command("start", "sink", "lines", rule, op, {"badopen": 1})
        self.assertEqual((got[:9], got.split("\n")[-1]), ("Traceback", "OSError: not today"))
        self.assertFalse(os.path.exists("/tmp/%s_%s_0.ipc" % (rule, op)))

    def test_quiet_when_idle(self):
        h = self.host()
        echo = h.function("echo")
        for conn in (h.control.conn, h.open[-1].conn):
            conn.sock.settimeout(2.5)
            with self.assertRaises(socket.timeout):
                conn.recv()
            conn.sock.settimeout(WAIT)
        self.assertTrue(echo("Exec", [1, META % 0])["state"])

    def test_a_reply_to_an_old_request_is_for_nobody(self):
        h = self.host()
        old = h.control.id
        self.assertEqual(h.command("stop", "func", "x"), "ok")
        h.control.conn.send(old + b'{"cmd":"restart","arg":"{\\"pluginType\\":\\"func\\",\\"symbolName\\":\\"x\\"}"}')
        self.assertEqual(h.command("stop", "func", "x"), "ok")

    def test_ids_go_up_by_one(self):
        h = self.host()
        before = int.from_bytes(h.control.id, "big")
        h.command("stop", "func", "x")
        self.assertEqual(int.from_bytes(h.control.id, "big"), (before + 1) & 0x7FFFFFFF | 0x80000000)


class Life(Case):
    def test_no_host(self):
        start = time.monotonic()
        c = Child({"NAME": "vanthnobody%d" % time.monotonic_ns()})
        self.assertEqual(c.status(), 1)
        self.assertIn("no host: /tmp/plugin_vanthnobody", c.lines[-1])
        self.assertLess(time.monotonic() - start, 15)

    def test_host_that_listens_late(self):
        h = self.host(start=False)
        h.control.listener.close()
        h.child = Child({"NAME": h.name})
        time.sleep(1)
        h.control.__init__("/tmp/plugin_%s.ipc" % h.name)
        h.control.accept()
        self.assertEqual(h.command("stop", "func", "x"), "ok")

    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            h = self.host()
            rule, op = self.ids()
            listener = h.listen(rule, op, "0")
            self.assertEqual(h.command("start", "source", "ticks", rule, op, {"n": 0, "stay": True}), "ok")
            listener.accept().close()
            ack = h.listen(rule, "sink", "0", "ack")
            self.assertEqual(h.command("start", "sink", "lines", rule, "sink", {}), "ok")
            ack.accept().close()
            h.child.process.send_signal(number)
            self.assertEqual(h.child.status(), 0)
            self.assertIn("source closed", "".join(h.child.lines))
            self.assertIn("sink closed True", "".join(h.child.lines))

    def test_restart_of_the_host(self):
        h = self.host()
        h.function("echo")
        rule, op = self.ids()
        listener = h.listen(rule, op, "0")
        self.assertEqual(h.command("start", "source", "ticks", rule, op, {"pause": 0.02}), "ok")
        conn = listener.accept()
        self.addCleanup(conn.close)
        conn.recv()
        pid = h.child.process.pid
        for x in h.open:
            x.close()
        time.sleep(0.5)
        del h.open[:]
        h.control.__init__("/tmp/plugin_%s.ipc" % h.name)
        h.open.append(h.control)
        h.control.accept()
        # What the new host starts runs already: the function as it was, the source anew.
        self.assertEqual(h.function("echo")("Exec", [5, META % 0]), {"state": True, "result": 5})
        listener = h.listen(rule, op, "0")
        self.assertEqual(h.command("start", "source", "ticks", rule, op, {"pause": 0.02}), "ok")
        conn.close()
        conn = listener.accept()
        self.addCleanup(conn.close)
        conn.recv()
        self.assertEqual(h.child.process.pid, pid)
        self.assertIsNone(h.child.process.poll())
        h.child.wait_line("source closed")  # the old one

    def test_the_parent_died(self):
        """The plugin's parent is a process that gets killed, as a host would be."""
        h = self.host(start=False)
        code = (
            "import subprocess, sys, time; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); time.sleep(60)"
        )
        parent = subprocess.Popen(
            [sys.executable, "-c", code, sys.executable, PLUGIN],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(os.environ, NAME=h.name),
        )
        self.addCleanup(parent.stdout.close)
        pid = int(parent.stdout.readline())
        h.control.accept()
        parent.kill()
        parent.wait()
        # The socket still stands; the plugin looks at its parent every two seconds.
        deadline = time.monotonic() + 10
        while running(pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertFalse(running(pid))


def running(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Functions(Case):
    def test_all(self):
        h = self.host()
        echo = h.function("echo")
        self.assertEqual(echo("Validate", [{"Val": "x"}]), {"state": True, "result": ""})
        self.assertEqual(echo("Validate", None), {"state": False, "result": "found 0 arguments, expected 1"})
        self.assertEqual(echo("IsAggregate", None), {"state": True, "result": False})
        self.assertEqual(echo("Odd", None), {"state": False, "result": "invalid func Odd"})
        for v in ("abc", 3, 1.5, None, [1, {"a": "ü"}]):
            self.assertEqual(echo("Exec", [v, META % 0]), {"state": True, "result": v})
        for bad in (None, [], [1, 2], ["{}"], ['{"ruleId":"r"}']):
            got = echo("Exec", bad)
            self.assertEqual((got["state"], got["result"][:11]), (False, "invalid arg"))
        total = h.function("sum")
        self.assertEqual(total("IsAggregate", None), {"state": True, "result": True})
        self.assertEqual(total("Exec", [[1, 2, 3], META % 0]), {"state": True, "result": 6})
        nothing = h.function("nothing")
        self.assertEqual(nothing("Validate", []), {"state": True, "result": ""})
        self.assertEqual(nothing("Exec", [META % 0]), {"state": True, "result": 0})
        where = h.function("where")
        self.assertEqual(where("Exec", [META % 0])["result"], ["r1", "2_project", 0])

    def test_errors(self):
        h = self.host()
        fail = h.function("fail")
        for kind, text in (
            ("io", "try later"),
            ("value", "ValueError: hm"),
            ("exit", "SystemExit: 3"),
            ("unsendable", "TypeError: a object is not a value"),
            ("nan", "ValueError: Out of range float values are not JSON compliant"),
            ("returned", "returned"),
        ):
            got = fail("Exec", [kind, META % 0])
            self.assertEqual(got["state"], False)
            self.assertTrue(got["result"].split("\n")[-1].startswith(text), got)
        for raw in (b"", b"[]", b"{", b'{"arg":[]}', b"\xff"):
            self.assertFalse(json.loads(h.open[-1].ask(raw))["state"])

    def test_a_second_start_starts_nothing(self):
        h = self.host()
        noisy = h.function("noisy")
        self.assertEqual(h.command("start", "func", "noisy"), "ok")
        self.assertTrue(noisy("Exec", ["a", META % 0])["state"])
        time.sleep(0.2)
        self.assertEqual(h.child.lines.count("made"), 1)
        self.assertTrue(h.open[-1].listener.come.empty())

    def test_state(self):
        h = self.host()
        state = h.function("state")
        self.assertIsNone(state("Exec", ["get", "k", META % 0])["result"])
        self.assertTrue(state("Exec", ["put", "k", {"a": [1]}, META % 0])["state"])
        self.assertEqual(state("Exec", ["get", "k", META % 0])["result"], {"a": [1]})
        self.assertIsNone(state("Exec", ["get", "k", META % 1])["result"])  # another use
        self.assertEqual(state("Exec", ["incr", "k", 2, META % 0])["result"], 2)
        self.assertEqual(state("Exec", ["incr", "k", 2**63, META % 0])["result"], 2**63 - 1)
        self.assertEqual(state("Exec", ["count", "k", META % 0])["result"], 2**63 - 1)
        self.assertTrue(state("Exec", ["delete", "k", META % 0])["state"])
        self.assertIsNone(state("Exec", ["get", "k", META % 0])["result"])

    def test_no_limit(self):
        h = self.host()
        echo = h.function("echo")
        text = "x" * (20 << 20)
        self.assertEqual(echo("Exec", [text, META % 0])["result"], text)

    def test_functions_run_side_by_side(self):
        h = self.host()
        h.function("sleep")
        rep = h.open[-1]
        rep.conn.send(rep.id + json.dumps({"func": "Exec", "arg": [2, META % 0]}).encode())
        start = time.monotonic()
        self.assertTrue(h.function("echo")("Exec", [1, META % 0])["state"])
        self.assertLess(time.monotonic() - start, 1.5)


class Sources(Case):
    def start(self, h, config, **more):
        rule, op = self.ids()
        listener = h.listen(rule, op, "0")
        self.assertEqual(h.command("start", "source", "ticks", rule, op, config, **more), "ok")
        conn = listener.accept()
        self.addCleanup(conn.close)
        return rule, op, conn

    def test_data(self):
        h = self.host()
        for config, more, topic in (
            ({"n": 2}, {"dataSource": "a"}, "a"),
            ({"n": 2}, {"datasource": "b"}, "b"),
            ({"n": 2, "datasource": "c"}, {}, "c"),
            ({"n": 2}, {}, ""),
        ):
            rule, op, conn = self.start(h, config, **more)
            for i in range(2):
                got = json.loads(conn.recv())
                self.assertEqual(got, {"message": {"i": i, "topic": topic, "rule": rule}, "meta": {"op": op}})
            with self.assertRaises(EOFError):  # it ended by itself
                conn.recv()

    def test_errors(self):
        h = self.host()
        _, _, conn = self.start(h, {"n": 0, "error": "careful", "raise": 1})
        self.assertEqual(json.loads(conn.recv()), {"error": "careful"})
        got = json.loads(conn.recv())
        self.assertEqual(list(got), ["error"])
        self.assertEqual(got["error"].split("\n")[-1], "RuntimeError: dry")

    def test_stop(self):
        h = self.host()
        for config in ({}, {"n": 0, "stay": 1}):  # it waits for the host to read, and for nothing
            rule, op, conn = self.start(h, config)
            time.sleep(0.3)
            start = time.monotonic()
            self.assertEqual(h.command("stop", "source", "ticks", rule, op), "ok")
            self.assertLess(time.monotonic() - start, 3)
        h.child.wait_line("source closed")

    def test_back_pressure_and_reconnect(self):
        h = self.host()
        rule, op, conn = self.start(h, {})
        time.sleep(0.5)  # it fills the socket and waits
        first = [json.loads(conn.recv())["message"]["i"] for _ in range(1000)]
        self.assertEqual(first, list(range(1000)))
        conn.close()
        again = h.open[-1].accept()
        self.addCleanup(again.close)
        self.assertGreater(json.loads(again.recv())["message"]["i"], 999)

    def test_nobody_listens(self):
        h = self.host()
        got = h.command("start", "source", "ticks", *self.ids(), config={})
        self.assertEqual(got[:9], "Traceback")
        self.assertIn("No such file", got)


class Sinks(Case):
    def start(self, h, name="lines", config=None):
        rule, op = self.ids()
        ack = h.listen(rule, op, "0", "ack")
        self.assertEqual(h.command("start", "sink", name, rule, op, config or {}), "ok")
        data = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        data.connect("/tmp/%s_%s_0.ipc" % (rule, op))
        conn, acks = SP(data, 0x50, 0x51), ack.accept()
        self.addCleanup(conn.close)
        self.addCleanup(acks.close)
        return rule, op, conn, acks

    def test_rows_and_acks(self):
        h = self.host()
        rule, op, conn, acks = self.start(h)
        for data, want in ((b'[{"a":1}]', {}), (b"bad", {"error": "refused"}), (b"\xff", {})):
            conn.send(data)
            h.child.wait_line("got %r" % data)
            self.assertEqual(json.loads(acks.recv()), want)
        conn.send(b"raise")
        self.assertEqual(json.loads(acks.recv())["error"].split("\n")[-1], "RuntimeError: broken")
        conn.send(b"rest")
        self.assertEqual(h.command("stop", "sink", "lines", rule, op), "ok")
        h.child.wait_line("got b'rest'")  # what had come is not lost
        h.child.wait_line("sink closed True")
        self.assertFalse(os.path.exists("/tmp/%s_%s_0.ipc" % (rule, op)))

    def test_decoded(self):
        h = self.host()
        _, _, conn, _ = self.start(h, "rows")
        conn.send(b'[{"a":1}]')
        h.child.wait_line("row list [{'a': 1}]")
        conn.send(b"text")
        h.child.wait_line("row bytes b'text'")

    def test_acks_that_nobody_reads(self):
        """An eKuiper without requireAck: the sink must go on."""
        h = self.host()
        _, _, conn, _ = self.start(h, "rows")
        for i in range(30000):
            conn.send(b"%d" % i)
        h.child.wait_line("row int 29999")

    def test_large_and_in_pieces(self):
        h = self.host()
        _, _, conn, acks = self.start(h, "rows")
        data = json.dumps("x" * (8 << 20)).encode()
        conn.send(data)
        self.assertEqual(acks.recv(), b"{}")
        for b in b"\x01" + (3).to_bytes(8, "big") + b"123":
            conn.sock.sendall(bytes([b]))
            time.sleep(0.002)
        h.child.wait_line("row int 123")

    def test_hostile(self):
        """A connection that is no SP is closed, the others live on."""
        h = self.host()
        rule, op, conn, acks = self.start(h, "rows")
        for junk in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\0SP\0\0\x30\0\0",
            b"\0SP\0\0\x50\0\0\x07",
            b"\0SP\0\0\x50\0\0\x01" + b"\xff" * 8 + b"x",
            b"\0SP",
        ):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.connect("/tmp/%s_%s_0.ipc" % (rule, op))
            s.sendall(junk)
            if junk[-1:] != b"x":
                s.shutdown(socket.SHUT_WR)
                try:
                    while s.recv(100):
                        pass
                except ConnectionResetError:
                    pass
            s.close()
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(s.close)
        s.connect("/tmp/%s_%s_0.ipc" % (rule, op))  # and says nothing
        start = time.monotonic()
        conn.send(b"7")
        h.child.wait_line("row int 7")
        self.assertLess(time.monotonic() - start, 2)

    def test_a_socket_file_of_the_dead(self):
        h = self.host()
        rule, op = self.ids()
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.bind("/tmp/%s_%s_0.ipc" % (rule, op))
        s.close()
        h.listen(rule, op, "0", "ack")
        self.assertEqual(h.command("start", "sink", "rows", rule, op, {}), "ok")
        self.assertEqual(h.command("start", "sink", "rows", rule, op, {}), "ok")  # anew
        self.assertEqual(h.command("stop", "sink", "rows", rule, op), "ok")

    def test_somebody_else_listens(self):
        h = self.host()
        rule, op = self.ids()
        h.listen(rule, op, "0")
        got = h.command("start", "sink", "rows", rule, op, {})
        self.assertIn("Address already in use", got)

    def test_a_path_that_is_too_long(self):
        h = self.host()
        got = h.command("start", "sink", "rows", "r" * 120, "o", {})
        self.assertIn("AF_UNIX path too long", got)


class Hostile(Case):
    def test_control(self):
        """What is no SP gets a new connection, with a new handshake."""
        h = self.host()
        for junk in (b"\x02" + b"\0" * 8, b"\x01" + b"\xff" * 8, b""):
            h.control.conn.sock.sendall(junk)
            h.control.conn.close()
            h.control.accept()
            self.assertEqual(h.command("stop", "func", "x"), "ok")

    def test_short_messages(self):
        h = self.host()
        for m in (b"", b"\x80", h.control.id[:3]):
            h.control.conn.send(m)
        self.assertEqual(h.command("stop", "func", "x"), "ok")


if __name__ == "__main__":
    unittest.main()
