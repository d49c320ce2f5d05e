"""The life of a plugin process.

1. start() makes standard output line by line and takes the lane's descriptor out of the environment.
2. It talks to the host, over the fast lane if VANTH_LANE offers one, else over eKuiper's wire.
3. SIGTERM, SIGINT, the host's bye and the end of the host end it in order: what is open gets closed,
   within five seconds, and the process exits with status 0. What breaks the rules of a wire ends it
   with status 1 and a line on standard error.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import socket
import sys
import threading
import time
from typing import Any, Callable, Dict, NoReturn, Optional

from .errors import Broken
from .runner import GRACE
from .symbols import Function, Sink, Source


class PluginConfig:
    """The name of the plugin, as in its manifest, and for each kind a dict from symbol to factory.

    A factory is called without arguments: once for each open source and sink, once in all for a
    function.
    """

    def __init__(
        self,
        name: str,
        sources: Optional[Dict[str, Callable[[], Source]]] = None,
        sinks: Optional[Dict[str, Callable[[], Sink]]] = None,
        functions: Optional[Dict[str, Callable[[], Function]]] = None,
    ) -> None:
        self.name = name
        self.sources = dict(sources or {})
        self.sinks = dict(sinks or {})
        self.functions = dict(functions or {})


def start(config: PluginConfig) -> NoReturn:
    """Serves the host until it ends, and then exits the process. Call it in the main thread."""
    _prepare_output()
    wire: Any = None

    def stop() -> None:
        if wire is None:  # nothing is open; perhaps a function is being made, which may take long
            os._exit(0)
        wire.stop()

    _catch_signals(stop)
    try:
        wire = _choose(config)
        done = wire.run()
    except Broken as e:
        _quit(1, "%s: %s" % (config.name, e))
    _quit(0, done=done)


def _choose(config: PluginConfig) -> Any:
    """The wire. Both have run(), which returns whether all threads ended, and stop()."""
    # Neither descriptor is for the processes that this one starts.
    lane = os.environ.pop("VANTH_LANE", None)
    ring = os.environ.pop("VANTH_RING", None)
    if lane is None:
        from .wire import Wire

        return Wire(config)
    from .lane import Lane

    try:
        if ring is not None:
            os.close(int(ring))
        sock = socket.socket(fileno=int(lane))
    except (ValueError, OSError) as e:
        raise Broken("VANTH_LANE=%s VANTH_RING=%s: %s" % (lane, ring, e)) from None
    sock.set_inheritable(False)
    sock.setblocking(True)
    return Lane(sock, config)


def _prepare_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)
    if not logging.getLogger().handlers:
        logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")


def _catch_signals(stop: Callable[[], None]) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def _quit(status: int, message: str = "", done: bool = False) -> NoReturn:
    if message:
        print(message, file=sys.stderr)
    # A flush that fails at the interpreter's end would change the status.
    if _flush() and done and threading.current_thread() is threading.main_thread():
        threading.Thread(target=_quit_late, args=(status,), daemon=True, name="exit").start()
        sys.exit(status)
    # A thread is still in the plugin's code. The interpreter's own end would wait for it, or abort
    # when it prints.
    atexit._run_exitfuncs()
    _flush()
    os._exit(status)


def _quit_late(status: int) -> None:
    """Ends a process whose threads, the plugin's own, do not."""
    time.sleep(GRACE)
    _flush()
    os._exit(status)


def _flush() -> bool:
    done = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # nobody reads, or there is no stream
            done = False
    return done
