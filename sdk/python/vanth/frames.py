"""Frames of the fast lane, and the one way to send them."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any

from .errors import FATAL, Error
from .values import write

MAX_PAYLOAD = 64 << 20

HELLO, WELCOME, BYE = 1, 2, 3
CALL, BATCH, VALIDATE, CANCEL, CONTEXT, FORGET = 16, 17, 18, 19, 20, 21
RESULT = 32
OPEN_SOURCE, OPEN_SINK, CLOSE, CREDIT, MESSAGE, FAILURE, END, WRITE = 48, 49, 50, 51, 52, 53, 54, 55
GET, PUT, DELETE, ADD, COUNT = 64, 65, 66, 67, 68
VALUE = 79

HEAD = struct.Struct("<IBBHII")
_pack_into = HEAD.pack_into
_ROOM = bytes(16)
_HOLD = 8 << 20  # bytes that may wait for the host to read; then the threads wait


def frame(out: bytearray, op: int, id: int, number: int, value: Any, flags: int = 0) -> None:
    """Appends a frame with a value. If that cannot be sent out is as it was, and the error raised."""
    start = len(out)
    out += _ROOM
    try:
        write(out, value, 0)
        n = len(out) - start - 16
        if n > MAX_PAYLOAD:
            raise ValueError("%d bytes are more than the %d of a frame" % (n, MAX_PAYLOAD))
    except BaseException:
        del out[start:]
        raise
    _pack_into(out, start, n, op, flags, 0, id, number)


def result(out: bytearray, id: int, value: Any) -> None:
    """Appends an answer. A value that cannot be sent becomes an error of class fatal."""
    flags = 1 if isinstance(value, Error) else 0
    try:
        frame(out, RESULT, id, 0, value, flags)
    except Exception as e:
        frame(out, RESULT, id, 0, Error("result: %s" % e, FATAL), 1)


class Writer:
    """Sends for many threads. Who comes while another one sends leaves its bytes to that one."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._free = threading.Condition(threading.Lock())  # guards the rest
        self._waiting = bytearray()
        self._busy = False
        self.dead = False  # the host reads no more

    def send(self, data: Any) -> None:
        """Takes data over. It never raises: when the host is gone the reader learns it."""
        with self._free:
            while self._busy and len(self._waiting) > _HOLD and not self.dead:
                self._free.wait()
            if self.dead:
                return
            if self._busy:
                self._waiting += data
                return
            self._busy = True
        while True:
            try:
                self._sock.sendall(data)
            except OSError:
                self.dead = True
            with self._free:
                if self.dead or not self._waiting:
                    self._waiting = bytearray()
                    self._busy = False
                    self._free.notify_all()
                    return
                data, self._waiting = self._waiting, bytearray()
                self._free.notify_all()
