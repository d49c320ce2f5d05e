"""What a symbol knows of the rule that it serves."""

from __future__ import annotations

import logging
import threading
from datetime import datetime
from typing import Any, Dict, Optional

from .errors import Error
from .values import decode, encode

_INT64 = (-(2**63), 2**63 - 1)


class Store:
    """Where state and counters are: here, in the memory of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards both
        self._kept: Dict[str, bytes] = {}
        self._counts: Dict[str, int] = {}

    def get(self, key: str) -> Any:
        frame = self._kept.get(key)
        return None if frame is None else decode(frame)

    def put(self, key: str, value: Any) -> None:
        # Kept as a frame: a copy, and the same values as the host would take.
        self._kept[key] = encode(value)

    def delete(self, key: str) -> None:
        self._kept.pop(key, None)

    def add(self, key: str, by: int) -> int:
        with self._lock:
            n = min(max(self._counts.get(key, 0) + by, _INT64[0]), _INT64[1])
            self._counts[key] = n
            return n

    def count(self, key: str) -> int:
        return self._counts.get(key, 0)


class Context:
    """Given to each method of a symbol. Its methods may be called from any thread.

    Context("rule", "op") is a context outside of any host, whose state is a dict: for tests, which
    override emit, emit_error, ack_ok and ack_error as they need.
    """

    def __init__(
        self, rule_id: str = "", op_id: str = "", instance_id: int = 0, name: str = "vanth", store: Any = None
    ) -> None:
        self._rule_id = rule_id
        self._op_id = op_id
        self._instance_id = instance_id
        self._name = name
        self._store = Store() if store is None else store

    def get_rule_id(self) -> str:
        """The rule, or "" in a call from outside any rule."""
        return self._rule_id

    def get_op_id(self) -> str:
        """The operator in the rule."""
        return self._op_id

    def get_instance_id(self) -> int:
        """Which of the operator's parallel instances."""
        return self._instance_id

    def get_logger(self) -> logging.Logger:
        """A logger whose lines go to standard output, which the host keeps."""
        return logging.getLogger(self._name)

    def emit(self, message: Any, meta: Optional[Dict[str, Any]] = None, time: Optional[datetime] = None) -> None:
        """Sends a message of a source: a dict, best. Waits while the host takes none.

        time is the event's, on the fast lane only. Raises Closed once the source is closed, TypeError
        or ValueError if the message cannot be sent.
        """
        raise Error("emit: this is not a source")

    def emit_error(self, error: str) -> None:
        """Tells the host of an error of a source that goes on."""
        raise Error("emit_error: this is not a source")

    def ack_ok(self) -> None:
        """Says within collect that the sink has the message. See Sink.collect."""
        raise Error("ack_ok: this is not a sink")

    def ack_error(self, error: str) -> None:
        """Says within collect that the message is lost. It wins over ack_ok."""
        raise Error("ack_error: this is not a sink")

    def put_state(self, key: str, value: Any) -> None:
        """Keeps a value under key for this symbol in this rule.

        On the fast lane the host keeps and saves it, so that it outlives the process; on eKuiper's
        wire it is in the memory of the process. What is got is a copy: a tuple comes back as a list.
        """
        self._store.put(key, value)

    def get_state(self, key: str) -> Any:
        """The value kept under key, None if there is none."""
        return self._store.get(key)

    def delete_state(self, key: str) -> None:
        """Forgets key. It need not be there."""
        self._store.delete(key)

    def incr_counter(self, key: str, amount: int = 1) -> int:
        """Adds to a counter, kept like state but with names of its own, and returns the new count.

        It stops at the ends of a signed integer of 64 bits.
        """
        return int(self._store.add(key, amount))

    def get_counter(self, key: str) -> int:
        """The count, 0 if never used."""
        return int(self._store.count(key))


class SinkContext(Context):
    """A context that notes what a collect says of its message; one thread uses it at a time."""

    _failed: Optional[str] = None
    _collecting = False

    def ack_ok(self) -> None:
        if not self._collecting:
            self.get_logger().warning("ack_ok outside of collect: ignored, the return of collect is the ack")

    def ack_error(self, error: str) -> None:
        if self._collecting:
            self._failed = error or "error"
        else:
            self.get_logger().warning("ack_error outside of collect: ignored: %s", error)

    def collect(self, sink: Any, data: Any) -> Optional[Error]:
        """One collect, and what to acknowledge. Raises what the sink raised."""
        self._failed, self._collecting = None, True
        try:
            sink.collect(self, data)
            return None if self._failed is None else Error(self._failed, "io")
        finally:
            self._collecting = False
