"""Calls per second on both wires, host included: python3 tests/speed.py [seconds a case]."""

import json
import os
import socket
import sys
import time

sys.dont_write_bytecode = True

from hosts import HEAD, LaneHost, WireHost, encode  # noqa: E402


def rate(seconds, step):
    step()
    n, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        n += step()
    return n / (time.perf_counter() - start)


def bare():
    """What two Python processes can do at all: 23 bytes there and back."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        while True:
            data = theirs.recv(100)
            if not data:
                os._exit(0)
            theirs.sendall(data)
    theirs.close()

    def step():
        ours.sendall(b"x" * 23)
        ours.recv(100)
        return 1

    return step


def lane(seconds):
    h = LaneHost().start()
    index = h.hello["functions"].index("echo")
    payload = encode(["hello"])

    def read(n):
        """Whole results until n have come."""
        buf = b""
        while n:
            buf += h.sock.recv(1 << 16)
            pos = 0
            while len(buf) - pos >= 16:
                end = pos + 16 + HEAD.unpack_from(buf, pos)[0]
                if end > len(buf):
                    break
                pos, n = end, n - 1
            buf = buf[pos:]

    def pipeline(width):
        data = b"".join(h.raw(16, 0, index, i + 1, 0, payload) for i in range(width))

        def step():
            h.sock.sendall(data)
            read(width)
            return width

        return step

    def batch(rows):
        data = h.raw(17, 0, index, 1, 0, encode([["hello"]] * rows))

        def step():
            h.sock.sendall(data)
            read(1)
            return rows

        return step

    count = h.raw(16, 0, h.hello["functions"].index("state"), 1, 0, encode(["incr", "n", 1]))

    def state():
        h.sock.sendall(count)
        ask = h.sock.recv(4096)
        h.sock.sendall(h.raw(79, 0, 0, HEAD.unpack_from(ask)[4], 0, b"\x07"))
        h.sock.recv(4096)
        return 1

    print("bare socket          %9.0f round trips/s" % rate(seconds, bare()))
    print("lane, one caller     %9.0f calls/s" % rate(seconds, pipeline(1)))
    print("lane, 64 under way   %9.0f calls/s" % rate(seconds, pipeline(64)))
    print("lane, batch of 1000  %9.0f rows/s" % rate(seconds, batch(1000)))
    print("lane, a counter each %9.0f calls/s" % rate(seconds, state))
    h.close()


def wire(seconds):
    h = WireHost()
    ask = h.function("echo")
    rep = h.open[-1]
    meta = '{"ruleId":"r1","opId":"2_project","instanceId":0,"funcId":0}'
    command = json.dumps({"func": "Exec", "arg": ["hello", meta]}).encode()

    def step():
        rep.ask(command)
        return 1

    assert ask("Exec", ["x", meta])["result"] == "x"
    print("eKuiper's wire       %9.0f calls/s" % rate(seconds, step))
    h.close()


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    lane(seconds)
    wire(seconds)
