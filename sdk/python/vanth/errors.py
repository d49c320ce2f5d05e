"""What a plugin tells the host about an error."""

from __future__ import annotations

import traceback
from types import FrameType
from typing import Optional

USAGE = "usage"
"""This call cannot be answered; another with other arguments can."""
IO = "io"
"""Something outside did not answer; the same call may succeed later."""
FATAL = "fatal"
"""The plugin itself is at fault."""

CLASSES = (USAGE, IO, FATAL)

# Exceptions that a row with unexpected values causes in correct code. All others but OSError are
# the plugin's fault.
_OF_THE_ROW = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


class Error(Exception):
    """An error with a class. Raised by a plugin it reaches the host as it is, without a traceback.

    An unknown class is sent as fatal. Two are equal if text and class are.
    """

    def __init__(self, msg: str, cls: str = USAGE) -> None:
        super().__init__(msg)
        self.msg = msg
        self.cls = cls

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Error) and (self.msg, self.cls) == (other.msg, other.cls)

    def __hash__(self) -> int:
        return hash((self.msg, self.cls))

    def __repr__(self) -> str:
        return "Error(%r, %r)" % (self.msg, self.cls)


class Closed(Exception):
    """Raised by Context.emit once the source is closed, so that its loop ends. Not an error."""


class Broken(Exception):
    """What ends the process with status 1: the host does not keep to its wire, or is not there."""


def report(e: BaseException) -> Error:
    """The form in which e goes to the host.

    An Error goes as it is. OSError is io; ValueError, TypeError, LookupError, ArithmeticError and
    AttributeError are usage; everything else is fatal. Their text is the traceback.
    """
    if isinstance(e, Error):
        return e
    if isinstance(e, OSError):
        cls = IO
    elif isinstance(e, _OF_THE_ROW):
        cls = USAGE
    else:
        cls = FATAL
    return Error(text(e), cls)


def text(e: BaseException) -> str:
    """The traceback of e from the plugin's code on, or only the text of an Error. It never raises."""
    if isinstance(e, Error):
        return str(e.msg)
    tb = e.__traceback__
    while tb is not None and tb.tb_next is not None and _ours(tb.tb_frame):
        tb = tb.tb_next
    try:
        return "".join(traceback.format_exception(type(e), e, tb)).rstrip("\n")
    except Exception:  # a __str__ that fails
        return "Traceback of a %s that has no text" % type(e).__name__


def _ours(f: FrameType) -> bool:
    return f.f_globals.get("__package__") == __package__


def refusal(answer: Optional[str]) -> Optional[str]:
    """What validate() said: None if the arguments will do, else the message."""
    if answer is None or answer == "":
        return None
    return answer if isinstance(answer, str) else repr(answer)
