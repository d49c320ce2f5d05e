"""JSON as the host's Go writes and reads it."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timezone
from typing import Any

from .errors import Error


def _other(v: Any) -> Any:
    if isinstance(v, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(v)).decode()
    if isinstance(v, datetime):
        if v.tzinfo is None or v.utcoffset() is None:
            raise ValueError("a datetime without a zone is not a time; give it tzinfo")
        return v.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    if isinstance(v, Error):
        return {"error": v.msg}
    if hasattr(v, "__index__"):
        return int(v)
    raise TypeError("a %s is not a value" % type(v).__name__)


_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=_other).encode


def dumps(v: Any) -> bytes:
    """v in JSON: bytes become base64, times RFC 3339. TypeError or ValueError for what has none, NaN too."""
    return _encode(v).encode()


def row(data: Any, decoded: bool) -> Any:
    """What a sink's collect gets: bytes, or if decoded the value of them if they are JSON."""
    if not decoded:
        return data if isinstance(data, bytes) else dumps(data)
    if isinstance(data, bytes):
        try:
            return json.loads(data)
        except ValueError:
            pass
    return data
