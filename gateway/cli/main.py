"""`portcullis`: finds the command and runs it. One file a command.

Exit codes: 0 fine, 1 the thing checked is bad, 2 could not check.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from gateway import __version__

COMMANDS = {
    "serve": "run the gateway",
    "demo": "see every kind of rule at work, without a key or a network",
    "check": "check a policy file or folder",
    "explain": "show the rules that apply to a call",
    "schema": "print the JSON Schema of the policy file",
    "rollback": "return to an earlier version of the policy",
    "key": "make gateway keys and admin tokens",
    "scan": "find personal data, secrets and injections in files",
    "health": "ask the gateway on this machine whether it serves",
    "notices": "try webhooks out, resend what could not be delivered",
    "report": "what was used and spent, from the audit log",
    "prices": "show what models cost, and check it",
    "audit": "verify the audit log, or show its records",
}
"""Commands and what they do; each lives in the module of its name."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="portcullis",
        description="A gateway between an agent and everything it talks to.",
        epilog="portcullis COMMAND --help says more of one.",
    )
    parser.add_argument("--version", action="version", version=f"portcullis {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    asked = next((word for word in arguments if not word.startswith("-")), "")
    for name, text in COMMANDS.items():
        if name == asked:  # only what is run is imported: --help stays quick
            importlib.import_module(f"gateway.cli.{name}").add_parser(commands)
        else:
            commands.add_parser(name, help=text, add_help=False)
    args = parser.parse_args(arguments)
    try:
        code: int = args.func(args)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
    return code
