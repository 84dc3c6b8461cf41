"""An agent that tries whatever it can to get past the gateway: `python lock_agent.py UID PORT PID`,
PORT being the gateway's, PID its process. Prints JSON: what was tried -> what came of it.

It becomes the user only when everything is loaded, so that it needs no right to read files.
"""

from __future__ import annotations

import ctypes
import encodings.idna  # noqa: F401  (loaded before the rights are gone)
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.helm.lock_world import ADMIN, DATABASE, PROVIDER
from tests.helm.namespaces import WORLD, WORLD_6, path

ASK = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]})
WAIT = 3.0
NO_NEW_PRIVILEGES = 38  # prctl(2), PR_SET_NO_NEW_PRIVS


def ask(base: str) -> str:
    request = urllib.request.Request(
        f"{base}/v1/chat/completions",
        data=ASK.encode(),
        headers={"content-type": "application/json", "authorization": "Bearer agents-own"},
    )
    try:
        with urllib.request.urlopen(request, timeout=WAIT) as answer:
            return str(json.loads(answer.read())["choices"][0]["message"]["content"])
    except urllib.error.HTTPError as error:
        return f"status {error.code}"


def connect(host: str, port: int) -> str:
    socket.create_connection((host, port), timeout=WAIT).close()
    return "connected"


def name() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(WAIT)
        sock.connect((WORLD, 53))
        sock.send(b"any question")
        return sock.recv(512).decode()


def raw() -> str:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)).close()
    return "opened"


def unlock() -> str:
    words = ["nft", "delete", "table", "inet", "portcullis_lock"]
    environment = {"PATH": path()}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    return "unlocked" if done.returncode == 0 else "refused"


def become(user: int) -> str:
    os.setuid(user)
    return "became"


def attempt(what: Callable[[], str]) -> str:
    try:
        return what()
    except OSError as error:
        reason = getattr(error, "reason", error)
        return type(reason).__name__


def main() -> None:
    user, port, pid = (int(word) for word in sys.argv[1:])
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    ctypes.CDLL(None).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    tried: dict[str, Callable[[], str]] = {
        "gateway": lambda: ask(f"http://127.0.0.1:{port}"),
        "provider": lambda: ask(f"http://{WORLD}:{PROVIDER}"),
        "provider over IPv6": lambda: ask(f"http://[{WORLD_6}]:{PROVIDER}"),
        "database": lambda: connect(WORLD, DATABASE),
        "name server": name,
        "admin listener": lambda: connect("127.0.0.1", ADMIN),
        "raw socket": raw,
        "the gateway's environment": lambda: Path(f"/proc/{pid}/environ").read_text(),
        "the gateway's user": lambda: become(10001),
        "the lock": unlock,
    }
    print(json.dumps({each: attempt(what) for each, what in tried.items()}))


if __name__ == "__main__":
    main()
