"""What a plugin implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Dict, List, Optional

from .context import Context


class Source(ABC):
    """Brings messages in. An object serves one rule (or shared stream): its factory makes one for each."""

    @abstractmethod
    def configure(self, datasource: str, conf: Dict[str, Any]) -> None:
        """Called once, first. What it raises refuses the rule.

        datasource is the DATASOURCE of the stream, conf its properties.
        """

    @abstractmethod
    def open(self, ctx: Context) -> None:
        """Emits messages until it has no more. Runs in a thread of its own.

        When it returns or raises, the source is at its end and gets closed; what it raises goes to
        the host. Once the host closed the source, ctx.emit raises Closed, which may pass through.
        """

    @abstractmethod
    def close(self, ctx: Context) -> None:
        """Called once, perhaps while open is still running in its thread, which it should end."""


class Sink(ABC):
    """Takes messages out. An object serves one rule. open, collect and close share a thread."""

    decoded = False
    """False: collect gets bytes, the row or list of rows in JSON or what the rule's format makes of
    it, as in eKuiper. True: collect gets the value, on eKuiper's wire that of the JSON."""

    @abstractmethod
    def configure(self, conf: Dict[str, Any]) -> None:
        """Called once, first. conf are the properties of the rule's action."""

    @abstractmethod
    def open(self, ctx: Context) -> None:
        """Called once before collect. What it raises refuses the rule."""

    @abstractmethod
    def collect(self, ctx: Context, data: Any) -> None:
        """Takes one message; they come in order.

        Each collect is acknowledged once, when it returns: as an error if it raised or called
        ctx.ack_error, else as done, ctx.ack_ok being called or not.
        """

    @abstractmethod
    def close(self, ctx: Context) -> None:
        """Called once after the last collect, if open did not raise."""


class Function(ABC):
    """A function of SQL. One object serves all rules; exec and validate share a thread, one call at a time.

    What belongs to one rule is kept in the context, not in the object.
    """

    @abstractmethod
    def validate(self, args: List[Any]) -> Optional[str]:
        """Says, when a rule is made, what is wrong with the arguments; "" or None if nothing.

        Only their number is known for sure: an item is None or a constant on the fast lane, and a
        node of the parser on eKuiper's wire.
        """

    @abstractmethod
    def exec(self, args: List[Any], ctx: Context) -> Any:
        """The value for one row. In an aggregate function each argument is the list of a group's values.

        Raise Error for a row that has no value; any other exception fails the row as well and is
        reported with its traceback.
        """

    @abstractmethod
    def is_aggregate(self) -> bool:
        """Whether it takes groups. Asked before any call."""
