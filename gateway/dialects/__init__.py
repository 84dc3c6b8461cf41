"""Station 3: bytes to segments, tool calls and usage, and back. Pure."""
