"""Makes the chart's README from its values: `python helm/readme.py` writes it, and a test compares.

A value is documented by the `# -- ` line right above it. A key with neither that line nor keys of
its own is an error: nothing goes undocumented.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "portcullis"
Row = tuple[str, str, str]

SHOWN = 70
"""Characters of a default that are shown; more is left to values.yaml."""

HEAD = """\
# The Portcullis chart

Made from `values.yaml` by `python helm/readme.py`; change it there. What the two modes are for, and
what they do and do not stop, is in [docs/kubernetes.md](../../docs/kubernetes.md).

```
helm install portcullis helm/portcullis                                # in front of agents
helm install portcullis helm/portcullis --set mode=sidecar,sidecar.example.enabled=true
```

| value | default | means |
|---|---|---|
"""


def readme(values: str) -> str:
    """The whole page."""
    rows = [f"| `{name}` | {default} | {means} |\n" for name, default, means in documented(values)]
    return HEAD + "".join(rows)


def documented(values: str) -> Iterator[Row]:
    """Name, default and meaning of every value. Raises ValueError for one without a meaning."""
    lines = values.splitlines()
    root = yaml.compose(values, yaml.SafeLoader)
    assert root is not None
    yield from _walk(root, yaml.safe_load(values), lines, "")


def _walk(node: yaml.Node, value: Any, lines: list[str], above: str) -> Iterator[Row]:
    assert isinstance(node, yaml.MappingNode)
    for key, inner in node.value:
        name = f"{above}{key.value}"
        comment = lines[key.start_mark.line - 1].strip() if key.start_mark.line else ""
        if comment.startswith("# -- "):
            yield name, _shown(value[key.value]), comment.removeprefix("# -- ").replace("|", "\\|")
        elif isinstance(inner, yaml.MappingNode) and inner.value:
            yield from _walk(inner, value[key.value], lines, f"{name}.")
        else:
            raise ValueError(f"values.yaml:{key.start_mark.line + 1}: {name} has no `# -- ` line")


def _shown(default: Any) -> str:
    if default is None:
        return ""
    text = default if isinstance(default, str) else json.dumps(default)
    if len(text) > SHOWN or "\n" in text:
        return "see values.yaml"
    return f"`{text}`" if text else '`""`'


if __name__ == "__main__":
    (CHART / "README.md").write_text(readme((CHART / "values.yaml").read_text()))
