"""The values that cross to the host, in MessagePack: sdk/abi/README.md, "Values".

========================  ===========================================
value                     Python
========================  ===========================================
null, bool, float         None, bool, float
integer                   int from -2**63 to 2**64-1
string, bytes             str, bytes (bytearray and memoryview too)
list, map                 list (tuple too), dict with keys of str
time                      datetime, aware, UTC; see Time and Instant
error                     Error
========================  ===========================================
"""

from __future__ import annotations

import struct
from datetime import timedelta, timezone
from typing import Any, Callable, Dict, List, Tuple

from .errors import CLASSES, Error
from .values_types import EPOCH, MAX_DEPTH, SEC_MAX, SEC_MIN, FrameError, Instant, Time
from .values_write import encode, write

__all__ = ["decode", "encode", "write", "FrameError", "Instant", "Time", "MAX_DEPTH"]

_F32 = struct.Struct(">f").unpack_from
_F64 = struct.Struct(">d").unpack_from
_U16 = struct.Struct(">H").unpack_from
_U32 = struct.Struct(">I").unpack_from
_U64 = struct.Struct(">Q").unpack_from
_I8 = struct.Struct(">b").unpack_from
_I16 = struct.Struct(">h").unpack_from
_I32 = struct.Struct(">i").unpack_from
_I64 = struct.Struct(">q").unpack_from


def decode(frame: bytes) -> Any:
    """The value of a frame, which must be bytes. FrameError if it is not one value exactly."""
    try:
        b = frame[0]
        if 0x90 <= b < 0xA0:  # a list of arguments, mostly
            value, pos = _list(frame, len(frame), 1, b & 0x0F, 1)
        else:
            value, pos = _value(frame, len(frame), 0, 0)
    except (IndexError, struct.error):
        raise FrameError("truncated") from None
    except UnicodeDecodeError:
        raise FrameError("utf8") from None
    if pos != len(frame):
        raise FrameError("trailing")
    return value


# A reader takes the frame, its size, the place behind the head's first byte and the depth. It
# returns the value and the place behind it. Reading a byte behind the end is an IndexError or a
# struct.error, which decode() translates; only slices need a look at the size.
_Reader = Callable[[bytes, int, int, int], Tuple[Any, int]]


def _value(buf: bytes, size: int, pos: int, depth: int) -> Tuple[Any, int]:
    b = buf[pos]
    pos += 1
    if b < 0x80:
        return b, pos
    if b < 0x90:
        return _map(buf, size, pos, b & 0x0F, depth + 1)
    if b < 0xA0:
        return _list(buf, size, pos, b & 0x0F, depth + 1)
    if b < 0xC0:
        return _str(buf, size, pos, b & 0x1F)
    if b >= 0xE0:
        return b - 0x100, pos
    return _READERS[b & 0x1F](buf, size, pos, depth)


def _list(buf: bytes, size: int, pos: int, n: int, depth: int) -> Tuple[List[Any], int]:
    if n > size - pos:
        raise FrameError("count")
    if depth > MAX_DEPTH:
        raise FrameError("depth")
    out: List[Any] = []
    add = out.append
    for _ in range(n):
        # The commonest kinds without another call.
        b = buf[pos]
        if b < 0x80:
            add(b)
            pos += 1
        elif 0xA0 <= b < 0xC0:
            end = pos + b - 0x9F
            if end > size:
                raise FrameError("truncated")
            add(buf[pos + 1 : end].decode())
            pos = end
        elif b == 0xCB:
            add(_F64(buf, pos + 1)[0])
            pos += 9
        else:
            v, pos = _value(buf, size, pos, depth)
            add(v)
    return out, pos


def _map(buf: bytes, size: int, pos: int, n: int, depth: int) -> Tuple[Dict[str, Any], int]:
    if n > (size - pos) // 2:
        raise FrameError("count")
    if depth > MAX_DEPTH:
        raise FrameError("depth")
    out: Dict[str, Any] = {}
    for _ in range(n):
        b = buf[pos]
        if 0xA0 <= b < 0xC0:
            end = pos + b - 0x9F
            if end > size:
                raise FrameError("truncated")
            key = buf[pos + 1 : end].decode()
            pos = end
        else:
            key, pos = _key(buf, size, pos)
        b = buf[pos]
        if b < 0x80:
            out[key] = b
            pos += 1
        elif 0xA0 <= b < 0xC0:
            end = pos + b - 0x9F
            if end > size:
                raise FrameError("truncated")
            out[key] = buf[pos + 1 : end].decode()
            pos = end
        elif b == 0xCB:
            out[key] = _F64(buf, pos + 1)[0]
            pos += 9
        else:
            out[key], pos = _value(buf, size, pos, depth)
    return out, pos


def _key(buf: bytes, size: int, pos: int) -> Tuple[str, int]:
    if 0xD9 <= buf[pos] <= 0xDB:
        return _value(buf, size, pos, 0)
    # Something else: its head may be at fault before its being a key is.
    _head(buf, size, pos)
    raise FrameError("key")


def _head(buf: bytes, size: int, pos: int) -> None:
    """Raises if the head at pos, or what it announces, cannot be."""
    b = buf[pos]
    if 0x80 <= b < 0xA0:
        if b & 0x0F > (size - pos - 1) // (2 if b < 0x90 else 1):
            raise FrameError("count")
    elif 0xDC <= b <= 0xDF:
        at = pos + 1
        n = _U32(buf, at)[0] if b & 1 else _U16(buf, at)[0]
        if n > (size - at - (4 if b & 1 else 2)) // (2 if b >= 0xDE else 1):
            raise FrameError("count")
    elif 0xC7 <= b <= 0xC9 or 0xD4 <= b <= 0xD8:
        _ext_head(buf, size, pos)
    else:
        _value(buf, size, pos, 0)


def _ext_head(buf: bytes, size: int, pos: int) -> Tuple[int, int, int]:
    """Type, begin and end of the extension at pos."""
    b = buf[pos]
    pos += 1
    if b >= 0xD4:
        n = 1 << (b - 0xD4)
    elif b == 0xC7:
        n = buf[pos]
        pos += 1
    elif b == 0xC8:
        n = _U16(buf, pos)[0]
        pos += 2
    else:
        n = _U32(buf, pos)[0]
        pos += 4
    kind = buf[pos]
    pos += 1
    if n > size - pos:
        raise FrameError("truncated")
    if kind not in (1, 0xFF):
        raise FrameError("ext")
    return kind, pos, pos + n


def _ext(buf: bytes, size: int, pos: int, depth: int) -> Tuple[Any, int]:
    kind, pos, end = _ext_head(buf, size, pos - 1)
    body = buf[pos:end]
    return (_error(body) if kind == 1 else _time(body)), end


def _time(body: bytes) -> Any:
    n = len(body)
    if n == 4:
        sec, nsec = _U32(body)[0], 0
    elif n == 8:
        u = _U64(body)[0]
        sec, nsec = u & 0x3FFFFFFFF, u >> 34
    elif n == 12:
        nsec, sec = _U32(body)[0], _I64(body, 4)[0]
    else:
        raise FrameError("timestamp")
    if nsec > 999999999:
        raise FrameError("timestamp")
    if not SEC_MIN <= sec <= SEC_MAX:
        return Instant(sec, nsec)
    t = EPOCH + timedelta(seconds=sec, microseconds=nsec // 1000)
    if nsec % 1000 == 0:
        return t
    fine = Time(t.year, t.month, t.day, t.hour, t.minute, t.second, t.microsecond, timezone.utc)
    fine.nsec = nsec
    return fine


def _error(body: bytes) -> Error:
    """One map of exactly msg and class, both strings, and nothing behind it."""
    try:
        b = body[0]
        if b == 0x82:
            pos = 1
        elif b == 0xDE and _U16(body, 1)[0] == 2:
            pos = 3
        elif b == 0xDF and _U32(body, 1)[0] == 2:
            pos = 5
        else:
            raise FrameError("error")
        words: List[str] = []
        for _ in range(4):
            b = body[pos]
            if not (0xA0 <= b < 0xC0 or 0xD9 <= b <= 0xDB):
                raise FrameError("error")
            word, pos = _value(body, len(body), pos, 0)
            words.append(word)
    except (IndexError, struct.error, ValueError):
        raise FrameError("error") from None
    if words[0] == "class":
        words = words[2:] + words[:2]
    if words[0] != "msg" or words[2] != "class" or words[3] not in CLASSES or pos != len(body):
        raise FrameError("error")
    return Error(words[1], words[3])


def _str(buf: bytes, size: int, pos: int, n: int) -> Tuple[str, int]:
    end = pos + n
    if end > size:
        raise FrameError("truncated")
    return buf[pos:end].decode(), end


def _bytes(buf: bytes, size: int, pos: int, n: int) -> Tuple[bytes, int]:
    end = pos + n
    if end > size:
        raise FrameError("truncated")
    return buf[pos:end], end


def _reserved(buf: bytes, size: int, pos: int, depth: int) -> Tuple[Any, int]:
    raise FrameError("reserved")


def _number(unpack: Callable[..., Tuple[Any, ...]], width: int) -> _Reader:
    return lambda buf, size, pos, depth: (unpack(buf, pos)[0], pos + width)


def _readers() -> List[_Reader]:
    """Those of the heads 0xc0 to 0xdf."""
    return [
        lambda buf, size, pos, depth: (None, pos),
        _reserved,
        lambda buf, size, pos, depth: (False, pos),
        lambda buf, size, pos, depth: (True, pos),
        lambda buf, size, pos, depth: _bytes(buf, size, pos + 1, buf[pos]),
        lambda buf, size, pos, depth: _bytes(buf, size, pos + 2, _U16(buf, pos)[0]),
        lambda buf, size, pos, depth: _bytes(buf, size, pos + 4, _U32(buf, pos)[0]),
        _ext,
        _ext,
        _ext,
        _number(_F32, 4),
        _number(_F64, 8),
        lambda buf, size, pos, depth: (buf[pos], pos + 1),
        _number(_U16, 2),
        _number(_U32, 4),
        _number(_U64, 8),
        _number(_I8, 1),
        _number(_I16, 2),
        _number(_I32, 4),
        _number(_I64, 8),
        _ext,
        _ext,
        _ext,
        _ext,
        _ext,
        lambda buf, size, pos, depth: _str(buf, size, pos + 1, buf[pos]),
        lambda buf, size, pos, depth: _str(buf, size, pos + 2, _U16(buf, pos)[0]),
        lambda buf, size, pos, depth: _str(buf, size, pos + 4, _U32(buf, pos)[0]),
        lambda buf, size, pos, depth: _list(buf, size, pos + 2, _U16(buf, pos)[0], depth + 1),
        lambda buf, size, pos, depth: _list(buf, size, pos + 4, _U32(buf, pos)[0], depth + 1),
        lambda buf, size, pos, depth: _map(buf, size, pos + 2, _U16(buf, pos)[0], depth + 1),
        lambda buf, size, pos, depth: _map(buf, size, pos + 4, _U32(buf, pos)[0], depth + 1),
    ]


_READERS = _readers()
