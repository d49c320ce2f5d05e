"""The fast lane: sdk/abi/lane.md, the plugin's side, without the ring.

Threads: the caller of run(), called main here; each function has one, each open source two (open, and
a short one for configure or close), each open sink one.

Reading. One thread at a time reads the socket for all: the reader. Main begins. If what it read is
work for one function only, that function's thread becomes the reader, so that call after call goes
without a switch of threads. Main watches: a reader that is in the plugin's code for more than a
tick has the reading taken away, so that one slow function does not hold up the others; a function that was
slow, does not get it.

Writing. Whoever has something to say gives it to the writer, and one of them sends for all.

This file imports lane_functions and lane_open, which know only lane_link: what all threads share.
"""

from __future__ import annotations

import select
import socket
from typing import Any, Dict, List, Optional, Tuple

from .context import Context
from .errors import IO, USAGE, Broken, Error
from .frames import (
    BATCH,
    BYE,
    CALL,
    CANCEL,
    CLOSE,
    CONTEXT,
    CREDIT,
    FORGET,
    HEAD,
    HELLO,
    MAX_PAYLOAD,
    OPEN_SINK,
    OPEN_SOURCE,
    VALIDATE,
    VALUE,
    WELCOME,
    WRITE,
)
from .lane_functions import FunctionRunner, Job, Reading
from .lane_link import Link
from .lane_open import HostStore, Meta, OpenSink, OpenSource
from .runner import finish
from .values import FrameError, decode

_unpack = HEAD.unpack_from


class Lane:
    """The connection. run() serves it until it ends."""

    def __init__(self, sock: socket.socket, config: Any) -> None:
        self._sock = sock
        self._config = config
        self._link = Link(sock)
        self.stop = self._link.stop
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        self._reading = Reading(self._link, poll, self._step)
        self._functions = [FunctionRunner(self._reading, i, n, f) for i, (n, f) in enumerate(config.functions.items())]
        self._sources = list(config.sources.items())
        self._sinks = list(config.sinks.items())
        # From number to what the host said of it, and the context that functions get.
        self._contexts: Dict[int, Tuple[Meta, Context]] = {
            0: (Meta(), Context(name=config.name, store=HostStore(self._link, 0)))
        }
        self._welcomed = False
        self._rest = b""  # the reader's: of a frame that has begun
        self._room = 1 << 16  # the reader's: bytes to read at once

    def run(self) -> bool:
        """Serves until the host or a signal ends it. Whether all threads ended. Broken as it says."""
        c, link, reading = self._config, self._link, self._reading
        link.send(
            HELLO,
            0,
            0,
            {
                "lane": 1,
                "name": c.name,
                "sdk": "python 0.1.0",
                "ring": False,
                "functions": list(c.functions),
                "sources": list(c.sources),
                "sinks": list(c.sinks),
                "aggregate": [n for n, f in zip(c.functions, self._functions) if f.aggregate],
            },
        )
        for f in self._functions:
            f.thread.start()
        while not link.over:
            if reading.reader is None:
                self._step(None, True)
            else:
                reading.watch()
        if link.broken is not None:
            raise Broken(link.broken)
        return self._finish()

    def _finish(self) -> bool:
        for reply in list(self._link.replies.values()):
            reply.come.release()
        handles = list(self._link.handles.values())
        for h in handles:
            h.stop()
        for f in self._functions:
            f.put(None)
        return finish([h.join for h in handles] + [f.join for f in self._functions])

    def _step(self, me: Optional[FunctionRunner], give: bool) -> Optional[List[Job]]:
        """Reads once, by the reader, which me is, and hands out what came. Returns what is for me.

        If give, another function's thread may be the reader afterwards. At the end over is set.
        """
        try:
            jobs = self._read()
        except FrameError as e:
            self._link.fail("lane: %s" % e)
            jobs = None
        except OSError as e:
            if not isinstance(e, ConnectionError):  # a reset is an end like another
                self._link.fail("lane: %s" % e)
            jobs = None
        if jobs is None:
            self._reading.end()
            return None
        mine = None
        if me is not None and jobs:
            mine = jobs.pop(me.number, None)
        if jobs:
            if give and mine is None and len(jobs) == 1:
                f = self._functions[next(iter(jobs))]
                if f.quick and not f.executing:
                    with self._reading.lock:
                        self._reading.reader = f
            self._hand_out(jobs)
        return mine

    def _read(self) -> Optional[Dict[int, List[Job]]]:
        """One recv. The work for functions that came, by their number; None at the end."""
        chunk = self._sock.recv(self._room)
        if not chunk:
            return None
        # Much at once where much comes; but room for a megabyte is dear where little does.
        self._room = min(2 * self._room, 1 << 20) if len(chunk) == self._room else 1 << 16
        buf = self._rest + chunk if self._rest else chunk
        pos, size = 0, len(buf)
        contexts, cancelled = self._contexts, self._link.cancelled
        jobs: Dict[int, List[Job]] = {}
        while size - pos >= 16:
            n, op, flags, symbol, id, number = _unpack(buf, pos)
            if n > MAX_PAYLOAD:
                raise FrameError("a payload of %d bytes" % n)
            end = pos + 16 + n
            if end > size:
                rest = self._gather(buf[pos:], 16 + n)
                if not rest:
                    return None
                # Exactly the one frame: it goes round once more.
                buf, pos, size = rest, 0, len(rest)
                continue
            payload = buf[pos + 16 : end]
            pos = end
            if (op == CALL or op == BATCH or op == VALIDATE) and self._welcomed:
                if cancelled:
                    cancelled.discard(id)
                try:
                    jobs[symbol].append((op, id, contexts[number][1], payload))
                except KeyError:
                    self._first(jobs, op, symbol, id, number, payload)
            elif op == BYE:
                self._hand_out(jobs)
                return None
            else:
                self._dispatch(op, flags, symbol, id, number, payload)
        self._rest = buf[pos:]
        return jobs

    def _hand_out(self, jobs: Dict[int, List[Job]]) -> None:
        for number, batch in jobs.items():
            self._functions[number].put(batch)

    def _gather(self, rest: bytes, need: int) -> bytes:
        """Reads until one long frame is there, in linear time. Empty at the end of the stream."""
        parts, have = [rest], len(rest)
        while have < need:
            chunk = self._sock.recv(min(need - have, 1 << 20))
            if not chunk:
                return b""
            parts.append(chunk)
            have += len(chunk)
        return b"".join(parts)

    def _welcome(self, payload: bytes) -> None:
        said = decode(payload)
        if self._welcomed or not isinstance(said, dict) or said.get("lane") != 1 or said.get("ring"):
            raise FrameError("welcome: %.80r" % (said,))
        self._welcomed = True

    def _first(self, jobs: Dict[int, List[Job]], op: int, symbol: int, id: int, number: int, payload: bytes) -> None:
        """The first job for a function in what was read at once."""
        if symbol >= len(self._functions):
            raise FrameError("function number %d of %d" % (symbol, len(self._functions)))
        jobs[symbol] = [(op, id, self._context(number)[1], payload)]

    def _context(self, number: int) -> Tuple[Meta, Context]:
        try:
            return self._contexts[number]
        except KeyError:
            raise FrameError("context %d was not announced" % number) from None

    def _dispatch(self, op: int, flags: int, symbol: int, id: int, number: int, payload: bytes) -> None:
        if op == WELCOME:
            self._welcome(payload)
        elif not self._welcomed:
            raise FrameError("the first frame is %d, not welcome" % op)
        elif op == VALUE:
            reply = self._link.replies.pop(id, None)
            if reply is not None:
                reply.arrive(flags, payload)
        elif op == WRITE:
            handle = self._link.handles.get(number)
            if isinstance(handle, OpenSink):
                handle.write(id, payload)
            else:
                self._link.answer(id, Error("the sink is not open", IO))
        elif op == CREDIT:
            handle = self._link.handles.get(number)
            if handle is not None:  # else it ended meanwhile
                handle.credit(id)
        elif op == CONTEXT:
            self._announce(number, payload)
        elif op == FORGET:
            if number:
                self._contexts.pop(number, None)
        elif op == CANCEL:
            cancelled = self._link.cancelled
            if len(cancelled) > 4096:  # of calls that were answered already
                cancelled.clear()
            cancelled.add(id)
        elif op == OPEN_SOURCE:
            self._open(OpenSource, self._sources, symbol, id, number, payload)
        elif op == OPEN_SINK:
            self._open(OpenSink, self._sinks, symbol, id, number, payload)
        elif op == CLOSE:
            handle = self._link.handles.get(number)
            if handle is None:
                self._link.answer(id, None)  # closed is closed
            else:
                handle.close(id)
        elif id:
            self._link.answer(id, Error("unknown op %d" % op, USAGE))

    def _announce(self, number: int, payload: bytes) -> None:
        said = decode(payload)
        kinds = [type(v) for v in said] if isinstance(said, list) else []
        if kinds[:3] != [str, str, int] or not number:
            raise FrameError("context: %.80r" % (said,))
        meta = Meta(said[0], said[1], said[2], number)
        ctx = Context(meta.rule, meta.op, meta.instance, self._config.name, HostStore(self._link, number))
        self._contexts[number] = (meta, ctx)

    def _open(
        self, kind: Any, symbols: List[Tuple[str, Any]], symbol: int, id: int, number: int, payload: bytes
    ) -> None:
        properties = decode(payload)
        if not isinstance(properties, dict):
            raise FrameError("open: not a map")
        if symbol >= len(symbols):
            raise FrameError("source or sink number %d of %d" % (symbol, len(symbols)))
        name, factory = symbols[symbol]
        handle = kind(self._link, id, name, factory, self._context(number)[0])
        self._link.handles[id] = handle
        handle.open(properties)
