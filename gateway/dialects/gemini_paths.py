"""Gemini's paths: the model, and what is asked of it, stand in the last segment.

`/v1beta/models/gemini-2.5-flash:generateContent` at Google's own address, and
`/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-flash:generateContent` at Vertex AI
(the APIs' references).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

METHODS = {
    "generatecontent": "chat",
    "streamgeneratecontent": "chat",
    "batchgeneratecontent": "batch",
    "embedcontent": "embeddings",
    "batchembedcontents": "embeddings",
    "asyncbatchembedcontent": "embeddings",
    "counttokens": "count_tokens",
    "computetokens": "count_tokens",
}
"""What is asked for, by the word behind the colon, in lower case."""

_CALL = re.compile(r"/(models|tunedmodels|dynamic|endpoints)/([^/:]+):([a-z]+)$")
_ASKED = re.compile(r"/models/([A-Za-z0-9._-]+):[A-Za-z]+(?=$|\?)")
_KEPT = re.compile(r"/v1(?:alpha|beta)?1?/batches(?:/[^/:]+)?$")
_CACHE = re.compile(r"/cachedcontents(?:/[^/:]+)?$")
_PUBLISHER = re.compile(r"/publishers/([^/]+)/models/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GeminiPath:
    """What a path asks for. `method` in lower case, `model` "" where the body names it."""

    method: str
    operation: str
    model: str = ""

    @property
    def stream(self) -> bool:
        return self.method == "streamgeneratecontent"


CACHE = GeminiPath("cachedcontents", "cache")
"""A conversation that is put by for later calls: its model stands in the body."""


def is_gemini(plain: str) -> bool:
    """Whether a plain path (see `dialects/paths.py`) is one that this dialect reads."""
    found = _CALL.search(plain)
    return (found is not None and found[3] in METHODS) or _CACHE.search(plain) is not None


def is_kept(plain: str) -> bool:
    """Whether a GET of a plain path gives back answers that were made earlier: a batch."""
    return _KEPT.search(plain) is not None


def read_path(path: str, plain: str) -> GeminiPath:
    """What a path that `is_gemini` asks for. `path` is the raw one: in it the model's name has its
    upper case."""
    found = _CALL.search(plain)
    if found is None:
        return CACHE
    folder, model, method = found.groups()
    raw = unquote(path.partition("?")[0])
    at = raw.lower().rfind(f"/{model}:")
    if at >= 0:
        model = raw[at + 1 : at + 1 + len(model)]
    if folder == "models":
        publisher = _PUBLISHER.search(plain)
        if publisher is not None and publisher[1] != "google":
            model = f"{publisher[1]}/{model}"
    else:
        model = f"{'tunedModels' if folder == 'tunedmodels' else folder}/{model}"
    return GeminiPath(method, METHODS[method], model)


def with_model(path: str, name: str) -> str | None:
    """A raw path and query with another model in the place of the one it names; None where that is
    not one of Google's own, or is not spelled as it is read."""
    found = _ASKED.search(path)
    if found is None:
        return None
    publisher = _PUBLISHER.search(path)
    if publisher is not None and publisher[1] != "google":
        return None
    return f"{path[: found.start(1)]}{quote(name, safe='')}{path[found.end(1) :]}"


def plain_model(name: str) -> str:
    """A model's name without the folder that all of Google's have."""
    return name.removeprefix("models/")
