"""What every dialect gives the other stations: a call, an answer, a stream of frames.

Rules of this file:
- Pure. Bytes in, bytes out; no I/O, no await, no clock.
- Nothing is copied out of the parsed body that a rule may change: a `Segment` points into
  it, and `encode()` gives the caller's own bytes back unless a segment was replaced.
- What a dialect cannot read it names as `Unscannable`; it never leaves it out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from gateway.dialects.usage import Usage as Usage  # noqa: PLC0414  all have it from here
from gateway.dialects.usage import UsageDetails as UsageDetails  # noqa: PLC0414
from gateway.message import Headers, Request


class Surface(StrEnum):
    """Where a text comes from."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    TOOL_DEFINITION = "tool_definition"
    REASONING = "reasoning"
    OUTPUT = "output"


class Segment:
    """One piece of text in a body: readable, with its surface and place, and replaceable.

    `holder[key]` is the string inside the parsed document. `fresh` says that it came after
    the last answer of the model in the request's history (for an answer: always).
    `readonly` text (signed reasoning) is never rewritten. A segment whose text is not
    a value of its own (a dict key, a number) overrides `replace`.
    """

    __slots__ = ("document", "fresh", "holder", "key", "place", "readonly", "surface", "text")

    def __init__(
        self,
        document: Document,
        holder: Any,
        key: Any,
        text: str,
        surface: Surface,
        place: str,
        fresh: bool = True,
        readonly: bool = False,
    ) -> None:
        self.document = document
        self.holder = holder
        self.key = key
        self.text = text
        self.surface = surface
        self.place = place
        self.fresh = fresh
        self.readonly = readonly

    def replace(self, text: str) -> None:
        """Put another text in this one's place and mark the document as changed."""
        self.holder[self.key] = text
        self.text = text
        self.document.touch()


class Document:
    """A parsed JSON body and the bytes it came from.

    `encode()` returns the original bytes unless `touch()` was called. A document inside
    another's string (tool arguments are JSON in a string) has `parent` and writes itself
    back there when it is touched: see `dialects/jsontext.py`.
    """

    __slots__ = ("changed", "raw", "root")

    def __init__(self, root: Any, raw: bytes) -> None:
        self.root = root
        self.raw = raw
        self.changed = False

    def touch(self) -> None:
        self.changed = True


@dataclass(frozen=True, slots=True)
class Unscannable:
    """Content that no rule can read: an image, a file, an encrypted or kept-away history.

    `what` is one of a small set of words (bounded label): `image`, `audio`, `video`, `file`,
    `encrypted`, `history` (kept by the provider), `body` (an endpoint no dialect reads),
    `encoding` (a content-encoding no rule can read), `tunnel` (what travels in a tunnel),
    `tokens` (text as the numbers that a model has for it), `template` (a prompt kept by the
    provider, which may hold tools and name a model too).
    """

    what: str
    surface: Surface
    place: str
    fresh: bool = True


@dataclass(slots=True)
class DeclaredTool:
    """A tool that the request declares. `hosted`: the provider runs it, `name` is its type.

    `covers` are further names that calls to it may bear (a hosted toolset). `types` are the names
    of its type, where a provider defines it (`dialects/tool_types.py`). `texts` is what a
    server says of a tool that it offers: a rule that blocks there takes out this one tool.
    """

    name: str
    hosted: bool = False
    covers: tuple[str, ...] = ()
    texts: Sequence[Segment] = ()
    types: tuple[str, ...] = ()


@dataclass(slots=True)
class ToolCall:
    """A tool call of the model. `arguments` is the raw JSON text as the provider sent it.

    `key` identifies it inside its own answer (index, item id), `id` is the provider's id.
    `hosted`: the provider runs it by itself. `unknown`: nobody declared it, where a request runs a
    tool itself (a path of an HTTP upstream that is no tool of it). `shown_as` stands for the name
    in sentences and records, where the name itself may hold content.
    """

    id: str
    name: str
    arguments: str
    key: str = ""
    hosted: bool = False
    unknown: bool = False
    shown_as: str = ""

    @property
    def label(self) -> str:
        """The name as sentences and records have it."""
        return self.shown_as or self.name


class StepKind(StrEnum):
    HUMAN = "human"
    MODEL = "model"
    RESULT = "result"


@dataclass(slots=True)
class Step:
    """One step of the history that a request carries, oldest first.

    HUMAN: a message written by a person. MODEL: one answer of the model with its tool
    calls (consecutive assistant items of one answer are one step). RESULT: what one tool
    call gave; `call_id` joins it to its call, `text` is all text of it, `is_error` None
    where the dialect does not say.
    """

    kind: StepKind
    calls: list[ToolCall] = field(default_factory=list)
    call_id: str = ""
    text: str = ""
    is_error: bool | None = None


class Call(ABC):
    """A decoded request. One subclass a dialect; built by `Dialect.decode`.

    Attributes:
        operation: `chat`, `embeddings`, `count_tokens`, `opaque`: what is asked for.
        billable: whether the provider will charge for it.
        readable_answer: whether its answer holds what rules read (a count of tokens does not).
        reads_errors: whether rules read its answer even where its status is an error: what a tool
            says of its failure is a tool result like any other.
        answer_surfaces: what surfaces an answer of this dialect can have, for one that nobody can
            read.
        framings: what a streamed answer looks like besides server-sent events, by media type.
        party: who would have got the request, as in "Nothing was sent to the provider".
        endless: its answer is a stream without an end of its own: no silence is too long for it,
            and a drain ends it at once.
        rewrites_answer: the dialect itself changes answers, so that they must come readable.
        rpc: methods of the messages in the body, in words that hold no content.
        max_output: output tokens asked for, None where the request does not say.
        choices: how many answers are asked for (`n`); output is bounded by choices * max_output.
        input_bound: no provider counts more input tokens than this (see `input_bound()`).
        deferred: the provider may answer before it has done the work, so that the answer need not
            tell what it used: what was reserved is charged in full then.
        batched: it is charged at the provider's price for batches.
        knows_tools: whether `tools` are those that the model could call. Of an answer that was
            made earlier the request need not say.
        names_model: whether `model` is the one that answers. What is stored was made by one that
            the request does not name, and a batch has several.
        continuable: the provider may keep what it says, for a later call to continue by an id.
        place: where it stands in the batch that it came in.
    """

    dialect: str
    operation: str = "chat"
    billable: bool = True
    readable_answer: bool = True
    reads_errors: bool = False
    answer_surfaces: frozenset[Surface] = frozenset(
        {Surface.OUTPUT, Surface.REASONING, Surface.TOOL_CALL}
    )
    framings: Mapping[str, Framing] = {}
    party: str = "provider"
    endless: bool = False
    rewrites_answer: bool = False
    rpc: Sequence[str] = ()
    deferred: bool = False
    batched: bool = False
    knows_tools: bool = True
    names_model: bool = True
    continuable: bool = False
    place: str = ""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.members: Sequence[Call] = ()  # the requests of a batch: rules judge each of them
        self.model = ""
        self.stream = False
        self.max_output: int | None = None
        self.choices = 1
        self.segments: list[Segment] = []
        self.unscannable: list[Unscannable] = []
        self.tools: list[DeclaredTool] = []
        self.steps: list[Step] = []
        self.previous_id = ""  # an earlier answer this one continues (previous_response_id)
        self.user_id = ""  # what the body says of the end user (metadata.user_id, user)
        self.cache_key = ""  # prompt_cache_key
        self.aliases: tuple[str, ...] = ()  # further names of the same model
        self.hide_usage = False  # usage was asked for by us: keep it from the caller
        self.invokes: list[ToolCall] = []  # tools that this very request runs (MCP, HTTP tools)
        self.fixed_cost: int | None = None  # nano-dollars, where a call has a price of its own

    @abstractmethod
    def encode(self) -> bytes:
        """The body to send: the caller's own bytes unless something was changed."""

    def target(self, path: str) -> str:
        """The raw path and query to send. `path` is what came, which it is unless rules changed
        it."""
        return path

    def heard(self, status: int, headers: Headers) -> None:
        """Note the head of the answer, before it is decoded: dialects whose answers are of many
        media types read them by it. Raises UpstreamError for one that must not be passed on."""

    def set_max_output(self, tokens: int) -> None:
        """Write an output cap into the request, in the field this model takes."""
        raise NotImplementedError

    def rename_model(self, name: str) -> bool:
        """Ask another model, and no further ones; False where this request cannot be made to."""
        return False

    def conclude(self, note: str) -> bool:
        """Have the model give an answer without calling tools, and tell it so with a note where
        that is safe; False where this request cannot be made to."""
        return False

    def force_field(self, path: str, value: Any) -> None:
        """Set a top-level request field (`store`) to a value, if it is not that already."""
        raise NotImplementedError

    def get_field(self, path: str) -> Any:
        """A top-level request field, None where it is absent."""
        return None

    def ask_usage(self) -> None:
        """Ask the provider to report usage in a stream, where the caller did not."""

    def remove_tools(self, names: frozenset[str]) -> None:
        """Take declared tools out of the request, and a tool_choice that named one."""
        raise NotImplementedError

    def gather(self) -> None:
        """Take up what the rules on requests have left of the `members`."""

    def arguments_now(self, invoked: ToolCall) -> str:
        """The arguments of one of `invokes` as they go upstream, after what rules rewrote."""
        return invoked.arguments

    def context(self) -> Mapping[str, str]:
        """The W3C fields (`traceparent` ...) that the body itself carries; none where it has no
        place for them."""
        return {}

    def carry(self, traceparent: str, tracestate: str) -> None:
        """Write the trace that upstream's work belongs to into the body, where it has a place for
        that."""

    def drop_context(self) -> None:
        """Take W3C's fields out of the body."""

    def mend_headers(self, headers: Headers) -> None:
        """Carry what rules rewrote into the headers that repeat it, before they go upstream."""

    def refused(self, code: str, message: str) -> tuple[int, bytes] | None:
        """Status and body of a normal answer that says that this call was stopped.

        None where the dialect says so with an error's status and `error_body`.
        """
        return None

    def carried(self, code: str, reference: str, wait: int) -> bytes | None:
        """What goes upstream in the place of a request that was stopped, so that upstream makes
        the caller's other stream tell of it; None where the reply itself does. `wait`: seconds
        until it may be sent again, 0 for never."""
        return None

    def failed(self, code: str, message: str) -> bytes | None:
        """The body of an error that answers this very call (it bears its id); None where
        `Dialect.error_body` says all there is to say."""
        return None

    def put_off(self, code: str, message: str, until: float) -> tuple[Headers, bytes] | None:
        """Further headers and the body of a 429 whose wait nobody should sit out; None where
        `failed` or `Dialect.error_body` says all there is to say.

        `until` is when the call could pass, in seconds since the epoch.
        """
        return None

    def shows_output(self) -> bool:
        """Whether all output that is charged for shows while the answer streams: as text, or in
        the provider's own count. Reasoning that the provider keeps to itself does not."""
        return True

    def input_bound(self) -> int:
        """An upper bound of the input tokens a provider can count for this request.

        One token stands for at least one byte of text, so the UTF-8 length of every text
        plus a stated allowance per message, tool and image is never below the real count.
        A history that the provider keeps cannot be bounded: -1.
        """
        raise NotImplementedError

    def input_estimate(self) -> int:
        """A likely number of input tokens, by what the text is made of: `token_estimate.py`."""
        raise NotImplementedError


class Answer(ABC):
    """A decoded whole (not streamed) answer.

    Attributes:
        earlier: it gives back what was said before. The calls in it are history: they are read as
            text and not judged as calls.
        inside: answers that this one holds (the results of a batch), whose texts are among its
            own and whose calls are judged answer by answer.
    """

    earlier: bool = False

    def __init__(self, document: Document) -> None:
        self.document = document
        self.inside: Sequence[Answer] = ()
        self.segments: list[Segment] = []
        self.unscannable: list[Unscannable] = []
        self.tool_calls: list[ToolCall] = []
        self.usage: Usage | None = None
        self.model = ""  # the model that really served
        self.id = ""  # the provider's id of this answer
        self.finish = ""  # the provider's word for why it ended
        self.offers: list[DeclaredTool] = []  # tools that a server says it has (MCP)

    @abstractmethod
    def encode(self) -> bytes:
        """The body for the caller: upstream's own bytes unless something was changed."""

    def remove_offers(self, names: frozenset[str]) -> None:
        """Take offered tools out, with their segments: the agent never learns of them."""
        raise NotImplementedError

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        """Take tool calls out; the message stays valid.

        Where none is left the answer gets `notice` as text and a finish reason that means a
        normal stop.
        """
        raise NotImplementedError

    def replace_arguments(self, key: str, arguments: str) -> None:
        """Give one tool call other arguments (JSON text)."""
        raise NotImplementedError


# --- streams ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Event:
    """One server-sent event: its raw bytes (terminator included), its name and its data."""

    raw: bytes
    name: str
    data: str


class Reader(Protocol):
    """Bytes in, events out; however the bytes are cut, the events are the same. The `raw` of all
    events, joined, is the input. Raises UpstreamError for an event over its limit."""

    def feed(self, data: bytes) -> list[Event]: ...

    def end(self) -> list[Event]: ...


@dataclass(frozen=True, slots=True)
class Framing:
    """How the events of a stream are told apart.

    `keep_alive`: bytes that may stand between any two events and mean nothing, b"" for none.
    """

    reader: Callable[[], Reader]
    keep_alive: bytes = b""


class PartKind(StrEnum):
    TEXT = "text"  # a piece of text of a lane
    END = "end"  # the lane's text is complete
    TOOL_START = "tool_start"  # a tool call begins: id and name are known
    TOOL_ARGS = "tool_args"  # a piece of its arguments
    TOOL_END = "tool_end"  # the call is complete


@dataclass(slots=True)
class Part:
    """What one frame adds to one lane.

    `lane` is a short stable name, unique in the stream (`0`, `0/tool/1`, `block/2`). `group`
    is the message or choice it belongs to: lanes of other groups may go on while a tool call
    of this group is being assembled. `text` may be replaced: set it and set `frame.changed`.
    `tool` is set on TOOL_START.
    """

    kind: PartKind
    lane: str
    surface: Surface = Surface.OUTPUT
    text: str = ""
    group: str = ""
    tool: ToolCall | None = None
    readonly: bool = False


@dataclass(slots=True)
class Frame:
    """One event of a stream, read. `payload` is the parsed data (None for `[DONE]` or a
    comment), `parts` what it adds to lanes, in order. A frame without parts is structure
    (start, ping, usage, finish, an event we do not know) and keeps its place in the order.

    `closing`: everything of the answer is complete when this frame is sent (`[DONE]`,
    `message_stop`, `response.completed`): the exchange is recorded before it.
    """

    event: Event
    payload: Any = None
    parts: list[Part] = field(default_factory=list)
    changed: bool = False
    closing: bool = False
    unscannable: tuple[Unscannable, ...] = ()  # what it carries that no rule can read


class AnswerStream(ABC):
    """One streamed answer: events in, frames out, and frames back to bytes.

    `read` is called for every event as it arrives, `write` for every frame at the moment it
    is let through, in that order of release. What was decided in between (texts replaced,
    tool calls removed or given other arguments) is applied by `write`: it renumbers what
    follows a removed call, keeps later snapshots of the same text (`output_text.done`) in
    line with what was let through, and mends the finish reason.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.model = ""
        self.id = ""
        self.finish = ""
        self.finished = False  # a closing frame was read

    @abstractmethod
    def read(self, event: Event) -> Frame: ...

    @abstractmethod
    def write(self, frame: Frame) -> bytes:
        """The frame's bytes: the original ones where nothing touched it; b"" drops it."""

    @abstractmethod
    def remove_tool(self, lane: str, notice: str) -> None:
        """A call must not reach the agent. If no call of the answer is left in the end, the
        answer closes with `notice` as text and a normal stop."""

    @abstractmethod
    def replace_arguments(self, lane: str, arguments: str) -> None:
        """Let the call through with other arguments (JSON text)."""

    @abstractmethod
    def stop(self, code: str, message: str) -> bytes:
        """The bytes that end this stream for a block, after what was already written.

        In the way that agents of this dialect survive (docs/streams.md). Nothing else may
        be written afterwards.
        """


class MessageStream(ABC):
    """A stream each of whose events is a message of its own (JSON-RPC, what an HTTP tool sends):
    every one is judged by itself, and one that is stopped does not end the stream.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.model = ""
        self.id = ""
        self.finish = ""
        self.finished = False  # what was asked for has been answered
        self.denied = False  # and the caller got a refusal in its place

    @abstractmethod
    def read(self, event: Event) -> Answer | None:
        """What rules read of an event; None for one that passes as it is (a comment, a ping).

        Raises ValueError where it is not this dialect's.
        """

    @abstractmethod
    def write(self, event: Event, answer: Answer) -> bytes:
        """The event's bytes: the original ones where nothing touched the answer."""

    @abstractmethod
    def refuse(self, event: Event, code: str, message: str) -> bytes:
        """What the caller gets in the place of an event that was stopped; b"" drops it."""


class Dialect(Protocol):
    """One wire format. Stateless; one instance serves all calls."""

    name: str

    def decode(self, request: Request, body: bytes) -> Call:
        """Read a request whose decompressed body is `body`.

        Raises:
            CallerError: the body is not what the dialect asks for (never for a field that is
                merely unknown).
        """
        ...

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        """Read a whole answer. Raises ValueError where it is not this dialect's."""
        ...

    def open_stream(self, call: Call) -> AnswerStream | MessageStream:
        """A reader for the streamed answer to `call`."""
        ...

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        """An error in the shape this dialect's SDKs raise as their typed exceptions."""
        ...

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        """The dialect's rate-limit headers for the tightest buckets."""
        ...


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The state of the tightest bucket of a unit: `requests` or `tokens`; reset in seconds.

    `now` is unix time, for dialects that write the reset as a date; without it they leave it out.
    """

    unit: str
    limit: int
    remaining: int
    reset: float
    now: float | None = None
