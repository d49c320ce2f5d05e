"""eKuiper's wire: SP sockets in /tmp, JSON in them. What unmodified eKuiper hosts expect.

Threads: the caller of run() serves the control socket; each function and each running source and
sink has one.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from typing import Any, Callable, Dict, Optional, Tuple

from . import errors, sp
from .context import Context, SinkContext
from .errors import Broken, Closed, Error
from .jsons import dumps, row
from .runner import SourceRunner, finish

_DIR = "/tmp"
_FIRST = 10.0  # seconds for the host to listen when the process starts
_BACK = 30.0  # seconds for a host that went to come back
_START = 5.0  # seconds for the host to listen for a symbol that it starts, and for a sink to open
_STOP = 5.0  # seconds for a symbol to close before the host is told


def _path(*names: Any) -> str:
    return "%s/%s.ipc" % (_DIR, "_".join(str(n) for n in names))


class RunningFunction:
    """A function, its socket and its thread. Once started it runs until the process ends."""

    def __init__(self, wire: "Wire", name: str, factory: Callable[[], Any]) -> None:
        self._wire, self._name = wire, name
        self._function = factory()
        # From what the host sends as the last argument. Kept as long as the function, as is their state.
        self._contexts: Dict[str, Context] = {}
        self._req = sp.Req(_path("func", name))
        self._req.connect(_START)
        self._req.handshake()
        self._thread = threading.Thread(target=self._run, daemon=True, name="function " + name)
        self._thread.start()

    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._req.serve(self._answer, float("inf"), self._wire.host_lives)
        except (sp.Stopped, sp.Gone):
            pass

    def _answer(self, request: bytes) -> bytes:
        state = True
        try:
            asked = json.loads(request)
            func, args = asked["func"], asked.get("arg")
            if func == "Exec":
                value = self._exec(args)
            elif func == "Validate":
                value = errors.refusal(self._function.validate(args or []))
                state, value = value is None, value or ""
            elif func == "IsAggregate":
                value = bool(self._function.is_aggregate())
            else:
                state, value = False, "invalid func %s" % func
            return dumps({"state": state, "result": value})
        except BaseException as e:
            return dumps({"state": False, "result": errors.text(e)})

    def _exec(self, args: Any) -> Any:
        if not isinstance(args, list) or not args or not isinstance(args[-1], str):
            raise Error("invalid arg: the last one is not a context")
        said = args.pop()
        ctx = self._contexts.get(said)
        if ctx is None:
            ctx = self._context(said)
        value = self._function.exec(args, ctx)
        if isinstance(value, Error):
            raise value
        return value

    def _context(self, said: str) -> Context:
        try:
            meta = json.loads(said)
            key = (meta["ruleId"], meta["opId"], meta["instanceId"], meta["funcId"])
        except (ValueError, TypeError, KeyError):
            raise Error("invalid arg: %.200s: ruleId, opId, instanceId and funcId are required" % said) from None
        ctx = self._contexts[said] = Context(key[0], key[1], key[2], self._name)
        return ctx

    def stop(self) -> None:
        self._req.close()

    def join(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()


class SourceContext(Context):
    """Emits over a PUSH socket."""

    push: sp.Push

    def emit(self, message: Any, meta: Optional[Dict[str, Any]] = None, time: Any = None) -> None:
        self._send({"message": message, "meta": meta})

    def emit_error(self, error: str) -> None:
        self._send({"error": str(error)})

    def _send(self, value: Any) -> None:
        data = dumps(value)
        try:
            self.push.send(data, _BACK)
        except sp.Stopped:
            raise Closed("the source is closed") from None


class RunningSource:
    def __init__(self, name: str, source: Any, ids: Tuple[Any, ...], topic: str, conf: Dict[str, Any]) -> None:
        self._ctx = SourceContext(ids[0], ids[1], ids[2], name)
        self._runner = SourceRunner(source, self._ctx, self._ended)
        self._runner.configure(topic, conf)
        self._ctx.push = sp.Push(_path(*ids))
        self._ctx.push.connect(_START)
        self._runner.start()

    def _ended(self, failed: Optional[BaseException]) -> None:
        if failed is not None:
            text = errors.text(failed)
            self._ctx.get_logger().error("open: %s", text)
            try:
                self._ctx.emit_error(text)
            except (Closed, OSError):
                pass
        self._ctx.push.close()

    def stop(self) -> None:
        self._ctx.push.close()
        threading.Thread(target=self._runner.close, daemon=True, name="close source").start()

    def join(self, seconds: float) -> bool:
        return self._runner.join(seconds)


class RunningSink:
    """Opens, collects and closes in a thread of its own."""

    def __init__(self, name: str, sink: Any, ids: Tuple[Any, ...], conf: Dict[str, Any]) -> None:
        self._sink = sink
        self._ctx = SinkContext(ids[0], ids[1], ids[2], name)
        sink.configure(conf)
        self._pull = sp.Pull(_path(*ids))
        self._ack = sp.Push(_path(*(ids + ("ack",))))
        self._failed: Optional[BaseException] = None
        self._open = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="sink " + name)
        try:
            self._ack.connect(_START)
        except OSError as e:
            # Old hosts know no acks.
            self._ctx.get_logger().warning("no acks: %s", e)
        self._thread.start()
        self._open.wait(_START)  # one that needs longer is started, its rows wait
        if self._failed is not None:
            self._thread.join(_STOP)
            raise self._failed

    def _run(self) -> None:
        try:
            try:
                self._sink.open(self._ctx)
            except BaseException as e:
                self._failed = e
                return
            finally:
                self._open.set()
            while True:
                messages = self._pull.receive()
                if messages is None:
                    break
                for data in messages:
                    self._collect(data)
            self._sink.close(self._ctx)
        except BaseException as e:
            self._ctx.get_logger().error("close: %s", errors.text(e))
        finally:
            self._pull.close()
            self._ack.close()

    def _collect(self, data: bytes) -> None:
        try:
            failed = self._ctx.collect(self._sink, row(data, self._sink.decoded))
            text = None if failed is None else failed.msg
        except BaseException as e:
            text = errors.text(e)
            self._ctx.get_logger().error("collect: %s", text)
        # A host that does not ask for acks may not read them: then they are dropped.
        self._ack.offer(b"{}" if text is None else dumps({"error": text}))

    def stop(self) -> None:
        self._pull.stop()

    def join(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()


class Wire:
    """The control socket. run() serves it until the host is gone or stop() is called."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self._req = sp.Req(_path("plugin", config.name))
        self._parent = os.getppid()
        self._running: Dict[Tuple[Any, ...], Any] = {}
        self._log = logging.getLogger(config.name)

    def stop(self) -> None:
        self._req.close()

    def host_lives(self) -> bool:
        """Whether the process that started this one still lives. The host is that, or its parent."""
        return os.getppid() == self._parent

    def run(self) -> bool:
        """Whether all threads ended. Broken if no host ever was there."""
        try:
            self._req.connect(_FIRST, self.host_lives)
            self._req.serve(self._answer, _BACK, self.host_lives)
        except sp.Stopped:
            pass
        except sp.Gone as e:
            if not self._req.connected_once:
                raise Broken("no host: %s" % e) from None
            print("%s: the host has gone: %s" % (self._config.name, e), file=sys.stderr)
        running = list(self._running.values())
        for r in running:
            r.stop()
        return finish([r.join for r in running])

    def _answer(self, request: bytes) -> bytes:
        try:
            text = self._command(request)
        except BaseException as e:
            text = errors.text(e)
        # A host takes what begins with h for a handshake.
        return ("error: " + text if text.startswith("h") else text).encode("utf-8", "replace")

    def _command(self, request: bytes) -> str:
        asked = json.loads(request)
        command, ctrl = asked["cmd"], json.loads(asked["arg"])
        kind, name = ctrl["pluginType"], ctrl["symbolName"]
        meta = ctrl.get("meta") or {}
        ids = (meta.get("ruleId", ""), meta.get("opId", ""), meta.get("instanceId", 0))
        # Functions have no rule: the host sends zeros.
        key = (kind, name) if kind == "func" else ids + (name,)
        if command == "stop":
            return self._stop(kind, key)
        if command != "start":
            return "invalid command received: %s" % command
        factories = {"source": self._config.sources, "sink": self._config.sinks, "func": self._config.functions}
        factory = factories.get(kind, {}).get(name)
        if factory is None:
            return "symbol not found"
        if kind == "func":
            running = self._running.get(key)
            if running is None or not running.alive():
                self._running[key] = RunningFunction(self, name, factory)
            return "ok"
        if not ids[0] or not ids[1]:
            return "invalid arg: ruleId and opId are required"
        # A host that comes back starts what it does not know to be running.
        self._stop(kind, key)
        conf = ctrl.get("config") or {}
        if kind == "sink":
            self._running[key] = RunningSink(name, factory(), ids, conf)
        else:
            topic = ctrl.get("dataSource") or ctrl.get("datasource") or conf.get("datasource") or ""
            self._running[key] = RunningSource(name, factory(), ids, topic, conf)
        return "ok"

    def _stop(self, kind: str, key: Tuple[Any, ...]) -> str:
        """A stop of what is not running is no error; functions are not stopped at all."""
        running = None if kind == "func" else self._running.pop(key, None)
        if running is not None:
            running.stop()
            if not running.join(_STOP):
                self._log.warning("%s still runs %g s after its stop", "_".join(map(str, key)), _STOP)
        return "ok"
