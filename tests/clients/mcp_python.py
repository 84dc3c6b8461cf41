"""The official Python MCP client (v2), made to do one round of everything. One result a way of
connecting: the shape is that of node/mcp.mjs."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import mcp_types as types
from mcp import Client
from mcp.client.session import ClientSession
from mcp.client.sse import sse_client

KEY = "AKIAIOSFODNN7EXAMPLE"
WORD = "swordfish"
LONGEST = 20.0
"""Seconds until a call that nobody answers has failed."""


async def heard(base: str, way: str) -> dict[str, Any]:
    """What an agent sees that connects in a way: `modern` (2026-07-28), `legacy` (the handshake,
    streamable HTTP) or `sse` (the older transport)."""
    sampled: list[str] = []

    async def on_sampling(_: Any, params: types.CreateMessageRequestParams) -> Any:
        sampled.append(str(params.messages))
        said = types.TextContent(type="text", text="fine")
        return types.CreateMessageResult(role="assistant", content=said, model="m")

    options: dict[str, Any] = {
        "read_timeout_seconds": LONGEST,
        "sampling_callback": on_sampling,
    }
    async with AsyncExitStack() as stack:
        if way == "sse":
            client = await _older(stack, f"{base}/older", options)
        else:
            mode: Any = "legacy" if way == "legacy" else "auto"
            made = Client(f"{base}/everything", mode=mode, **options)
            client = await stack.enter_async_context(made)
        found = await _round(client)
        if way == "modern":
            async with client.listen(tools_list_changed=True) as events:
                await client.call_tool("change_tools", {})
                found["listened"] = type(await anext(aiter(events))).__name__
        else:  # of 2026-07-28 no server asks in the midst of a call
            for name, prompt in (("sampling", "hello"), ("sampling_stopped", f"say {WORD}")):
                told = _result(await client.call_tool("test_sampling", {"prompt": prompt}))
                found[name] = {**told, "seen": len(sampled)}
        return found


async def _older(stack: AsyncExitStack, url: str, options: dict[str, Any]) -> Any:
    reads, writes = await stack.enter_async_context(sse_client(url))
    session = ClientSession(reads, writes, **options)
    client = await stack.enter_async_context(session)
    await client.initialize()
    return client


async def _round(client: Any) -> dict[str, Any]:
    progress: list[float] = []

    async def on_progress(done: float, total: float | None, message: str | None) -> None:
        progress.append(done)

    listed = await client.list_tools()
    found: dict[str, Any] = {"tools": [tool.name for tool in listed.tools]}
    for name, tool, arguments in (
        ("allowed", "echo", {"text": "hello"}),
        ("denied", "delete_everything", {}),
        ("secret", "echo", {"text": f"my key is {KEY}"}),
        ("poisoned", "fetch_page", {}),
        ("contact", "contact", {}),
        ("found", "find", {"who": "bob.ray@example.com"}),
    ):
        found[name] = _result(await client.call_tool(tool, arguments))
    again = await client.call_tool("test_tool_with_progress", {}, progress_callback=on_progress)
    found["progress"] = {**_result(again), "seen": progress}
    resource = await client.read_resource("test://people")
    found["resource"] = resource.contents[0].text
    prompt = await client.get_prompt("test_simple_prompt")
    found["prompt"] = prompt.messages[0].content.text
    return found


def _result(result: types.CallToolResult) -> dict[str, Any]:
    texts = [block.text for block in result.content if isinstance(block, types.TextContent)]
    return {
        "text": "\n".join(texts),
        "error": bool(result.is_error),
        "structured": result.structured_content,
    }
