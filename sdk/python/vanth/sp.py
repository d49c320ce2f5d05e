"""SP over Unix sockets: what eKuiper's hosts speak (nanomsg's "ipc").

Both ends say a hello of 8 bytes with their protocol. Then each message is 01, a length of 8 bytes
(big-endian) and the bytes. Messages have no limit; memory is taken as the bytes come.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from typing import Callable, Dict, List, Optional

REQ, REP, PUSH, PULL = 0x30, 0x31, 0x50, 0x51
_PARTNER = {REQ: REP, REP: REQ, PUSH: PULL, PULL: PUSH}
_HELLO = 5.0  # seconds for the other one's hello
_SEND = 10.0  # seconds after which a REQ that nobody reads begins anew
_TICK = 2.0  # seconds between two looks whether to go on
_size = struct.Struct(">Q")
_timeval = struct.Struct("@ll")


class Gone(OSError):
    """The connection is no more, or the other one speaks something else."""


class Stopped(Exception):
    """The socket was closed from here."""


def hello(protocol: int) -> bytes:
    return b"\x00SP\x00" + struct.pack(">HH", protocol, 0)


def framed(message: bytes) -> bytes:
    return b"\x01" + _size.pack(len(message)) + message


class Messages:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._parts: List[bytes] = []
        self._have = 0
        self._need = 9

    def feed(self, chunk: bytes) -> List[bytes]:
        """The messages that chunk completes. Gone if the stream is not one of messages."""
        self._parts.append(chunk)
        self._have += len(chunk)
        if self._have < self._need:
            return []
        buf = b"".join(self._parts) if len(self._parts) > 1 else chunk
        pos, out = 0, []
        while True:
            if self._have - pos >= 1 and buf[pos] != 1:
                raise Gone("a message begins with %d, expected 1" % buf[pos])
            if self._have - pos < 9:
                self._need = 9
                break
            n = 9 + _size.unpack_from(buf, pos + 1)[0]
            if self._have - pos < n:
                self._need = n
                break
            out.append(buf[pos + 9 : pos + n])
            pos += n
        self._parts = [buf[pos:]] if pos < self._have else []
        self._have -= pos
        return out


def _receive_hello(sock: socket.socket, protocol: int) -> None:
    """Reads exactly the other one's hello. Gone if it is not that of protocol's partner."""
    deadline = time.monotonic() + _HELLO
    got = b""
    while len(got) < 8:
        sock.settimeout(max(deadline - time.monotonic(), 0.001))
        chunk = sock.recv(8 - len(got))
        if not chunk:
            raise Gone("closed before its hello")
        got += chunk
    sock.settimeout(None)
    if got != hello(_PARTNER[protocol]):
        raise Gone("hello %s, expected %s" % (got.hex(), hello(_PARTNER[protocol]).hex()))


def dial(path: str, protocol: int) -> socket.socket:
    """A connection, once tried. OSError if there is none."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(_HELLO)
        sock.connect(path)
        sock.sendall(hello(protocol))
        _receive_hello(sock, protocol)
        return sock
    except BaseException:
        sock.close()
        raise


class Dialer:
    """What a REQ and a PUSH have in common: one connection to a path, which comes back."""

    def __init__(self, path: str, protocol: int) -> None:
        self._path = path
        self._protocol = protocol
        self._sock: Optional[socket.socket] = None
        self.connected_once = False
        self._stop = threading.Event()

    def connect(self, seconds: float, go_on: Callable[[], bool] = lambda: True) -> None:
        """Tries for seconds, from ten times a second to twice. Gone if in vain, Stopped when closed."""
        deadline = time.monotonic() + seconds
        pause = 0.1
        while not self._stop.is_set():
            try:
                sock = dial(self._path, self._protocol)
            except (OSError, ValueError) as e:
                if not go_on() or time.monotonic() + pause > deadline:
                    raise Gone("%s: %s" % (self._path, e)) from None
            else:
                self._sock = sock
                self.connected_once = True
                self._prepare(sock)
                if self._stop.is_set():
                    break
                return
            self._stop.wait(pause)
            pause = min(pause * 1.3, 0.5)
        self._drop()
        raise Stopped()

    def _prepare(self, sock: socket.socket) -> None:
        """Sets deadlines."""

    def _drop(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def close(self) -> None:
        """From any thread: who uses the socket gets Stopped."""
        self._stop.set()
        sock = self._sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Req(Dialer):
    """Serves a host that is a REP: its commands are the replies to our requests.

    Quiet: nothing is sent but one handshake for each connection and one answer for each command,
    each under an id of its own. An answer whose connection broke is not sent again: the host that
    comes back asks anew.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, REQ)
        self._asked: Optional[socket.socket] = None  # the connection that had its handshake
        self._id = int.from_bytes(os.urandom(4), "big")

    def _prepare(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval.pack(int(_SEND), 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval.pack(int(_TICK), 0))

    def serve(self, answer: Callable[[bytes], bytes], seconds: float, go_on: Callable[[], bool]) -> None:
        """Sends the handshake on the connection that connect() made, and then answers.

        Ends with Stopped when closed; with Gone when the host is lost and does not come back within
        seconds, or as soon as go_on() says that there is no use in waiting.
        """
        while True:
            try:
                self._serve(answer, go_on)
            except Stopped:
                raise
            except OSError as e:
                self._drop()
                if self._stop.is_set():
                    raise Stopped() from None
                if not go_on():
                    raise Gone(str(e)) from None
            self.connect(seconds, go_on)

    def handshake(self) -> None:
        """The first request of a connection. serve() does it if nobody did."""
        self._ask(b"handshake")

    def _ask(self, message: bytes) -> None:
        sock = self._sock
        if sock is None:
            raise Gone("not connected")
        self._asked = sock
        self._id = id = self._id + 1 & 0x7FFFFFFF
        # One send: the head of a frame, the id, the message.
        sock.sendall(b"".join((b"\x01", _size.pack(len(message) + 4), (id | 0x80000000).to_bytes(4, "big"), message)))

    def _serve(self, answer: Callable[[bytes], bytes], go_on: Callable[[], bool]) -> None:
        sock = self._sock
        if sock is None:
            raise Gone("not connected")
        if self._asked is not sock:
            self.handshake()
        cut = Messages()
        while True:
            try:
                chunk = sock.recv(1 << 16)
            except BlockingIOError:  # the tick
                if self._stop.is_set():
                    raise Stopped() from None
                if not go_on():
                    raise Gone("no use in waiting") from None
                continue
            if not chunk:
                raise Gone("closed by the host")
            for message in cut.feed(chunk):
                # A reply to an older request is for nobody.
                if message[:4] == (self._id | 0x80000000).to_bytes(4, "big"):
                    self._ask(answer(message[4:]))


class Push(Dialer):
    """Sends messages one way; many threads may."""

    def close(self) -> None:
        super().close()
        if self._sending.acquire(blocking=False):  # else who sends drops it
            self._drop()
            self._sending.release()

    def __init__(self, path: str) -> None:
        super().__init__(path, PUSH)
        self._rest = b""  # of a message that offer() began
        self._sending = threading.Lock()  # one message at a time

    def send(self, message: bytes, seconds: float) -> None:
        """Waits while the host does not read, and up to seconds for a host that comes back.

        Gone if it does not, Stopped when closed. What a host that went had not read is lost.
        """
        data = framed(message)
        with self._sending:
            while True:
                if self._stop.is_set():
                    self._drop()
                    raise Stopped()
                try:
                    if self._sock is None:
                        self.connect(seconds)
                    self._sock.sendall(data)  # type: ignore[union-attr]
                    return
                except Gone:
                    raise
                except OSError:
                    self._drop()

    def offer(self, message: bytes) -> bool:
        """Sends without waiting. False if the message was dropped because the host does not read."""
        with self._sending:
            sock = self._sock
            try:
                if sock is None:
                    if self._stop.is_set():
                        return False
                    self._rest = b""
                    sock = self._sock = dial(self._path, self._protocol)
                if self._rest:
                    self._rest = self._rest[sock.send(self._rest, socket.MSG_DONTWAIT) :]
                    if self._rest:
                        return False
                data = framed(message)
                self._rest = data[sock.send(data, socket.MSG_DONTWAIT) :]
                return True
            except BlockingIOError:
                return False
            except OSError:
                self._drop()
                return False


class Pull:
    """Listens, and receives from whoever dials."""

    def __init__(self, path: str) -> None:
        """OSError if somebody else listens there."""
        self._path = path
        self._listener = _listen(path)
        self._inode = os.stat(path).st_ino
        self._wake, self._waker = socket.socketpair()
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)
        self._peers: Dict[int, socket.socket] = {}
        self._hellos: Dict[int, bytes] = {}  # of those that have not said all of it
        self._cuts: Dict[int, Messages] = {}
        self._stopping = False

    def receive(self) -> Optional[List[bytes]]:
        """Waits for messages. None when stopped and nothing more has come."""
        while True:
            ready = self._poll.poll(0 if self._stopping else None)
            out: List[bytes] = []
            for fd, _ in ready:
                if fd == self._wake.fileno():
                    self._stopping = True
                    self._poll.unregister(fd)
                elif fd == self._listener.fileno():
                    self._accept()
                else:
                    out += self._read(fd)
            if out:
                return out
            if self._stopping and not ready:
                return None

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        fd = sock.fileno()
        self._peers[fd], self._hellos[fd], self._cuts[fd] = sock, b"", Messages()
        self._poll.register(sock, select.POLLIN)
        try:
            sock.send(hello(PULL), socket.MSG_DONTWAIT)
        except OSError:
            self._leave(fd)

    def _read(self, fd: int) -> List[bytes]:
        """What came from one peer. One that speaks something else is left."""
        if fd not in self._peers:
            return []
        try:
            chunk = self._peers[fd].recv(1 << 18, socket.MSG_DONTWAIT)
            if not chunk:
                raise Gone("closed")
            if fd in self._hellos:
                said = self._hellos[fd] + chunk
                if said[:8] != hello(PUSH)[: len(said)]:
                    raise Gone("hello %s" % said[:8].hex())
                self._hellos[fd] = said
                if len(said) < 8:
                    return []
                del self._hellos[fd]
                chunk = said[8:]
            return self._cuts[fd].feed(chunk)
        except BlockingIOError:
            return []
        except OSError:
            self._leave(fd)
            return []

    def _leave(self, fd: int) -> None:
        self._poll.unregister(fd)
        self._peers.pop(fd).close()
        self._hellos.pop(fd, None)
        del self._cuts[fd]

    def stop(self) -> None:
        """From any thread: receive() hands out what has come, and then None."""
        try:
            self._waker.send(b"x")
        except OSError:
            pass

    def close(self) -> None:
        """By the receiving thread, when it has done."""
        for sock in [self._listener, self._wake, self._waker] + list(self._peers.values()):
            sock.close()
        try:
            if os.stat(self._path).st_ino == self._inode:
                os.unlink(self._path)
        except OSError:
            pass


def _listen(path: str) -> socket.socket:
    """Ten tries. A socket file that nobody listens on is removed."""
    for last in (False,) * 9 + (True,):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(path)
            sock.listen(16)
            return sock
        except OSError as e:
            sock.close()
            if last:
                raise OSError(e.errno, "%s: %s" % (path, e.strerror or e)) from None
        probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            probe.settimeout(1)
            probe.connect(path)
        except ConnectionRefusedError:
            try:
                os.unlink(path)
            except OSError:
                pass
        except OSError:
            pass
        finally:
            probe.close()
        time.sleep(0.05)
    raise AssertionError("unreachable")
