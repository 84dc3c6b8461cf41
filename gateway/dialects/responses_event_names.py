"""Names of the events of a Responses stream, by what they carry.

They are those of "Streaming events" in the API's reference, as the official Python SDK 3.52 types
them.
"""

from __future__ import annotations

from gateway.dialects.base import Surface

TEXT_DELTAS = {
    "response.output_text.delta": ("content_index", "", Surface.OUTPUT),
    "response.refusal.delta": ("content_index", "", Surface.OUTPUT),
    "response.reasoning_summary_text.delta": ("summary_index", "s", Surface.REASONING),
    "response.reasoning_text.delta": ("content_index", "r", Surface.REASONING),
}
"""Deltas of a text: which index and which letter name the lane, and its surface."""

TEXT_DONE = {
    "response.output_text.done": ("response.output_text.delta", "text"),
    "response.refusal.done": ("response.refusal.delta", "refusal"),
    "response.reasoning_summary_text.done": ("response.reasoning_summary_text.delta", "text"),
    "response.reasoning_text.done": ("response.reasoning_text.delta", "text"),
}
"""Ends of a text: what its deltas are, and the field that repeats the whole of it."""

PART_EVENTS = {
    "response.content_part.added": "content_index",
    "response.content_part.done": "content_index",
    "response.reasoning_summary_part.added": "summary_index",
    "response.reasoning_summary_part.done": "summary_index",
}

ARGUMENT_DELTAS = frozenset(
    {
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.mcp_call_arguments.delta",
        "response.code_interpreter_call_code.delta",
    }
)

BEGUN_BY = {
    "response.output_text": "message",
    "response.refusal": "message",
    "response.content_part": "message",
    "response.reasoning_summary_text": "reasoning",
    "response.reasoning_summary_part": "reasoning",
    "response.reasoning_text": "reasoning",
    "response.function_call_arguments": "function_call",
    "response.custom_tool_call_input": "custom_tool_call",
    "response.mcp_call_arguments": "mcp_call",
    "response.code_interpreter_call_code": "code_interpreter_call",
    "response.shell_call_command": "shell_call",
    "response.shell_call_output_content": "shell_call_output",
    "response.apply_patch_call_operation_diff": "apply_patch_call",
}
"""What sort of item a piece belongs to whose start was not seen."""

ARGUMENT_DONE = {
    "response.function_call_arguments.done": "arguments",
    "response.custom_tool_call_input.done": "input",
    "response.mcp_call_arguments.done": "arguments",
    "response.code_interpreter_call_code.done": "code",
}

PROGRESS = frozenset(
    {
        "response.shell_call_command.added",
        "response.shell_call_command.delta",
        "response.shell_call_command.done",
        "response.apply_patch_call_operation_diff.delta",
        "response.apply_patch_call_operation_diff.done",
    }
)
"""Pieces of a call that its finished item repeats; they wait with the call."""

LIFE = frozenset({"response.created", "response.queued", "response.in_progress"})

CLOSING = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
)
