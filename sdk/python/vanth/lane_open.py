"""The open sources and sinks of the fast lane."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import Any, Callable, Dict, Optional, Tuple

from . import errors
from .context import Context, SinkContext
from .errors import IO, Closed, Error
from .frames import ADD, COUNT, DELETE, END, FAILURE, GET, MESSAGE, PUT, frame, result
from .jsons import row
from .lane_link import Link
from .runner import SourceRunner
from .values import FrameError, decode

_READY = 10.0  # seconds that a close waits for a source that is still being configured
_SEND_AT = 64 << 10  # bytes of answers that do not wait for more


class Meta:
    """What the host said of a context."""

    __slots__ = ("rule", "op", "instance", "number")

    def __init__(self, rule: str = "", op: str = "", instance: int = 0, number: int = 0) -> None:
        self.rule, self.op, self.instance, self.number = rule, op, instance, number


class HostStore:
    """State and counters of one context, kept by the host."""

    def __init__(self, link: Link, number: int) -> None:
        self._ask = link.ask
        self._number = number

    def get(self, key: str) -> Any:
        return self._ask(GET, self._number, [key])

    def put(self, key: str, value: Any) -> None:
        self._ask(PUT, self._number, [key, value])

    def delete(self, key: str) -> None:
        self._ask(DELETE, self._number, [key])

    def add(self, key: str, by: int) -> int:
        return int(self._ask(ADD, self._number, [key, by]))

    def count(self, key: str) -> int:
        return int(self._ask(COUNT, self._number, [key]))


class SourceContext(Context):
    """Emits as many messages as the host gave credit for."""

    def __init__(self, link: Link, handle: int, meta: Meta, name: str) -> None:
        super().__init__(meta.rule, meta.op, meta.instance, name, HostStore(link, meta.number))
        self._link = link
        self._handle = handle
        self._can = threading.Condition(threading.Lock())  # guards the rest
        self._credit = 0
        self._shut = False

    def credit(self, n: int) -> None:
        with self._can:
            self._credit += n
            self._can.notify_all()

    def shut(self) -> None:
        with self._can:
            self._shut = True
            self._can.notify_all()

    def emit(self, message: Any, meta: Optional[Dict[str, Any]] = None, time: Any = None) -> None:
        out = bytearray()
        frame(out, MESSAGE, 0, self._handle, [message, meta, time])
        with self._can:
            while self._credit <= 0 and not self._shut:
                self._can.wait()
            if self._shut:
                raise Closed("the source is closed")
            self._credit -= 1
        self._link.writer.send(out)

    def emit_error(self, error: str) -> None:
        if self._shut:
            raise Closed("the source is closed")
        self._link.send(FAILURE, 0, self._handle, str(error).encode("utf-8", "replace").decode())


class OpenSource:
    """A handle. Its thread configures the source, answers the host and then runs it."""

    def __init__(self, link: Link, handle: int, name: str, factory: Callable[[], Any], meta: Meta) -> None:
        self._link, self._handle, self._factory = link, handle, factory
        self.ctx = SourceContext(link, handle, meta, name)
        self.credit = self.ctx.credit
        self._runner: Optional[SourceRunner] = None
        self._ready = threading.Event()
        self._closing = False
        self._stopping: Optional[threading.Thread] = None

    def open(self, properties: Dict[str, Any]) -> None:
        threading.Thread(target=self._open, args=(properties,), daemon=True, name="open source").start()

    def _open(self, properties: Dict[str, Any]) -> None:
        try:
            runner = SourceRunner(self._factory(), self.ctx, self._ended)
            runner.configure(properties.get("datasource") or "", properties.get("config") or {})
        except BaseException as e:
            self._link.leave(self._handle, self)
            self._link.answer(self._handle, errors.report(e))
        else:
            self._link.answer(self._handle, None)
            self._runner = runner
            runner.start()
        self._ready.set()

    def _ended(self, failed: Optional[BaseException]) -> None:
        self._link.leave(self._handle, self)
        if self._closing:
            return
        if failed is None:
            self._link.send(END, 0, self._handle)
        else:
            self._link.send(END, 0, self._handle, errors.report(failed), 1)

    def close(self, id: int) -> None:
        self._closing = True
        self.ctx.shut()
        threading.Thread(target=self._close, args=(id,), daemon=True, name="close source").start()

    def _close(self, id: int) -> None:
        failed = self._stop()
        self._link.leave(self._handle, self)
        self._link.answer(id, None if failed is None else errors.report(failed))

    def stop(self) -> None:
        """Without an answer: the process ends."""
        self._closing = True
        self.ctx.shut()
        self._stopping = threading.Thread(target=self._stop, daemon=True, name="stop source")
        self._stopping.start()

    def _stop(self) -> Optional[BaseException]:
        # One that was just answered for may not have begun to run.
        if self._ready.wait(_READY) and self._runner is not None:
            return self._runner.close()
        return None

    def join(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        if self._stopping is not None:
            self._stopping.join(seconds)
            if self._stopping.is_alive():
                return False
        return self._runner is None or self._runner.join(max(deadline - time.monotonic(), 0.01))


class OpenSink:
    """A handle and its thread, which opens, collects and closes in order."""

    def __init__(self, link: Link, handle: int, name: str, factory: Callable[[], Any], meta: Meta) -> None:
        self._link, self._handle, self._factory = link, handle, factory
        self._ctx = SinkContext(meta.rule, meta.op, meta.instance, name, HostStore(link, meta.number))
        # (id, payload) is a write, (id, None) a close that is answered, None one that is not.
        self._jobs: "SimpleQueue[Optional[Tuple[int, Optional[bytes]]]]" = SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True, name="sink " + name)

    def open(self, properties: Dict[str, Any]) -> None:
        self._properties = properties
        self._thread.start()

    def write(self, id: int, payload: bytes) -> None:
        self._jobs.put((id, payload))

    def close(self, id: int) -> None:
        self._jobs.put((id, None))

    def stop(self) -> None:
        self._jobs.put(None)

    def join(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def credit(self, n: int) -> None:
        """Is for sources."""

    def _run(self) -> None:
        link = self._link
        try:
            sink = self._factory()
            sink.configure(self._properties.get("config") or {})
            sink.open(self._ctx)
        except BaseException as e:
            self._leave(self._handle, errors.report(e))
            return
        link.answer(self._handle, None)
        try:
            id = self._collect(sink)
        except FrameError as e:
            link.fail("write: %s" % e)
            return
        failed = None
        try:
            sink.close(self._ctx)
        except BaseException as e:
            failed = errors.report(e)
        self._leave(id, failed)

    def _leave(self, id: int, value: Any) -> None:
        """Gives up the handle and answers what asked for that, if anything did, and what came too late."""
        link = self._link
        link.leave(self._handle, self)
        if id:
            link.answer(id, value)
        while not self._jobs.empty():
            job = self._jobs.get()
            if job is not None:
                link.answer(job[0], None if job[1] is None else Error("the sink is closed", IO))

    def _collect(self, sink: Any) -> int:
        """Takes writes until a close, whose id it returns, or the end of all: 0."""
        jobs, out = self._jobs, bytearray()
        while True:
            if out and (len(out) > _SEND_AT or jobs.empty()):
                self._link.writer.send(out)
                out = bytearray()
            job = jobs.get()
            if job is None or job[1] is None:
                if out:
                    self._link.writer.send(out)
                return job[0] if job is not None else 0
            item = decode(job[1])
            if type(item) is not list or not item:
                raise FrameError("not a list")
            try:
                result(out, job[0], self._ctx.collect(sink, row(item[0], sink.decoded)))
            except BaseException as e:
                result(out, job[0], errors.report(e))
