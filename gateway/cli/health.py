"""`portcullis health`: does the gateway on this machine serve? For images without a shell."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys

from gateway.config.settings import Address, read_settings
from gateway.errors import ConfigError

TIMEOUT = 4.0
"""Seconds; below the time-out of the image's own health check."""

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "health",
        help="ask the gateway on this machine whether it serves",
        description="Ask the probe listener for /readyz. Exit 0 where the gateway is ready, 1 "
        "where it is not, 2 where nobody answers.",
    )
    parser.add_argument(
        "--probes",
        metavar="HOST:PORT",
        help="its probe listener (default: 127.0.0.1:9484) [PORTCULLIS_PROBES]",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0: ready; 1: not ready; 2: nobody answers."""
    try:
        address = read_settings({"probes": args.probes}, os.environ).probes
    except ConfigError as error:
        print(f"portcullis health: {error}", file=sys.stderr)
        return 2
    try:
        status, state = _ask(address)
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        print(
            f"portcullis health: no gateway answers at {address} ({why}). Where it listens for "
            "probes, it says when it starts; name another address with --probes.",
            file=sys.stderr,
        )
        return 2
    print(state)
    return 0 if status == 200 else 1


def _ask(address: Address) -> tuple[int, str]:
    host = _ANY.get(address.host, address.host)
    connection = http.client.HTTPConnection(host, address.port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        told = json.loads(answer.read())
    finally:
        connection.close()
    return answer.status, str(told.get("status"))
