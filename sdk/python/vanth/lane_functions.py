"""The functions of the fast lane, each with a thread that may read the socket for all, and which of
them does. See lane.py.
"""

from __future__ import annotations

import sys
import threading
import time
from queue import Empty, SimpleQueue
from typing import Any, Callable, List, Optional, Tuple

from . import errors
from .errors import FATAL, USAGE, Error
from .frames import BATCH, CALL, RESULT, frame, result
from .lane_link import REPLY, Link, Reply
from .values import FrameError, decode, encode

_SEND_AT = 64 << 10  # bytes of answers that do not wait for more
_SEND_AFTER = 0.001  # seconds after which answers do not wait for a slow call
_QUICK = 0.0001  # seconds that a call of a function may take whose thread is to read
_TICK = 0.005  # seconds between two looks at the reader
_IDLE = 10  # looks without news after which main sleeps until there are

Job = Tuple[int, int, Any, bytes]  # op, id, context, payload


class Rows(List[Any]):
    """The answer to a batch."""


class Reading:
    """Who reads the socket: main or a function's thread."""

    def __init__(self, link: Link, poll: Any, step: Callable[["FunctionRunner", bool], Optional[List[Job]]]) -> None:
        self.link = link
        self.poll = poll  # of the socket
        self.step = step  # Lane.step
        self.lock = threading.Lock()  # guards reader, and executing of a function that is
        self.reader: Optional[FunctionRunner] = None  # None is main
        self.asleep = False  # main waits for news
        self._news: "SimpleQueue[None]" = SimpleQueue()  # wakes main

    def wake(self) -> None:
        self.asleep = False
        self._news.put(None)

    def end(self) -> None:
        """Nobody reads any more."""
        with self.lock:
            self.link.over, self.reader = True, None
        self.wake()

    def watch(self) -> None:
        """Main, while a function's thread is the reader. Returns when main is to read, or all is over."""
        turn, idle = -1, 0
        while not self.link.over:
            f = self.reader
            if f is None:
                return
            if not f.executing:
                idle += 1
            elif f.turn != turn:
                turn, idle = f.turn, 0
            else:  # a whole tick in one turn
                with self.lock:
                    if self.reader is f and f.executing:
                        self.reader = None
                        return
            if idle < _IDLE:
                self._nap(_TICK)
                continue
            self.asleep = True
            # Who went to the plugin's code just before saw no need to wake.
            if not f.executing and self.reader is f and not self.link.over:
                self._nap(None)
            self.asleep, idle = False, 0

    def _nap(self, seconds: Optional[float]) -> None:
        try:
            self._news.get(timeout=seconds)
        except Empty:
            pass


class FunctionRunner:
    """One function and its thread. put() hands it a list of jobs, which it does in order."""

    quick = True
    executing = False  # this thread is, or may be, in the plugin's code
    turn = 0  # how often it went there

    def __init__(self, reading: Reading, number: int, name: str, factory: Callable[[], Any]) -> None:
        self._reading = reading
        self._link = reading.link
        self.number = number
        self._name = name
        self._jobs: "SimpleQueue[Optional[List[Job]]]" = SimpleQueue()
        self.put = self._jobs.put
        self._out = bytearray()  # answers not yet sent; this thread's own
        self._failed: Optional[Error] = None
        self.aggregate = False
        try:
            self._function = factory()
            self.aggregate = bool(self._function.is_aggregate())
        except BaseException as e:
            # The others live on; this one answers why it cannot.
            self._failed = Error(errors.text(e), FATAL)
            print("%s: %s" % (name, self._failed.msg), file=sys.stderr)
        self.thread = threading.Thread(target=self._run, daemon=True, name="function " + name)

    def flush(self) -> None:
        out = self._out
        if out:
            self._out = bytearray()
            self._link.writer.send(out)

    def join(self, seconds: float) -> bool:
        self.thread.join(seconds)
        return not self.thread.is_alive()

    def _run(self) -> None:
        self._link.waiters[threading.get_ident()] = self
        while True:
            jobs = self._next()
            if jobs is None:
                self.flush()
                return
            try:
                self._do(jobs)
            except FrameError as e:
                self._link.fail("%s: arguments: %s" % (self._name, e))

    def _next(self) -> Optional[List[Job]]:
        """Waits for work, reading if this thread is the reader. None at the end."""
        reading, queue = self._reading, self._jobs
        if not queue.empty():
            return queue.get()
        self.flush()
        while True:
            with reading.lock:
                mine = reading.reader is self
                if mine and not self.quick:
                    reading.reader, mine = None, False
                    reading.wake()
                self.executing = False
            jobs = reading.step(self, True) if mine else queue.get()
            if jobs or not mine:
                break
        self.resume()
        return jobs

    def resume(self) -> None:
        """This thread goes to the plugin's code."""
        self.executing = True
        self.turn += 1
        if self._reading.asleep:
            self._reading.wake()

    def wait(self, reply: Reply) -> bool:
        """Waits within a call for the host's reply, and reads meanwhile if this thread is the reader."""
        reading = self._reading
        with reading.lock:
            mine = reading.reader is self
            if mine:
                self.executing = False
        deadline = time.monotonic() + REPLY
        while mine and not reply.come.acquire(blocking=False):
            left = deadline - time.monotonic()
            if self._link.over or left <= 0:
                break
            if reading.poll.poll(left * 1000):
                jobs = reading.step(self, False)
                if jobs:
                    self._jobs.put(jobs)
        else:
            if mine:
                self.resume()
                return True
            return reply.come.acquire(timeout=REPLY)
        self.resume()
        return False

    def _do(self, jobs: List[Job]) -> None:
        link, now = self._link, time.perf_counter
        cancelled = link.cancelled
        function = None if self._failed is not None else self._function.exec
        sent = begun = now()
        for op, id, ctx, payload in jobs:
            if link.writer.dead:
                return
            if op == CALL and function is not None and not cancelled:
                args = decode(payload)
                if type(args) is not list:
                    raise FrameError("not a list")
                try:
                    value = function(args, ctx)
                except BaseException as e:
                    value = errors.report(e)
            else:
                value = self._rare(op, id, ctx, payload)
            if type(value) is Rows:
                self._rows(id, value)
            else:
                result(self._out, id, value)
            if len(self._out) > _SEND_AT or now() - sent > _SEND_AFTER:
                self.flush()
                sent = now()
        self.quick = now() - begun < _QUICK * len(jobs)

    def _rare(self, op: int, id: int, ctx: Any, payload: bytes) -> Any:
        if id in self._link.cancelled:
            self._link.cancelled.discard(id)
            return Error("%s: cancelled" % self._name, USAGE)
        args = decode(payload)
        if type(args) is not list or op == BATCH and not all(type(row) is list for row in args):
            raise FrameError("not a list")
        if self._failed is not None:
            return self._failed
        if op == BATCH:
            return self._batch(args, ctx)
        try:
            if op == CALL:
                return self._function.exec(args, ctx)
            message = errors.refusal(self._function.validate(args))
            return None if message is None else Error(message, USAGE)
        except BaseException as e:
            return errors.report(e)

    def _rows(self, id: int, rows: "Rows") -> None:
        """Answers a batch. If a row cannot be sent only that one fails."""
        try:
            frame(self._out, RESULT, id, 0, rows)
            return
        except Exception:
            pass
        for i, v in enumerate(rows):
            try:
                encode([v])
            except Exception as e:
                rows[i] = Error("result: %s" % e, FATAL)
        result(self._out, id, rows)

    def _batch(self, rows: List[Any], ctx: Any) -> "Rows":
        function = self._function.exec
        out = Rows()
        add = out.append
        for args in rows:
            try:
                add(function(args, ctx))
            except BaseException as e:
                add(errors.report(e))
        return out
