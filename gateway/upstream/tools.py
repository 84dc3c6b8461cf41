"""The tools of an upstream: which one a request runs, what a call of it costs and how it is called.

Of an HTTP upstream they are known by method and path, of an MCP upstream by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from gateway.dialects.base import ToolCall
from gateway.dialects.http_tool_path import PathTemplate, readings
from gateway.policy.names import fold

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE")


@dataclass(frozen=True, slots=True)
class Tool:
    """What the policy file says of one tool.

    Attributes:
        methods: the methods that run it, None: any.
        path: the paths that run it; None for a tool that is known by its name only.
        price: nano-dollars that a call costs, None: nothing that is counted.
        timeout: seconds of silence after which a call is given up, None: the upstream's.
        concurrency: calls that may run at once in each worker, None: any number.
    """

    name: str
    methods: frozenset[str] | None = None
    path: PathTemplate | None = None
    price: int | None = None
    timeout: float | None = None
    concurrency: int | None = None

    def takes(self, method: str) -> bool:
        """Whether a method runs it. HEAD asks for what GET would answer."""
        if self.methods is None or method in self.methods:
            return True
        return method == "HEAD" and "GET" in self.methods


_order = itemgetter(0)


class AmbiguousPathError(Exception):
    """A path that leads to different tools, depending on who reads it."""


class ToolTable:
    """The tools of one upstream. Immutable."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self.tools = tuple(tools)
        self._by_name = {fold(tool.name): tool for tool in reversed(self.tools)}
        # By the number of segments and the plain text at the start: few tools are left to try.
        self._by_lead: dict[tuple[int | None, tuple[str, ...]], list[tuple[int, Tool]]] = {}
        self._longest = 0
        for order, tool in enumerate(sorted(self.tools, key=_specific)):
            if tool.path is not None:
                key = (tool.path.count, tool.path.lead)
                self._by_lead.setdefault(key, []).append((order, tool))
                self._longest = max(self._longest, len(tool.path.lead))

    def __bool__(self) -> bool:
        return bool(self.tools)

    def named(self, name: str) -> Tool | None:
        """The tool of a name, spelled in whatever way."""
        return self._by_name.get(fold(name))

    def find(self, method: str, path: str) -> Tool | None:
        """The tool that a request to a raw path runs; None where it is none of these.

        Raises:
            AmbiguousPathError: servers may read the path in two ways, as two different tools, or
                as one that lies beside the upstream's base path (`..`), or it is no tool's and
                not plainly written.
        """
        exact, plain, decoded = readings(path)
        if ".." in decoded:
            raise AmbiguousPathError
        if not self._by_lead:
            return None
        method = method.upper()
        found = self._look_up(method, exact, False)
        if (
            self._look_up(method, plain, True) is not found
            or self._look_up(method, decoded, True) is not found
        ):
            raise AmbiguousPathError
        if found is None and not [part.lower() for part in exact] == plain == decoded:
            raise AmbiguousPathError  # some server may find a tool where these readings find none
        return found

    def _look_up(self, method: str, segments: Sequence[str], folded: bool) -> Tool | None:
        count = len(segments)
        start = [segment.lower() for segment in segments[: self._longest]]
        likely: list[tuple[int, Tool]] = []
        for length in range(len(start) + 1):
            lead = tuple(start[:length])
            likely += self._by_lead.get((count, lead), ())
            likely += self._by_lead.get((None, lead), ())
        for _, tool in sorted(likely, key=_order):
            assert tool.path is not None
            if tool.takes(method) and tool.path.match(segments, folded=folded) is not None:
                return tool
        return None

    def of(self, invoked: Sequence[ToolCall]) -> Tool | None:
        """The tool that a call runs, where it is one and known."""
        if not self._by_name or len(invoked) != 1 or invoked[0].unknown:
            return None
        return self.named(invoked[0].name)

    def price(self, invoked: Sequence[ToolCall]) -> int | None:
        """What running these tools costs, in nano-dollars; None where none of them has a price."""
        if not self._by_name:
            return None
        found = [self.named(call.name) for call in invoked if not call.unknown]
        prices = [tool.price for tool in found if tool is not None and tool.price is not None]
        return sum(prices) if prices else None


def _specific(tool: Tool) -> tuple[object, bool, bool]:
    """Sorts the most specific tool first: by its path, then a method of its own before any."""
    rank = tool.path.rank if tool.path is not None else ()
    get = tool.methods is not None and "HEAD" not in tool.methods
    return rank, tool.methods is None, get


NO_TOOLS = ToolTable()


def same_requests(one: Tool, other: Tool) -> bool:
    """Whether two tools are run by the same requests, with nothing to tell them apart."""
    if one.path is None or other.path is None or one.path.shape != other.path.shape:
        return False
    if one.methods is None or other.methods is None:
        return one.methods is other.methods
    return not one.methods.isdisjoint(other.methods)
