"""Writing values. Use encode of values.py."""

from __future__ import annotations

import struct
from datetime import datetime
from operator import index
from typing import Any

from .errors import CLASSES, FATAL, Error
from .values_types import EPOCH, MAX_DEPTH, Instant, Time

_PU16 = struct.Struct(">BH").pack
_PU32 = struct.Struct(">BI").pack
_PU64 = struct.Struct(">BQ").pack
_PI8 = struct.Struct(">Bb").pack
_PI16 = struct.Struct(">Bh").pack
_PI32 = struct.Struct(">Bi").pack
_PI64 = struct.Struct(">Bq").pack
_PF64 = struct.Struct(">Bd").pack


def encode(value: Any) -> bytes:
    """The frame of a value. TypeError or ValueError says what cannot be sent."""
    out = bytearray()
    write(out, value, 0)
    return bytes(out)


def write(out: bytearray, v: Any, depth: int) -> None:
    """Appends the frame of v, which lies in depth lists and maps. After an error out has rests of it."""
    t = type(v)
    if t is str:
        s = v.encode()
        n = len(s)
        if n < 32:
            out.append(0xA0 | n)
        else:
            _write_size(out, n, 0xD9)
        out += s
    elif t is int:
        if 0 <= v < 0x80:
            out.append(v)
        else:
            _write_int(out, v)
    elif t is float:
        out += _PF64(0xCB, v)
    elif v is None:
        out.append(0xC0)
    elif t is bool:
        out.append(0xC3 if v else 0xC2)
    elif t is dict:
        _write_map(out, v, depth + 1)
    elif t is list or t is tuple:
        _write_list(out, v, depth + 1)
    elif t is bytes:
        _write_size(out, len(v), 0xC4)
        out += v
    else:
        _write_other(out, v, depth)


def _write_list(out: bytearray, v: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError("more than %d lists and maps in each other" % MAX_DEPTH)
    n = len(v)
    if n < 16:
        out.append(0x90 | n)
    else:
        _write_size(out, n, 0xDB)
    for x in v:
        t = type(x)
        if t is str:
            s = x.encode()
            k = len(s)
            if k < 32:
                out.append(0xA0 | k)
            else:
                _write_size(out, k, 0xD9)
            out += s
        elif t is float:
            out += _PF64(0xCB, x)
        else:
            write(out, x, depth)


def _write_map(out: bytearray, v: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError("more than %d lists and maps in each other" % MAX_DEPTH)
    n = len(v)
    if n < 16:
        out.append(0x80 | n)
    else:
        _write_size(out, n, 0xDD)
    for key, x in v.items():
        if not isinstance(key, str):
            raise TypeError("key %r of a map: found %s, expected str" % (key, type(key).__name__))
        s = key.encode()
        k = len(s)
        if k < 32:
            out.append(0xA0 | k)
        else:
            _write_size(out, k, 0xD9)
        out += s
        write(out, x, depth)


def _write_size(out: bytearray, n: int, head: int) -> None:
    """The shortest of three heads that follow each other; lists and maps have no first one."""
    if n < 0x100 and head in (0xD9, 0xC4, 0xC7):
        out.append(head)
        out.append(n)
    elif n < 0x10000:
        out += _PU16(head + 1, n)
    elif n < 0x100000000:
        out += _PU32(head + 2, n)
    else:
        raise ValueError("%d is too long" % n)


def _write_int(out: bytearray, v: int) -> None:
    if v >= 0:
        if v < 0x80:
            out.append(v)
        elif v < 0x100:
            out += bytes((0xCC, v))
        elif v < 0x10000:
            out += _PU16(0xCD, v)
        elif v < 0x100000000:
            out += _PU32(0xCE, v)
        elif v < 0x10000000000000000:
            out += _PU64(0xCF, v)
        else:
            raise ValueError("an integer of %d bits is out of range" % v.bit_length())
    elif v >= -0x20:
        out.append(v + 0x100)
    elif v >= -0x80:
        out += _PI8(0xD0, v)
    elif v >= -0x8000:
        out += _PI16(0xD1, v)
    elif v >= -0x80000000:
        out += _PI32(0xD2, v)
    elif v >= -0x8000000000000000:
        out += _PI64(0xD3, v)
    else:
        raise ValueError("an integer of %d bits is out of range" % v.bit_length())


def _write_other(out: bytearray, v: Any, depth: int) -> None:
    """The rare kinds, and classes derived from the others."""
    if isinstance(v, datetime):
        _write_time(out, v)
    elif isinstance(v, Instant):
        _write_instant(out, v.sec, v.nsec)
    elif isinstance(v, Error):
        _write_error(out, v)
    elif isinstance(v, str):
        write(out, str.__str__(v), depth)
    elif isinstance(v, (bytearray, memoryview)):
        write(out, bytes(v), depth)
    elif isinstance(v, float):
        out += _PF64(0xCB, v)
    elif isinstance(v, dict):
        _write_map(out, v, depth + 1)
    elif isinstance(v, (list, tuple)):
        _write_list(out, v, depth + 1)
    elif isinstance(v, bytes):
        _write_size(out, len(v), 0xC4)
        out += v
    elif hasattr(v, "__index__"):  # derived from int, or an integer of numpy
        _write_int(out, int(index(v)))
    else:
        raise TypeError("a %s is not a value" % type(v).__name__)


def _write_time(out: bytearray, v: datetime) -> None:
    if v.tzinfo is None or v.utcoffset() is None:
        raise ValueError("a datetime without a zone is not a time; give it tzinfo")
    d = v - EPOCH
    nsec = d.microseconds * 1000
    if isinstance(v, Time) and v.nsec is not None and v.nsec // 1000 == d.microseconds:
        nsec = v.nsec
    _write_instant(out, d.days * 86400 + d.seconds, nsec)


def _write_instant(out: bytearray, sec: int, nsec: int) -> None:
    if not -(2**63) <= sec < 2**63 or not 0 <= nsec <= 999999999:
        raise ValueError("the time %r, %r is out of range" % (sec, nsec))
    if nsec == 0 and 0 <= sec < 2**32:
        out += b"\xd6\xff" + sec.to_bytes(4, "big")
    elif 0 <= sec < 2**34:
        out += b"\xd7\xff" + (nsec << 34 | sec).to_bytes(8, "big")
    else:
        out += b"\xc7\x0c\xff" + nsec.to_bytes(4, "big") + sec.to_bytes(8, "big", signed=True)


def _write_error(out: bytearray, e: Error) -> None:
    """A report of a fault is never itself malformed."""
    body = bytearray(b"\x82\xa3msg")
    write(body, str(e.msg).encode("utf-8", "replace").decode(), 0)
    body += b"\xa5class"
    write(body, e.cls if e.cls in CLASSES else FATAL, 0)
    if len(body) == 16:
        out.append(0xD8)
    else:
        _write_size(out, len(body), 0xC7)
    out.append(1)
    out += body
