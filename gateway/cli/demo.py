"""`portcullis demo`: see every kind of rule at work, without a key or a network."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from gateway.demo.scenes import SCENES
from gateway.demo.show import Show, choose
from gateway.demo.stage import Stage


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "demo",
        help="see every kind of rule at work, without a key or a network",
        description="Starts a gateway and a scripted provider on loopback, runs a small agent "
        "through the official OpenAI SDK, one scene a kind, then verifies the audit log, changes "
        "one record and verifies again. Exit code 1 if anything is not as promised.",
    )
    parser.add_argument("--only", metavar="KIND", help="play the scene of one kind")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Play the demo. 0 where all went as promised, 1 where not, 2 where it cannot run."""
    try:
        import openai  # noqa: F401 - the demo's agent is built on it
    except ImportError:
        print("portcullis demo needs the OpenAI SDK: pip install 'portcullis-gateway[demo]'")
        return 2

    scenes = [scene for scene in SCENES if args.only in (None, scene.kind)]
    if not scenes:
        print(f"no scene {args.only!r}; there are {', '.join(s.kind for s in SCENES)}")
        return 2
    begun = time.monotonic()
    show = choose()
    show.heading("Portcullis: one scene for each kind of rule")
    failed = 0
    try:
        with Stage(scenes) as stage:
            with show.waiting("Starting a gateway and a scripted provider on this machine"):
                stage.start()
            for scene in scenes:
                played = stage.play(scene)
                show.scene(played)
                for problem in played.problems:
                    show.line(problem, good=False)
                failed += bool(played.problems)
            failed += _prove(stage, show)
    except RuntimeError as error:
        print(f"the gateway did not start:\n{error}", file=sys.stderr)
        return 2
    spent = time.monotonic() - begun
    show.line(
        f"{failed} of them went wrong."
        if failed
        else f"Everything went as promised, in {spent:.1f} s. Your turn: portcullis serve",
        good=not failed,
    )
    return 1 if failed else 0


def _prove(stage: Stage, show: Show) -> int:
    """What it cost, the log verified, one record changed, the log verified again."""
    stage.gateway.stop()
    show.heading("What it cost, and the proof")
    closed = [record for record in stage.gateway.records() if record.get("type") == "closed"]
    cost = sum(record.get("cost_nanodollars") or 0 for record in closed)
    show.line(f"{len(closed)} calls cost ${cost / 1e9:.6f}. Each of them is on record.")
    code, text = _verify(stage)
    show.line("portcullis audit verify", good=code == 0)
    show.quote(text)
    changed = _change_one(stage.gateway.audit)
    show.line(f"Now somebody edits the log: {changed}.")
    found, text = _verify(stage)
    show.line("portcullis audit verify finds it", good=found == 1)
    show.quote(text)
    return int(code != 0) + int(found != 1)


def _verify(stage: Stage) -> tuple[int, str]:
    """The real command's exit code and what it says."""
    done = stage.gateway.verify()
    text = (done.stdout + done.stderr).replace(f"{stage.gateway.folder}/", "").strip()
    return done.returncode, text


def _change_one(folder: Path) -> str:
    """Turn a `block` on record into an `allow`, as somebody with the file in hand would."""
    path = sorted(folder.glob("*.jsonl"))[0]
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines):
        if b'"type":"closed"' in line and b'"action":"block"' in line:
            lines[number] = line.replace(b'"action":"block"', b'"action":"allow"', 1)
            path.write_bytes(b"".join(lines))
            return f"line {number + 1} says `allow` where it said `block`"
    return "nothing was found to edit"
