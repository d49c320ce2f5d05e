"""What values need that Python does not have."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import NamedTuple, Optional

MAX_DEPTH = 64
"""How many lists and maps may be nested in each other."""


class FrameError(ValueError):
    """A frame is not a value. Its text is the reason, a word of the contract."""


class Time(datetime):
    """A datetime that came with a part below the microsecond, and is sent back with it.

    nsec is the whole fraction of the second. What arithmetic makes of it knows microseconds only.
    """

    nsec: Optional[int] = None


class Instant(NamedTuple):
    """A time outside the years 1 to 9999: seconds since 1970 UTC and nanoseconds."""

    sec: int
    nsec: int


EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
SEC_MIN = int((datetime.min.replace(tzinfo=timezone.utc) - EPOCH).total_seconds())
SEC_MAX = int((datetime.max.replace(microsecond=0, tzinfo=timezone.utc) - EPOCH).total_seconds())
