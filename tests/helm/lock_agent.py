"""An agent that tries whatever it can to get past the gateway, whose process is PID:
`python lock_agent.py UID PID FILE SOCKET`, FILE and SOCKET being the gateway's own. Its environment
is what the chart gives an agent. Prints JSON: what was tried -> what came of it.

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

from openai import OpenAI, OpenAIError

from tests.helm.lock_world import ADMIN, DATABASE, PROVIDER, USED
from tests.helm.namespaces import WORLD, WORLD_6, path

ASK = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]})
OWN = f"Bearer {os.environ['OPENAI_API_KEY']}"
WAIT = 3.0
NO_NEW_PRIVILEGES = 38  # prctl(2), PR_SET_NO_NEW_PRIVS
NEW_USERS = 0x10000000  # unshare(2), CLONE_NEWUSER


def ask(base: str) -> str:
    request = urllib.request.Request(
        f"{base}/v1/chat/completions",
        data=ASK.encode(),
        headers={"content-type": "application/json", "authorization": OWN},
    )
    try:
        with urllib.request.urlopen(request, timeout=WAIT) as answer:
            return str(json.loads(answer.read())["choices"][0]["message"]["content"])
    except urllib.error.HTTPError as error:
        return f"status {error.code}"


def by_sdk(client: OpenAI) -> str:
    """What the official SDK gets, which knows no more than its environment."""
    try:
        answer = client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}]
        )
    except OpenAIError as error:
        return type(error).__name__
    return str(answer.choices[0].message.content)


def connect(host: str, port: int) -> str:
    socket.create_connection((host, port), timeout=WAIT).close()
    return "connected"


def reach(path: Path) -> str:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
    return "connected"


def datagram(host: str, port: int, own_port: int = 0) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(WAIT)
        sock.bind(("", own_port))
        sock.connect((host, port))
        try:
            sock.send(b"any question")
            return sock.recv(512).decode()
        except TimeoutError:
            return "no answer"
        except OSError:  # which one depends on the kernel
            return "refused"


def opened(family: int, protocol: int) -> str:
    socket.socket(family, socket.SOCK_RAW, protocol).close()
    return "opened"


def raw_as_its_own_root() -> str:
    """In a user namespace of its own it has every capability, but none over the pod's network."""
    if ctypes.CDLL(None).unshare(NEW_USERS):
        return "refused"
    try:
        return opened(socket.AF_INET, socket.IPPROTO_RAW)
    except PermissionError:
        return "refused"


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
    user, pid = int(sys.argv[1]), int(sys.argv[2])
    secret, admin = map(Path, sys.argv[3:])
    gateway = os.environ["OPENAI_BASE_URL"].removesuffix("/v1")
    client = OpenAI(timeout=WAIT, max_retries=0)
    _ = client.chat.completions  # loads what it needs
    if user:  # root has been stripped of its capabilities before
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    ctypes.CDLL(None).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    tried: dict[str, Callable[[], str]] = {
        "gateway": lambda: ask(gateway),
        "gateway by the SDK": lambda: by_sdk(client),
        "provider": lambda: ask(f"http://{WORLD}:{PROVIDER}"),
        "provider over IPv6": lambda: ask(f"http://[{WORLD_6}]:{PROVIDER}"),
        "database": lambda: connect(WORLD, DATABASE),
        "name server": lambda: datagram(WORLD, 53),
        "name server over TCP": lambda: connect(WORLD, 53),
        "name server over IPv6": lambda: datagram(WORLD_6, 53),
        "name server from the gateway's port": lambda: datagram(WORLD, 53, USED),
        "admin listener": lambda: connect("127.0.0.1", ADMIN),
        "admin socket": lambda: reach(admin),
        "raw socket": lambda: opened(socket.AF_INET, socket.IPPROTO_RAW),
        "packet socket": lambda: opened(socket.AF_PACKET, socket.htons(3)),
        "the gateway's environment": lambda: Path(f"/proc/{pid}/environ").read_text(),
        "the gateway's command line": lambda: Path(f"/proc/{pid}/cmdline").read_text(),
        "the gateway's memory": lambda: Path(f"/proc/{pid}/mem").read_text(),
        "the gateway's secrets": secret.read_text,
        "the gateway's user": lambda: become(10001),
        "the lock": unlock,
        "raw socket as its own root": raw_as_its_own_root,  # the last: it is another user then
    }
    print(json.dumps({each: attempt(what) for each, what in tried.items()}))


if __name__ == "__main__":
    main()
