"""Agents of three frameworks, each written as its own docs would have it: two tools, one question.
Nothing but the base URL and the key says that there is a gateway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import openai
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)
from langchain_core.messages import HumanMessage
from langchain_core.tools import StructuredTool
from langchain_openai import ChatOpenAI
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai import AgentRunResultEvent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.openai import OpenAIResponsesModel as PydanticResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

MODEL = "gpt-4o-mini"


@dataclass
class Desk:
    """The tools, and what was done with them: `done` holds (tool, number)."""

    done: list[tuple[str, int]] = field(default_factory=list)

    def get_order(self, number: int) -> str:
        """Where an order is."""
        self.done.append(("get_order", number))
        return "between two warehouses"

    def delete_order(self, number: int) -> str:
        """Forget an order."""
        self.done.append(("delete_order", number))
        return "gone"


Play = Callable[[str, str, str, bool, Desk], Awaitable[str]]
"""(base, key, question, streamed, desk) -> the agent's last word; raises what its user sees."""


async def openai_agents(
    model: Any, base: str, key: str, question: str, stream: bool, desk: Desk
) -> str:
    """`Runner`, its traces to OpenAI switched off."""
    async with openai.AsyncOpenAI(base_url=f"{base}/v1", api_key=key) as client:
        agent = Agent(
            name="clerk",
            instructions="Answer about orders.",
            model=model(MODEL, client),
            tools=[function_tool(desk.get_order), function_tool(desk.delete_order)],
        )
        quiet = RunConfig(tracing_disabled=True)
        if not stream:
            return str((await Runner.run(agent, question, run_config=quiet)).final_output)
        run = Runner.run_streamed(agent, question, run_config=quiet)
        async for _ in run.stream_events():
            pass
        return str(run.final_output)


async def pydantic_ai(
    model: Any, base: str, key: str, question: str, stream: bool, desk: Desk
) -> str:
    provider = OpenAIProvider(base_url=f"{base}/v1", api_key=key)
    agent = PydanticAgent(
        model(MODEL, provider=provider), tools=[desk.get_order, desk.delete_order]
    )
    if not stream:
        return (await agent.run(question)).output
    said = ""
    async with agent.run_stream_events(question) as events:
        async for event in events:
            if isinstance(event, AgentRunResultEvent):
                said = event.result.output
    return said


async def langchain(
    responses: bool, base: str, key: str, question: str, stream: bool, desk: Desk
) -> str:
    """The loop that LangChain's own agents run, written out: ask, call tools, ask again."""
    tools = {
        each.__name__: StructuredTool.from_function(each)
        for each in (desk.get_order, desk.delete_order)
    }
    bare = ChatOpenAI(model=MODEL, base_url=f"{base}/v1", api_key=key, use_responses_api=responses)
    model = bare.bind_tools(list(tools.values()))
    messages: list[Any] = [HumanMessage(question)]
    while True:
        if stream:
            chunks = [chunk async for chunk in model.astream(messages)]
            message = sum(chunks[1:], chunks[0])
        else:
            message = await model.ainvoke(messages)
        messages.append(message)
        if not message.tool_calls:
            return message.text
        messages += [tools[call["name"]].invoke(call) for call in message.tool_calls]


FRAMEWORKS: dict[str, Play] = {
    "openai-agents-responses": partial(openai_agents, OpenAIResponsesModel),
    "openai-agents-chat": partial(openai_agents, OpenAIChatCompletionsModel),
    "pydantic-ai-responses": partial(pydantic_ai, PydanticResponsesModel),
    "pydantic-ai-chat": partial(pydantic_ai, OpenAIChatModel),
    "langchain-responses": partial(langchain, True),
    "langchain-chat": partial(langchain, False),
}

RAISED = {
    "openai-agents": {400: "BadRequestError", 429: "RateLimitError"},
    "pydantic-ai": {400: "ModelRequestRejectedError", 429: "ModelRateLimitError"},
    "langchain": {400: "OpenAIInvalidRequestError", 429: "OpenAIRateLimitError"},
}
"""What a framework's user catches for a block, and for a wait that is too long (docs/agents.md)."""

RAISED_IN_STREAM = {
    "openai-agents-responses": "ModelBehaviorError",
    "openai-agents-chat": "APIError",
    "pydantic-ai-responses": "ModelAPIError",
    "pydantic-ai-chat": "ModelAPIError",
    "langchain-responses": "ValueError",
    "langchain-chat": "APIError",
}
"""What is caught in the middle of a streamed answer that a rule cuts."""
