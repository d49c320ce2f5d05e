"""The functions of the fast lane, each with a thread that may read the socket for all. See lane.py."""

from __future__ import annotations

import sys
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Tuple

from . import errors
from .errors import FATAL, USAGE, Error
from .frames import BATCH, CALL, RESULT, frame, result
from .values import FrameError, decode, encode

if TYPE_CHECKING:
    from .lane import Lane

REPLY = 10.0  # seconds that the host has to answer about state
_SEND_AT = 64 << 10  # bytes of answers that do not wait for more
_SEND_AFTER = 0.001  # seconds after which answers do not wait for a slow call
_QUICK = 0.0001  # seconds that a call of a function may take whose thread is to read

Job = Tuple[int, int, Any, bytes]  # op, id, context, payload


class Reply:
    """A request of the plugin that waits for its value."""

    __slots__ = ("come", "flags", "payload")

    def __init__(self) -> None:
        self.come = threading.Lock()
        self.come.acquire()
        self.flags = 0
        self.payload: Optional[bytes] = None


class Rows(List[Any]):
    """The answer to a batch."""


class FunctionRunner:
    """One function and its thread. put() hands it a list of jobs, which it does in order."""

    quick = True
    executing = False  # this thread is, or may be, in the plugin's code
    turn = 0  # how often it went there

    def __init__(self, lane: "Lane", number: int, name: str, factory: Callable[[], Any]) -> None:
        self._lane = lane
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
            self._lane.writer.send(out)

    def join(self, seconds: float) -> bool:
        self.thread.join(seconds)
        return not self.thread.is_alive()

    def _run(self) -> None:
        lane = self._lane
        lane.by_thread[threading.get_ident()] = self
        while True:
            jobs = self._next()
            if jobs is None:
                self.flush()
                return
            try:
                self._do(jobs)
            except FrameError as e:
                lane.fail("%s: arguments: %s" % (self._name, e))

    def _next(self) -> Optional[List[Job]]:
        """Waits for work, reading if this thread is the reader. None at the end."""
        lane, queue = self._lane, self._jobs
        if not queue.empty():
            return queue.get()
        self.flush()
        while True:
            with lane.reading:
                mine = lane.reader is self
                if mine and not self.quick:
                    lane.reader, mine = None, False
                    lane.wake()
                self.executing = False
            jobs = lane.step(self, True) if mine else queue.get()
            if jobs or not mine:
                break
        self.resume()
        return jobs

    def resume(self) -> None:
        """This thread goes to the plugin's code."""
        self.executing = True
        self.turn += 1
        if self._lane.asleep:
            self._lane.wake()

    def wait(self, reply: Reply, poll: Any) -> bool:
        """Waits within a call for the host's reply, and reads meanwhile if this thread is the reader."""
        lane = self._lane
        with lane.reading:
            mine = lane.reader is self
            if mine:
                self.executing = False
        deadline = time.monotonic() + REPLY
        while mine and not reply.come.acquire(blocking=False):
            left = deadline - time.monotonic()
            if lane.over or left <= 0:
                break
            if poll.poll(left * 1000):
                jobs = lane.step(self, False)
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
        lane, now = self._lane, time.perf_counter
        cancelled = lane.cancelled
        function = None if self._failed is not None else self._function.exec
        sent = begun = now()
        for op, id, ctx, payload in jobs:
            if lane.writer.dead:
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
        if id in self._lane.cancelled:
            self._lane.cancelled.discard(id)
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
