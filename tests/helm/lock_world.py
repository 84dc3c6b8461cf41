"""What is outside of the pod: a provider on IPv4 and IPv6, a database, a name server. A program of
its own, because it runs in another network namespace: `python lock_world.py FILE`.

Writes the credentials that it was shown into FILE, one a line, and `ready` to stdout.
"""

from __future__ import annotations

import json
import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from gateway.testing.answers import Say, chat
from tests.helm.namespaces import WORLD, WORLD_6

PROVIDER, DATABASE, ADMIN = 8000, 5432, 9485
USED = 40053  # from here the gateway's user has asked the name server


class Provider(BaseHTTPRequestHandler):
    shown: Path

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        with self.shown.open("a") as file:
            file.write(f"{self.headers.get('authorization', 'none')}\n")
        body = json.dumps(chat(Say(pieces=["Hello there."]))).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class Server(socketserver.ThreadingTCPServer):
    # Not http.server's own, which asks for its host's name; nobody answers names here.
    allow_reuse_address = True
    daemon_threads = True


class Server6(Server):
    address_family = socket.AF_INET6


def accept(host: str, port: int) -> None:
    server = socket.create_server((host, port))
    while True:
        server.accept()[0].close()


def answer_names(family: int, host: str) -> None:
    server = socket.socket(family, socket.SOCK_DGRAM)
    server.bind((host, 53))
    while True:
        data, sender = server.recvfrom(512)
        server.sendto(data, sender)


def main() -> None:
    Provider.shown = Path(sys.argv[1])
    servers = [
        Server((WORLD, PROVIDER), Provider),
        Server6((WORLD_6, PROVIDER), Provider),
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    for what, where in (
        (accept, (WORLD, DATABASE)),
        (accept, (WORLD, 53)),
        (answer_names, (socket.AF_INET, WORLD)),
        (answer_names, (socket.AF_INET6, WORLD_6)),
    ):
        threading.Thread(target=what, args=where, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
