"""What the threads of the fast lane say to the host and ask of it. See lane.py."""

from __future__ import annotations

import itertools
import socket
import threading
from typing import Any, Dict, List, Optional, Set

from .errors import IO, Error
from .frames import HEAD, Writer, frame, result
from .values import decode

REPLY = 10.0  # seconds that the host has to answer about state


class Reply:
    """A request of the plugin that waits for its value."""

    __slots__ = ("come", "flags", "payload")

    def __init__(self) -> None:
        self.come = threading.Lock()
        self.come.acquire()
        self.flags = 0
        self.payload: Optional[bytes] = None

    def arrive(self, flags: int, payload: bytes) -> None:
        self.flags, self.payload = flags, payload
        self.come.release()


class Link:
    """The way to the host. Its methods may be called from any thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._ids = itertools.count(1)
        self.writer = Writer(sock)
        self.replies: Dict[int, Reply] = {}
        self.handles: Dict[int, Any] = {}  # what is open
        self.cancelled: Set[int] = set()  # calls that the host waits for no more
        self.broken: Optional[str] = None  # how the host broke the rules
        self.over = False  # nobody reads any more
        # From thread to who flushes before it waits for a reply, and may read while it does.
        self.waiters: Dict[int, Any] = {}

    def stop(self) -> None:
        """Ends the reading, as if the host had: what has come is still seen."""
        try:
            self._sock.shutdown(socket.SHUT_RD)
        except OSError:
            pass

    def fail(self, why: str) -> None:
        """Ends everything: the host broke the rules."""
        self.broken = self.broken or why
        self.stop()

    def send(self, op: int, id: int, number: int, *payload: Any) -> None:
        """A frame of its own: the value, if there is one, and the flags."""
        out = bytearray()
        if payload:
            frame(out, op, id, number, *payload)
        else:
            out += HEAD.pack(0, op, 0, 0, id, number)
        self.writer.send(out)

    def leave(self, handle: int, what: Any) -> None:
        """Forgets a handle, unless its number already is that of another one."""
        if self.handles.get(handle) is what:
            del self.handles[handle]

    def answer(self, id: int, value: Any) -> None:
        out = bytearray()
        result(out, id, value)
        self.writer.send(out)

    def ask(self, op: int, number: int, value: List[Any]) -> Any:
        """Asks the host and waits. Error of class io if it does not answer in time."""
        id = next(self._ids) & 0xFFFFFFFF
        out = bytearray()
        frame(out, op, id, number, value)
        me = self.waiters.get(threading.get_ident())
        if me is not None:
            me.flush()  # others need not wait for this one
        reply = self.replies[id] = Reply()
        if not self.over:
            self.writer.send(out)
        # The end may have come between: then nobody else will wake this one.
        if self.over or not (me.wait(reply) if me is not None else reply.come.acquire(timeout=REPLY)):
            self.replies.pop(id, None)
            raise Error("state: the host did not answer", IO)
        if reply.payload is None:
            raise Error("state: the host has gone", IO)
        answer = decode(reply.payload) if reply.payload else None
        if reply.flags & 1:
            raise answer if isinstance(answer, Error) else Error("state: refused", IO)
        return answer
