"""`portcullis notices`: try the webhooks out, and see and resend what could not be delivered."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from gateway.config.load import load
from gateway.config.notices import Webhook
from gateway.config.settings import read_settings, state_folder
from gateway.errors import ConfigError
from gateway.telemetry.dead_letters import DeadLetters, Letter
from gateway.telemetry.notice_delivery import FailedError, deliver
from gateway.telemetry.notice_formats import Notice
from gateway.upstream.client import Client

_ACTIONS = {
    "list": "show what could not be delivered",
    "resend": "send again what could not be delivered",
    "test": "send a test notice to every webhook of the policy, or to one",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "notices",
        help="try webhooks out, resend what could not be delivered",
        description="Try the webhooks of the policy out; show and resend notices that could not "
        "be delivered. Exit 1 where one still cannot be.",
    )
    actions = parser.add_subparsers(dest="action", metavar="list|resend|test", required=True)
    for name, text in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text)
        if name != "test":
            action.add_argument("--folder", metavar="DIR", help="the state folder")
        if name != "list":
            action.add_argument("--policies", metavar="PATH", help="[PORTCULLIS_POLICIES]")
            action.add_argument("--webhook", metavar="NAME", help="this webhook alone")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0: all well; 1: something is, or stays, undelivered; 2: it could not be tried."""
    try:
        if args.action == "test":
            return asyncio.run(_test(_webhooks(args)))
        folder = Path(args.folder) if args.folder else state_folder(os.environ)
        letters = DeadLetters(folder)
        if args.action == "list":
            return _list(letters)
        return asyncio.run(_resend(letters, _webhooks(args)))
    except ConfigError as error:
        problems: Sequence[str] = error.problems
    except OSError as error:
        problems = [f"{error.filename or ''}: {error.strerror or error}"]
    for problem in problems:
        print(f"portcullis notices: {problem}", file=sys.stderr)
    return 2


def _webhooks(args: argparse.Namespace) -> dict[str, Webhook]:
    """The policy's webhooks by name, or the one that is named."""
    settings = read_settings({"policies": args.policies}, os.environ)
    found = {w.name: w for w in load(settings.policies, os.environ).file.notices.webhooks}
    if args.webhook is not None:
        if args.webhook not in found:
            raise ConfigError([f"{settings.policies} has no webhook {args.webhook!r}"])
        return {args.webhook: found[args.webhook]}
    if not found:
        raise ConfigError([f"{settings.policies} has no webhooks under `notices`"])
    return found


def _list(letters: DeadLetters) -> int:
    found = letters.read()
    for letter in found:
        notice = letter.notice
        print(f"{notice.time}  {letter.webhook}  {notice.event}  {letter.why}  {notice.text}")
    if not found:
        print(f"{letters.path}: nothing is undelivered", file=sys.stderr)
    return int(bool(found))


async def _resend(letters: DeadLetters, webhooks: dict[str, Webhook]) -> int:
    taken = letters.take()
    failed: list[Letter] = []
    client = Client()
    await client.open()
    for letter in taken:
        webhook = webhooks.get(letter.webhook)
        if webhook is None:
            failed.append(letter)
            print(f"{letter.webhook}: kept, that webhook is not asked for", file=sys.stderr)
            continue
        try:
            await deliver(webhook, letter.notice, client.send)
        except FailedError as error:
            failed.append(Letter(letter.webhook, str(error), letter.notice))
            print(f"{letter.webhook}: {error}", file=sys.stderr)
    await client.close()
    letters.taken([letter for letter in failed if not letters.keep(letter)])
    print(f"{len(taken) - len(failed)} sent, {len(failed)} kept")
    return int(bool(failed))


async def _test(webhooks: dict[str, Webhook]) -> int:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = "A test: notices of this gateway arrive here."
    notice = Notice(f"ntc_{os.urandom(12).hex()}", "test", now, text)
    client = Client()
    await client.open()
    failed = 0
    for name, webhook in webhooks.items():
        try:
            await deliver(webhook, notice, client.send)
            print(f"{name}: delivered")
        except FailedError as error:
            failed += 1
            print(f"{name}: {error}", file=sys.stderr)
    await client.close()
    return int(bool(failed))
