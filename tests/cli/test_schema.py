"""`portcullis schema` prints JSON."""

from __future__ import annotations

import argparse
import json

import pytest

from gateway.cli import schema


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    schema.add_parser(parser.add_subparsers())
    args = parser.parse_args(["schema"])
    assert args.func(args) == 0
    assert "upstreams" in json.loads(capsys.readouterr().out)["properties"]
