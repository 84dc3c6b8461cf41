"""Names of OpenTelemetry's semantic conventions, as far as we use them, pinned in one place.

Source: open-telemetry/semantic-conventions v1.41 (the last version that held the GenAI part, which
has moved to open-telemetry/semantic-conventions-genai and is still changing).
"""

from __future__ import annotations

VERSION = "1.41"

HTTP_METHOD = "http.request.method"
HTTP_STATUS = "http.response.status_code"
ERROR_TYPE = "error.type"
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"

OPERATIONS = {"openai_completions": "text_completion"}
"""Our dialect -> their word for what is asked for, where it is not that of `Call.operation`."""

PROVIDERS = {"azure_openai": "azure.ai.openai", "gemini": "gcp.gemini"}
"""Our word for a provider -> theirs, where the two differ."""
