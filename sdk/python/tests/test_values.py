import enum
import json
import math
import os
import random
import sys
import unittest
from collections import OrderedDict
from datetime import datetime, timedelta, timezone

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from vanth import Error, Instant, Time  # noqa: E402
from vanth.values import FrameError, decode, encode  # noqa: E402

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../abi/testdata/values.json")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def value_of(v):
    """The Python value that a vector describes, and the description of it."""
    ((kind, x),) = v.items()
    if kind == "nil":
        return None
    if kind in ("bool", "str"):
        return x
    if kind in ("int", "uint"):
        return int(x)
    if kind == "float":
        return float(x)
    if kind == "bin":
        return bytes.fromhex(x)
    if kind == "array":
        return [value_of(i) for i in x]
    if kind == "map":
        return {k: value_of(i) for k, i in x.items()}
    if kind == "error":
        return Error(x["msg"], x["class"])
    sec, nsec = int(x["sec"]), int(x["nsec"])
    t = EPOCH + timedelta(seconds=sec, microseconds=nsec // 1000)
    if nsec % 1000 == 0:
        return t
    f = Time(t.year, t.month, t.day, t.hour, t.minute, t.second, t.microsecond, timezone.utc)
    f.nsec = nsec
    return f


def same(a, b):
    """Equality that tells 1 from True and 1.0, -0 from 0, and knows NaN and nanoseconds."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return math.isnan(a) and math.isnan(b) or a == b and math.copysign(1, a) == math.copysign(1, b)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(v, b[k]) for k, v in a.items())
    if isinstance(a, Time):
        return a == b and a.nsec == b.nsec
    return a == b


class Vectors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(VECTORS, encoding="utf-8") as f:
            cls.vectors = json.load(f)

    def test_accept(self):
        n = 0
        for v in self.vectors["accept"]:
            frame, want = bytes.fromhex(v["frame"]), value_of(v["value"])
            got = decode(frame)
            self.assertTrue(same(got, want), "%s: %.100r, want %.100r" % (v["name"], got, want))
            if v["canonical"]:
                self.assertEqual(encode(want), frame, v["name"])
            self.assertTrue(same(decode(encode(want)), want), v["name"])
            n += 1
        self.assertGreater(n, 100)

    def test_reject(self):
        n = 0
        for v in self.vectors["reject"]:
            with self.assertRaises(FrameError, msg=v["name"]) as c:
                decode(bytes.fromhex(v["frame"]))
            self.assertEqual(str(c.exception), v["error"], v["name"])
            n += 1
        self.assertGreater(n, 90)

    def test_each_prefix_is_refused(self):
        for v in self.vectors["accept"]:
            frame = bytes.fromhex(v["frame"])
            for n in range(min(len(frame), 60)):
                with self.assertRaises(FrameError, msg=v["name"]):
                    decode(frame[:n])

    def test_noise(self):
        r = random.Random(1)
        frames = [bytes.fromhex(v["frame"]) for v in self.vectors["accept"]]
        frames = [f for f in frames if len(f) < 200]
        for _ in range(20000):
            b = bytearray(r.choice(frames))
            for _ in range(r.randrange(3)):
                b[r.randrange(len(b))] = r.randrange(256)
            try:
                v = decode(bytes(b))
            except FrameError:
                continue
            self.assertTrue(same(decode(encode(v)), v), b.hex())


class Encode(unittest.TestCase):
    def test_derived(self):
        class Level(enum.IntEnum):
            LOW = 3

        class Text(str):
            pass

        for v, want in (
            (Level.LOW, 3),
            (Text("a"), "a"),
            (OrderedDict(a=1), {"a": 1}),
            ((1, (2,)), [1, [2]]),
            (bytearray(b"a"), b"a"),
            (memoryview(b"a"), b"a"),
            (Instant(2**40, 1), Instant(2**40, 1)),
            (Instant(5, 0), datetime(1970, 1, 1, 0, 0, 5, tzinfo=timezone.utc)),
            (Error("a", "odd"), Error("a", "fatal")),
            (Error("\ud800"), Error("?")),
        ):
            got = decode(encode(v))
            self.assertEqual((got, type(got)), (want, type(want)))

    def test_refused(self):
        ring = []
        ring.append(ring)
        for v, text in (
            (2**64, "an integer of 65 bits is out of range"),
            (-(2**63) - 1, "an integer of 64 bits is out of range"),
            (datetime(2020, 1, 1), "a datetime without a zone is not a time; give it tzinfo"),
            ({1: 2}, "key 1 of a map: found int, expected str"),
            (ring, "more than 64 lists and maps in each other"),
            (object(), "a object is not a value"),
            ([{"a": {1}}], "a set is not a value"),
        ):
            with self.assertRaises((TypeError, ValueError)) as c:
                encode(v)
            self.assertEqual(str(c.exception), text)
        with self.assertRaises(UnicodeEncodeError):
            encode("\ud800")

    def test_zone(self):
        t = datetime(2020, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
        self.assertEqual(decode(encode(t)), datetime(2020, 1, 1, tzinfo=timezone.utc))

    def test_depth_under_a_deep_stack(self):
        v = []
        for _ in range(63):
            v = [v]

        def down(n):
            return down(n - 1) if n else decode(encode(v))

        self.assertEqual(down(sys.getrecursionlimit() // 2), v)

    def test_nanoseconds_are_lost_in_arithmetic(self):
        t = decode(bytes.fromhex("d7ff0000000400000000"))
        self.assertEqual(t.nsec, 1)
        self.assertEqual(encode(t + timedelta(seconds=1)), bytes.fromhex("d6ff00000001"))
        self.assertEqual(encode(t.replace(microsecond=2)), encode(EPOCH + timedelta(microseconds=2)))
