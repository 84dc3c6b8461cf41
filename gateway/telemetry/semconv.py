"""Names of OpenTelemetry's semantic conventions, as far as we use them, pinned in one place.

Source: open-telemetry/semantic-conventions v1.41 (the last version that held the GenAI and MCP
parts, which have moved to open-telemetry/semantic-conventions-genai; that has no release yet, and
renames the token attributes). What has no name there is ours and begins with `portcullis.`.
"""

from __future__ import annotations

from gateway.dialects.base import Call

VERSION = "1.41"
SCHEMA = "https://opentelemetry.io/schemas/1.41.0"

# HTTP, servers and errors
HTTP_METHOD = "http.request.method"
HTTP_STATUS = "http.response.status_code"
HTTP_RESENT = "http.request.resend_count"
URL_PATH = "url.path"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
ERROR_TYPE = "error.type"

# GenAI
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
AGENT = "gen_ai.agent.name"
CONVERSATION = "gen_ai.conversation.id"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
REQUEST_CHOICES = "gen_ai.request.choice.count"
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_FINISH = "gen_ai.response.finish_reasons"
RESPONSE_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
TOOL_NAME = "gen_ai.tool.name"
MCP_METHOD = "mcp.method.name"

# ours
ID = "portcullis.id"
TENANT = "portcullis.tenant"
UPSTREAM = "portcullis.upstream"
DIALECT = "portcullis.dialect"
POLICY = "portcullis.policy"
OUTCOME = "portcullis.outcome"
ACTION = "portcullis.action"
RULE = "portcullis.rule"
RULE_KIND = "portcullis.rule.kind"
VERDICT = "portcullis.verdict"
REASON = "portcullis.reason"
SHADOW = "portcullis.shadow"
TOOL_CALLS = "portcullis.tool_calls"
COST = "portcullis.cost_nanodollars"
ESTIMATED = "portcullis.usage_estimated"
VERDICT_EVENT = "portcullis.verdict"
FIRST_BYTE_EVENT = "portcullis.first_byte"

EXECUTE_TOOL = "execute_tool"

OPERATIONS = {
    ("openai_completions", "chat"): "text_completion",
    ("gemini", "chat"): "generate_content",
    ("http_tool", "tool"): EXECUTE_TOOL,
}
"""Our dialect and operation -> their word for what is asked for, where it is another."""

PROVIDERS = {"azure_openai": "azure.ai.openai", "gemini": "gcp.gemini"}
"""Our word for a provider -> theirs, where the two differ."""

METHODS = frozenset("CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT TRACE QUERY".split())
OTHER = "_OTHER"
"""What stands for an HTTP method that is none of these."""


def operation_of(call: Call) -> str:
    """What a call asks for, in the conventions' word where they have one."""
    if call.dialect == "mcp":
        return EXECUTE_TOOL if call.invokes else call.operation
    return OPERATIONS.get((call.dialect, call.operation), call.operation)
