"""`portcullis serve`: run the gateway until it is told to stop."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from gateway.config.settings import FLAGS, Address, Settings, add_settings, read_settings
from gateway.errors import ConfigError


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "serve",
        help="run the gateway",
        description="Run the gateway. Each flag is also an environment variable. SIGHUP loads the "
        "policy again, SIGTERM lets running calls finish and stops.",
    )
    add_settings(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Serve. 0 after an orderly stop, 1 where the policy or a setting is bad, 2 where the machine
    stands in the way (an address in use)."""
    from gateway.app import serve

    names = [flag.name.replace("-", "_") for flag in FLAGS] + ["allow_anonymous"]
    flags = {name: getattr(args, name, None) for name in names}
    try:
        settings = read_settings(flags, os.environ)
        return serve(settings, flags, announce)
    except ConfigError as error:
        print("portcullis: cannot start", file=sys.stderr)
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"portcullis: cannot start: {error}", file=sys.stderr)
        return 2


def announce(settings: Settings, digest: str) -> None:
    """One line that says where it listens and with which policy; on a terminal, what to try."""
    where = f"http://{settings.admin}" if isinstance(settings.admin, Address) else settings.admin
    admin = f", admin on {where}" if where is not None else ""
    print(
        f"Portcullis listens on {_base(settings)} with policy {settings.policies.name} "
        f"({digest[:19]}), probes on http://{settings.probes}{admin}",
        flush=True,
    )
    if sys.stdout.isatty():
        print(_first_steps(_base(settings)), flush=True)


def _base(settings: Settings) -> str:
    return f"{'https' if settings.tls else 'http'}://{settings.listen}"


def _first_steps(base: str) -> str:
    program = "portcullis" if shutil.which("portcullis") else _beside_python()
    return f"""
Point an agent at it:

  export OPENAI_BASE_URL={base}/v1
  export ANTHROPIC_BASE_URL={base}

See it block a fake AWS key (no account needed, nothing leaves this machine):

  curl -s {base}/v1/chat/completions \\
    -H 'content-type: application/json' -d '{{"model": "gpt-4o-mini", "messages":
    [{{"role": "user", "content": "Why does AKIAIOSFODNN7EXAMPLE not work?"}}]}}'

Then: {program} audit show --last
"""


def _beside_python() -> str:
    """Where our own script lies, when a shell would not find it: in the environment's folder."""
    script = Path(sys.executable).with_name("portcullis")
    here = Path.cwd()
    return str(script.relative_to(here) if script.is_relative_to(here) else script)
