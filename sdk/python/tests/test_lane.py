import os
import random
import signal
import socket
import sys
import threading
import time
import unittest
from datetime import datetime, timezone

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from hosts import WAIT, Child, LaneHost  # noqa: E402

from vanth import Error, errors  # noqa: E402
from vanth.values import encode  # noqa: E402

CALL, BATCH, VALIDATE, CANCEL, CONTEXT, FORGET = 16, 17, 18, 19, 20, 21
OPEN_SOURCE, OPEN_SINK, CLOSE, CREDIT, MESSAGE, FAILURE, END, WRITE = 48, 49, 50, 51, 52, 53, 54, 55


class Case(unittest.TestCase):
    def host(self, **env):
        h = LaneHost(**env)
        self.addCleanup(h.close)
        return h.start()


class Life(Case):
    def test_hello(self):
        h = self.host(NAME="n")
        self.assertEqual(
            {k: h.hello[k] for k in ("lane", "name", "ring", "sources", "sinks", "aggregate")},
            {
                "lane": 1,
                "name": "n",
                "ring": False,
                "sources": ["ticks"],
                "sinks": ["lines", "rows"],
                "aggregate": ["sum"],
            },
        )
        self.assertIn("echo", h.hello["functions"])

    def test_each_end_has_status_0(self):
        for how in ("bye", "end", "half a frame", "term", "int", "term while it sleeps", "end while it sleeps"):
            with self.subTest(how):
                h = self.host()
                if "sleeps" in how:
                    h.send(CALL, h.hello["functions"].index("sleep"), 99, 0, [60])
                    time.sleep(0.1)
                else:
                    self.assertEqual(h.call("echo", 1), (0, 1))
                if how == "bye":
                    h.send(3)
                elif how.startswith("end"):
                    h.sock.close()
                elif how == "half a frame":
                    h.sock.sendall(b"\0" * 7)
                    h.sock.close()
                else:
                    h.child.process.send_signal(signal.SIGINT if how == "int" else signal.SIGTERM)
                start = time.monotonic()
                self.assertEqual(h.child.status(), 0, h.child.lines)
                self.assertLess(time.monotonic() - start, 8)

    def test_end_before_welcome(self):
        h = LaneHost()
        self.addCleanup(h.close)
        h.read()
        h.sock.close()
        self.assertEqual(h.child.status(), 0)

    def test_calls_before_bye_are_answered(self):
        h = self.host()
        for i in range(100):
            h.send(CALL, 0, i + 1, 0, [i])
        h.send(3)
        self.assertEqual(sorted(h.wait(32)[4] for _ in range(100)), list(range(100)))
        self.assertEqual(h.child.status(), 0)

    def test_what_is_open_gets_closed(self):
        for end in ("bye", "eof", "term"):
            with self.subTest(end):
                h = self.host()
                h.ask(OPEN_SOURCE, "ticks", {"datasource": "t", "config": {"n": 0, "stay": True}}, kind="sources")
                h.ask(OPEN_SINK, "lines", {"config": {}}, kind="sinks")
                if end == "bye":
                    h.send(3)
                elif end == "eof":
                    h.sock.shutdown(socket.SHUT_RDWR)
                else:
                    h.child.process.terminate()
                self.assertEqual(h.child.status(), 0)
                # Two threads print: their lines may mix.
                self.assertIn("source closed", "".join(h.child.lines))
                self.assertIn("sink closed True", "".join(h.child.lines))

    def test_bad_offer(self):
        for env, text in (
            ({"VANTH_LANE": "x"}, "all: VANTH_LANE=x VANTH_RING=None: "),
            ({"VANTH_LANE": "77"}, "all: VANTH_LANE=77 VANTH_RING=None: "),
        ):
            c = Child(env)
            self.assertEqual(c.status(), 1)
            self.assertTrue(c.lines[-1].startswith(text), c.lines)

    def test_the_descriptors_stay_here(self):
        """Neither the ring's nor the lane's is open in a child of the plugin, nor in its environment."""
        r, w = os.pipe()
        self.addCleanup(os.close, w)
        self.addCleanup(os.close, r)
        sock, theirs = socket.socketpair()
        h = LaneHost(child=False)
        h.sock.close()
        h.sock = sock
        sock.settimeout(WAIT)  # as LaneHost does
        with theirs:
            h.child = Child({"VANTH_LANE": str(theirs.fileno()), "VANTH_RING": str(r)}, [theirs.fileno(), r])
        self.addCleanup(h.close)
        h.start()
        self.assertEqual(h.call("environment"), (0, "[] ['0', '1', '2', '3']\n"))


class Functions(Case):
    def test_values(self):
        h = self.host()
        for v in (
            None,
            True,
            -(2**63),
            2**64 - 1,
            1.5,
            "ü",
            b"\0",
            [1, [2]],
            {"a": {"b": 1}},
            datetime(2020, 1, 1, tzinfo=timezone.utc),
            Error("a", "io"),
        ):
            flag = 1 if isinstance(v, Error) else 0
            self.assertEqual(h.call("echo", v), (flag, v))

    def test_large(self):
        h = self.host()
        v = os.urandom(5 << 20)
        sender = threading.Thread(target=h.send, args=(CALL, 0, 7, 0, [v]))
        sender.start()
        self.assertEqual(h.wait(32, 7)[4], v)
        sender.join()

    def test_errors(self):
        h = self.host()
        for kind, cls, text in (
            ("io", "io", "try later"),
            ("oserror", "io", "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/at/all'"),
            ("value", "usage", "ValueError: hm"),
            ("fault", "fatal", "RuntimeError: broken"),
            ("exit", "fatal", "SystemExit: 3"),
            ("unsendable", "fatal", "result: a object is not a value"),
            ("returned", "fatal", "returned"),
        ):
            flag, e = h.call("fail", kind)
            self.assertEqual((flag, e.cls, e.msg.split("\n")[-1]), (1, cls, text))
            if "Error: " in text:
                self.assertTrue(e.msg.startswith('Traceback (most recent call last):\n  File "'), e.msg)
                self.assertIn("plugins/all.py", e.msg.split("\n")[1])  # the SDK's own frames are not in it
        self.assertEqual(h.call("echo", 1), (0, 1))

    def test_a_factory_that_fails(self):
        h = self.host()
        for op in (CALL, BATCH, VALIDATE):
            flag, e = h.ask(op, "broken", [])
            self.assertEqual((flag, e.cls, e.msg.split("\n")[-1]), (1, "fatal", "RuntimeError: no model"))

    def test_validate(self):
        h = self.host()
        self.assertEqual(h.ask(VALIDATE, "echo", [None]), (0, None))
        self.assertEqual(h.ask(VALIDATE, "echo", []), (1, Error("found 0 arguments, expected 1")))
        self.assertEqual(h.ask(VALIDATE, "nothing", []), (0, None))

    def test_batch(self):
        h = self.host()
        self.assertEqual(h.ask(BATCH, "echo", [[1], ["a"], [None]]), (0, [1, "a", None]))
        self.assertEqual(h.ask(BATCH, "echo", []), (0, []))
        flag, rows = h.ask(BATCH, "fail", [["x"], ["io"], ["unsendable"], ["y"]])
        self.assertEqual(
            (flag, rows), (0, ["x", Error("try later", "io"), Error("result: a object is not a value", "fatal"), "y"])
        )

    def test_order_and_pipeline(self):
        h = self.host()
        data = b"".join(h.raw(CALL, 0, i % 2, i + 1, 0, b"\x91" + bytes([i % 100])) for i in range(5000))
        threading.Thread(target=h.sock.sendall, args=(data,)).start()
        got = [h.wait(32) for _ in range(5000)]
        self.assertEqual({f[2]: f[4] for f in got}, {i + 1: i % 100 for i in range(5000)})
        for k in (0, 1):
            ids = [f[2] for f in got if (f[2] - 1) % 2 == k]
            self.assertEqual(ids, sorted(ids))

    def test_a_slow_function_holds_up_only_itself(self):
        h = self.host()
        h.call("sleep", 0)  # now its thread reads
        h.send(CALL, h.hello["functions"].index("sleep"), 500, 0, [1.5])
        start = time.monotonic()
        for i in range(50):
            self.assertEqual(h.call("echo", i), (0, i))
        self.assertLess(time.monotonic() - start, 1)
        h.wait(32, 500)
        self.assertGreater(time.monotonic() - start, 1.4)

    def test_fast_answers_do_not_wait_for_a_slow_call(self):
        h = self.host()
        index = h.hello["functions"].index("sleep")
        start = time.monotonic()
        h.sock.sendall(b"".join(h.raw(CALL, 0, index, i, 0, encode([s])) for i, s in ((1, 0.01), (2, 1.0))))
        h.wait(32, 1)
        self.assertLess(time.monotonic() - start, 0.7)
        h.wait(32, 2)

    def test_cancel(self):
        h = self.host()
        index = h.hello["functions"].index("sleep")
        h.send(CALL, index, 1, 0, [0.5])
        h.send(CALL, index, 2, 0, [30])
        time.sleep(0.1)
        h.send(CANCEL, id=2)
        h.send(CANCEL, id=3)  # of nothing
        self.assertEqual(h.wait(32, 2)[4], Error("sleep: cancelled"))
        h.send(CALL, index, 3, 0, [0])  # the number is used again
        self.assertEqual(h.wait(32, 3)[1], 0)

    def test_contexts(self):
        h = self.host()
        h.send(CONTEXT, number=5, value=["rule", "op", 3, 0, 0])
        self.assertEqual(h.call("where", number=5), (0, ["rule", "op", 3]))
        self.assertEqual(h.call("where"), (0, ["", "", 0]))
        h.send(CONTEXT, number=5, value=["other", "op", 3, 0, 0])
        self.assertEqual(h.call("where", number=5), (0, ["other", "op", 3]))

    def test_output(self):
        h = self.host()
        h.call("noisy", "one", 2)
        h.child.wait_line("one 2")
        h.call("log", "two")
        h.child.wait_line("INFO all: two")

    def test_exit_of_the_process_is_the_end(self):
        h = self.host()
        h.send(CALL, h.hello["functions"].index("exit"), 1, 0, [7])
        with self.assertRaises((EOFError, ConnectionError)):
            h.read()
        self.assertEqual(h.child.status(), 7)


class State(Case):
    def run_state(self, h, args, replies, number=0):
        """One call of state; replies are what the host says to the plugin's requests, which are returned."""
        id = next(h.ids)
        h.send(CALL, h.hello["functions"].index("state"), id, number, args)
        seen = []
        for flags, value in replies:
            op, _, ask, at, said = h.read()
            seen.append((op, at, said))
            h.sock.sendall(h.raw(79, flags, 0, ask, 0, b"" if value is None else encode(value)))
        f = h.wait(32, id)
        return seen, f[1], f[4]

    def test_all(self):
        h = self.host()
        h.send(CONTEXT, number=5, value=["r", "o", 0, 0, 0])
        for _ in range(2):  # read by main, and then by the function's thread
            for args, op, said, value, want in (
                (["put", "k", {"a": [1]}], 65, ["k", {"a": [1]}], None, None),
                (["get", "k"], 64, ["k"], {"a": [1]}, {"a": [1]}),
                (["delete", "k"], 66, ["k"], None, None),
                (["incr", "n", 2], 67, ["n", 2], 7, 7),
                (["count", "n"], 68, ["n"], 7, 7),
            ):
                self.assertEqual(self.run_state(h, args, [(0, value)], 5), ([(op, 5, said)], 0, want))
        seen, flag, e = self.run_state(h, ["put", "k", 1], [(1, Error("too large", "usage"))])
        self.assertEqual((flag, e), (1, Error("too large")))

    def test_calls_come_in_while_one_waits(self):
        h = self.host()
        self.run_state(h, ["get", "k"], [(0, 1)])
        index = h.hello["functions"].index("state")
        h.send(CALL, index, 101, 0, ["get", "a"])
        ask = h.read()[2]
        h.send(CALL, index, 102, 0, ["get", "b"])
        self.assertEqual(h.call("echo", 1), (0, 1))
        h.send(79, id=ask, value="A")
        self.assertEqual(h.wait(32, 101)[4], "A")
        h.send(79, id=h.wait(64)[2], value="B")
        h.send(79, id=999, value="for nobody")
        self.assertEqual(h.wait(32, 102)[4], "B")

    def test_end_while_one_waits(self):
        h = self.host()
        h.send(CALL, h.hello["functions"].index("state"), 1, 0, ["get", "a"])
        h.read()
        h.sock.close()
        self.assertEqual(h.child.status(), 0)


class Stress(Case):
    def test_all_at_once(self):
        """Quick, slow and asking functions and a source, 40 under way: the reading goes from thread to thread."""
        h = self.host()
        r = random.Random(7)
        names = h.hello["functions"]
        h.send(OPEN_SOURCE, 0, 2**31, 0, {"datasource": "", "config": {}})
        waiting, kept, messages, done, sent = {}, {}, 0, 0, 0
        end = time.monotonic() + 3
        while True:
            while len(waiting) < 40 and time.monotonic() < end:
                sent += 1
                name = r.choice(["echo", "echo2", "echo", "state", "sleep", "sum"])
                args = {
                    "state": r.choice([["put", "k", sent], ["get", "k"], ["incr", "n", 1]]),
                    "sleep": [r.choice([0, 0, 0, 0.001, 0.008])],
                    "sum": [[sent, 1]],
                }.get(name, [sent])
                waiting[sent] = sent + 1 if name == "sum" else sent if name.startswith("echo") else None
                h.send(CALL, names.index(name), sent, 0, args)
                if r.random() < 0.3:
                    h.send(CREDIT, id=1, number=2**31)
            if not waiting:
                break
            op, flags, id, number, value = h.read()
            if op == MESSAGE:
                messages += 1
            elif op == 64:
                h.send(79, id=id, value=kept.get(value[0]))
            elif op == 65:
                kept[value[0]] = value[1]
                h.send(79, id=id)
            elif op == 67:
                h.send(79, id=id, value=7)
            elif id != 2**31:
                self.assertEqual((op, flags), (32, 0))
                want = waiting.pop(id)
                if want is not None:
                    self.assertEqual(value, want)
                done += 1
        self.assertEqual(done, sent)
        self.assertGreater(done, 500)
        self.assertGreater(messages, 50)
        h.send(3)
        self.assertEqual(h.child.status(), 0)


class Sources(Case):
    def open(self, h, **config):
        id = next(h.ids)
        h.send(OPEN_SOURCE, 0, id, 5, {"datasource": "topic", "config": config})
        f = h.wait(32, id)
        return id, f[1], f[4]

    def start(self):
        h = self.host()
        h.send(CONTEXT, number=5, value=["rule", "demo", 0, 0, 0])
        return h

    def test_credit(self):
        h = self.start()
        handle, flag, _ = self.open(h)
        self.assertEqual(flag, 0)
        time.sleep(0.2)
        self.assertEqual(h.call("echo", 1), (0, 1))
        self.assertEqual(h.others, [])  # nothing without credit
        h.send(CREDIT, id=3, number=handle)
        got = [h.wait(MESSAGE) for _ in range(3)]
        self.assertEqual([f[4][0]["i"] for f in got], [0, 1, 2])
        self.assertEqual(got[0][3:], (handle, [{"i": 0, "topic": "topic", "rule": "rule"}, {"op": "demo"}, None]))
        time.sleep(0.2)
        h.call("echo", 1)
        self.assertEqual(h.others, [])
        self.assertEqual(h.ask(CLOSE, number=handle), (0, None))
        self.assertEqual(h.ask(CLOSE, number=handle), (0, None))
        h.send(CREDIT, id=3, number=handle)
        h.call("echo", 1)
        self.assertEqual(h.others, [])  # no end either: the host asked for it
        h.child.wait_line("source closed")

    def test_a_handle_is_used_again(self):
        """The old source, still on its way out, does not take the new one with it."""
        h = self.start()
        for _ in range(30):
            h.send(OPEN_SOURCE, 0, 700, 5, {"datasource": "", "config": {}})
            self.assertEqual(h.wait(32, 700)[1], 0)
            h.send(CREDIT, id=1, number=700)
            h.wait(MESSAGE)
            self.assertEqual(h.ask(CLOSE, number=700), (0, None))
        self.assertEqual([f for f in h.others if f[0] == END], [])

    def test_ends(self):
        h = self.start()
        handle, _, _ = self.open(h, n=2)
        h.send(CREDIT, id=10, number=handle)
        self.assertEqual(h.wait(END)[1:], (0, 0, handle, None))
        self.assertEqual(len(h.others), 2)
        handle, _, _ = self.open(h, n=0, **{"raise": True, "error": "careful"})
        self.assertEqual(h.wait(FAILURE)[3:], (handle, "careful"))
        f = h.wait(END)
        self.assertEqual((f[1], f[3], f[4].cls, f[4].msg.split("\n")[-1]), (1, handle, "fatal", "RuntimeError: dry"))

    def test_refuses(self):
        h = self.start()
        _, flag, e = self.open(h, bad=True)
        self.assertEqual((flag, e.cls, e.msg.split("\n")[-1]), (1, "usage", "ValueError: how bad"))

    def test_counter(self):
        h = self.start()
        self.open(h, n=0, count=True)
        op, _, ask, at, said = h.wait(67)
        self.assertEqual((at, said), (5, ["n", 1]))
        h.send(79, id=ask, value=4)
        h.child.wait_line("count 4")


class Sinks(Case):
    def test_all(self):
        h = self.host()
        handle = next(h.ids)
        h.send(OPEN_SINK, 0, handle, 0, {"config": {}})
        self.assertEqual(h.wait(32, handle)[1], 0)
        for i, v in enumerate(
            [b"raw", [{"a": 1}], "bad", "raise", {"t": datetime(2020, 1, 1, tzinfo=timezone.utc), "b": b"\0"}]
        ):
            h.send(WRITE, id=100 + i, number=handle, value=[v, None, None])
        got = [h.wait(32) for _ in range(5)]
        self.assertEqual([f[2] for f in got], [100, 101, 102, 103, 104])
        self.assertEqual([f[1] for f in got], [0, 0, 1, 1, 0])
        self.assertEqual(got[2][4], Error("refused", "io"))
        self.assertEqual((got[3][4].cls, got[3][4].msg.split("\n")[-1]), ("fatal", "RuntimeError: broken"))
        for line in ("got b'raw'", "got b'[{\"a\":1}]'", 'got b\'{"t":"2020-01-01T00:00:00Z","b":"AA=="}\''):
            h.child.wait_line(line)
        self.assertEqual(h.ask(CLOSE, number=handle), (0, None))
        h.child.wait_line("sink closed True")
        flag, e = h.ask(WRITE, number=handle, value=[1, None, None])
        self.assertEqual((flag, e), (1, Error("the sink is not open", "io")))

    def test_decoded(self):
        h = self.host()
        handle = next(h.ids)
        h.send(OPEN_SINK, 1, handle, 0, {"config": {}})
        for v, line in (({"a": 1.0}, "row dict {'a': 1.0}"), (b"[1]", "row list [1]"), (b"\xff", "row bytes b'\\xff'")):
            self.assertEqual(h.ask(WRITE, number=handle, value=[v, None, None]), (0, None))
            h.child.wait_line(line)

    def test_refuses(self):
        h = self.host()
        for config, cls, text in (
            ({"bad": 1}, "usage", "ValueError: how bad"),
            ({"badopen": 1}, "io", "OSError: not today"),
        ):
            flag, e = h.ask(OPEN_SINK, "lines", {"config": config}, kind="sinks")
            self.assertEqual((flag, e.cls, e.msg.split("\n")[-1]), (1, cls, text))


class Hostile(Case):
    def test_the_rules(self):
        head = LaneHost.raw
        for name, data, text in (
            ("oversized", b"\xff\xff\xff\xff" + b"\x10" + b"\0" * 11, "a payload of 4294967295 bytes"),
            (
                "just oversized",
                (64 * 2**20 + 1).to_bytes(4, "little") + b"\x10" + b"\0" * 11,
                "a payload of 67108865 bytes",
            ),
            ("truncated value", head(CALL, payload=b"\x92\x01", id=1), "arguments: count"),
            ("no value", head(CALL, id=1), "arguments: truncated"),
            ("trailing", head(CALL, payload=b"\x91\x01\x02", id=1), "arguments: trailing"),
            ("no list", head(CALL, payload=b"\x01", id=1), "arguments: not a list"),
            ("batch of no lists", head(BATCH, payload=b"\x91\x01", id=1), "arguments: not a list"),
            ("no such function", head(CALL, symbol=99, payload=b"\x90", id=1), "function number 99 of 13"),
            ("no such context", head(CALL, number=9, payload=b"\x90", id=1), "context 9 was not announced"),
            ("no such source", head(OPEN_SOURCE, symbol=9, payload=b"\x80", id=1), "source or sink number 9 of 1"),
            ("open without a map", head(OPEN_SINK, payload=b"\x90", id=1), "open: not a map"),
            ("a context of numbers", head(CONTEXT, number=1, payload=b"\x93\x01\x02\x03"), "context: [1, 2, 3]"),
            ("welcome twice", head(2, payload=b"\x81\xa4lane\x01"), "welcome: {'lane': 1}"),
        ):
            with self.subTest(name):
                h = self.host()
                h.sock.sendall(data)
                self.assertEqual(h.child.status(), 1, h.child.lines)
                self.assertIn(text, h.child.lines[-1])

    def test_before_welcome(self):
        for name, data, text in (
            ("a call", LaneHost.raw(CALL, payload=b"\x90"), "the first frame is 16, not welcome"),
            ("another version", LaneHost.raw(2, payload=b"\x81\xa4lane\x02"), "welcome: {'lane': 2}"),
        ):
            with self.subTest(name):
                h = LaneHost()
                self.addCleanup(h.close)
                h.sock.sendall(data)
                self.assertEqual(h.child.status(), 1)
                self.assertIn(text, h.child.lines[-1])

    def test_what_is_borne(self):
        h = self.host()
        h.send(99, number=3, value="?")  # asks for nothing
        h.send(FORGET, number=77)
        h.send(CREDIT, id=5, number=77)
        h.send(79, id=77, value=1)
        h.send(98, id=5)
        self.assertEqual(h.wait(32, 5)[4], Error("unknown op 98"))
        data = h.raw(CALL, 0, 0, 9, 0, b"\x91\x05")
        for i in range(len(data)):  # byte by byte
            h.sock.sendall(data[i : i + 1])
            time.sleep(0.001)
        self.assertEqual(h.wait(32, 9)[4], 5)

    def test_a_host_that_does_not_read(self):
        """It gets its answers when it does; meanwhile the plugin still takes what comes."""
        h = self.host()
        payload = b"\x91\xc6" + (1 << 20).to_bytes(4, "big") + b"x" * (1 << 20)
        for i in range(20):
            h.sock.sendall(h.raw(CALL, 0, i % 2, i + 1, 0, payload))
        self.assertEqual(sorted(h.wait(32)[2] for _ in range(20)), list(range(1, 21)))


class Errors(unittest.TestCase):
    def test_text_of_an_error_without_text(self):
        class Mute(Exception):
            def __str__(self):
                raise RuntimeError

        self.assertIn("Mute", errors.text(Mute()))

    def test_idle_takes_no_time(self):
        h = LaneHost().start()
        self.addCleanup(h.close)
        h.call("echo", 1)
        time.sleep(0.3)

        def spent():
            with open("/proc/%d/stat" % h.child.process.pid) as f:
                return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))

        def switches():
            n = 0
            for t in os.listdir("/proc/%d/task" % h.child.process.pid):
                with open("/proc/%d/task/%s/status" % (h.child.process.pid, t)) as f:
                    n += sum(int(x.split()[1]) for x in f if "ctxt_switches" in x)
            return n

        before, woke = spent(), switches()
        time.sleep(1)
        self.assertLessEqual(spent() - before, 1)
        self.assertLessEqual(switches() - woke, 3)


if __name__ == "__main__":
    unittest.main()
