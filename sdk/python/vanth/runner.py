"""What both wires do with a source, and how they end their threads."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Callable, Dict, Iterable, Optional

from . import errors
from .context import Context

GRACE = 5.0
"""Seconds that everything which is still open has when the process ends."""


class SourceRunner:
    """One open source.

    1. configure() may raise; then nothing else happens.
    2. start() runs open in a thread, and when that returns, close and ended(error or None).
    3. close() asks it to end, from any thread, and returns when the source's close has.
    """

    def __init__(self, source: Any, ctx: Context, ended: Callable[[Optional[BaseException]], None]) -> None:
        self._source = source
        self._ctx = ctx
        self._ended = ended
        self._lock = threading.Lock()  # guards _closing
        self._closing = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="source " + ctx._name)

    def configure(self, datasource: str, conf: Dict[str, Any]) -> None:
        self._source.configure(datasource, conf)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        failed: Optional[BaseException] = None
        try:
            self._source.open(self._ctx)
        except errors.Closed:
            pass
        except BaseException as e:
            failed = e
        if self._closing:
            # What open raises after it was told to end is no news.
            failed = None
        self.close()
        self._ended(failed)

    def close(self) -> Optional[BaseException]:
        """What the source's close raised, the first time."""
        with self._lock:
            first, self._closing = not self._closing, True
        if not first:
            self._closed.wait(GRACE)
            return None
        try:
            self._source.close(self._ctx)
        except BaseException as e:
            logging.getLogger(self._ctx._name).error("close: %s", errors.text(e))
            return e
        finally:
            self._closed.set()
        return None

    def join(self, seconds: float) -> bool:
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(seconds)
        return not self._thread.is_alive()


def finish(tasks: Iterable[Callable[[float], bool]]) -> bool:
    """Calls each with the seconds that are left of GRACE; whether all said that they are done."""
    deadline = time.monotonic() + GRACE
    done = True
    for task in tasks:
        done = task(max(deadline - time.monotonic(), 0.01)) and done
    return done
