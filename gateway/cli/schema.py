"""`portcullis schema`: the JSON Schema of the policy file, for editors."""

from __future__ import annotations

import argparse
import json


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "schema",
        help="print the JSON Schema of the policy file",
        description="Print the JSON Schema of the policy file, for editors. Save it beside your "
        "policies and begin a file with: # yaml-language-server: $schema=schema.json",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print it."""
    from gateway.config.schema import policy_schema

    print(json.dumps(policy_schema(), indent=2))
    return 0
