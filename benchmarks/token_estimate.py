"""How near the estimates of tokens come, by kind of text and by model.

    python -m benchmarks.token_estimate

Data: `../shared/data` (its README names sources and licences), or the folder in
PORTCULLIS_TEST_DATA. Prints the tables of docs/prices.md: against the o200k vocabulary where the
package `bpe-openai` is installed (it is no dependency: 40 MB, and 140 MB of memory), and against
the usage blocks of recorded exchanges. The weights were fitted to a sample of these texts: on
others expect more.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gateway.dialects.jsondoc import parse_object
from gateway.dialects.openai_chat_request import ChatCall
from gateway.dialects.token_estimate import likely_tokens

DATA = Path(
    os.environ.get("PORTCULLIS_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
KINDS = {
    "prose": ("benign_chat", "benign_awesome", "benign_xstest", "ner_", "benign_taubench"),
    "code, pages, Markdown": ("benign_html", "benign_agent_skills", "benign_tldr", "benign_inter"),
    "JSON": ("pii_tau_users_json", "benign_toolbench", "benign_tooldesc"),
    "logs, keys, tokens": ("benign_loghub", "secrets_"),
}
SHORTEST = 200  # characters: of a shorter text any estimate is a guess
FROM_ONE_SOURCE = 150


def texts() -> Iterator[tuple[str, str]]:
    """(kind, text) of the development data; the same ones every time."""
    for path in sorted((DATA / "dev").glob("*.jsonl.gz")):
        kind = next((kind for kind, names in KINDS.items() if path.name.startswith(names)), None)
        if kind is None:
            continue
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            found = [json.loads(line).get("text") for line in lines]
        long = [text for text in found if type(text) is str and len(text) >= SHORTEST]
        random.Random(1).shuffle(long)
        yield from ((kind, text) for text in long[:FROM_ONE_SOURCE])


def recorded() -> Iterator[tuple[str, str, int]]:
    """(what, text, tokens) of recorded chats without pictures, tools or sound."""
    with gzip.open(DATA / "transcripts" / "recorded_exchanges.jsonl.gz", "rt") as lines:
        for row in map(json.loads, lines):
            if row["dialect"] != "openai_chat" or row["status"] != 200 or row["stream"]:
                continue
            call = ChatCall(parse_object(row["request"].encode()))
            answer: dict[str, Any] = json.loads(row["response"])
            if call.unscannable or call.tools:
                continue
            # Chat's format adds about 4 tokens a message, and 3 for the answer's beginning.
            framing = 4 * len(json.loads(row["request"])["messages"]) + 3
            counted = answer["usage"]["prompt_tokens"] - framing
            yield "gpt-5-nano, input", " ".join(s.text for s in call.segments), counted
            said = answer["choices"][0]["message"].get("content") or ""
            details = answer["usage"]["completion_tokens_details"]
            made = answer["usage"]["completion_tokens"] - details["reasoning_tokens"]
            if said:
                yield "gpt-5-nano, answers", said, made


def report(title: str, errors: dict[str, list[tuple[float, float]]]) -> None:
    """A table: how far off the estimate is, and a quarter of the bytes."""
    print(f"| {title} | texts | estimate: median | p95 | bytes / 4: median | p95 |")
    print("|---|---|---|---|---|---|")
    for kind, pairs in errors.items():
        cells = []
        for column in range(2):
            off = sorted(abs(pair[column]) for pair in pairs)
            p95 = off[min(len(off) - 1, int(len(off) * 0.95))]
            cells += [f"{statistics.median(off):.0%}", f"{p95:.0%}"]
        print(f"| {kind} | {len(pairs)} | {' | '.join(cells)} |")
    print()


def errors_of(rows: Iterator[tuple[str, str, int]]) -> dict[str, list[tuple[float, float]]]:
    """By kind: the relative errors of the estimate, and of a quarter of the bytes."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for kind, text, counted in rows:
        if counted > 0:
            quarter = -(-len(text.encode()) // 4)
            found[kind].append((likely_tokens([text]) / counted - 1, quarter / counted - 1))
    return found


def tokenizer() -> Callable[[str], int] | None:
    """Counts with the o200k vocabulary, where it is at hand."""
    try:
        from bpe_openai import get_encoding  # type: ignore[import-not-found]
    except ImportError:
        return None
    encode = get_encoding("o200k_base").encode
    return lambda text: len(encode(text))


def speed() -> None:
    """What an estimate costs, by length."""
    for size in (1, 4, 100, 1000):
        text = ("The answer to request 4711 is in the second file. " * 21 * size)[: size * 1024]
        best = min(_timed(text) for _ in range(20))
        print(f"{size} KB: {best * 1e6:.1f} us")


def _timed(text: str) -> float:
    began = time.perf_counter()
    likely_tokens([text])
    return time.perf_counter() - began


def main() -> None:
    """Print every table that there is data for."""
    count = tokenizer()
    if count is None:
        print("bpe-openai is not installed: no comparison with a tokenizer\n")
    else:
        report("kind of text", errors_of((kind, text, count(text)) for kind, text in texts()))
    report("recorded", errors_of(recorded()))
    speed()


if __name__ == "__main__":
    main()
