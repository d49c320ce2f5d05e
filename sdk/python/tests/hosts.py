"""Small hosts for the tests: one for each wire, made of raw frames and plain sockets."""

import itertools
import json
import os
import queue
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

from vanth.values import decode, encode  # noqa: E402

PLUGIN = os.path.join(HERE, "plugins", "all.py")
HEAD = struct.Struct("<IBBHII")
WAIT = 20


class Child:
    """A plugin process and what it printed."""

    def __init__(self, env=(), pass_fds=(), plugin=PLUGIN):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VANTH")}
        environment.update(env)
        # Without -u: the SDK must see to it that lines come out.
        self.process = subprocess.Popen(
            [sys.executable, plugin, '{"sendTimeout":1000}'],
            cwd=os.path.dirname(plugin),
            env=environment,
            pass_fds=pass_fds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.lines = []
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.decode().rstrip("\n"))
                self.changed.notify_all()

    def wait_line(self, text, seconds=WAIT):
        with self.changed:
            if not self.changed.wait_for(lambda: any(text in x for x in self.lines), seconds):
                raise AssertionError("no line with %r in %r" % (text, self.lines))

    def status(self, seconds=WAIT):
        code = self.process.wait(seconds)
        self.thread.join(WAIT)
        self.process.stdout.close()
        return code

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.status()


class LaneHost:
    """The host's end of the fast lane."""

    def __init__(self, child=True, **env):
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(WAIT)
        self.buf = b""
        self.ids = itertools.count(1)
        self.others = []  # frames that came while another was waited for
        with theirs:
            env = dict(env, VANTH_LANE=str(theirs.fileno()))
            self.child = Child(env, [theirs.fileno()]) if child else None

    def start(self):
        op, _, _, _, hello = self.read()
        assert op == 1, op
        self.hello = hello
        self.send(2, value={"lane": 1, "host": "test", "ring": False})
        return self

    @staticmethod
    def raw(op, flags=0, symbol=0, id=0, number=0, payload=b""):
        return HEAD.pack(len(payload), op, flags, symbol, id, number) + payload

    def send(self, op, symbol=0, id=0, number=0, value=None):
        self.sock.sendall(self.raw(op, 0, symbol, id, number, encode(value)))

    def read(self):
        """op, flags, id, number, value of the next frame. EOFError at the end."""
        while True:
            if len(self.buf) >= 16:
                n, op, flags, _, id, number = HEAD.unpack_from(self.buf)
                if len(self.buf) >= 16 + n:
                    payload, self.buf = self.buf[16 : 16 + n], self.buf[16 + n :]
                    return op, flags, id, number, decode(payload) if payload else None
            chunk = self.sock.recv(1 << 20)
            if not chunk:
                raise EOFError
            self.buf += chunk

    def wait(self, op, id=None):
        """The next frame of this op (and id); others are kept."""
        for i, f in enumerate(self.others):
            if f[0] == op and id in (None, f[2]):
                return self.others.pop(i)
        while True:
            f = self.read()
            if f[0] == op and id in (None, f[2]):
                return f
            self.others.append(f)

    def ask(self, op, name=None, value=None, number=0, kind="functions"):
        """Sends a request and returns the flag and the value of its result."""
        id = next(self.ids)
        self.send(op, self.hello[kind].index(name) if name else 0, id, number, value)
        f = self.wait(32, id)
        return f[1], f[4]

    def call(self, name, *args, number=0):
        return self.ask(16, name, list(args), number)

    def close(self):
        self.sock.close()
        if self.child is not None:
            self.child.kill()


class SP:
    """One accepted or dialed connection."""

    def __init__(self, sock, mine, want):
        self.sock = sock
        sock.settimeout(WAIT)
        sock.sendall(b"\0SP\0" + struct.pack(">HH", mine, 0))
        got = self.exactly(8)
        assert got == b"\0SP\0" + struct.pack(">HH", want, 0), got

    def exactly(self, n):
        parts = []
        while n:
            chunk = self.sock.recv(min(n, 1 << 20))
            if not chunk:
                raise EOFError
            parts.append(chunk)
            n -= len(chunk)
        return b"".join(parts)

    def recv(self):
        head = self.exactly(9)
        assert head[0] == 1, head
        return self.exactly(int.from_bytes(head[1:], "big"))

    def send(self, data):
        self.sock.sendall(b"\x01" + len(data).to_bytes(8, "big") + data)

    def close(self):
        self.sock.close()


class Listener:
    """Accepts in the background, as nanomsg's sockets do."""

    def __init__(self, path, mine, want):
        self.path = path
        if os.path.exists(path):
            os.unlink(path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.bind(path)
        self.sock.listen(8)
        self.come = queue.Queue()
        self.thread = threading.Thread(target=self._accept, args=(mine, want), daemon=True)
        self.thread.start()

    def _accept(self, mine, want):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            try:
                self.come.put(SP(conn, mine, want))
            except (AssertionError, OSError, EOFError):
                conn.close()

    def accept(self):
        return self.come.get(timeout=WAIT)

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(WAIT)
        self.sock.close()
        if os.path.exists(self.path):
            os.unlink(self.path)
        while not self.come.empty():
            self.come.get().close()


class Rep:
    """The host's REP: takes the request, sends a command as its reply."""

    def __init__(self, path):
        self.listener = Listener(path, 0x31, 0x30)
        self.conn = None

    def accept(self):
        self.conn = self.listener.accept()
        first = self.conn.recv()
        assert first[4:] == b"handshake", first
        self.id = first[:4]
        return self

    def ask(self, command):
        self.conn.send(self.id + command)
        answer = self.conn.recv()
        assert answer[:4] != self.id and answer[0] & 0x80
        self.id = answer[:4]
        return answer[4:]

    def close(self):
        if self.conn:
            self.conn.close()
            self.conn = None
        self.listener.close()


class WireHost:
    """An eKuiper in small."""

    def __init__(self, name=None, plugin=PLUGIN, start=True):
        # Paths are global: each test has names of its own.
        self.name = name or "vanthtest%d_%d" % (os.getpid(), time.monotonic_ns())
        self.control = Rep("/tmp/plugin_%s.ipc" % self.name)
        self.plugin = plugin
        self.open = [self.control]
        self.child = None
        if start:
            self.child = Child({"NAME": self.name}, plugin=plugin)
            self.control.accept()

    def command(self, cmd, kind, name, rule="", op="", config=None, **more):
        inner = {"symbolName": name, "meta": {"ruleId": rule, "opId": op, "instanceId": 0}, "pluginType": kind}
        if config is not None:
            inner["config"] = config
        inner.update(more)
        return self.control.ask(json.dumps({"cmd": cmd, "arg": json.dumps(inner)}).encode()).decode()

    def function(self, name):
        """Starts a function; what asks it."""
        rep = Rep("/tmp/func_%s.ipc" % name)
        self.open.append(rep)
        assert self.command("start", "func", name) == "ok"
        rep.accept()
        return lambda func, arg: json.loads(rep.ask(json.dumps({"func": func, "arg": arg}).encode()))

    def listen(self, *names):
        listener = Listener("/tmp/%s.ipc" % "_".join(names), 0x51, 0x50)
        self.open.append(listener)
        return listener

    def close(self):
        for x in self.open:
            x.close()
        if self.child is not None:
            self.child.kill()
